"""One image to its pixels: the kinds of files that there are, and those that are no images."""

import contextlib
import zipfile

import numpy as np
import pytest
from pictures import encoded, noisy
from PIL import Image

from bigmodel.data.image.decode import Broken, ZipMember, decode, encode

RGB, GREY = (3, 8, 8), (1, 8, 8)
RAMP = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


def test_pixels_come_as_they_are_when_nothing_has_to_change():
    image = noisy((200, 100, 50), 0, side=8)
    wanted = np.asarray(image).transpose(2, 0, 1)
    for form in ("PNG", "WEBP", "BMP"):
        options = {"lossless": True} if form == "WEBP" else {}
        np.testing.assert_array_equal(decode(encoded(image, form, **options), RGB), wanted)


def test_bytes_paths_zip_members_and_arrays_are_the_same_image(tmp_path):
    image = noisy((20, 100, 50), 1, side=8)
    content = encoded(image)
    (tmp_path / "a.png").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/a.png", content)
    wanted = decode(content, RGB)
    sources = [
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        ZipMember(str(tmp_path / "a.zip"), "x/a.png"),
        np.asarray(image),
        wanted,
    ]
    for source in sources:
        np.testing.assert_array_equal(decode(source, RGB), wanted)


def test_jpeg_is_close_and_large_ones_are_fitted_from_the_centre():
    wide = Image.new("RGB", (1200, 400), "black")
    wide.paste("white", (400, 0, 800, 400))
    pixels = decode(encoded(wide, "JPEG"), RGB)
    assert pixels.shape == RGB
    assert pixels[:, :, 1:-1].min() > 240


def test_sixteen_bits_are_scaled_to_eight():
    deep = Image.fromarray(RAMP.astype(np.uint16) * 257)
    np.testing.assert_array_equal(decode(encoded(deep), GREY)[0], RAMP)
    np.testing.assert_array_equal(decode(encoded(deep), RGB)[2], RAMP)


def test_transparency_is_white():
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    palette = Image.new("P", (8, 8), 0)
    palette.info["transparency"] = 0
    half = Image.new("LA", (8, 8), (0, 128))
    assert decode(encoded(clear), RGB).min() == 255
    assert decode(encoded(palette, transparency=0), RGB).min() == 255
    assert abs(int(decode(encoded(half), GREY).mean()) - 127) < 2


def test_cmyk_and_palette_become_colours():
    red = Image.new("RGB", (8, 8), (250, 10, 10))
    for image, form in ((red.convert("CMYK"), "JPEG"), (red.quantize(4), "PNG")):
        mean = decode(encoded(image, form), RGB).mean(axis=(1, 2))
        np.testing.assert_allclose(mean, [250, 10, 10], atol=8)


def test_the_camera_was_held_upright():
    image = Image.fromarray(
        np.where(np.arange(8)[:, None] < 4, 255, 0).astype(np.uint8).repeat(8, 1)
    )
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    turned = decode(encoded(image, "JPEG", exif=exif, quality=95), GREY)[0]
    assert turned[:, :3].max() < 60
    assert turned[:, 5:].min() > 200


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_the_first_frame_of_an_animation_counts(form):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("white", "black", "black")]
    content = encoded(frames[0], form, save_all=True, append_images=frames[1:], duration=50)
    assert decode(content, GREY).min() > 250


def test_grey_and_colour_are_what_is_asked_for():
    assert decode(encoded(Image.fromarray(RAMP)), RGB).shape == RGB
    assert decode(encoded(noisy((9, 9, 200), 0, 8)), GREY).shape == GREY


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty", "is empty"),
        ("text", "is none of PNG, JPEG, WEBP, GIF, BMP, or damaged"),
        ("truncated", "is damaged"),
        ("zero", "or damaged"),
        ("bomb", "has too many pixels"),
    ],
)
def test_what_is_no_image_is_told(broken_images, name, reason):
    with pytest.raises(Broken, match=reason):
        decode(broken_images[name], RGB)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "is missing"),
        (float("nan"), "is missing"),
        ("", "is missing"),
        ("nowhere/at-all.png", "No such file"),
        (7, "is no image, path or bytes, but int"),
        (np.zeros((4, 4, 3)), "array of float64"),
        (np.zeros((0, 4, 3), np.uint8), "array of uint8"),
        (ZipMember("nowhere.zip", "a.png"), "No such file"),
    ],
)
def test_what_holds_no_image_is_told(source, reason):
    with pytest.raises(Broken, match=reason):
        decode(source, RGB)


@pytest.mark.parametrize("shape", [RGB, GREY])
def test_pixels_survive_being_written(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(decode(encode(pixels), shape), pixels)


def test_any_bytes_are_pixels_or_one_line(broken_images):
    good = encoded(noisy((90, 90, 90), 0), "JPEG")
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(good)
        for at in rng.integers(0, len(damaged), 5):
            damaged[at] = rng.integers(0, 256)
        with contextlib.suppress(Broken):
            assert decode(bytes(damaged), RGB).shape == RGB

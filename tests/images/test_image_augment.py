"""Augmentation of images: what each step does, and that a sample's fate is its own."""

import numpy as np
import pytest
import torch
from batches import SIDE, N, changed, draws, photos
from omegaconf import OmegaConf
from pictures import SMALL
from PIL import Image

from bigmodel import cli
from bigmodel.config import paths
from bigmodel.config.instantiate import instantiate
from bigmodel.data.augment.albumentations import Albumentations
from bigmodel.data.augment.augment import Augment
from bigmodel.data.augment.automatic import RandAugment, TrivialAugment
from bigmodel.data.augment.images import Affine, CutMix, Cutout, Flip, Noise, Shift
from bigmodel.data.augment.mixing import Mixup
from bigmodel.data.augment.operations import OPERATIONS
from bigmodel.data.batch import Batch
from bigmodel.errors import UserError

PRESETS = ("image_light", "image_strong", "trivialaugment", "randaugment", "cutmix", "image_mixup")


def preset(name: str) -> Augment:
    with_parts = OmegaConf.load(paths.CONF / "augment" / f"{name}.yaml")
    for parent in with_parts.pop("defaults", []):
        if parent != "_self_":
            base = OmegaConf.load(paths.CONF / "augment" / f"{parent}.yaml")
            with_parts = OmegaConf.merge(base, with_parts)
    return instantiate(with_parts)


STEPS = [
    Flip(), Flip(vertical=True), Shift(), Shift(reflect=False), Affine(probability=1.0), Noise(),
    Cutout(), TrivialAugment(), RandAugment(),
    Albumentations({"MotionBlur": {"p": 0.5}, "HueSaturationValue": {"p": 0.5}, "Rotate": {}}),
]  # fmt: skip


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_sample_has_its_own_fate_whatever_the_batch(step, channels):
    batch = photos(channels)
    before = batch.inputs["image"].clone()
    whole = changed(step, batch)
    some = torch.tensor([20, 3, 11])
    assert torch.equal(changed(step, batch.rows(some), some.numpy()), whole[some])
    assert whole.shape == before.shape
    assert whole.dtype == torch.uint8
    assert torch.equal(batch.inputs["image"], before)
    assert not torch.equal(whole, before)
    assert not torch.equal(changed(step, batch, epoch=1), whole)


def test_flips_mirror_about_half_of_the_images():
    batch = photos(n=200)
    image, flipped = batch.inputs["image"], changed(Flip(), batch)
    mirrored = (flipped == image.flip(3)).all(dim=(1, 2, 3))
    assert (mirrored | (flipped == image).all(dim=(1, 2, 3))).all()
    assert 70 < mirrored.sum() < 130


def test_shifts_move_whole_pixels_up_to_the_limit():
    image = torch.zeros(300, 1, SIDE, SIDE, dtype=torch.uint8)
    image[:, :, 8, 8] = 255
    batch = Batch({"image": image}, torch.zeros(300, dtype=torch.int64))
    place = changed(Shift(most=0.125, reflect=False), batch).flatten(1).argmax(1)
    down, right = place // SIDE - 8, place % SIDE - 8
    assert sorted(set(down.tolist())) == [-2, -1, 0, 1, 2]
    assert sorted(set(right.tolist())) == [-2, -1, 0, 1, 2]


def test_a_shifted_edge_is_the_image_mirrored():
    ramp = torch.arange(SIDE, dtype=torch.uint8).expand(50, 1, SIDE, SIDE).contiguous()
    moved = changed(Shift(), Batch({"image": ramp}, torch.zeros(50)))[:, 0, 0].int()
    assert set(moved[:, 0].tolist()) <= {0, 1, 2}
    assert (moved.diff(dim=1).abs() == 1).all()


def test_affine_turns_by_what_it_is_told():
    image = torch.zeros(100, 1, 33, 33, dtype=torch.uint8)
    image[:, :, 16, 22] = 255
    step = Affine(degrees=90, scale=0, shift=0, probability=1.0)
    moved = changed(step, Batch({"image": image}, torch.zeros(100)))[:, 0].float()
    place = moved.flatten(1).argmax(1)
    y, x = place // 33 - 16, place % 33 - 16
    radius = (x**2 + y**2).float().sqrt()
    assert (radius - 6).abs().max() < 1.5
    assert x.min() >= -1
    assert (y < -3).any()
    assert (y > 3).any()


def test_noise_has_the_deviation_that_it_is_told():
    grey = torch.full((64, 3, SIDE, SIDE), 128, dtype=torch.uint8)
    noisy = changed(Noise(sd=0.1, probability=1.0), Batch({"image": grey}, torch.zeros(64)))
    deviation = noisy.float().flatten(1).std(1)
    assert deviation.max() < 0.11 * 255
    assert 5 < deviation.mean() < 20


def test_cutout_greys_a_square():
    white = torch.full((64, 1, SIDE, SIDE), 255, dtype=torch.uint8)
    cut = changed(Cutout(size=0.5, probability=1.0), Batch({"image": white}, torch.zeros(64)))
    holes = (cut == 128).sum((1, 2, 3))
    assert holes.max() <= 81
    assert holes.min() >= 16
    assert ((cut == 128) | (cut == 255)).all()


def test_cutmix_shares_the_target_by_the_area():
    image = (torch.arange(32) * 8).to(torch.uint8)[:, None, None, None].expand(32, 1, SIDE, SIDE)
    batch = Batch({"image": image}, torch.arange(32))
    mixed = CutMix(probability=1.0)(batch, draws(np.arange(32)))
    own = (mixed.inputs["image"] == image).float().mean((1, 2, 3))
    torch.testing.assert_close(own, mixed.share)
    other = mixed.inputs["image"].flatten(1).float()
    for row in range(32):
        values = {int(v) // 8 for v in other[row].unique()}
        assert values <= {row, int(mixed.other[row])}
    assert 0.2 < mixed.share.mean() < 0.9


def test_mixup_mixes_pixels():
    mixed = Mixup(alpha=1.0)(photos(), draws(np.arange(N)))
    assert mixed.inputs["image"].dtype == torch.uint8
    assert (mixed.share < 1).any()


def test_rarer_classes_are_changed_more_often():
    image = torch.arange(SIDE, dtype=torch.uint8).expand(1000, 1, SIDE, SIDE).contiguous()
    target = (torch.arange(1000) < 20).long()  # 20 of class 1
    batch = Batch({"image": image}, target)
    augment = Augment({"flip": Flip(probability=0.3)}, tail=2.0)
    augment.bind(batch, torch.arange(1000), seed=0)
    rates = []
    for epoch in range(30):
        found = augment(batch, torch.arange(1000), epoch).inputs["image"]
        flipped = (found != image).any(dim=(1, 2, 3)).float()
        rates.append([flipped[target == k].mean().item() for k in (0, 1)])
    common, rare = np.mean(rates, axis=0)
    assert abs(common - 0.3) < 0.02
    assert abs(rare - 0.9) < 0.05


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_an_operation_keeps_size_and_mode(name, mode):
    image = Image.fromarray(photos().inputs["image"][0].permute(1, 2, 0).numpy()).convert(mode)
    for magnitude in (-1.0, 0.0, 1.0):
        found = OPERATIONS[name](image, magnitude)
        assert (found.size, found.mode) == (image.size, mode)


@pytest.mark.parametrize("name", ["rotate", "color", "contrast", "shear_x", "translate_y"])
def test_an_operation_without_strength_changes_nothing(name):
    image = Image.fromarray(photos().inputs["image"][0].permute(1, 2, 0).numpy())
    np.testing.assert_array_equal(np.asarray(OPERATIONS[name](image, 0.0)), np.asarray(image))


def test_images_are_needed():
    table = Batch({"numeric": torch.zeros(4, 1)}, torch.zeros(4))
    with pytest.raises(UserError, match="Flip changes images, and the data has none"):
        Flip().bind(table, torch.arange(4))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_preset_changes_images_the_same_way_each_time(name, channels):
    batch, rows = photos(channels), torch.arange(N)
    found = []
    for _ in range(2):
        augment = preset(name)
        augment.bind(batch, rows, seed=5)
        found.append(augment(batch, rows, 2).inputs["image"])
    assert torch.equal(*found)
    assert not torch.equal(found[0], batch.inputs["image"])


def test_a_preview_is_a_grid_of_images(here, colours):
    arguments = ["preview", "augment=cutmix", "data=images", f"data.path={colours}", "output=p.png"]
    assert cli.guarded(lambda: cli.dispatch(arguments)) == 0
    with Image.open(here / "p.png") as grid:
        assert grid.size == (9 * (96 + 4), 8 * (96 + 4))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data=images", "augment=none"], "name one, such as augment=image_light"),
        (["data=images", "augment=image_light", "output=p.jpg"], "must end with .png"),
        (["data=wine", "augment=image_light"], "use data=images"),
    ],
)
def test_a_preview_without_anything_to_show(here, colours, capsys, arguments, words):
    given = ["preview", *arguments]
    if "data=images" in arguments:
        given.append(f"data.path={colours}")
    assert cli.guarded(lambda: cli.dispatch(given)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


@pytest.mark.slow
def test_a_resumed_fit_sees_the_same_augmented_images(here, colours):
    """Two epochs, then one more, end where three at once end."""
    import bigmodel

    common = [
        *SMALL, f"data.path={colours}", "augment=cutmix", "callbacks.early_stopping=null",
        "optimizer.lr=0.01",
    ]  # fmt: skip
    whole = bigmodel.fit([*common, "trainer.max_epochs=3", f"hydra.run.dir={here / 'a'}"])
    bigmodel.fit([*common, "trainer.max_epochs=2", f"hydra.run.dir={here / 'b'}"])
    resumed = bigmodel.fit(["trainer.max_epochs=3", f"trainer.resume={here / 'b'}"])
    from safetensors.numpy import load_file

    one, other = (load_file(run.bundle / "model.safetensors") for run in (whole, resumed))
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name])

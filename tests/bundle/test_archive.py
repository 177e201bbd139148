import shutil

import pytest

from bigmodel.bundle import archive
from bigmodel.errors import UserError


@pytest.fixture
def copy(bundle, tmp_path):
    """A bundle that may be changed."""
    return shutil.copytree(bundle, tmp_path / "wine")


def test_reading_gives_every_file_but_the_manifest(bundle):
    content = archive.read(bundle)
    assert set(content.files) == {path.name for path in bundle.iterdir()} - {"manifest.json"}
    assert content.files["model.onnx"] == (bundle / "model.onnx").read_bytes()


def test_one_flipped_bit_is_refused_and_the_file_named(copy):
    damaged = bytearray((copy / "model.onnx").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (copy / "model.onnx").write_bytes(damaged)
    with pytest.raises(UserError, match=r"wine: model\.onnx: damaged or altered"):
        archive.read(copy)


def test_all_damaged_files_are_named_at_once(copy):
    (copy / "CARD.md").write_text("longer " * 1000)
    (copy / "postprocess.json").unlink()
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(UserError) as caught:
        archive.read(copy)
    named = [line.split(": ")[1].split()[0] for line in caught.value.lines]
    assert named == ["notes.txt", "CARD.md", "postprocess.json"]


def test_a_link_is_refused_even_when_its_content_is_right(copy):
    (copy / "CARD.md").rename(copy.parent / "outside.md")
    (copy / "CARD.md").symlink_to(copy.parent / "outside.md")
    with pytest.raises(UserError, match=r"'CARD\.md' does not belong in a bundle"):
        archive.read(copy)


@pytest.mark.parametrize("name", ["folder", ".hidden", "name with spaces"])
def test_folders_and_strange_names_are_refused(copy, name):
    (copy / name).mkdir() if name == "folder" else (copy / name).write_text("")
    with pytest.raises(UserError, match=f"'{name}' does not belong in a bundle"):
        archive.read(copy)


def test_a_directory_that_is_no_bundle_says_so(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(UserError, match=r"not a bigmodel bundle: there is no manifest\.json"):
        archive.read(tmp_path)


def test_a_path_where_nothing_is_says_so(tmp_path):
    with pytest.raises(UserError, match="no such bundle"):
        archive.read(tmp_path / "nowhere")


def test_a_huge_manifest_is_not_read(copy):
    with (copy / "manifest.json").open("r+b") as file:
        file.truncate(10 << 30)  # a hole: it takes no space
    with pytest.raises(UserError, match=r"manifest\.json: too large"):
        archive.read(copy)


def test_a_file_that_grew_huge_is_not_read(copy):
    with (copy / "model.onnx").open("r+b") as file:
        file.truncate(10 << 30)
    with pytest.raises(UserError, match=r"model\.onnx: damaged or altered"):
        archive.read(copy)

import io
import shutil
import warnings
import zipfile
from pathlib import Path

import pytest

from bigmodel.bundle import archive
from bigmodel.bundle.write import write_zip
from bigmodel.errors import UserError


@pytest.fixture
def zipped(bundle, tmp_path) -> Path:
    return write_zip(bundle, tmp_path / "wine.zip")


def foreign(bundle: Path, path: Path, **options) -> Path:
    """The bundle's files as another tool would zip them; `options` go to every entry."""
    with zipfile.ZipFile(path, "w") as packed:
        for file in bundle.iterdir():
            packed.write(file, file.name, **options)
    return path


def test_the_zip_holds_the_same_bundle(bundle, zipped):
    assert archive.read(zipped).files == archive.read(bundle).files
    assert archive.read(zipped).manifest == archive.read(bundle).manifest


def test_the_same_bundle_gives_the_same_bytes(bundle, zipped, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy", copy_function=shutil.copy)
    assert write_zip(copy, tmp_path / "again.zip").read_bytes() == zipped.read_bytes()


def test_a_damaged_directory_is_not_zipped(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (copy / "CARD.md").unlink()
    with pytest.raises(UserError, match=r"CARD\.md is missing"):
        write_zip(copy, tmp_path / "wine.zip")
    assert not (tmp_path / "wine.zip").exists()


def test_zips_of_other_tools_are_read(bundle, tmp_path):
    plain = Path(shutil.make_archive(str(tmp_path / "plain"), "zip", bundle))
    foldered = Path(
        shutil.make_archive(str(tmp_path / "foldered"), "zip", bundle.parent, bundle.name)
    )
    for path in (plain, foldered):
        assert archive.read(path).files == archive.read(bundle).files


def test_a_changed_file_in_a_foreign_zip_is_refused_by_name(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "wine")
    card = (copy / "CARD.md").read_text()
    (copy / "CARD.md").write_text(card.replace("wine", "beer"))
    with pytest.raises(UserError, match=r"CARD\.md: damaged or altered"):
        archive.read(foreign(copy, tmp_path / "wine.zip"))


@pytest.mark.parametrize("where", ["start", "time stamp", "end", "after the end"])
def test_every_byte_of_our_own_zip_counts(zipped, where):
    raw = bytearray(zipped.read_bytes())
    if where == "after the end":
        raw += b"\0"
    else:
        raw[{"start": 0, "time stamp": 10, "end": -1}[where]] ^= 1
    zipped.write_bytes(raw)
    with pytest.raises(UserError, match="damaged or altered: the zip's seal"):
        archive.read(zipped)


@pytest.mark.parametrize(
    "name", ["../CARD.md", "/etc/CARD.md", "folder/CARD.md", "..", ".hidden", "C:\\CARD.md"]
)
def test_names_that_lead_elsewhere_are_refused(bundle, tmp_path, name):
    path = foreign(bundle, tmp_path / "wine.zip")
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr(name, "here")
    with pytest.raises(UserError, match="does not belong in a bundle"):
        archive.read(path)


def test_a_whole_zip_that_leads_elsewhere_is_refused(bundle, tmp_path):
    with zipfile.ZipFile(tmp_path / "wine.zip", "w") as packed:
        for file in bundle.iterdir():
            packed.write(file, f"../{file.name}")
    with pytest.raises(UserError, match="does not belong in a bundle"):
        archive.read(tmp_path / "wine.zip")


def test_a_name_that_stands_twice_is_refused(bundle, tmp_path):
    path = foreign(bundle, tmp_path / "wine.zip")
    with zipfile.ZipFile(path, "a") as packed, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        packed.writestr("CARD.md", "another")
    with pytest.raises(UserError, match=r"'CARD\.md' does not belong in a bundle"):
        archive.read(path)


def test_a_link_in_a_zip_is_refused(bundle, tmp_path):
    path = foreign(bundle, tmp_path / "wine.zip")
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="'link' does not belong in a bundle"):
        archive.read(path)


def test_unusual_packings_are_refused(bundle, tmp_path):
    path = foreign(bundle, tmp_path / "wine.zip", compress_type=zipfile.ZIP_LZMA)
    with pytest.raises(UserError, match="unusual packing"):
        archive.read(path)


def test_a_zip_bomb_is_not_unpacked(bundle, tmp_path):
    path = foreign(bundle, tmp_path / "wine.zip")
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("bomb", bytes(64 << 20), zipfile.ZIP_DEFLATED, 9)
    with pytest.raises(UserError, match="unpacks to over 200 times its size"):
        archive.read(path)


@pytest.mark.parametrize("raw", [b"", b"PK", b"\x80\x04\x95 a pickle", b"%PDF-1.7"])
def test_other_files_say_what_is_wanted(tmp_path, raw):
    (tmp_path / "model.bin").write_bytes(raw)
    with pytest.raises(UserError, match="neither a directory nor a readable"):
        archive.read(tmp_path / "model.bin")


def test_a_foreign_zip_says_so(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("data.pkl", b"\x80\x04.")
    (tmp_path / "model.zip").write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match="not a bigmodel bundle"):
        archive.read(tmp_path / "model.zip")

import json
from pathlib import Path

import pytest

from bigmodel.bundle.manifest import Manifest
from bigmodel.errors import UserError

FILES = {"model.onnx": b"network", "schema.json": b"{}"}
HERE = Path("some/bundle")


def manifest() -> Manifest:
    return Manifest.describe(FILES, "wine", "multiclass", {"numpy": "2.0"})


def edited(**changes: object) -> bytes:
    content = json.loads(manifest().to_bytes()) | changes
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def test_a_manifest_is_read_back_as_it_was_written():
    assert Manifest.from_bytes(manifest().to_bytes(), HERE) == manifest()


def test_the_version_changes_with_every_file_and_every_word():
    first = manifest()
    other = Manifest.describe(FILES | {"model.onnx": b"Network"}, "wine", "multiclass", {})
    renamed = Manifest(**{**vars(first), "name": "beer"})
    assert len({first.version, other.version, renamed.version}) == 3


@pytest.mark.parametrize(
    "raw",
    [
        edited(name="beer"),
        edited(created="1999-01-01T00:00:00+00:00"),
        edited(version="0" * 64),
        edited(surplus=1),
        edited(files={}),
        edited(files={"model.onnx": "text"}),
        edited(files=None),
        manifest().to_bytes() + b" ",
        manifest().to_bytes().replace(b"\n", b"\r\n"),
    ],
    ids=["name", "created", "version", "surplus", "no files", "entry", "null", "space", "lines"],
)
def test_an_altered_manifest_is_refused_by_name(raw):
    with pytest.raises(UserError, match=r"some/bundle: manifest\.json: damaged or altered"):
        Manifest.from_bytes(raw, HERE)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x80\x04 pickle", "damaged: it is not JSON"),
        (b"[" * 100_000, "damaged: it is not JSON"),
        (b"[]", "not the manifest of a bigmodel bundle"),
        (b'{"name": "another tool"}', "not the manifest of a bigmodel bundle"),
        (b'{"format_version": 2}', "bundle format 2, but this bigmodel reads format 1; upgrade"),
    ],
    ids=["binary", "deep", "list", "foreign", "newer"],
)
def test_what_is_no_manifest_of_ours_says_so(raw, reason):
    with pytest.raises(UserError, match=reason):
        Manifest.from_bytes(raw, HERE)


def test_a_consistent_manifest_with_wrong_types_is_refused():
    forged = Manifest(**{**vars(manifest()), "libraries": {"numpy": 2}})
    with pytest.raises(UserError, match="damaged or altered"):
        Manifest.from_bytes(forged.to_bytes(), HERE)

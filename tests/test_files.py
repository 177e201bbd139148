"""Whatever the disk refuses, the old file stays, nothing is left over, and one line says so."""

import errno
import os
from pathlib import Path

import pytest

from bigmodel import files
from bigmodel.errors import BigmodelError


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, number: int, code: int) -> None:
    """Let the call `number` (from 0) of a function of `os`, or of `Path`, fail."""
    owner = Path if hasattr(Path, call) else os
    real, seen = getattr(owner, call), [0]

    def failing(*arguments, **settings):
        seen[0] += 1
        if seen[0] == number + 1:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **settings)

    monkeypatch.setattr(owner, call, failing)


FAULTS = [
    ("fsync", 0, errno.ENOSPC),  # the file's content
    ("fsync", 0, errno.EIO),
    ("replace", 0, errno.EROFS),
    ("chmod", 0, errno.EPERM),
]


@pytest.mark.parametrize(("call", "number", "code"), FAULTS)
def test_a_refused_write_leaves_the_old_file(tmp_path, monkeypatch, call, number, code):
    path = tmp_path / "notes.txt"
    files.write_text(path, "old")
    refuse(monkeypatch, call, number, code)
    with pytest.raises(BigmodelError) as refused:
        files.write_text(path, "new")
    (line,) = refused.value.lines
    assert line.startswith(f"{path}: cannot be written: {os.strerror(code)}; free some space")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def half_written(path: Path) -> None:
    with files.atomic(path) as file:
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_in_the_middle_of_a_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "numbers.bin"
    files.write_text(path, "old")
    with pytest.raises(BigmodelError, match="No space left"):
        half_written(path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_refused_sync_of_the_directory_is_said_and_loses_nothing(tmp_path, monkeypatch):
    path = tmp_path / "notes.txt"
    files.write_text(path, "old")
    refuse(monkeypatch, "fsync", 1, errno.EIO)
    with pytest.raises(BigmodelError, match="cannot be written"):
        files.write_text(path, "new")
    assert path.read_text() in ("old", "new")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_directory_that_is_a_file_is_said(tmp_path):
    (tmp_path / "run").write_text("in the way")
    with pytest.raises(BigmodelError, match=r"run/metrics\.json: cannot be written"):
        files.write_json(tmp_path / "run" / "metrics.json", {})


def fill(path: Path, text: str) -> None:
    with files.atomic_directory(path) as temporary:
        files.write_text(temporary / "a.txt", text)
        files.write_text(temporary / "b.txt", text)


@pytest.mark.parametrize(
    ("call", "number"),
    [("fsync", 0), ("fsync", 1), ("fsync", 2), ("fsync", 4), ("replace", 0), ("replace", 2),
     ("replace", 3)],
)  # fmt: skip
def test_a_refused_directory_leaves_the_old_one(tmp_path, monkeypatch, call, number):
    path = tmp_path / "bundle"
    fill(path, "old")
    refuse(monkeypatch, call, number, errno.ENOSPC)
    with pytest.raises(BigmodelError, match="cannot be written: No space left on device"):
        fill(path, "new")
    assert {file.read_text() for file in path.iterdir()} == {"old"}
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_a_directory_put_aside_by_a_killed_process_comes_back(tmp_path):
    fill(tmp_path / "bundle", "old")
    (tmp_path / "bundle").rename(tmp_path / ".old-bundle")  # killed before the second rename
    with pytest.raises(ZeroDivisionError), files.atomic_directory(tmp_path / "bundle"):
        raise ZeroDivisionError
    assert (tmp_path / "bundle" / "a.txt").read_text() == "old"
    fill(tmp_path / "bundle", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_leftovers_of_killed_processes_are_removed_and_nothing_else(tmp_path):
    (tmp_path / ".tmp-file").write_text("half")
    (tmp_path / ".tmp-folder").mkdir()
    (tmp_path / ".tmp-folder" / "x").write_text("half")
    (tmp_path / "kept.txt").write_text("whole")
    files.clean_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]

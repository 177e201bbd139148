"""Whatever the disk refuses, the old file stays, nothing is left over, and one line says so."""

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bigmodel import files
from bigmodel.errors import BigmodelError
from bigmodel.training import checkpoints


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
    ("mkdir", 0, errno.EROFS),  # a read-only file system, also for the superuser
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


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may become larger than 100 kB: the system itself refuses, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("numbers", [30_000, 300_000])
def test_a_checkpoint_that_does_not_fit_leaves_the_old_one(tmp_path, small_disk, numbers):
    path, writer = tmp_path / "last.ckpt", checkpoints.AtomicCheckpointIO()
    writer.save_checkpoint({"weights": torch.ones(3)}, path)
    with pytest.raises(BigmodelError) as refused:
        writer.save_checkpoint({"weights": torch.zeros(numbers)}, path)
    (line,) = refused.value.lines
    assert line.startswith(f"{path}: cannot be written: File too large; free some space")
    assert checkpoints.load(path)["weights"].tolist() == [1, 1, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_disk_that_refuses_the_cleaning_up_too_is_one_line(tmp_path, monkeypatch):
    refuse(monkeypatch, "fsync", 0, errno.EIO)
    refuse(monkeypatch, "unlink", 0, errno.EROFS)
    with pytest.raises(BigmodelError, match="cannot be written: Input/output error"):
        files.write_text(tmp_path / "notes.txt", "new")
    files.clean_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())


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
    [
        *(("fsync", number) for number in range(7)),  # two a file, then both files and the folder
        *(("replace", number) for number in range(4)),  # the files, the old and the new directory
    ],
)
def test_a_refused_directory_leaves_the_old_one(tmp_path, monkeypatch, call, number):
    path = tmp_path / "bundle"
    fill(path, "old")
    refuse(monkeypatch, call, number, errno.ENOSPC)
    with pytest.raises(BigmodelError) as refused:
        fill(path, "new")
    (line,) = refused.value.lines
    assert line.startswith(f"{path}: cannot be written: No space left on device; free some space")
    assert {file.read_text() for file in path.iterdir()} == {"old"}
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def killed_between_the_renames(path: Path) -> None:
    """What a killed writer leaves: the new directory beside, the old one set aside."""
    fill(path, "old")
    path.rename(path.with_name(f".tmp-{path.name}.old"))
    path.with_name(f".tmp-{path.name}.new").mkdir()


def test_a_directory_put_aside_by_a_killed_process_comes_back_to_the_next_writer(tmp_path):
    killed_between_the_renames(tmp_path / "bundle")
    with pytest.raises(ZeroDivisionError), files.atomic_directory(tmp_path / "bundle"):
        raise ZeroDivisionError
    assert (tmp_path / "bundle" / "a.txt").read_text() == "old"
    fill(tmp_path / "bundle", "new")
    assert (tmp_path / "bundle" / "a.txt").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_a_directory_put_aside_by_a_killed_process_comes_back_to_the_next_start(tmp_path):
    killed_between_the_renames(tmp_path / "bundle")
    files.clean_leftovers(tmp_path)
    assert (tmp_path / "bundle" / "a.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_a_replaced_directory_that_a_killed_process_left_is_removed(tmp_path):
    fill(tmp_path / "bundle", "new")
    fill(tmp_path / ".tmp-bundle.old", "old")
    files.clean_leftovers(tmp_path)
    assert (tmp_path / "bundle" / "a.txt").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_every_file_of_a_directory_is_synced_before_it_appears(tmp_path, monkeypatch):
    synced, real = [], os.fsync

    def noting(handle: int) -> None:
        synced.append((Path(f"/proc/self/fd/{handle}").readlink().name, path.exists()))
        real(handle)

    path = tmp_path / "bundle"
    monkeypatch.setattr(os, "fsync", noting)
    with files.atomic_directory(path) as temporary:
        (temporary / "part").mkdir()
        (temporary / "part" / "plain.txt").write_text("not written with `atomic`")
    before = {name for name, there in synced if not there}
    assert {"plain.txt", "part", ".tmp-bundle.new"} <= before
    assert synced[-1] == (tmp_path.name, True)


def test_leftovers_of_killed_processes_are_removed_and_nothing_else(tmp_path):
    (tmp_path / ".tmp-file").write_text("half")
    (tmp_path / ".tmp-folder").mkdir()
    (tmp_path / ".tmp-folder" / "x").write_text("half")
    (tmp_path / "kept.txt").write_text("whole")
    files.clean_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]

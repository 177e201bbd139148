"""Encoded tables are kept, found again, shared, and never half there."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bigmodel.data import cache
from bigmodel.data.prepare import Prepared
from bigmodel.data.splits import Split
from bigmodel.data.tables import CsvData
from bigmodel.errors import UserError


def settle() -> None:
    """Wait until the cache is written."""
    for thread in threading.enumerate():
        if thread.name == "cache":
            thread.join()


@pytest.fixture
def table(people, write) -> Path:
    return write(people.to_csv(index=False))


def prepare(path: Path, **settings: object) -> Prepared:
    prepared = CsvData(str(path), **{"target": "y", **settings}).prepared
    settle()
    return prepared


def is_mapped(prepared: Prepared) -> bool:
    """Whether the arrays are those of a file."""
    return isinstance(prepared.inputs.numeric.base, np.memmap)


def assert_equal(ours: Prepared, theirs: Prepared) -> None:
    assert ours.schema == theirs.schema
    assert ours.quality == theirs.quality
    pd.testing.assert_frame_equal(ours.sample, theirs.sample)
    assert ours.inputs.named().keys() == theirs.inputs.named().keys()
    for name, array in ours.inputs.named().items():
        np.testing.assert_array_equal(array, theirs.inputs.named()[name])
    for name in ("target", "split", "group", "side"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
        assert getattr(ours, name).dtype == getattr(theirs, name).dtype
    encoded = zip(
        ours.encoder.transform(ours.sample), theirs.encoder.transform(ours.sample), strict=True
    )
    for mine, other in encoded:
        np.testing.assert_array_equal(mine, other)


def test_groups_are_kept(people, write):
    people["g"] = np.arange(len(people)) // 7
    path = write(people.to_csv(index=False))
    split = Split(by="group", column="g")
    first, again = prepare(path, split=split), prepare(path, split=split)
    same = first.group[:, None] == first.group[None, :]
    np.testing.assert_array_equal(same, people["g"].to_numpy()[:, None] == people["g"].to_numpy())
    assert_equal(first, again)
    assert len(prepare(path).group) == 0


def test_the_second_time_the_same_table_comes_from_the_cache(table):
    first, second = prepare(table), prepare(table)
    assert not is_mapped(first)
    assert is_mapped(second)
    assert_equal(first, second)


def test_a_cached_table_trains_batches(table):
    prepare(table)
    data = CsvData(str(table), target="y", batch_size=40)
    batch = next(iter(data.train_dataloader()))
    numeric, target = batch.inputs["numeric"], batch.target
    assert len(numeric) == len(target) == 40
    assert is_mapped(data.prepared)
    numeric += 1  # what a batch becomes must never reach the file
    assert_equal(data.prepared, prepare(table, cache=False))


def test_a_table_without_categories_is_kept_too(write):
    path = write("n,x,y\n" + "1,2,a\n3,4,b\n" * 20)
    assert_equal(prepare(path), prepare(path))
    assert prepare(path).inputs.categorical.shape == (40, 0)


def test_content_counts_not_the_name_or_the_time(table, tmp_path):
    prepare(table)
    os.utime(table, (1, 1))
    copy = shutil.copy(table, tmp_path / "copy.csv")
    assert is_mapped(prepare(table))
    assert is_mapped(prepare(copy))
    assert len(cache.entries()) == 1


def test_a_change_of_the_content_is_seen_even_with_the_old_size_and_time(table):
    stamp = table.stat()
    os.utime(table, (1, 1))
    prepare(table)
    text = table.read_text()
    table.write_text(text.replace("Rome", "Bonn"))
    os.utime(table, (1, 1))
    assert table.stat().st_size == stamp.st_size
    found = prepare(table)
    assert not is_mapped(found)
    assert "Bonn" in found.schema.columns[3].categories


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"target": "city"},
        {"drop": ["zip"]},
        {"kinds": {"age": "categorical"}},
        {"split": Split(ratios=[1, 1, 1])},
        {"quality": False},
        {"encoding": "utf-8"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_other_settings_are_another_table(table, changed):
    prepare(table)
    assert not is_mapped(prepare(table, **changed))
    assert is_mapped(prepare(table, **changed))
    assert len(cache.entries()) == 2


def test_the_batch_size_is_no_reason_to_read_again(table):
    prepare(table)
    assert is_mapped(prepare(table, batch_size=7))


def test_without_the_cache_nothing_is_written(table, own_cache):
    prepare(table, cache=False)
    assert not own_cache.exists()


def test_a_wrong_table_leaves_nothing_behind(write, complaint):
    complaint(write("x,y\n1,2\n3\n"))
    settle()
    assert cache.entries() == []


@pytest.mark.parametrize("file", ["numeric.npy", "table.json", "encoder.safetensors", "target.npy"])
@pytest.mark.parametrize("damage", ["cut", "gone", "noise"])
def test_a_damaged_entry_is_made_anew(table, file, damage):
    first = prepare(table)
    (entry,) = cache.entries()
    path = entry.path / file
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-7] if damage == "cut" else os.urandom(500))
    second = prepare(table)
    assert not is_mapped(second)
    assert_equal(first, second)
    assert is_mapped(prepare(table))


def test_the_least_recently_used_goes_when_the_limit_is_reached(table, monkeypatch):
    for seed in range(3):
        prepare(table, seed=seed)
    for age, entry in enumerate(cache.entries()):
        os.utime(entry.path / "table.json", (1e9 - age, 1e9 - age))
    first, second, third = (entry.path for entry in cache.entries())
    size = max(entry.bytes for entry in cache.entries())
    monkeypatch.setenv("BIGMODEL_CACHE_GB", str(2.5 * size / 1e9))
    prepare(table, seed=3)
    left = [entry.path for entry in cache.entries()]
    assert third in left
    assert len(left) == 2
    assert not first.exists()
    assert not second.exists()


def test_use_makes_an_entry_young_again(table):
    for seed in range(2):
        prepare(table, seed=seed)
    for entry in cache.entries():
        os.utime(entry.path / "table.json", (1e9, 1e9))
    prepare(table, seed=0)
    old, young = cache.entries()
    assert old.used == 1e9
    assert young.used > 1e9


def test_clearing_frees_everything(table):
    prepare(table)
    (entry,) = cache.entries()
    assert cache.clear() == entry.bytes
    assert cache.entries() == []
    assert not is_mapped(prepare(table))


def test_a_table_that_is_open_survives_the_clearing(table):
    prepare(table)
    opened = prepare(table)
    cache.clear()
    assert_equal(opened, prepare(table, cache=False))


def test_a_cache_that_cannot_be_written_only_costs_time(table, own_cache, caplog):
    own_cache.write_text("a file where the directory should be")
    assert len(prepare(table).split) == 240
    assert "the cache is not used" in caplog.text


def test_a_limit_that_is_no_number_is_an_error(table, monkeypatch):
    monkeypatch.setenv("BIGMODEL_CACHE_GB", "lots")
    with pytest.raises(UserError, match=r"^BIGMODEL_CACHE_GB=lots: must be a number of gigabytes$"):
        prepare(table)


CODE = """
import sys
from pathlib import Path
from bigmodel.data.cache import cached, folder
from bigmodel.data.fingerprint import fingerprint
from bigmodel.data.prepare import Settings, prepare
from bigmodel.data.reading import read_frame
from bigmodel.data.splits import Split
path = Path(sys.argv[1])
settings = Settings("y", None, Split(), None, 0)
key = fingerprint([path], settings, folder() / "files")
prepared = cached(key, lambda: prepare({0: read_frame(path)}, settings))
print(repr(float(prepared.inputs.numeric.sum())), int(prepared.split.sum()))
"""


def start(table: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", CODE, str(table)], stdout=subprocess.PIPE, text=True
    )


def answer(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return output


def test_processes_at_once_make_one_entry(table, own_cache):
    processes = [start(table) for _ in range(4)]
    assert len({answer(process) for process in processes}) == 1
    assert len(cache.entries()) == 1
    assert not list(own_cache.rglob(".tmp-*"))


@pytest.mark.slow
def test_a_kill_at_any_moment_of_writing_leaves_no_half_entry(table, own_cache):
    expected = answer(start(table))
    for files_written in range(6):
        shutil.rmtree(own_cache)
        process = start(table)
        while process.poll() is None:
            if len(list(own_cache.glob("tables/.tmp-*/*"))) >= files_written:
                process.send_signal(signal.SIGKILL)
        process.wait()
        assert answer(start(table)) == expected
        assert len(cache.entries()) == 1

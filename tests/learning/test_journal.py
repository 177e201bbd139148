"""The event log: nothing lost, nothing twice, every version rebuilt bit for bit."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from streams import WARM, learner_of, stream

from bigmodel.errors import BigmodelError, UserError
from bigmodel.learning.arrays import digest
from bigmodel.learning.experts import RLS, SGD, Frozen, LastLabel
from bigmodel.learning.journal.keeper import Keeper, Log
from bigmodel.learning.journal.store import NAME, Event
from bigmodel.learning.lift import Lift
from bigmodel.learning.settings import Learning

ROWS, LABELS = stream(600, turn=400)


def small_learner():
    kinds = {"static": Frozen(), "lin": RLS(inputs="raw"), "sgd": SGD(), "last": LastLabel()}
    return learner_of(Learning(experts=kinds, lift=Lift(fourier=8)))


def keeper_at(place, every=4):
    return Keeper(small_learner(), place, "model-1", Log(snapshot_every=every, keep=2))


def events(keeper, start, stop):
    """Labels of rows that the keeper's live version answers now."""
    _, memos = keeper.live.answer(ROWS[start:stop])
    labels = LABELS[start:stop].tolist()
    return [
        Event(f"p-{start + index}", memo, label, f"s{index % 3}")
        for index, (memo, label) in enumerate(zip(memos.packed(), labels, strict=True))
    ]


def feed(keeper, start, stop, block=16):
    for first in range(start, stop, block):
        keeper.append(events(keeper, first, min(stop, first + block)))
        keeper.step(block)


def test_a_label_counts_once(tmp_path):
    keeper = keeper_at(tmp_path)
    given = events(keeper, WARM, WARM + 5)
    assert keeper.append(given) == [True] * 5
    assert keeper.append([*given[:2], *events(keeper, WARM + 5, WARM + 6)]) == [False, False, True]
    report = keeper.step(64)
    assert report.learnt + report.anchored == 6
    assert keeper.step(64) is None
    assert keeper.journal.waiting() == 0


def test_a_new_process_goes_on_where_the_last_one_was(tmp_path):
    keeper = keeper_at(tmp_path)
    feed(keeper, WARM, WARM + 110)
    keeper.append(events(keeper, WARM + 110, WARM + 120))  # not learnt yet
    again = keeper_at(tmp_path)
    assert again.live.version == keeper.live.version == 7
    assert digest(again.learner.state()) == digest(keeper.learner.state())
    report = again.step(64)
    assert report.learnt + report.anchored == 10


def test_any_version_is_rebuilt_without_its_files(tmp_path):
    keeper = keeper_at(tmp_path)
    feed(keeper, WARM, WARM + 160)
    for version in keeper.journal.versions():
        keeper.rebuild(version.version)
        assert digest(keeper.learner.state()) == version.sha256
    for number, path in enumerate(sorted((tmp_path / "snapshots").iterdir())):
        if number:
            path.write_bytes(path.read_bytes()[:-7])  # torn
        else:
            path.unlink()
    again = keeper_at(tmp_path)
    assert again.live.version == 10


def test_rollback_is_a_version_of_its_own(tmp_path):
    keeper = keeper_at(tmp_path)
    feed(keeper, WARM, WARM + 96)
    keeper.rebuild(3)
    answers = keeper.learner.live.predict(ROWS[:20])
    keeper.rebuild(6)
    assert keeper.rollback(3) == 7
    assert (keeper.live.predict(ROWS[:20]) == answers).all()
    feed(keeper, WARM + 96, WARM + 128)
    parents = {v.version: v.parent for v in keeper.journal.versions()}
    assert parents == {0: None, 1: 0, 2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 3, 8: 7, 9: 8}
    again = keeper_at(tmp_path)
    assert digest(again.learner.state()) == digest(keeper.learner.state())
    with pytest.raises(UserError, match="no version 99"):
        again.rollback(99)


def test_a_log_belongs_to_one_model(tmp_path):
    keeper_at(tmp_path)
    with pytest.raises(UserError, match="the log of model version model-1"):
        Keeper(small_learner(), tmp_path, "model-2")


def test_other_bits_are_told_and_so_are_other_libraries(tmp_path):
    keeper = keeper_at(tmp_path, every=100)
    feed(keeper, WARM, WARM + 48)
    with sqlite3.connect(tmp_path / NAME) as db:
        db.execute("update events set label = 1 - label where seq = 5 and label < 2")
        db.execute("update events set label = 0 where seq = 5 and label = 2")
    with pytest.raises(BigmodelError, match="cannot be rebuilt"):
        keeper.rebuild(3)
    with sqlite3.connect(tmp_path / NAME) as db:
        db.execute("update versions set libraries = ?", (json.dumps({"numpy": "1.0"}),))
    lines = []
    keeper.rebuild(3, lines.append)
    assert any("not the same bits" in line and "numpy 1.0 -> " in line for line in lines)


def test_after_kills_nothing_is_lost_and_nothing_learnt_twice(tmp_path):
    told = tmp_path / "acknowledged"
    told.touch()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, __file__, str(tmp_path / "log"), str(told)]
    for kill in range(3):
        before = told.stat().st_size
        process = subprocess.Popen(command, env=environment)
        while told.stat().st_size < before + 40 + 17 * kill and process.poll() is None:
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    keeper = Keeper(small_learner(), tmp_path / "log", "model-1")
    while keeper.step(16) is not None:
        pass
    acknowledged = told.read_text().split()
    kept = [event.id for event in keeper.journal.between(0, 10**9)]
    assert len(acknowledged) >= 12
    assert set(acknowledged) <= set(kept)
    ranges = [(v.first, v.last) for v in keeper.journal.versions() if v.last >= v.first]
    assert [number for first, last in ranges for number in range(first, last + 1)] == list(
        range(1, len(kept) + 1)
    )
    for path in (tmp_path / "log" / "snapshots").iterdir():
        path.unlink()
    again = Keeper(small_learner(), tmp_path / "log", "model-1")  # compares the bits
    assert again.live.version == keeper.live.version


def _serve(place: Path, told: Path) -> None:
    """Answer and learn until killed; ids are acknowledged when their labels are on disk."""
    keeper = keeper_at(place)
    start = WARM + len(told.read_text().split())
    with told.open("a") as file:
        for row in range(start, len(ROWS), 4):
            given = events(keeper, row, row + 4)
            keeper.append(given)
            file.write("".join(f"{event.id}\n" for event in given))
            file.flush()
            keeper.step(16)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), Path(sys.argv[2]))

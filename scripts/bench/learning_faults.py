"""What goes wrong: a hostile source, readers while it learns, kills. Part of learning.py."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import common
import learning_cells as cells
import numpy as np

from bigmodel.learning.arrays import digest
from bigmodel.learning.journal.keeper import Keeper, Log
from bigmodel.learning.journal.store import Event
from bigmodel.learning.streaming import follow

Found = tuple[list[dict[str, Any]], list[dict[str, Any]]]
HONEST = 50


def poison(given: Any) -> Found:
    """60 % of labels from one source that flips them, in rows 1500 to 3500."""
    rows = 3_000 if given.quick else 6_000
    began, ended = rows // 4, rows * 7 // 12
    path = cells.stream("hyperplane", 0, rows, given)
    X, y, warm = cells.static(path, 0)
    rng = np.random.default_rng(0)
    sources = np.array([f"honest {who}" for who in rng.integers(0, HONEST, len(y))], dtype=object)
    hostile = (
        (np.arange(len(y)) >= began) & (np.arange(len(y)) < ended) & (rng.random(len(y)) < 0.6)
    )
    hit: dict[str, dict[str, float]] = {}
    for name, wrong in (("clean", np.zeros(len(y), bool)), ("poisoned", hostile)):
        learner = cells.warmed("full", X[:warm], y[:warm], 0)
        told = np.where(wrong, 1 - y, y)
        who = np.where(wrong, "hostile", sources)
        given_by = tuple(who[warm:].tolist())
        trace = follow(learner, X[warm:], told[warm:], block=16, sources=given_by)
        right = np.concatenate([np.zeros(warm, bool), trace.answers.argmax(axis=1) == y[warm:]])
        parts = {"during": right[began:ended], "after": right[ended:]}
        hit[name] = {part: 100 * float(values.mean()) for part, values in parts.items()}
    lines = [
        {"labels": name, **{k: round(v, 2) for k, v in found.items()}}
        for name, found in hit.items()
    ]
    return lines, [
        common.target(f"points lost {part} 60 % hostile labels",
                      hit["clean"][part] - hit["poisoned"][part], "<=", bound)
        for part, bound in (("during", 5.0), ("after", 1.0))
    ]  # fmt: skip


def readers(given: Any) -> Found:
    """Two threads ask every published version, and ask it again later."""
    path = cells.stream("hyperplane", 0, 1_500 if given.quick else 4_000, given)
    X, y, warm = cells.static(path, 0)
    learner = cells.warmed("full", X[:warm], y[:warm], 0)
    stop, torn, reads = threading.Event(), [], []

    def read() -> None:
        while not stop.is_set():
            live = learner.live
            first, second = live.predict(X[:8]).tobytes(), live.predict(X[:8]).tobytes()
            torn.append(first != second)
            reads.append(live.version)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    follow(learner, X[warm:], y[warm:], block=16)
    stop.set()
    for thread in threads:
        thread.join()
    lines = [{"reads": len(reads), "of versions": len(set(reads)), "torn": sum(torn)}]
    return lines, [common.target("torn reads", float(sum(torn)), "<=", 0)]


def kills(given: Any) -> Found:
    """Killed while it learns, again and again; then events are counted and bits compared."""
    count, lost, twice = 3 if given.quick else 20, 0, 0
    path = cells.stream("hyperplane", 0, 10_000 if given.quick else 100_000, given)  # enough
    with tempfile.TemporaryDirectory() as folder:
        place, told = Path(folder) / "log", Path(folder) / "told"
        told.touch()
        command = [sys.executable, __file__, str(path), str(place), str(told)]
        rng = np.random.default_rng(0)
        for _ in range(count):
            before = told.stat().st_size
            process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
            while told.stat().st_size == before and process.poll() is None:
                time.sleep(0.01)
            time.sleep(float(rng.uniform(0, 0.5)))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        keeper = _keeper(path, place)
        while keeper.step(16) is not None:
            pass
        versions = keeper.journal.versions()
        used = [n for v in versions for n in range(v.first, v.last + 1)]
        known = {event.id for event in keeper.journal.between(0, 10**9)}
        acknowledged = told.read_text().split()
        lost, twice = len(set(acknowledged) - known), len(used) - len(set(used))
        for file in (place / "snapshots").iterdir():
            file.unlink()
        rebuilt = _keeper(
            path, place
        ).learner  # from the first version on; raises where bits differ
        same = digest(rebuilt.state()) == digest(keeper.learner.state())
    lines = [{"kills": count, "acknowledged": len(acknowledged), "versions": len(versions)}]
    return lines, [
        common.target("acknowledged events lost", float(lost), "<=", 0),
        common.target("events learnt twice", float(twice), "<=", 0),
        common.target("replay is the same bit for bit", float(same), ">=", 1),
    ]


def _keeper(path: Path, place: Path) -> Keeper:
    X, y, warm = cells.static(path, 0)
    learner = cells.warmed("fast", X[:warm], y[:warm], 0)
    return Keeper(learner, place, "benchmark", Log(snapshot_every=10))


def _serve(path: Path, place: Path, told: Path) -> None:
    X, y, warm = cells.static(path, 0)
    keeper = _keeper(path, place)
    start = warm + len(told.read_text().split())
    with told.open("a") as file:
        for row in range(start, len(y) - 16, 16):
            _, memos = keeper.live.answer(X[row : row + 16])
            given = zip(memos.packed(), y[row : row + 16].tolist(), strict=True)
            events = [Event(f"{row + i}", memo, label) for i, (memo, label) in enumerate(given)]
            keeper.append(events)
            file.write("".join(f"{event.id}\n" for event in events))
            file.flush()
            keeper.step(16)


if __name__ == "__main__":
    _serve(*map(Path, sys.argv[1:4]))

"""Real processes on one study: joined, killed with kill -9, replaced."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from studies import QUICK, board, directories, written

BIGMODEL = str(Path(sys.executable).with_name("bigmodel"))
SLOW = [*QUICK, "trainer.max_epochs=30", "search=random", "search.presets=false",
        "optimizer.lr=tag(log,interval(1e-4,1e-2))", "search.study=s"]  # fmt: skip


def started(*given: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "bigmodel.train", "-m", *SLOW, *given]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(found, *processes: subprocess.Popen) -> None:
    while not found():
        for process in processes:
            assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def ended(process: subprocess.Popen) -> str:
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return said


def workers_of(process: subprocess.Popen) -> list[int]:
    """The worker processes that a search has started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]


def whole(place: Path, total: int) -> None:
    rows = board(place)
    assert {row["state"] for row in rows} == {"complete"}
    assert sorted(int(row["trial"]) for row in rows) == directories(place) == list(range(total))
    assert len({row["optimizer.lr"] for row in rows}) == total
    assert (place / "best" / "bundle" / "manifest.json").exists()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for workers in /proc")
@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_trial_goes_on(here):
    place = here / "sweeps" / "s"
    search = started("search.n_trials=6", "search.workers=2")
    wait_for(lambda: list(place.glob("*/metrics.json")), search)
    before = {number for number in directories(place) if (place / str(number)).exists()}
    os.kill(workers_of(search)[0], signal.SIGKILL)
    said = ended(search)
    assert "a worker was killed (-9); another one goes on" in said
    assert before <= set(directories(place))
    whole(place, 6)


@pytest.mark.slow
def test_processes_that_are_started_apart_join_one_study_and_one_is_killed(here):
    place, url = here / "sweeps" / "s", f"search.storage=sqlite:///{here}/study.db"
    one, other = started("search.n_trials=5", url), started("search.n_trials=5", url)
    wait_for((place / "leaderboard.csv").exists, one, other)
    finished = [row["trial"] for row in board(place) if row["state"] == "complete"]
    before = {name: t for name, t in written(place).items() if name.split("/")[0] in finished}
    one.kill()
    one.communicate()
    ended(other)
    whole(place, 5)
    after = written(place)
    changed = [name for name, at in before.items() if after.get(name) != at]
    assert all("/checkpoints/" in name for name in changed)  # of who is not the best

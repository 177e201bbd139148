"""Searches of two workers killed at random moments (kill -9, one of them or both), then run again.

Each kill is a study of its own, on a journal or on SQLite. What had ended before the kill must be
there afterwards, untouched; the same command must end with 0, with the exact number of trials,
none of them running, each in a directory of its own; and once more it must change nothing.
"""

import csv
import os
import random
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import warm

TRIALS = 8
SETTINGS = [
    "-m", "search=asha", "data=digits", "data.quality=false", "data.batch_size=64",
    "model.network.hidden=[32]", "trainer.max_epochs=9", "search.rungs.first=1",
    "callbacks.checkpoints.every_seconds=0.2", f"search.n_trials={TRIALS}",
]  # fmt: skip
TRIES = 5  # a study may end before it is killed
STATE = ("checkpoints", "members")  # removed on purpose where a trial has ended


@dataclass
class Study:
    """One study and what is known of it."""

    place: Path
    storage: str
    given: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.given = [*SETTINGS, f"hydra.sweep.dir={self.place}", f"search.study={self.place.name}"]
        if self.storage == "sqlite":
            self.given.append(f"search.storage=sqlite:///{self.place}.db")

    def start(self, name: str) -> int:
        return warm.train(self.given, self.place.with_name(f"{self.place.name}-{name}.txt"))

    def trials(self) -> list[Any]:
        from bigmodel.search.record import Record

        url = f"sqlite:///{self.place}.db" if self.storage == "sqlite" else None
        return Record(self.place, url, self.place.name, ["max"]).trials()

    def ended(self) -> dict[int, tuple[Any, ...]]:
        """Each trial that has ended: its values, and the files of its directory."""
        return {
            t.number: (t.state, t.values, files(self.place / str(t.number)))
            for t in self.trials()
            if t.state.is_finished()
        }


def files(directory: Path) -> dict[str, int]:
    """When each file was written, but for those that are removed on purpose."""
    return {
        str(path.relative_to(directory)): path.stat().st_mtime_ns
        for path in directory.rglob("*")
        if path.is_file() and not any(part in STATE for part in path.parts)
    }


def killed(study: Study, moment: random.Random, span: float) -> list[int] | None:
    """Start two workers and kill one or both; the other one, or None when the study had ended."""
    workers = [study.start("a"), study.start("b")]
    warm.wait_for(study.place / ".lock", workers[0])
    time.sleep(moment.uniform(0, span))
    victims = moment.choice([workers[:1], workers[1:], workers])
    for process in victims:
        os.killpg(process, signal.SIGKILL)
    codes = [warm.ended(process) for process in victims]
    others = [process for process in workers if process not in victims]
    if any(code == -signal.SIGKILL for code in codes):
        return others
    for process in others:
        warm.ended(process)
    return None


def one(study: Study, moment: random.Random, span: float) -> dict[str, int]:
    """One kill, and the same command again."""
    others = killed(study, moment, span)
    if others is None:
        return {}
    before = study.ended()
    running = sum(t.state.name == "RUNNING" for t in study.trials())
    codes = [warm.ended(study.start("again")), *map(warm.ended, others)]
    after, every = study.ended(), study.trials()
    board = (study.place / "leaderboard.csv").read_text()
    directories = len(list(study.place.glob("[0-9]*/log.txt")))
    codes.append(warm.ended(study.start("once-more")))
    rows = list(csv.DictReader(board.splitlines()))
    same = (study.place / "leaderboard.csv").read_text() == board
    return {
        "kills": 1, "of both": not others, "ended before": len(before), "running then": running,
        "exit codes": sum(code != 0 for code in codes),
        "wrong total": sum(t.state.name in ("COMPLETE", "PRUNED") for t in every) != TRIALS,
        "left running": sum(not t.state.is_finished() for t in every),
        "numbers twice": len(every) - len({t.number for t in every}),
        "overwritten or lost": sum(after.get(number) != what for number, what in before.items()),
        "wrong leaderboard": not len(rows) == len(every) == directories,
        "not the same once more": not same or len(study.trials()) != len(every),
    }  # fmt: skip


WRONG = ("exit codes", "wrong total", "left running", "numbers twice", "overwritten or lost",
         "wrong leaderboard", "not the same once more")  # fmt: skip


def span_of(folder: Path, storage: str) -> float:
    """Seconds that two undisturbed workers take, from the first look at the record to the end."""
    study = Study(folder / f"{storage}-undisturbed", storage)
    workers = [study.start("a"), study.start("b")]
    warm.wait_for(study.place / ".lock", workers[0])
    began = time.perf_counter()
    codes = [warm.ended(process) for process in workers]
    if any(codes):
        raise SystemExit(next(iter(folder.glob(f"{storage}-undisturbed-*.txt"))).read_text())
    return time.perf_counter() - began


def kills(folder: Path, storage: str, count: int) -> dict[str, Any]:
    moment, span = random.Random(storage), span_of(folder, storage)
    total: dict[str, int] = {}
    for number in range(count):
        for attempt in range(TRIES):
            study = Study(folder / f"{storage}-{number}-{attempt}", storage)
            # the machine may have become quicker than when it was left undisturbed
            found = one(study, moment, span / (1 + attempt))
            if found:
                break
        else:
            raise SystemExit("the studies ended before they could be killed")
        if any(found[name] for name in WRONG):
            print(storage, number, found, flush=True)
        total = {name: total.get(name, 0) + value for name, value in found.items()}
    return {"storage": storage, **total}


def main() -> None:
    import common

    arguments = common.arguments(__doc__)
    count = 2 if arguments.quick else 20
    os.environ["OMP_NUM_THREADS"] = "1"
    warm.preload()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        rows = [kills(Path(name), storage, count) for storage in ("journal", "sqlite")]
    targets = [
        common.target(f"{what} ({row['storage']}, {count} kills)", row[what], "<=", 0)
        for row in rows
        for what in WRONG
    ]
    common.finish("crash_search", rows, targets, arguments)


if __name__ == "__main__":
    main()

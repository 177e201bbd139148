"""Small searches as a user starts them, and what they leave."""

import contextlib
import csv
import io
from collections.abc import Iterator
from pathlib import Path

from bigmodel import cli

QUICK = [
    "data=wine",
    "data.quality=false",
    "data.batch_size=16",
    "model.network.hidden=[8]",
    "trainer.max_epochs=9",
    "callbacks.early_stopping=null",
]


def search(*given: str) -> tuple[int, str, str]:
    """Exit code, output and error lines of `bigmodel train -m` with these overrides."""
    said, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
        code = cli.guarded(lambda: cli.dispatch(["train", "-m", *given]))
    return code, said.getvalue(), errors.getvalue()


def board(place: Path) -> list[dict[str, str]]:
    """The rows of a study's leaderboard."""
    return list(csv.DictReader((place / "leaderboard.csv").open(encoding="utf-8")))


def directories(place: Path) -> list[int]:
    """The numbers of the trials that have a directory."""
    return sorted(int(path.name) for path in place.iterdir() if path.name.isdecimal())


def written(place: Path) -> dict[str, int]:
    """When each file of the trials was written."""
    return dict(_written(place))


def _written(place: Path) -> Iterator[tuple[str, int]]:
    for number in directories(place):
        for path in (place / str(number)).rglob("*"):
            if path.is_file():
                yield str(path.relative_to(place)), path.stat().st_mtime_ns

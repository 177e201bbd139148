"""Small fits that are compressed in every way."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import bigmodel
from bigmodel.train import Result

SMALL = [
    "model.network.hidden=[64,64,64]",
    "trainer.max_epochs=12",
    "data.quality=false",
    "data.batch_size=64",
]
# short fits; the budgets are wide, as short fits are worse
QUICK = {
    "binary": ["compression.steps.binary.epochs=3"],
    "int8_qat": ["compression.steps.int8_qat.epochs=2"],
    "prune_unstructured": ["compression.steps.prune_unstructured.epochs=3"],
    "prune_structured": [
        "compression.steps.prune_structured.epochs=2",
        "compression.steps.prune_structured.rounds=1",
    ],
    "low_rank": ["compression.steps.low_rank.epochs=1"],
    "distill": [
        "compression.steps.distill.epochs=8",
        "compression.steps.distill.student.network.hidden=[32]",
    ],
    "recipe": ["compression.steps.prune_unstructured.epochs=3"],
    "auto": ["compression.steps.auto.effort=0.5"],
}


class Told(NamedTuple):
    """A run, and what it printed."""

    result: Result
    said: str


@pytest.fixture(scope="session")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Told]:
    """A small fit with these settings; each one happens once."""
    place, done = tmp_path_factory.mktemp("compressed"), {}

    def fit(option: str, *more: str) -> Told:
        budget = [] if option == "none" else ["compression.max_drop=0.2"]
        given = (*SMALL, f"compression={option}", *budget, *QUICK.get(option, []), *more)
        if given not in done:
            run_dir = place / str(len(done))
            with contextlib.redirect_stdout(io.StringIO()) as said:
                result = bigmodel.fit([*given, f"hydra.run.dir={run_dir}"])
            done[given] = Told(result, said.getvalue())
        return done[given]

    return fit


@pytest.fixture
def small_table(here: Path) -> Path:
    """Sixty rows of numbers and a class."""
    lines = ["a,b,y"] + [f"{i % 7},{i % 5},{'yes' if i % 3 else 'no'}" for i in range(60)]
    path = here / "small.csv"
    path.write_text("\n".join(lines) + "\n")
    return path

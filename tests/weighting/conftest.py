"""Tables with rare classes, doubtful labels and costs, and small fits on them."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bigmodel import cli

SMALL = [
    "model.network.hidden=[16]",
    "trainer.max_epochs=2",
    "data.batch_size=32",
    "data.quality=false",
]


def business_table() -> pd.DataFrame:
    """Two classes, costs of every outcome, a value and a quality."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 3)).round(4)
    bought = x[:, 0] + rng.normal(size=240) > 1
    return pd.DataFrame(x, columns=["a", "b", "c"]).assign(
        y=np.where(bought, "yes", "no"),
        fp=1.0,
        fn=rng.uniform(2, 30, 240).round(2),
        value=rng.exponential(100, 240).round(2),
        quality=rng.uniform(0.2, 1, 240).round(3),
    )


@pytest.fixture
def business(here: Path) -> Path:
    """The table as `business.csv`."""
    business_table().to_csv("business.csv", index=False)
    return here / "business.csv"


BUSINESS = [
    "data=csv",
    "data.path=business.csv",
    "data.target=y",
    "data.drop=[fp,fn,value,quality]",
]


@pytest.fixture
def refused(capsys) -> Callable[..., str]:
    """The one line with which a command of the command line is refused."""

    def line(*arguments: str) -> str:
        capsys.readouterr()
        assert cli.guarded(lambda: cli.dispatch(list(arguments))) == 2
        errors = capsys.readouterr().err.splitlines()
        assert len(errors) == 1, errors
        return errors[0]

    return line


def quietly(work: Callable, *arguments: object) -> str:
    """What `work` prints."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        work(*arguments)
    return said.getvalue()

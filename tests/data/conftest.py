"""A writer of small CSV files, and a reader of what is wrong with them."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bigmodel.data.prepare import Prepared
from bigmodel.data.tables import CsvData
from bigmodel.errors import UserError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of this test's own, which nothing writes to any more when the test ends."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BIGMODEL_CACHE", str(folder))
    yield folder
    for thread in threading.enumerate():
        if thread.name == "cache":
            thread.join()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes text or bytes to a file of this name."""

    def write_file(content: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


@pytest.fixture
def complaint() -> Callable[..., str]:
    """A function that prepares a CSV for training, which must fail, and gives the one line."""

    def prepare_badly(path: Path | str, target: str = "y", **settings: object) -> str:
        with pytest.raises(UserError) as caught:
            CsvData(str(path), target=target, **settings).setup()
        assert len(caught.value.lines) == 1
        assert "\n" not in caught.value.lines[0]
        return caught.value.lines[0]

    return prepare_badly


@pytest.fixture
def prepared() -> Callable[..., Prepared]:
    """A function that prepares a CSV for training."""

    def prepare_well(path: Path | str, target: str = "y", **settings: object) -> Prepared:
        return CsvData(str(path), target=target, **settings).prepared

    return prepare_well


@pytest.fixture
def people() -> pd.DataFrame:
    """240 rows with a column of each kind, gaps, and a class to predict."""
    rng = np.random.default_rng(0)
    n = 240
    age = rng.integers(18, 80, n)
    return pd.DataFrame(
        {
            "id": np.arange(n) + 1000,
            "age": age,
            "income": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(10, 1, n).round(2)),
            "city": rng.choice(["Rome", "Oslo", "Lima", "NA"], n),
            "member": rng.random(n) < 0.5,
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D"),
            "zip": [f"{i:05d}" for i in rng.integers(0, 30, n)],
            "y": np.where(age + rng.normal(0, 10, n) > 50, "old", "young"),
        }
    )

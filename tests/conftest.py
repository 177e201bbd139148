"""What all tests share: a small real run, and a place to work in."""

import os
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
# nobody's own cache: an entry of an earlier run must not decide a test
_CACHE = tempfile.TemporaryDirectory(prefix="bigmodel-cache-")
os.environ["BIGMODEL_CACHE"] = _CACHE.name

SMALL = ["trainer.max_epochs=4", "data=wine"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, without anybody's own ./conf."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BIGMODEL_CONF", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory):
    """One short fit on the digits: its result, as `bigmodel.fit` returns it."""
    import bigmodel

    run_dir = tmp_path_factory.mktemp("digits") / "run"
    return bigmodel.fit(["trainer.max_epochs=15", f"hydra.run.dir={run_dir}", "name=digits"])

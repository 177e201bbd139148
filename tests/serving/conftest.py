"""One small model, and one server of it that asks for keys, for all tests of the service."""

import fcntl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import kinds
import live_service
import pandas as pd
import pytest
from running import Server, add_key, serving
from sklearn.datasets import load_wine

import bigmodel
from bigmodel.serving.keys import SCOPES

MODEL = "wine"


@pytest.fixture(scope="session")
def wine_bundle(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A classifier of wines, by 13 numbers: made once for all test processes. Read it only."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder if worker_id == "master" else folder.parent
    run = folder / "wine" / "run"
    run.parent.mkdir(exist_ok=True)
    with (run.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (run / "bundle" / "manifest.json").exists():
            given = ["data=wine", "trainer.max_epochs=20", f"name={MODEL}", f"hydra.run.dir={run}"]
            bigmodel.fit(given)
    return run / "bundle"


@pytest.fixture(scope="session")
def live_bundle(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A bundle that keeps learning, of `live_service.table`: made once. Read it only."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder if worker_id == "master" else folder.parent) / "live"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        bundle = folder / "run" / "bundle"
        if not (bundle / "manifest.json").exists():
            live_service.train(folder)
    return bundle


@pytest.fixture(scope="session")
def wines() -> pd.DataFrame:
    """The 178 wines, with their class as text in the column `target`."""
    data = load_wine(as_frame=True)
    return data.data.assign(target=[f"class_{code}" for code in data.target])


@pytest.fixture(scope="session")
def rows(wines: pd.DataFrame) -> list[dict[str, float]]:
    """The wines as a caller sends them."""
    return wines.drop(columns="target").to_dict("records")


@dataclass(frozen=True)
class Service:
    """A server that asks for keys, and keys of it."""

    server: Server
    full: str  # has all scopes
    predicting: str

    @property
    def client(self) -> httpx.Client:
        return self.server.client(self.full)


@pytest.fixture(scope="session")
def service(wine_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server for all tests of a session. Leave it as it is."""
    state = tmp_path_factory.mktemp("service") / "state"
    full = add_key(state, scopes=SCOPES)
    predicting = add_key(state)
    with serving(wine_bundle, state) as server:
        yield Service(server, full, predicting)


@pytest.fixture(scope="session")
def two_classes(tmp_path_factory: pytest.TempPathFactory):
    """A server of a model with two classes, what the library answers, and rows as a body."""
    folder = tmp_path_factory.mktemp("binary")
    bundle = kinds.train("binary", folder)
    frame = kinds.fresh("binary")
    content = kinds.as_body(frame)
    with serving(bundle, folder / "state", "serving.drain_seconds=0.1") as server:
        yield server, bigmodel.load(bundle).predict(frame), content

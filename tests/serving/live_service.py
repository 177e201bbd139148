"""A small bundle that keeps learning, and rows and labels of its kind, for servers of it."""

import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from running import serving

import bigmodel

FEEDBACK = "/v1/models/live/feedback"
SETTINGS = [
    "name=live",
    "trainer.max_epochs=6",
    "model=static_dynamic",
    "model.network.hidden=[16, 8]",
    "learning=fast",
    "learning.lift.fourier=16",
    "data=csv",
    "data.target=label",
    "data.split.by=time",
    "data.split.column=row_order",
]


def table(n=1200, seed=0, turned=False):
    """Two numbers and a category, and the label; `turned`: the classes have changed places."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.standard_normal(n), "b": rng.standard_normal(n)})
    frame["c"] = rng.choice(["x", "y", "z"], n)
    yes = (frame.a + (frame.c == "x") > 0.3) ^ turned
    frame["label"] = np.where(yes, "yes", "no")
    return frame


def train(place, *settings):
    """The bundle, in `place`."""
    table().to_csv(place / "table.csv", index=False)
    given = [f"data.path={place / 'table.csv'}", f"hydra.run.dir={place / 'run'}"]
    return bigmodel.fit([*SETTINGS, *given, *settings]).bundle


def ask(client, frame, name="live"):
    """Predict a frame: the answer's content, and the labels as a body of feedback."""
    rows = frame.drop(columns="label").to_dict("records")
    answer = client.post(f"/v1/models/{name}/predict", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    content = answer.json()
    pairs = zip(content["prediction_ids"], frame.label.tolist(), strict=True)
    return content, {"feedback": [{"prediction_id": i, "label": label} for i, label in pairs]}


def number(content):
    """Which learnt version has answered."""
    return int(content["model_version"].partition("+")[2])


@contextmanager
def served(bundle, state, *settings):
    given = ("serving.drain_seconds=0.1", *settings)
    with serving(bundle, state, *given) as server, server.client() as client:
        yield server, client


def log_of(state: Path) -> Path:
    (found,) = (state / "learning" / "live").iterdir()
    return found


def until(holds, patience=20.0):
    """Wait until it holds; what it gave."""
    end = time.monotonic() + patience
    while not (found := holds()):
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)
    return found


def after(content, client):
    """Wait for a version after the one that gave this."""
    until(lambda: learnt(client)["version"] > number(content))


def learnt(client):
    """What the model tells of its learning."""
    return client.get("/v1/models/live").json()["learning"]


def exactly_once(log: Path) -> list[str]:
    """The ids in a log, each of which one version has learnt."""
    with sqlite3.connect(log / "events.sqlite") as db:
        ids = [row[0] for row in db.execute("select id from events order by seq")]
        ranges = db.execute(
            "select first, last from versions where last >= first order by version"
        ).fetchall()
    assert [n for first, last in ranges for n in range(first, last + 1)] == list(
        range(1, len(ids) + 1)
    )
    return ids

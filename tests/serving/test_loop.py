"""The loop closes: what a service was asked and told becomes a table to train on."""

import json
import time

import pandas as pd
import pytest
from running import serving

import bigmodel
from bigmodel import cli
from bigmodel.data.schema import Column, Schema, Target
from bigmodel.serving import feedback_export
from bigmodel.serving.store import Label, Predictions, Store


def test_a_model_is_trained_on_feedback(tmp_path, wine_bundle, wines, rows, capsys):
    state, output = tmp_path / "state", tmp_path / "labelled.parquet"
    with serving(wine_bundle, state) as server, server.client() as client:
        ids = []
        for start in range(0, len(rows), 50):
            part = rows[start : start + 50]
            answer = client.post("/v1/models/wine/predict", json={"rows": part}).json()
            ids += answer["prediction_ids"]
        labels = [
            {"prediction_id": i, "label": label}
            for i, label in zip(ids, wines["target"], strict=True)
        ]
        labels = labels[:-1]  # the last one is not known yet
        client.post("/v1/models/wine/feedback", json={"feedback": labels[::-1]})
        export = ["feedback", "export", f"output={output}", f"state={state}"]
        assert cli.dispatch(export) == 0  # while the server runs
    said = capsys.readouterr().out
    assert f"{output}: 177 rows with labels" in said
    pd.testing.assert_frame_equal(
        pd.read_parquet(output), wines.iloc[:-1].astype({"proline": "float64"})
    )
    command = said.splitlines()[-1].split()
    assert command[:2] == ["bigmodel", "train"]
    found = bigmodel.fit([*command[2:], "trainer.max_epochs=20", f"hydra.run.dir={tmp_path}/run"])
    assert found.metrics["test/accuracy"] > 0.8


SCHEMA = Schema(
    (
        Column("size", "numeric", "float64"),
        Column("kind", "categorical", "str", categories=("a", "b")),
        Column("new", "boolean", "bool"),
        Column("seen", "datetime", "datetime64[us]"),
        Column("note", "text", "str"),
        Column("number", "id", "int64"),
    ),
    Target("sold", "binary", "bool", ("False", "True")),
)
ROWS = [
    {"size": 1, "kind": "a", "new": True, "seen": "2026-01-31", "note": "as good as", "number": 1},
    {"size": None, "kind": None, "new": None, "seen": None, "note": None, "number": 2},
    {"size": 2.5, "number": 3},  # the others were redacted
    {"size": 4, "kind": "07", "new": False, "seen": "2026-01-31T12:00", "note": "", "number": 4},
]


@pytest.fixture
def filled(tmp_path):
    """A store with labels for the rows 1 to 3 of one request, and one without a prediction."""
    store = Store(tmp_path / "records.sqlite", 1 << 30, 365)
    now = time.time()
    with store.transaction():
        store.add_version("shop", "v1", json.dumps(SCHEMA.to_json()).encode())
        rows = json.dumps(ROWS).encode()
        store.add_predictions(Predictions("a" * 24, now, "shop", "v1", "", 4, rows, b"[]"))
        store.add_labels(
            [Label("a" * 24, row, now, "shop", "", b'"True"') for row in (3, 1, 2)]
            + [Label("b" * 24, 0, now, "shop", "", b'"True"')]
        )
    return store


def test_every_kind_of_column_comes_out_in_its_dtype(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(feedback_export, "_ROWS", 1)  # each row a piece of its own
    output = tmp_path / "x.parquet"
    assert feedback_export.export(str(output), None, str(tmp_path)) == 3
    frame = pd.read_parquet(output)
    assert frame["size"].tolist()[1:] == [2.5, 4.0]
    assert frame["kind"].isna().tolist() == [True, True, False]
    assert frame["kind"][2] == "07"
    assert frame["new"].isna().tolist() == [True, True, False]
    assert frame["seen"][2] == pd.Timestamp("2026-01-31T12:00")
    assert frame["number"].tolist() == [2, 3, 4]
    assert frame["sold"].tolist() == [True] * 3
    assert list(frame.columns) == [*(c.name for c in SCHEMA.columns), "sold"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["exprt"], "command line: feedback exprt: no such word; did you mean export?"),
        (["export", "output=x.txt"], "output=x.txt: the name must say the format"),
        (["export", "output=x.parquet", "name=shp"], "give one of the service's models: shop"),
        (["export", "output=x.parquet", "state=nowhere"], "nowhere/records.sqlite: is not there"),
        (["export"], "output: needs a value"),
    ],
)
def test_mistakes_of_an_export_are_a_line(filled, tmp_path, capsys, arguments, line):
    given = (
        arguments
        if "state=nowhere" in arguments or len(arguments) < 2
        else [*arguments, f"state={tmp_path}"]
    )
    assert cli.guarded(lambda: cli.dispatch(["feedback", *given])) == 2
    assert line in capsys.readouterr().err


def test_nothing_is_written_while_there_is_no_label(tmp_path, capsys):
    store = Store(tmp_path / "records.sqlite", 1 << 30, 365)
    with store.transaction():
        store.add_version("shop", "v1", json.dumps(SCHEMA.to_json()).encode())
    export = ["feedback", "export", f"output={tmp_path}/x.parquet", f"state={tmp_path}"]
    assert cli.guarded(lambda: cli.dispatch(export)) == 2
    assert "no prediction of the model 'shop' has a label yet" in capsys.readouterr().err
    assert not (tmp_path / "x.parquet").exists()

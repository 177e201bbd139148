"""A search from its command to its final model, and the same command again."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from studies import QUICK, board, directories, search, written

import bigmodel
from bigmodel import cli
from bigmodel.train import train
from bigmodel.training.monitor import mode

ASHA = ["search=asha", "search.n_trials=8", "search.rungs.first=1", "search.study=study"]


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> tuple[Path, str]:
    """The directory of one search with the defaults, and what it said."""
    place = tmp_path_factory.mktemp("search")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        code, said, errors = search(*QUICK, *ASHA)
    assert code == 0, errors
    return place / "sweeps" / "study", said


def test_the_leaderboard_has_a_row_for_every_trial_the_best_first(found):
    place, said = found
    rows = board(place)
    assert sorted(int(row["trial"]) for row in rows) == directories(place) == list(range(8))
    complete = [row for row in rows if row["state"] == "complete"]
    values = [float(row["val/macro_f1"]) for row in complete]
    assert values == sorted(values, reverse=True)
    assert [row["rank"] for row in rows] == [str(n + 1) for n in range(len(complete))] + [""] * (
        8 - len(complete)
    )
    for row in rows:
        assert row["state"] in ("complete", "pruned")
        whole = row["state"] == "complete"
        assert (row["epochs"] == "9") == whole
        assert row["reason"] == "the end" if whole else "behind others at" in row["reason"]
        assert float(row["seconds"]) > 0
    assert "8 of 8" in said or "trials (" in said


def test_the_first_trial_has_the_settings_of_the_composition(found):
    first = next(row for row in board(found[0]) if row["trial"] == "0")
    assert (first["optimizer.lr"], first["model.network.dropout"]) == ("0.001", "0.2")
    assert first["optimizer.weight_decay"] == "0.01"


def test_what_the_command_line_fixes_is_not_searched(found):
    assert "model.network.hidden" not in board(found[0])[0]
    assert "data.batch_size" not in board(found[0])[0]


def test_trials_test_nothing_and_leave_no_bundle_and_the_best_is_tested(found):
    place, _ = found
    best = board(place)[0]
    for number in directories(place):
        assert not (place / str(number) / "bundle").exists()
        metrics = place / str(number) / "metrics.json"
        if metrics.exists():
            assert not any(name.startswith("test/") for name in json.loads(metrics.read_text()))
    metrics = json.loads((place / "best" / "metrics.json").read_text())
    assert metrics["val/macro_f1"] == float(best["val/macro_f1"])
    assert "test/macro_f1" in metrics
    frame = pd.DataFrame(np.zeros((3, 13)), columns=[f"x{n}" for n in range(13)])
    bundle = bigmodel.load(place / "best" / "bundle")
    frame.columns = [column.name for column in bundle.schema.columns]
    assert bundle.predict(frame)["prediction"].notna().all()


def test_only_the_best_trial_keeps_its_checkpoints(found):
    place, _ = found
    kept = [n for n in directories(place) if (place / str(n) / "checkpoints").exists()]
    assert kept == [int(board(place)[0]["trial"])]


def test_the_preset_gives_the_very_metric_of_the_best_trial(found, monkeypatch):
    place, _ = found
    monkeypatch.chdir(place.parents[1])
    assert cli.dispatch(["train", "--config-dir", "sweeps/study", "experiment=best"]) == 0
    (run,) = (place.parents[1] / "runs").glob("*/*")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["val/macro_f1"] == float(board(place)[0]["val/macro_f1"])
    final = json.loads((place / "best" / "metrics.json").read_text())
    assert metrics["test/macro_f1"] == final["test/macro_f1"]


def test_the_same_command_again_starts_nothing_and_changes_nothing(found, monkeypatch):
    place, _ = found
    monkeypatch.chdir(place.parents[1])
    before, text = written(place), (place / "leaderboard.csv").read_bytes()
    assert search(*QUICK, *ASHA)[0] == 0
    assert written(place) == before
    assert (place / "leaderboard.csv").read_bytes() == text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("seed=1", "  seed: was 0, is 1"),
        (
            "search.space.optimizer.lr={log:[1e-5,1e-1]}",
            "  search.space.optimizer.lr: was log [0.0001",
        ),
        ("model=linear", "  model.network._target_: was"),
        ("search.rungs.reduction=4", "  search.rungs.reduction: was 3, is 4"),
    ],
)
def test_another_space_or_base_under_the_same_name_is_refused(found, monkeypatch, change, said):
    place, _ = found
    monkeypatch.chdir(place.parents[1])
    quick = [o for o in QUICK if not (change == "model=linear" and o.startswith("model."))]
    code, _, errors = search(*quick, *ASHA, change)
    assert code == 2
    assert errors.splitlines()[0].startswith("search.study: sweeps/study was begun with other")
    assert any(line.startswith(said) for line in errors.splitlines()), errors
    assert len(board(place)) == 8


def test_pictures_are_drawn_and_are_the_same_each_time(found):
    names = {path.name for path in (found[0] / "figures").iterdir()}
    assert {"search_history.svg", "search_curves.svg", "search_parameters.svg"} <= names
    assert (found[0] / "figures" / "search_history.svg").read_text().startswith("<?xml")


def test_more_trials_of_the_same_study_are_added_to_it(here):
    tree = [
        *QUICK,
        "search=random",
        "search.study=s",
        "search.presets=false",
        "trainer.max_epochs=2",
    ]
    tree.append("optimizer.lr=tag(log,interval(1e-4,1e-1))")
    assert search(*tree, "search.n_trials=2")[0] == 0
    before = written(here / "sweeps" / "s")
    assert search(*tree, "search.n_trials=3")[0] == 0
    assert len(board(here / "sweeps" / "s")) == 3
    after = written(here / "sweeps" / "s")
    lost = [name for name in before if after.get(name) != before[name]]
    assert all("/checkpoints/" in name for name in lost)  # of who is no longer the best


def test_the_weighting_sweep_is_a_search_of_all_strategies(here):
    tail = "data.long_tail.imbalance_factor=8"
    given = ["experiment=weighting_sweep", *QUICK, tail, "trainer.max_epochs=2"]
    short = "search.space.weighting=[none,inverse,crt,drw]"
    assert search(*given, short, "search.study=w")[0] == 0
    rows = board(here / "sweeps" / "w")
    assert sorted(row["weighting"] for row in rows) == ["crt", "drw", "inverse", "none"]
    scores = [float(row["val/macro_f1"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    for row in rows:
        metrics = json.loads((here / "sweeps/w" / row["trial"] / "metrics.json").read_text())
        assert float(row["val/macro_f1"]) == metrics["val/macro_f1"]
    assert {row["state"] for row in rows} == {"complete"}
    best = here / "sweeps" / "w" / "experiment" / "best.yaml"
    text = best.read_text()
    if rows[0]["weighting"] != "none":
        assert f"override /weighting: {rows[0]['weighting']}" in text


@pytest.mark.slow
def test_options_of_a_group_bring_their_own_settings_under_a_condition(here):
    given = [*QUICK[:3], "trainer.max_epochs=2", "search=random", "search.n_trials=6"]
    assert search(*given, "optimizer=adam,sgd", "model=linear", "search.study=o")[0] == 0
    rows = board(here / "sweeps" / "o")
    assert {row["optimizer"] for row in rows} == {"adam", "sgd"}
    for row in rows:
        assert bool(row["optimizer.momentum"]) == (row["optimizer"] == "sgd")
        assert row["optimizer.lr"]


CSV = ["data=csv", "data.path=table.csv", "data.target=y", "trainer.max_epochs=4",
       "data.quality=false", "model.network.hidden=[8]"]  # fmt: skip


@pytest.fixture
def table(here) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(kind=rng.choice(["u", "v"], 200))
    frame.assign(y=x[:, 0] * 3 + rng.normal(size=200)).to_csv("table.csv", index=False)
    return here


@pytest.mark.parametrize("option", ["grid", "random", "tpe", "cmaes", "asha", "nas"])
@pytest.mark.slow
def test_every_option_runs_on_a_csv_with_a_number_as_target(table, option):
    given = [o for o in CSV if not (option == "nas" and o.startswith("model."))]
    few = ["search.n_trials=3", "search.study=s", "data.batch_size=32"]
    code, _, errors = search(*given, f"search={option}", *few)
    assert code == 0, errors
    rows = board(table / "sweeps" / "s")
    assert len(rows) == 3
    values = [float(row["val/rmse"]) for row in rows if row["state"] == "complete"]
    assert values
    assert mode("val/rmse") == "min"
    if option == "nas":
        assert all(row["bytes"] for row in rows if row["state"] == "complete")
        assert any(row["front"] == "yes" for row in rows)
    else:
        assert values == sorted(values)


@pytest.mark.slow
def test_halving_over_rows_trains_on_a_part_first(here):
    given = [*QUICK, "search=asha", "search.fidelity=rows", "search.n_trials=5", "search.study=r"]
    assert search(*given, "trainer.max_epochs=2")[0] == 0
    rows = board(here / "sweeps" / "r")
    assert {row["percent"] for row in rows} <= {"11", "33", "100"}
    assert {row["percent"] for row in rows if row["state"] == "complete"} == {"100"}
    assert any(row["state"] == "pruned" for row in rows)


def test_a_trial_that_fails_is_told_and_the_search_goes_on(here):
    given = [*QUICK, "search=grid", "search.presets=false", "trainer.max_epochs=2"]
    wild = ["optimizer.lr=1e-3,1e30", "trainer.gradient_clip_val=null", "search.study=f"]
    code, said, _ = search(*given, *wild, "optimizer=sgd")
    assert code == 0
    rows = board(here / "sweeps" / "f")
    assert [row["state"] for row in rows] == ["complete", "failed"]
    assert re.search("loss became|is nan|not finite", rows[1]["reason"])
    assert "failed" in said
    code, _, errors = search(
        *given, *wild, "optimizer=sgd", "search.on_error=stop", "search.study=g"
    )
    if (
        board(here / "sweeps" / "g")[0]["state"] == "failed"
        or len(board(here / "sweeps" / "g")) == 2
    ):
        assert code == 1
        assert "failed" in errors.splitlines()[-1]


def test_when_nothing_succeeds_the_search_has_failed(here):
    given = [*QUICK, "search=grid", "search.presets=false", "trainer.max_epochs=2"]
    wild = ["optimizer.lr=1e30,1e31", "trainer.gradient_clip_val=null", "optimizer=sgd"]
    code, _, errors = search(*given, *wild, "search.study=f")
    assert code == 1
    assert errors.splitlines()[-1].startswith("none of 2 trials succeeded: the loss became")


@pytest.mark.slow
def test_a_fit_that_waits_and_goes_on_ends_with_the_very_same_weights(here, monkeypatch):
    """Trial 0 waits at each rung, since a better one has been there, and is woken at once."""
    from bigmodel.search.claims import Desk

    given = [*QUICK, "search=asha", "search.rungs.first=1", "search.n_trials=1", "seed=0,1"]
    given += ["search.presets=false", "callbacks=ema", "scheduler=cosine"]
    assert search(*given, "search.study=through")[0] == 0
    waits: list[int] = []

    def no(desk, number, step):  # asked in the fit; the worker, which asks itself, wakes it at once
        waits.append(step)
        return False

    monkeypatch.setattr(Desk, "may_go_on", no)
    assert search(*given, "search.study=stopped")[0] == 0
    assert waits == [1, 3]
    one, other = (
        json.loads((here / "sweeps" / name / "best" / "metrics.json").read_text())
        for name in ("through", "stopped")
    )
    quick = ("train/rows_per_second", "fit_seconds")
    assert {k: v for k, v in one.items() if k not in quick} == {
        k: v for k, v in other.items() if k not in quick
    }
    rows = board(here / "sweeps" / "stopped")
    assert [row["epochs"] for row in rows] == ["9"]


def test_trials_share_the_table_that_was_read_once(table, monkeypatch):
    from bigmodel.data.tables import CsvData

    reads: list[str] = []
    real = CsvData.tables
    monkeypatch.setattr(CsvData, "tables", lambda self: reads.append("read") or real(self))
    few = ["search=random", "search.n_trials=3", "data.cache=false", "trainer.max_epochs=1"]
    assert search(*CSV, *few)[0] == 0
    assert len(reads) == 2  # once for all trials, once for the final model
    assert train is not None

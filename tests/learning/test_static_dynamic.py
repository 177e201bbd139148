"""`bigmodel train model=static_dynamic`, and the bundle that comes of it."""

import numpy as np
import pandas as pd
import pytest

import bigmodel
from bigmodel.bundle import archive
from bigmodel.bundle.load import open_archive
from bigmodel.data.reading import conform
from bigmodel.errors import UserError
from bigmodel.learning.events import Events

SMALL = [
    "trainer.max_epochs=6",
    "model=static_dynamic",
    "model.network.hidden=[16, 8]",
    "data=csv",
    "data.target=label",
    "data.split.by=time",
    "data.split.column=row_order",
    "learning.experts.mlp=null",
    "learning.lift.fourier=16",
]


def table(n=1200, seed=0):
    """Two numbers and a category; in the last quarter the classes have changed places."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.standard_normal(n), "b": rng.standard_normal(n)})
    frame["c"] = rng.choice(["x", "y", "z"], n)
    yes = frame.a + (frame.c == "x") > 0.3
    yes[n * 3 // 4 :] = ~yes[n * 3 // 4 :]
    frame["label"] = np.where(yes, "yes", "no")
    return frame


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("live")
    table().to_csv(place / "table.csv", index=False)
    given = [f"data.path={place / 'table.csv'}", f"hydra.run.dir={place / 'run'}"]
    return bigmodel.fit([*SMALL, *given])


def test_it_follows_what_the_frozen_network_cannot(run):
    figures = {name: run.metrics[f"prequential/delay_{name}"] for name in ("0/accuracy", "0/gain")}
    assert figures["0/gain"] > 0.3
    assert figures["0/accuracy"] > 0.75
    accuracy = [run.metrics[f"prequential/delay_{delay}/accuracy"] for delay in (0, 16, 256)]
    assert accuracy[0] >= accuracy[2]
    assert {"kappa_no_change", "log_loss", "frozen"} <= {
        name.rpartition("/")[2] for name in run.metrics if name.startswith("prequential/")
    }
    assert (run.run_dir / "figures" / "learning.svg").stat().st_size > 1000


def test_a_few_rows_are_followed_too(tmp_path):
    """The whole test split is shorter than the longest delay: the frozen network answers."""
    table(160).to_csv(tmp_path / "t.csv", index=False)
    place = [f"data.path={tmp_path / 't.csv'}", f"hydra.run.dir={tmp_path / 'run'}"]
    metrics = bigmodel.fit([*SMALL, *place, "trainer.max_epochs=1"]).metrics
    assert 0 <= metrics["prequential/delay_256/accuracy"] <= 1
    assert metrics["prequential/delay_256/kappa_no_change"] <= 1


def test_the_bundle_answers_as_the_learner_and_goes_on_learning(run):
    frame = table(seed=1)[:300].drop(columns="label")
    bundle = bigmodel.load(run.bundle)
    before = bundle.predict(frame)
    assert set(before.prediction) == {"no", "yes"}
    content = archive.read(run.bundle)
    assert not [name for name in content.files if name.endswith((".pkl", ".py", ".pt"))]
    live = open_archive(content).engine
    turned = live.learner
    rows = live.rows(bundle.encoder.transform(frame))
    for start in range(0, 288, 16):  # everything is "no" now
        _, memos = turned.live.answer(rows[start : start + 16])
        turned.block(Events(memos, np.zeros(16, dtype=np.int64)))
    assert (live.run(bundle.encoder.transform(frame)).argmax(axis=1) == 0).mean() > 0.95
    pd.testing.assert_frame_equal(bundle.predict(frame), before)  # another learner, as it was


def test_a_damaged_learner_is_refused_in_a_line(run):
    content = archive.read(run.bundle)
    for name, damage in (("learner.json", b"{}"), ("learner.safetensors", b"")):
        content.files[name], kept = damage, content.files[name]
        with pytest.raises(UserError, match="its learner cannot be read"):
            open_archive(content)
        content.files[name] = kept


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["compression=int8"], "compression=none"),
        (["learning=regression"], "learning=full or fast"),
        (["learning.experts.static=null"], "frozen network is missing"),
        (["learning.experts.lin.forget=2"], "forget"),
    ],
)
def test_what_does_not_go_together_is_said_before_the_fit(tmp_path, given, said):
    table(200).to_csv(tmp_path / "t.csv", index=False)
    place = [f"data.path={tmp_path / 't.csv'}", f"hydra.run.dir={tmp_path / 'run'}"]
    with pytest.raises(UserError, match=said):
        bigmodel.fit([*SMALL, *place, *given])


def test_replay_rebuilds_what_a_log_has_and_goes_back(run, tmp_path, capsys):
    from bigmodel.learning.journal.keeper import Keeper
    from bigmodel.learning.journal.store import Event
    from bigmodel.replay import replay

    opened = bigmodel.load(run.bundle)
    keeper = Keeper(opened.engine.learner, tmp_path, opened.manifest.version)
    first = keeper.live.version
    rows = opened.engine.rows(opened.encoder.transform(table(seed=2).drop(columns="label")[:64]))
    for start in range(0, 64, 16):
        _, memos = keeper.live.answer(rows[start : start + 16])
        given = enumerate(memos.packed())
        keeper.append([Event(f"{start}-{index}", memo, 1.0) for index, memo in given])
        keeper.step(16)
    assert replay(bundle=str(run.bundle), log=str(tmp_path)) == first + 4
    assert "bit for bit" in capsys.readouterr().out
    assert replay(bundle=str(run.bundle), log=str(tmp_path), rollback=first + 1) == first + 5
    assert replay(bundle=str(run.bundle), log=str(tmp_path)) == first + 5
    with pytest.raises(UserError, match=r"there is no events\.sqlite"):
        replay(bundle=str(run.bundle), log=str(tmp_path / "nowhere"))


def test_numbers_are_followed_and_drawn_too(tmp_path):
    frame = table().drop(columns="label")
    frame["value"] = 10 + 3 * frame.a + frame.b
    frame.loc[len(frame) * 3 // 4 :, "value"] += 6.0
    frame.to_csv(tmp_path / "t.csv", index=False)
    place = [f"data.path={tmp_path / 't.csv'}", f"hydra.run.dir={tmp_path / 'run'}"]
    kind = ["data.target=value", "learning=regression"]
    run = bigmodel.fit([one for one in SMALL if one != "data.target=label"] + kind + place)
    told = {
        name: run.metrics[f"prequential/delay_16/{name}"] for name in ("rmse", "frozen", "gain")
    }
    assert told["rmse"] < 0.75 * told["frozen"]
    assert told["gain"] == pytest.approx(told["frozen"] - told["rmse"])
    assert (run.run_dir / "figures" / "learning.svg").stat().st_size > 1000
    opened = bigmodel.load(run.bundle)
    learner, late = opened.engine.learner, frame[-300:].reset_index(drop=True)
    before = np.abs(opened.predict(late)["prediction"] - late.value).mean()
    target = opened.schema.target
    labels = ((late.value - target.offset) / target.scale).to_numpy()
    rows = opened.engine.rows(opened.encoder.transform(conform(late, opened.schema)))
    for start in range(0, 300, 30):
        part = slice(start, start + 30)
        learner.block(Events(learner.live.answer(rows[part])[1], labels[part]))
    assert np.abs(opened.predict(late)["prediction"] - late.value).mean() < before / 2
    assert learner.quality.figures()["gain"] > 0

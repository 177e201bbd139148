"""What a user does with texts, end to end: train, predict without torch, resume, mix."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from corpus import SMALL, reviews
from safetensors.numpy import load_file

import bigmodel
from bigmodel.errors import UserError


def test_it_learns_and_the_bundle_answers_as_the_training_did(run, table):
    assert run.metrics["test/accuracy"] > 0.9
    splits = pd.read_parquet(run.run_dir / "splits.parquet")
    rows = splits.loc[splits["split"] == "test", "row"]
    frame = pd.read_csv(table, keep_default_na=False).loc[rows]
    answers = bigmodel.load(run.bundle).predict(frame)
    accuracy = (answers["prediction"] == frame["opinion"]).mean()
    assert accuracy == pytest.approx(run.metrics["test/accuracy"], abs=1e-6)


def test_predict_needs_no_torch(run, table, tmp_path):
    script = (
        "import sys\n"
        "from bigmodel.predict import predict\n"
        f"predict(bundle={str(run.bundle)!r}, input={str(table)!r}, output='out.parquet')\n"
        "assert not {'torch', 'sklearn', 'transformers'} & set(sys.modules), 'heavy'\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    found = pd.read_parquet(tmp_path / "out.parquet")
    expected = bigmodel.load(run.bundle).predict(pd.read_csv(table, keep_default_na=False))
    assert (found["prediction"] == expected["prediction"]).all()
    np.testing.assert_allclose(found["probability/good"], expected["probability/good"], atol=1e-5)


def test_any_text_gets_an_answer_that_its_neighbours_do_not_change(run):
    texts = [
        "",
        None,
        " \t",
        "great " * 20_000,
        "שלום עולם",
        "👩‍👩‍👧" * 50,
        "\x00\x1f",
        "[PAD] [SEP]",
    ]
    frame = pd.DataFrame({"review": [*texts, "the soup was cold"]})
    bundle = bigmodel.load(run.bundle)
    together = bundle.probabilities(frame)
    assert np.isfinite(together).all()
    for row in range(len(frame)):
        alone = bundle.probabilities(frame.iloc[[row]])
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)


def test_numbers_categories_and_two_texts_in_one_table(fit, here):
    frame = reviews(400)
    rng = np.random.default_rng(1)
    frame["title"] = ["seen at noon again" if i % 2 else "seen in the night" for i in range(400)]
    frame["price"] = rng.normal(size=400)
    frame["city"] = rng.choice(["Rome", "Oslo"], 400)
    told = (frame["opinion"] == "good") & (frame["price"] > 0) | (frame["city"] == "Oslo")
    frame["y"] = np.where(told, "yes", "no")
    frame.drop(columns="opinion").to_csv("mixed.csv", index=False)
    result = fit(
        "data=csv", "data.path=mixed.csv", "data.target=y", "model=text_cnn",
        "data.kinds={title: text, review: text}", *SMALL["text_cnn"], "trainer.max_epochs=15",
    )  # fmt: skip
    assert result.metrics["test/accuracy"] > 0.85  # the text or the table alone: 0.75 at most
    bundle = bigmodel.load(result.bundle)
    assert bundle.encoder.text.columns == ("review", "title")
    assert len(bundle.predict(frame.drop(columns=["y", "opinion"]))) == 400


def test_texts_predict_a_number(fit, here):
    frame = reviews()
    frame["stars"] = np.where(frame["opinion"] == "good", 4.5, 1.5) + np.arange(240) % 3 / 10
    frame.drop(columns="opinion").to_csv("stars.csv", index=False)
    result = fit(
        "data=text", "data.path=stars.csv", "data.column=review", "data.target=stars",
        "model=bag_of_ngrams", *SMALL["bag_of_ngrams"],
    )  # fmt: skip
    assert result.metrics["test/r2"] > 0.7


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_weights(here, table, monkeypatch):
    from bigmodel.training.early_stopping import EarlyStopping

    given = [
        "data=text", f"data.path={table}", "data.column=review", "data.target=opinion",
        "model=text_cnn", *SMALL["text_cnn"], "augment=text", "data.batch_size=32",
        "callbacks.checkpoints.every_seconds=0", "trainer.max_epochs=3",
    ]  # fmt: skip
    whole = bigmodel.fit([*given, f"hydra.run.dir={here / 'whole'}"])

    def stop(*_: object) -> None:
        raise RuntimeError("stopped here")

    with monkeypatch.context() as patch:
        patch.setattr(EarlyStopping, "on_validation_end", stop)
        with pytest.raises(RuntimeError, match="stopped here"):
            bigmodel.fit([*given, f"hydra.run.dir={here / 'cut'}"])
    resumed = bigmodel.fit([f"trainer.resume={here / 'cut'}"])
    weights = [load_file(r.bundle / "model.safetensors") for r in (whole, resumed)]
    for name, value in weights[0].items():
        np.testing.assert_array_equal(value, weights[1][name])


def test_a_text_model_on_a_table_without_texts_says_so_in_one_line(fit):
    with pytest.raises(UserError) as caught:
        fit("data=wine", "model=text_cnn")
    assert len(caught.value.lines) == 1
    assert "TextCNN reads texts, and the data has none" in caught.value.lines[0]


def test_a_model_that_reads_no_texts_notes_what_it_leaves_out_once(fit, table, capsys):
    frame = pd.read_csv(table).assign(number=range(240))
    frame.to_csv("with_number.csv", index=False)
    result = bigmodel.fit(
        ["data=csv", "data.path=with_number.csv", "data.target=opinion", "trainer.max_epochs=1",
         "data.kinds={review: text}"]
    )  # fmt: skip
    assert capsys.readouterr().out.count("text columns, not used: this model reads none") == 1
    assert result.metrics["test/accuracy"] > 0


def test_only_texts_and_a_model_that_reads_none(fit, table):
    with pytest.raises(UserError, match=r"no column is left to learn from.*model=text_cnn"):
        fit("data=text", f"data.path={table}", "data.column=review", "data.target=opinion")

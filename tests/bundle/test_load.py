import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import bigmodel
from bigmodel.bundle.load import load
from bigmodel.bundle.write import write_zip
from bigmodel.errors import BigmodelError, UserError


def test_probabilities_are_the_trained_networks(bundle, trained):
    opened = load(bundle)
    expected = trained.reference(trained.frame)
    np.testing.assert_allclose(opened.probabilities(trained.frame), expected, atol=1e-5)


def test_the_zip_answers_the_same(bundle, trained, tmp_path):
    zipped = write_zip(bundle, tmp_path / "wine.zip")
    answers = [bigmodel.load(path).predict(trained.frame) for path in (bundle, zipped)]
    pd.testing.assert_frame_equal(*answers)


def test_predict_gives_ids_labels_and_probabilities_on_the_frames_index(bundle, trained):
    frame = trained.frame.iloc[[120, 3, 50]]
    answer = load(bundle).predict(frame)
    classes = [f"probability/cultivar {i}" for i in range(3)]
    assert answer.columns.tolist() == ["bottle", "prediction", *classes]
    assert answer.index.tolist() == [120, 3, 50]
    assert answer["bottle"].tolist() == ["00120", "00003", "00050"]
    assert (answer["prediction"] == answer[classes].idxmax(axis=1).str.slice(12)).all()


def test_the_model_has_learnt_something(bundle, trained):
    answer = load(bundle).predict(trained.frame)
    assert (answer["prediction"] == trained.frame["cultivar"]).mean() > 0.9


def test_a_row_alone_gets_the_answer_it_gets_among_others(bundle, trained):
    opened = load(bundle)
    together = opened.probabilities(trained.frame.head(20))
    alone = [opened.probabilities(trained.frame.iloc[[i]])[0] for i in range(20)]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_a_regression_answers_in_the_units_of_its_target(regressor, tmp_path):
    opened = load(regressor.write(tmp_path / "ash"))
    answer = opened.predict(regressor.frame)
    assert answer.columns.tolist() == ["bottle", "prediction"]
    np.testing.assert_allclose(
        answer["prediction"], regressor.reference(regressor.frame), atol=1e-4
    )
    assert abs(answer["prediction"].mean() - regressor.frame["ash"].mean()) < 0.1


def test_logits_are_what_the_probabilities_are_made_of(bundle, trained):
    opened = load(bundle)
    logits, codes = opened.judged(trained.frame)
    powers = np.exp(logits)
    expected = trained.reference(trained.frame)
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), expected, atol=1e-5)
    assert (codes == expected.argmax(axis=1)).all()


def test_a_missing_column_is_named(bundle, trained):
    with pytest.raises(UserError, match="hue"):
        load(bundle).predict(trained.frame.drop(columns="hue"))


def test_nothing_is_written_when_the_network_answers_otherwise(trained, tmp_path):
    wrong = trained.reference(trained.frame.head(8)) + 0.01
    with pytest.raises(BigmodelError, match=r"differ by up to 0\.01"):
        trained.write(tmp_path / "wine", reference=wrong)
    assert not list(tmp_path.iterdir())


def test_writing_again_replaces_the_bundle(trained, tmp_path):
    first = load(trained.write(tmp_path / "wine", name="one"))
    second = load(trained.write(tmp_path / "wine", name="two"))
    assert (first.manifest.name, second.manifest.name) == ("one", "two")
    assert [path.name for path in tmp_path.iterdir()] == ["wine"]


def test_an_id_column_called_prediction_keeps_its_values(trained, tmp_path):
    from dataclasses import replace

    columns = [
        replace(c, name="prediction") if c.kind == "id" else c for c in trained.schema.columns
    ]
    schema = replace(trained.schema, columns=tuple(columns))
    frame = trained.frame.rename(columns={"bottle": "prediction"})
    bundle = trained.write(tmp_path / "wine", schema=schema, golden=frame.head(8))
    answer = load(bundle).predict(frame.head(3))
    assert answer["id/prediction"].tolist() == ["00000", "00001", "00002"]


def test_loading_and_predicting_import_no_training_library(bundle):
    code = (
        "import sys, bigmodel, pandas as pd\n"
        "opened = bigmodel.load(sys.argv[1])\n"
        "opened.predict(pd.read_parquet(sys.argv[1] + '/golden.parquet'))\n"
        "heavy = {'torch', 'pytorch_lightning', 'sklearn', 'scipy', 'onnx'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    run = subprocess.run([sys.executable, "-c", code, bundle], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr

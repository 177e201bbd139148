"""The engine that a bundle is run by: named, chosen by its speed, or missing."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.datasets import load_digits

import bigmodel
from bigmodel import cli
from bigmodel.compression import engines
from bigmodel.errors import UserError

FRAME = load_digits(as_frame=True).data
SHORT = ["model.network.hidden=[64,64]", "trainer.max_epochs=4", "data.quality=false"]


def answers(result):
    return bigmodel.load(result.bundle).predict(FRAME).filter(like="probability").to_numpy()


@pytest.fixture(scope="module")
def by_openvino(tmp_path_factory):
    pytest.importorskip("openvino")
    place = tmp_path_factory.mktemp("engines")
    given = [*SHORT, "compression=recipe", "compression.max_drop=1",
             "compression.steps.prune_unstructured.epochs=2"]  # fmt: skip
    return [
        bigmodel.fit([*given, f"export.engine={engine}", f"hydra.run.dir={place / engine}"])
        for engine in ("onnxruntime", "openvino")
    ]


def test_a_bundle_is_run_by_its_engine_with_the_same_answers(by_openvino):
    one, other = by_openvino
    assert bigmodel.load(other.bundle).manifest.engine == "openvino"
    assert (one.bundle / "model.onnx").read_bytes() == (other.bundle / "model.onnx").read_bytes()
    np.testing.assert_allclose(answers(one), answers(other), atol=0.02)  # integers round
    assert other.metrics["test/accuracy"] == pytest.approx(one.metrics["test/accuracy"], abs=0.01)


def test_several_threads_ask_at_once(by_openvino):
    bundle = bigmodel.load(by_openvino[1].bundle)
    parts = [FRAME.iloc[start : start + 50] for start in range(0, 1000, 50)]
    alone = [bundle.probabilities(part) for part in parts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(bundle.probabilities, parts))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_without_openvino_there_is_one_line(by_openvino, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UserError, match=r"made for the engine openvino; pip install"):
        bigmodel.load(by_openvino[1].bundle)
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert cli.guarded(lambda: cli.dispatch(["train", "export.engine=openvino"])) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert 'pip install "bigmodel[openvino]"' in line


def test_auto_measures_and_says_what_it_takes(tmp_path, capsys):
    pytest.importorskip("openvino")
    result = bigmodel.fit([*SHORT, "export.engine=auto", f"hydra.run.dir={tmp_path / 'run'}"])
    said = capsys.readouterr().out
    assert "export: openvino is" in said
    taken = bigmodel.load(result.bundle).manifest.engine
    assert f"{taken} is taken" in said

"""Every option of the group: smaller, in the bundle, and measured as it is served."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from sklearn.datasets import load_digits

import bigmodel
from bigmodel.config.paths import CONF
from bigmodel.models.networks.attention import Attention

OPTIONS = sorted(p.stem for p in (CONF / "compression").glob("[a-z]*.yaml") if p.stem != "none")
FRAME = load_digits(as_frame=True).data
LEAST = {  # times smaller the network's own file has to be
    "auto": 3.5, "bf16": 1.8, "binary": 3.5, "clip": 2.5, "distill": 3, "fp16": 1.8, "int4": 4,
    "int8": 2.5, "int8_dynamic": 2.8, "int8_qat": 2.5, "low_rank": 1.05, "prune_structured": 2,
    "prune_unstructured": 2.5, "recipe": 4,
}  # fmt: skip
WITHOUT_TORCH = """
import builtins, sys
real = builtins.__import__
def closed(name, *rest):
    if name.split(".")[0] in ("torch", "pytorch_lightning", "onnx", "torch_pruning"):
        raise ImportError(name)
    return real(name, *rest)
builtins.__import__ = closed
import numpy as np
from sklearn.datasets import load_digits
from bigmodel.bundle.load import load
for bundle in sys.argv[1:]:
    answers = load(bundle).predict(load_digits(as_frame=True).data.head(50))
    assert answers["prediction"].notna().all()
    np.save(bundle + "/../answers.npy", answers.filter(like="probability").to_numpy())
"""


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_shrinks_what_is_served(compressed, option):
    plain, (result, said) = compressed("none").result, compressed(option)
    size = (result.bundle / "model.onnx").stat().st_size
    before = (plain.bundle / "model.onnx").stat().st_size
    metrics = result.metrics
    assert before >= LEAST[option] * size, said
    assert metrics["compression/model_ratio"] == pytest.approx(before / size, rel=0.01)
    tables = ("preprocess.json", "preprocess.safetensors")
    around = sum((result.bundle / name).stat().st_size for name in tables)
    assert metrics["compression/bytes"] == pytest.approx(size + around, abs=2)
    assert not (result.bundle / "model.safetensors").exists()
    for batch in ("b1", "b64"):
        ends = [metrics[f"compression/latency_ratio_{batch}{end}"] for end in ("_low", "", "_high")]
        assert 0 < ends[0] <= ends[1] <= ends[2]
    assert metrics["compression/drop"] <= min(0.2, metrics["compression/drop_upper"])
    assert f"compression: {option}" in said or option in ("clip", "recipe")
    assert bigmodel.load(result.bundle).predict(FRAME.head(40))["prediction"].notna().all()


@pytest.mark.parametrize("option", ["int8", "prune_unstructured"])
def test_metrics_are_those_of_the_file_that_is_served(compressed, option):
    result = compressed(option).result
    splits = __import__("pandas").read_parquet(result.run_dir / "splits.parquet")["split"]
    target = load_digits().target
    bundle = bigmodel.load(result.bundle)
    for part in ("val", "test"):
        rows = (splits == part).to_numpy()
        answers = bundle.predict(FRAME[rows])
        accuracy = (answers["prediction"].to_numpy() == target[rows]).mean()
        assert result.metrics[f"{part}/accuracy"] == pytest.approx(accuracy, abs=1e-9)
        own = answers.filter(like="probability").to_numpy()[np.arange(rows.sum()), target[rows]]
        assert result.metrics[f"{part}/log_loss"] == pytest.approx(-np.log(own).mean(), rel=1e-4)


def test_integers_are_run_as_integers(compressed, tmp_path):
    import onnxruntime

    for option in ("int8", "binary", "recipe"):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f"{option}.onnx")
        options.log_severity_level = 4
        file = compressed(option).result.bundle / "model.onnx"
        onnxruntime.InferenceSession(file, options)
        kinds = [node.op_type for node in onnx.load(tmp_path / f"{option}.onnx").graph.node]
        assert kinds.count("QGemm") == 4, option
        assert not {"Gemm", "BitShift", "CumSum"} & set(kinds), option


def test_packed_models_load_without_torch_and_give_the_same_answers(compressed):
    options = ("int8", "binary", "prune_structured", "prune_unstructured", "low_rank", "int4")
    bundles = {option: str(compressed(option).result.bundle) for option in options}
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *bundles.values()], check=True)
    for option, bundle in bundles.items():
        here = bigmodel.load(bundle).predict(FRAME.head(50)).filter(like="probability").to_numpy()
        there = np.load(f"{bundle}/../answers.npy")
        np.testing.assert_allclose(there, here, atol=1e-6, err_msg=option)


def test_signs_are_signs_and_zeros_are_zeros(compressed):
    result = compressed("binary").result
    sizes = {
        tuple(tensor.dims): tensor
        for tensor in onnx.load(result.bundle / "model.onnx").graph.initializer
    }
    assert (1, 64 * 64 // 8, 1) in sizes  # one plane of bits for a 64 x 64 layer
    sparse = compressed("prune_unstructured").result.metrics
    assert (
        sparse["compression/model_ratio"]
        < compressed("recipe").result.metrics["compression/model_ratio"]
    )


def test_a_regression_is_compressed_too(compressed):
    given = ("data=diabetes", "trainer.max_epochs=20")
    result, said = compressed("int8", *given)
    assert "rmse loses" in said
    assert result.metrics["compression/size_ratio"] > 1.5
    prediction = bigmodel.load(result.bundle).predict(load_diabetes_frame().head(10))["prediction"]
    assert prediction.between(0, 500).all()


def load_diabetes_frame():
    from sklearn.datasets import load_diabetes

    return load_diabetes(as_frame=True).data


@pytest.mark.parametrize("weighting", ["crt", "logit_adjust_posthoc", "ldam"])
def test_weighting_survives(compressed, weighting):
    tail = "data.long_tail.imbalance_factor=20"
    plain = compressed("none", f"weighting={weighting}", tail).result
    small, said = compressed("int8_qat", f"weighting={weighting}", tail)
    assert small.metrics["compression/size_ratio"] > 1.5, said
    before, after = (
        json.loads((r.bundle / "postprocess.json").read_text()) for r in (plain, small)
    )
    np.testing.assert_allclose(before["offset"], after["offset"], atol=3)
    assert len(before["offset"]) == len(after["offset"])
    assert small.metrics["val/macro_f1"] > plain.metrics["val/macro_f1"] - 0.2


def test_auto_prints_the_points_and_draws_them(compressed):
    result, said = compressed("auto")
    assert "front" in said
    assert "taken" in said
    assert (result.run_dir / "figures" / "compression.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize("model", ["tabm", "ft_transformer"])
def test_other_networks_become_integers(tmp_path, model):
    small = {
        "tabm": ["model.network.members=2", "model.network.width=128"],
        "ft_transformer": ["model.network.width=16", "model.network.blocks=1"],
    }
    result = bigmodel.fit(
        [f"model={model}", *small.get(model, []), "data=wine", "compression=int8",
         "data.split.ratios=[4,1,1]", "compression.max_drop=1", "trainer.max_epochs=1",
         "data.quality=false", f"hydra.run.dir={tmp_path / 'run'}"]
    )  # fmt: skip
    assert result.metrics["compression/model_ratio"] > 1.3


def test_attention_loses_whole_heads(tmp_path):
    """Of 4 heads of 8 numbers 2 are left: a layer of 3 x 16 outputs, where there were 96."""
    result = bigmodel.fit(
        ["model=ft_transformer", "data=wine", "model.network.width=32", "model.network.blocks=1",
         "model.network.heads=4", "compression=prune_structured", "compression.max_drop=1",
         "compression.steps.prune_structured.rounds=1", "data.quality=false",
         "compression.steps.prune_structured.epochs=1", "trainer.max_epochs=1",
         "compression.steps.prune_structured.control=false", f"hydra.run.dir={tmp_path / 'run'}"]
    )  # fmt: skip
    graph = onnx.load(result.bundle / "model.onnx").graph
    widths = {width for tensor in graph.initializer for width in tensor.dims}
    assert 48 in widths
    assert 96 not in widths


def test_heads_that_stay_answer_as_before():
    torch.manual_seed(0)
    attention, tokens = Attention(12, 3, "width"), torch.randn(2, 5, 12)
    with torch.no_grad():
        attention.out.weight[:, 4:8] = 0.0  # nothing comes of the second head
    before = attention(tokens)
    attention.keep([0, 2])
    torch.testing.assert_close(attention(tokens), before)

"""What the gate does with a step that costs too much, and what is refused before the fit."""

import sys

import pytest

import bigmodel
from bigmodel import cli
from bigmodel.errors import UserError

BAD = ["compression.max_drop=1e-6", "compression.steps.binary.epochs=1",
       "compression.steps.binary.lr=1e-6", "~compression.steps.int8"]  # fmt: skip
SHORT = ["model.network.hidden=[64,64,64]", "trainer.max_epochs=12", "data.quality=false"]


def line_of(capsys, *overrides: str) -> str:
    """The one line with which a run is refused."""
    capsys.readouterr()
    assert cli.guarded(lambda: cli.dispatch(["train", *overrides])) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize("required", ["true", "false"])
def test_a_budget_that_nothing_meets(here, capsys, required):
    code = cli.guarded(
        lambda: cli.dispatch(
            ["train", *SHORT, "compression=binary", "compression.steps.binary.layers=all", *BAD,
             f"compression.required={required}", "hydra.run.dir=run"]
        )
    )  # fmt: skip
    told = capsys.readouterr()
    assert code == (1 if required == "true" else 0)
    assert "binary (all layers): macro_f1 loses" in told.out
    assert "softened" in told.out
    assert "binary (inner layers): macro_f1 loses" in told.out
    assert "undone" in told.out
    if required == "true":
        assert told.err.startswith("compression.required: binary (inner layers): macro_f1 loses")
    # the uncompressed model is there in both cases
    bundle = bigmodel.load(here / "run" / "bundle")
    assert (bundle.path / "model.safetensors").exists()


def test_too_few_rows_to_calibrate(small_table, capsys):
    line = line_of(
        capsys, "data=csv", f"data.path={small_table}", "data.target=y", "compression=int8"
    )
    assert "30 are too few (100 are needed)" in line
    assert "compression=int8_dynamic" in line


def test_no_validation_rows(small_table, capsys):
    table = ["data=csv", f"data.path={small_table}", "data.target=y"]
    line = line_of(capsys, *table, "data.split.ratios=[3,0,1]", "compression=fp16")
    assert "there are none" in line


def test_steps_that_train_need_a_network_that_trains(here, capsys):
    pytest.importorskip("lightgbm")
    line = line_of(capsys, "model=gbdt", "model.network.rounds=3", "compression=low_rank")
    assert "GBDT is not trained step by step" in line


def test_layers_that_cannot_be_compressed_are_named(here, capsys):
    pytest.importorskip("lightgbm")
    result = bigmodel.fit(["model=gbdt", "model.network.rounds=3", "compression=int8"])
    said = capsys.readouterr().out
    assert "int8 (8 bits): GBDT stays as it is: it has no linear" in said
    assert "nothing is left" in said
    assert "compression/size_ratio" not in result.metrics


def test_wrong_settings_are_told_with_their_key(here):
    with pytest.raises(UserError) as caught:
        bigmodel.fit(["compression=int8", "compression.steps.int8.bit=4", "compression.max_drop=0"])
    assert "compression.steps.int8.bit: Int8 has no such setting; did you mean bits?" in str(
        caught.value
    )
    assert "compression.max_drop: input should be greater than 0" in str(caught.value)


def test_steps_that_are_all_taken_out(here):
    with pytest.raises(UserError) as caught:
        bigmodel.fit(["compression=int8", "compression.steps.int8=null"])
    assert "compression.steps: none is left; use compression=none" in str(caught.value)


def test_without_torch_pruning_there_is_one_line(here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    line = line_of(capsys, *SHORT, "compression=prune_structured")
    assert 'pip install "bigmodel[compression]"' in line

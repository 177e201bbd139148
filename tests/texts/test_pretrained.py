"""Pretrained models from a folder: fine-tuned, frozen, and what is refused."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

import bigmodel
from bigmodel.errors import UserError
from bigmodel.models.networks.pretrained import PretrainedText


@pytest.mark.parametrize("model", ["hf", "sentence"])
def test_a_model_of_a_folder_trains_and_predicts(model, table, fit, tiny_bert):
    result = fit(
        "data=text", f"data.path={table}", "data.column=review", "data.target=opinion",
        f"model={model}", f"model.network.source={tiny_bert}", "trainer.max_epochs=6",
    )  # fmt: skip
    wanted = 0.8 if model == "hf" else 0.4  # vectors of random weights say little
    assert result.metrics["test/accuracy"] > wanted
    frame = pd.read_csv(table, keep_default_na=False)
    answers = bigmodel.load(result.bundle).predict(frame)  # the golden batch was asked: parity
    assert (answers["prediction"] == frame["opinion"]).mean() > wanted


def test_weights_that_could_run_code_are_refused(tiny_bert, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(tiny_bert, folder)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(UserError) as caught:
        PretrainedText(0, (), 2, 8, source=str(folder))
    assert len(caught.value.lines) == 1
    assert "safetensors" in caught.value.lines[0]


def test_more_tokens_than_the_model_reads_is_one_line(tiny_bert):
    with pytest.raises(UserError, match=r"reads 64 tokens at most.*model\.text\.length=64"):
        PretrainedText(0, (), 2, 100, source=tiny_bert)


def test_a_package_that_carries_a_model_is_found_without_running_it(tmp_path, monkeypatch):
    from bigmodel.data.text.pretrained import local

    package = tmp_path / "carrying_model"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('ran')")
    (package / "model" / "config.json").write_text("{}")
    monkeypatch.syspath_prepend(tmp_path)
    assert local("carrying-model") == package / "model"
    assert local("no-such-package-anywhere") is None
    assert isinstance(local(str(tmp_path)), Path)

"""Pretrained networks from a directory: trained, exported, and refused in a line."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pictures import COLOURS, encoded, noisy

import bigmodel
from bigmodel.bundle.load import load
from bigmodel.errors import UserError
from bigmodel.models.networks.hf_image import HFImage


@pytest.fixture
def pretrained(tmp_path, monkeypatch) -> Path:
    """A tiny vision transformer for images of 16x16."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        image_size=16, patch_size=4,
    )  # fmt: skip
    place = tmp_path / "vit"
    transformers.ViTModel(config).save_pretrained(place)
    (place / "preprocessor_config.json").write_text('{"image_mean": [0.4, 0.4, 0.4]}')
    return place


def test_it_is_trained_exported_and_answers(here, colours, pretrained):
    result = bigmodel.fit(
        [
            "data=images", f"data.path={colours}", "data.size=16", "data.batch_size=8",
            "model=hf_image", f"model.network.path={pretrained}", "trainer.max_epochs=12",
            "optimizer.lr=0.01", f"hydra.run.dir={here / 'run'}",
        ]
    )  # fmt: skip
    assert result.metrics["test/accuracy"] > 0.6
    frame = pd.DataFrame({"image": [encoded(noisy(COLOURS["green"], 9))]})
    assert load(result.bundle).predict(frame)["prediction"].tolist() == ["green"]


def test_frozen_weights_stay_and_grey_images_are_taken(pretrained):
    network = HFImage((1, 16, 16), 3, 0, (), path=str(pretrained), freeze=True)
    assert [name for name, p in network.named_parameters() if p.requires_grad] == [
        "head.weight", "head.bias",
    ]  # fmt: skip
    image = torch.randint(0, 256, (2, 1, 16, 16), dtype=torch.uint8)
    empty = torch.zeros(2, 0)
    given = (image.expand(-1, 3, -1, -1) / 255 - 0.4) / 0.5
    with torch.no_grad():
        wanted = network.trunk.model.eval()(given).last_hidden_state.mean(1)
        found = network.features(image, empty, empty)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_another_size_is_refused_with_the_right_one(pretrained):
    with pytest.raises(UserError, match=r"does not take these images .*; set data.size=16$"):
        HFImage((3, 20, 20), 3, 0, (), path=str(pretrained))


def test_pickled_weights_and_nothing_at_all_are_refused(pretrained, tmp_path):
    (pretrained / "model.safetensors").unlink()
    torch.save({}, pretrained / "pytorch_model.bin")
    for path in (pretrained, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=f"^model.network.path={path}: cannot be loaded"):
            HFImage((3, 16, 16), 3, 0, (), path=str(path))

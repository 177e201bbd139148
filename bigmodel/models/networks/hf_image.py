"""Pretrained networks of images, from a local path or a hub, through `transformers`."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bigmodel.errors import UserError
from bigmodel.models.networks.images import CENTRE, SPREAD, ImageNetwork, View

__all__ = ["HFImage"]

_TRIED = 2  # images, when it is made


class HFImage(ImageNetwork):
    """Any vision model that `AutoModel` knows, with a new head.

    `path` is a directory or a name on the hub, at a `revision`. Weights are read from safetensors
    only, and no code of the repository is ever run. With `freeze`, only the head is trained. The
    features are the mean over the last hidden state; grey images become three equal channels. See
    `ImageNetwork` for what it is called with. Raises UserError when there is no such model, or
    when it does not take images of this size.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        n_outputs: int,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        *,
        path: str,
        revision: str | None = None,
        freeze: bool = False,
        test_time: Sequence[View] = (),
    ) -> None:
        trunk = _Trunk(*_pretrained(path, revision), frozen=freeze)
        try:
            with torch.no_grad():
                width = trunk.eval()(torch.zeros(_TRIED, *image)).shape[1]
        except Exception as error:
            size = getattr(trunk.model.config, "image_size", None)
            fix = f"set data.size={size}" if size else "choose another model"
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"model: {path} does not take these images ({why}); {fix}") from error
        super().__init__(trunk, width, n_outputs, n_numeric, cardinalities, tuple(test_time))


class _Trunk(nn.Module):
    """Normalised pixels to features, (n, width)."""

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, model: Any, mean: Sequence[float], deviation: Sequence[float], frozen: bool
    ) -> None:
        super().__init__()
        self.model = model.requires_grad_(not frozen)
        self.frozen = frozen
        for name, values in (("mean", mean), ("deviation", deviation)):
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """The mean of the last hidden state over places or tokens."""
        if self.frozen:
            self.model.eval()
        given = (pixels.expand(-1, 3, -1, -1) * SPREAD + CENTRE - self.mean) / self.deviation
        hidden: Tensor = self.model(given).last_hidden_state
        return hidden.mean((2, 3)) if hidden.dim() == 4 else hidden.mean(1)


def _pretrained(path: str, revision: str | None) -> tuple[Any, list[float], list[float]]:
    """The model, and the mean and the deviation of pixels in 0..1 that it was trained on."""
    try:
        from transformers import AutoModel
        from transformers.utils import logging as talk
        from transformers.utils.hub import cached_file
    except ImportError as error:
        raise UserError('model: hf_image needs transformers; pip install "bigmodel[hf]"') from error
    talk.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    place = str(Path(path).expanduser()) if Path(path).expanduser().exists() else path
    try:
        model = AutoModel.from_pretrained(
            place, revision=revision, trust_remote_code=False, use_safetensors=True
        )
        told = cached_file(
            place, "preprocessor_config.json", revision=revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )  # fmt: skip
        settings = json.loads(Path(told).read_text()) if told else {}
    except Exception as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"model.network.path={path}: cannot be loaded ({why}); give a directory with "
            "config.json and model.safetensors, or a name on the hub"
        ) from error
    return model, settings.get("image_mean") or [0.5] * 3, settings.get("image_std") or [0.5] * 3

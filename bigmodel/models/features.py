"""A trained network opened up: its outputs and the features that they are made of, side by side."""

import inspect
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from bigmodel.data.batch import Batch, reads

Calls = Callable[..., Tensor]


class Opened(nn.Module):
    """Gives (n, n_outputs + width): the outputs, then what the head of `network` got.

    Networks without `features` and a linear head (trees, ensembles) give their outputs alone.
    Made by `opened`, which gives the class the signature of the network.
    """

    def __init__(self, network: nn.Module, through_head: bool) -> None:
        super().__init__()
        self.network, self.through_head = network, through_head

    def forward(self, *inputs: Tensor) -> Tensor:
        """Outputs and features of n rows."""
        if not has_features(self.network):
            output: Tensor = self.network(*inputs)
            return output
        extract, head = cast(Calls, self.network.features), cast(Calls, self.network.head)
        features = extract(*inputs)
        output = head(features) if self.through_head else self.network(*inputs)
        return torch.cat([output, features], dim=1)


def has_features(network: nn.Module) -> bool:
    """Whether the network says what its linear head gets, one vector a row."""
    return hasattr(network, "features") and isinstance(getattr(network, "head", None), nn.Linear)


def width(network: nn.Module) -> int:
    """How many features there are, 0 for none."""
    head = getattr(network, "head", None)
    return head.in_features if has_features(network) and isinstance(head, nn.Linear) else 0


def opened(network: nn.Module, sample: Batch) -> Opened:
    """The network with its features beside its outputs, in evaluation mode.

    `sample` are a few rows, with which it is found out whether the head alone makes the answer
    (else the network runs twice: it averages over several views of an image, say).
    """
    network = network.cpu().eval()
    through = False
    if has_features(network):
        inputs = [sample.inputs[name] for name in reads(network)]
        with torch.no_grad():
            extract, head = cast(Calls, network.features), cast(Calls, network.head)
            through = torch.allclose(network(*inputs), head(extract(*inputs)), atol=1e-5)
    forward: Any = type("Opened", (Opened,), {"forward": lambda s, *x: Opened.forward(s, *x)})
    forward.forward.__signature__ = inspect.signature(type(network).forward)
    made: Opened = forward(network, through).eval()
    return made

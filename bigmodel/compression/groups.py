"""Groups of layers that have to keep the same width, found by Torch-Pruning (an extra)."""

import copy
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bigmodel.data.batch import ask
from bigmodel.data.encoder import Encoded
from bigmodel.errors import UserError

_EXAMPLE = 4  # rows to trace with
Inputs = Mapping[str, Tensor]


def library() -> Any:
    """The module `torch_pruning`. Raises UserError where it is not installed."""
    try:
        import torch_pruning
    except ImportError as error:
        raise UserError(
            "compression: prune_structured needs the extra compression; "
            'pip install "bigmodel[compression]"'
        ) from error
    return torch_pruning


def inputs(rows: Encoded) -> Inputs:
    """A few rows to trace the network with."""
    named = rows.rows(slice(_EXAMPLE)).named()
    return {name: torch.from_numpy(array) for name, array in named.items()}


def prunable(network: nn.Module, given: Inputs) -> tuple[list[str], list[str]]:
    """The layers whose outputs can get fewer, and those where it fails, by name.

    A layer can when the network still answers after a try on a copy. The head cannot: its outputs
    are the answer.
    """
    can: list[str] = []
    cannot: list[str] = []
    names = {module: name for name, module in network.named_modules()}
    for root in _roots(network, given):
        name = names[root]
        if name == "head":
            continue
        (can if _survives(network, given, name) else cannot).append(name)
    return can, cannot


def _roots(network: nn.Module, given: Inputs) -> list[nn.Module]:
    """One layer of each group."""
    graph = _graph(network, given)
    kinds = [nn.modules.conv._ConvNd, nn.Linear]
    return [group[0].dep.target.module for group in graph.get_all_groups([], kinds)]


def _graph(network: nn.Module, given: Inputs) -> Any:
    tp = library()
    network.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parameters that belong to no layer: tried out below
        return tp.DependencyGraph().build_dependency(network, given, forward_fn=ask)


def _group(graph: Any, layer: nn.Module, places: list[int]) -> Any:
    tp = library()
    conv = isinstance(layer, nn.modules.conv._ConvNd)
    out = tp.prune_conv_out_channels if conv else tp.prune_linear_out_channels
    return graph.get_pruning_group(layer, out, places)


def _survives(network: nn.Module, given: Inputs, name: str) -> bool:
    """Whether the network answers, and trains, with the last output of the layer gone."""
    tried = copy.deepcopy(network)
    layer = tried.get_submodule(name)
    width = _width(layer)
    if width < 2:
        return False
    try:
        before = ask(tried, given).shape
        _group(_graph(tried, given), layer, [width - 1]).prune()
        for mode in (True, False):
            output = ask(tried.train(mode), given)
        torch.autograd.backward(output.sum())
    except Exception:  # noqa: BLE001  whatever it is that this network does not allow
        return False
    return output.shape == before and _width(layer) == width - 1


def _width(layer: nn.Module) -> int:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.shape[0]


def prune(
    network: nn.Module,
    given: Inputs,
    roots: list[str],
    scores: Mapping[str, Tensor],
    ratio: float,
    round_to: int,
) -> None:
    """Take the share `ratio` of the width of each root's group, those of the lowest scores.

    `scores` are of each weight, by the name of its layer. What stays is a multiple of `round_to`,
    where the layer is that wide.
    """
    names = {id(module): name for name, module in network.named_modules()}
    for name in roots:
        graph = _graph(network, given)
        layer = network.get_submodule(name)
        width = _width(layer)
        stays = round(width * (1 - ratio) / round_to) * round_to or min(round_to, width)
        if stays >= width:
            continue
        group = _group(graph, layer, list(range(width)))
        worth = _worth(group, width, names, scores)
        gone = worth.argsort()[: width - stays].tolist()
        _group(graph, layer, sorted(gone)).prune()


def _worth(
    group: Any, width: int, names: Mapping[int, str], scores: Mapping[str, Tensor]
) -> Tensor:
    """What each output of a group is worth: the sum of the scores of its weights, (width,)."""
    tp = library()
    total = torch.zeros(width)
    outs = (tp.prune_conv_out_channels, tp.prune_linear_out_channels)
    ins = (tp.prune_conv_in_channels, tp.prune_linear_in_channels)
    for dep, places in group:
        score = scores.get(names.get(id(dep.target.module), ""))
        axis = 0 if dep.handler in outs else 1 if dep.handler in ins else None
        if score is None or axis is None or len(places) != width:
            continue
        others = [i for i in range(score.dim()) if i != axis]
        each = score.sum(others)
        total += each[torch.tensor(places)] / each.mean().abs().clamp(min=1e-12)
    return total

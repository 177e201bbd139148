"""The weights of a network that compression can change, and constraints on them in training."""

import copy
from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.utils import parametrize

from bigmodel.compression.step import Unsupported

Layers = dict[str, nn.Module]


def weights(network: nn.Module) -> Layers:
    """The layers with a matrix (or more axes) of weights, by name, in the network's order.

    Linear layers, convolutions and their like of the table networks; no lookup tables: most of
    their rows are rare, and small for that reason alone.
    """
    return {
        name: module
        for name, module in network.named_modules()
        if not isinstance(module, nn.Embedding) and _matrix(module) is not None
    }


def inner(network: nn.Module) -> Layers:
    """The same without the first and the last: those read the data, and give the answer."""
    found = list(weights(network).items())
    return dict(found[1:-1])


def need_layers(found: Layers, kind: str) -> Layers:
    """The layers. Raises Unsupported when there are none of that kind."""
    if not found:
        raise Unsupported(f"it has no {kind} layer of weights")
    return found


def outputs_axis(module: nn.Module) -> int:
    """The axis of a layer's weights that counts its outputs.

    Linear layers and convolutions: the first. Layers of n features or k members, (n, in, out):
    the last.
    """
    plain = isinstance(module, nn.Linear | nn.modules.conv._ConvNd)
    matrix = _matrix(module)
    assert matrix is not None
    return 0 if plain or matrix.dim() == 2 else matrix.dim() - 1


def _matrix(module: nn.Module) -> Tensor | None:
    found = getattr(module, "weight", None)
    return found if isinstance(found, nn.Parameter) and found.dim() >= 2 else None


def constrained(network: nn.Module, constraints: dict[str, nn.Module]) -> nn.Module:
    """A copy in which the named layers' weights pass through constraints before they are used."""
    made = copy.deepcopy(network)
    for name, constraint in constraints.items():
        parametrize.register_parametrization(
            made.get_submodule(name), "weight", constraint, unsafe=True
        )
    return made


def settled(network: nn.Module) -> nn.Module:
    """The network, its weights as their constraints left them, without these."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return network


def constraints(network: nn.Module, kind: type[nn.Module]) -> Iterator[nn.Module]:
    """The constraints of a kind that there are, in the network's order."""
    return (module for module in network.modules() if isinstance(module, kind))

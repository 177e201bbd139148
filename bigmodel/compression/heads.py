"""Heads of attention, which structured pruning takes out as a whole."""

from collections.abc import Mapping

from torch import Tensor, nn

from bigmodel.models.networks.attention import Attention


def attentions(network: nn.Module) -> dict[str, Attention]:
    """The layers of attention with more than one head, by name."""
    return {n: m for n, m in network.named_modules() if isinstance(m, Attention) and m.heads > 1}


def counts(network: nn.Module) -> dict[str, int]:
    """How many heads each has."""
    return {name: attention.heads for name, attention in attentions(network).items()}


def left(counts: Mapping[str, int], share: float) -> dict[str, int]:
    """How many of them stay; one at least."""
    return {name: max(1, round(count * share)) for name, count in counts.items()}


def prune(network: nn.Module, scores: Mapping[str, Tensor], stay: Mapping[str, int]) -> None:
    """Take out the heads of the lowest scores until `stay` are left, by the attention's name.

    `scores` are of each weight, by the name of its layer: a head counts what its queries, keys,
    values and its part of the output do, each relative to its layer.
    """
    for name, attention in attentions(network).items():
        if stay[name] >= attention.heads:
            continue
        inside = scores[f"{name}.query_key_value"]
        out = scores[f"{name}.out"]
        worth = inside.view(3, attention.heads, -1).sum((0, 2)) / inside.mean().clamp(min=1e-12)
        worth = worth + out.view(len(out), attention.heads, -1).sum((0, 2)) / out.mean().clamp(
            min=1e-12
        )
        best = worth.argsort(descending=True)[: stay[name]]
        attention.keep(sorted(best.tolist()))

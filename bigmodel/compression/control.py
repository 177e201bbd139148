"""The control of structured pruning: the same shape, trained from scratch as the run was."""

import copy

import torch
from torch import nn

from bigmodel.compression.candidate import Candidate
from bigmodel.compression.tune import train_afresh
from bigmodel.compression.work import Work


def control(candidate: Candidate, work: Work, name: str) -> Candidate:
    """The candidate, or the same shape trained from scratch where that is better on validation.

    Says which, and adds `scratch_gain` to the figures: how much the control is better, in the
    units of the gate.
    """
    network = train_afresh(fresh(candidate.network, work.data.settings.seed), work, name)
    scratch = candidate.with_network(network)
    ours, other = (work.answers(made.served, work.val) for made in (candidate, scratch))
    lost = work.drop(ours, other, work.val)
    better = lost.value < 0
    kept = "it is kept" if better else "not kept"
    print(
        f"compression: the same shape trained from scratch: {work.monitor} "
        f"{abs(lost.value):.4f} {'better' if better else 'worse'}; {kept}"
    )
    return (scratch if better else candidate).with_figures(scratch_gain=round(-lost.value, 6))


def fresh(network: nn.Module, seed: int) -> nn.Module:
    """A copy with new weights, as its layers start; loose parameters are drawn as before."""
    made = copy.deepcopy(network)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in made.modules():
            reset = getattr(module, "reset_parameters", None)
            if reset is not None:
                reset()
                continue
            for parameter in module.parameters(recurse=False):
                if parameter.numel() > 1:
                    parameter.normal_(float(parameter.mean()), float(parameter.std()))
    return made

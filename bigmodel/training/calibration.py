"""Temperature scaling (Guo et al. 2017, arXiv 1706.04599): probabilities mean what they say."""

import math
from collections.abc import Iterable

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn import functional as F

from bigmodel.data.batch import Batch, ask

LOG_RANGE = math.log(20.0)  # temperatures beyond 1/20..20 say that the model is broken, not tuned


def fit_temperature(logits: Tensor, target: Tensor) -> float:
    """The T that minimises the log loss of softmax(logits / T) on held-out rows.

    One number fitted on the validation split; it changes no decision, only the confidence. The
    labels are smoothed by 1 / (n + 2) (Platt 1999): a network without a mistake on n rows is not
    certain. Returns 1.0 when there are no rows or nothing is gained.
    """
    if not len(target):
        return 1.0
    logits = logits.double()

    def log_loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        return float(F.cross_entropy(scaled, target, label_smoothing=1 / (len(target) + 2)))

    best = minimize_scalar(log_loss, bounds=(-LOG_RANGE, LOG_RANGE), method="bounded")
    return math.exp(best.x) if best.fun < log_loss(0.0) else 1.0


@torch.inference_mode()
def outputs(
    network: torch.nn.Module, batches: Iterable[Batch], device: torch.device
) -> tuple[Tensor, Tensor]:
    """The network's outputs (n, n_outputs) and targets (n,) of a whole split, on the CPU."""
    network.eval().to(device)
    collected = [
        (ask(network, batch.of(lambda x: x.to(device)).inputs).float().cpu(), batch.target)
        for batch in batches
    ]
    if not collected:
        return torch.zeros(0, 1), torch.zeros(0)
    logits, targets = zip(*collected, strict=True)
    return torch.cat(logits), torch.cat(targets)

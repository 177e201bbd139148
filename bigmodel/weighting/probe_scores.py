"""What probes say of the training rows: probabilities out of fold, and margins over a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bigmodel.weighting.rows import Floats, Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def out_of_fold(rows: Rows, folds: int, epochs: int, lr: float, adjust: bool) -> Floats:
    """Class probabilities of each training row, (m, C), by a network that did not see it.

    With `adjust` the networks train with logit adjustment, so that theirs are balanced classes.
    """
    import torch

    probe = rows.probe
    assert probe is not None
    train = torch.from_numpy(rows.train)
    fold = torch.from_numpy(stratified_folds(rows.target[rows.train], folds, probe.seed))
    loss = _loss(rows, adjust)
    found = torch.zeros(len(train), len(rows.classes))
    for number in range(folds):
        network = probe.train(train[fold != number], epochs=epochs, lr=lr, loss=loss, seed=number)
        found[fold == number] = probe.probabilities(network, train[fold == number])
    result: Floats = found.double().numpy()
    return result


def margins(rows: Rows, epochs: int, lr: float) -> tuple[Floats, NDArray[np.int64]]:
    """Of each training row the mean margin z_y - max z_other, (m,), and its likeliest class."""
    import torch

    probe = rows.probe
    assert probe is not None
    labels = probe.labels
    total, seen = torch.zeros(len(labels)), torch.zeros(len(labels))
    votes = torch.zeros(len(labels), len(rows.classes))

    def watch(batch: Tensor, logits: Tensor) -> None:
        own = logits.gather(1, labels[batch][:, None])
        others = logits.scatter(1, labels[batch][:, None], -torch.inf)
        total[batch] += own[:, 0] - others.max(1).values
        votes[batch] += logits.softmax(1)
        seen[batch] += 1

    train = torch.from_numpy(rows.train)
    probe.train(train, epochs=epochs, lr=lr, loss=_loss(rows, False), watch=watch)
    score: Floats = (total / seen)[train].double().numpy()
    return score, votes[train].argmax(1).numpy()


def stratified_folds(labels: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """A fold for each row, (m,), such that each class is spread evenly."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[by_class] = np.arange(len(labels)) % folds
    return fold


def _loss(rows: Rows, adjust: bool) -> Callable[[Tensor, Tensor], Tensor]:
    import torch

    from bigmodel.weighting.logits import log_prior
    from bigmodel.weighting.losses import CrossEntropy, LogitAdjusted

    if adjust:
        return LogitAdjusted(torch.tensor(log_prior(rows), dtype=torch.float32))
    return CrossEntropy()

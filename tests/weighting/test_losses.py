"""Losses, against numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from bigmodel.weighting.logits import LDAM, Focal, LogitAdjust
from bigmodel.weighting.losses import CosineHead, CrossEntropy, SquaredError
from bigmodel.weighting.rows import Rows

ROWS = Rows(np.repeat([0, 1], [8, 2]), ("common", "rare"), np.arange(10))  # shares .8 and .2
LOG2 = math.log(2)


def loss_of(strategy, logits: list[list[float]], target: list[int], **settings) -> list[float]:
    loss = strategy.fit(ROWS).loss(**settings)
    return loss(torch.tensor(logits), torch.tensor(target)).tolist()


def test_logit_adjustment_adds_the_log_of_the_class_shares():
    # equal logits become .8 and .2 after adjustment
    losses = loss_of(LogitAdjust(), [[0.0, 0.0], [0.0, 0.0]], [0, 1])
    assert losses == pytest.approx([-math.log(0.8), -math.log(0.2)])
    # logits that undo the shares are a coin toss
    undone = [[0.0, math.log(4)]] * 2
    assert loss_of(LogitAdjust(), undone, [0, 1]) == pytest.approx([LOG2, LOG2])


def test_tau_is_the_power_of_the_shares():
    # sqrt(.8) : sqrt(.2) = 2 : 1
    losses = loss_of(LogitAdjust(tau=0.5), [[0.0, 0.0]], [1])
    assert losses == pytest.approx([math.log(3)])


def test_focal_loss_counts_less_of_what_is_sure():
    # p = 3/4: (1/4)^2 * log(4/3); p = 1/4: (3/4)^2 * log 4
    logits = [[math.log(3), 0.0]] * 2
    expected = [math.log(4 / 3) / 16, 9 / 16 * math.log(4)]
    assert loss_of(Focal(), logits, [0, 1]) == pytest.approx(expected)
    assert loss_of(Focal(gamma=0.0), logits[:1], [1]) == pytest.approx([math.log(4)])


def test_focal_loss_of_a_certain_row_is_zero_not_nan():
    assert loss_of(Focal(gamma=0.5), [[200.0, 0.0]], [0]) == [0.0]


def test_ldam_takes_a_margin_from_the_true_class():
    # margins: .5 for the rare class, .5 * (2/8)^(1/4) = .35355 for the common one; scale 10
    strategy = LDAM(max_margin=0.5, scale=10.0)
    equal = loss_of(strategy, [[5.0, 5.0], [5.0, 5.0]], [0, 1])
    assert equal == pytest.approx([math.log(1 + math.exp(3.5355339)), math.log(1 + math.exp(5.0))])


def test_label_smoothing_is_kept():
    # .9 + .05 on the true class, .05 on the other: -(.95 log p + .05 log (1 - p)), p = 3/4
    logits = [[math.log(3), 0.0]]
    expected = -(0.95 * math.log(3 / 4) + 0.05 * math.log(1 / 4))
    assert CrossEntropy(0.1)(torch.tensor(logits), torch.tensor([0])).item() == (
        pytest.approx(expected)
    )


def test_squared_error_is_row_by_row():
    losses = SquaredError()(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 1.0]))
    assert losses.tolist() == [1.0, 4.0]


def test_a_cosine_head_looks_at_directions_only():
    head = CosineHead(nn.Linear(2, 2), scale=30.0)
    head.weight.data = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    # cosines of (0, 2) to (1, 0) and (3, 4) are 0 and .8, whatever the lengths
    for length in (2.0, 200.0):
        assert head(torch.tensor([[0.0, length]])).tolist() == [[0.0, pytest.approx(24.0)]]

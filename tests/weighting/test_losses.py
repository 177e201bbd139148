"""Losses, against numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bigmodel.data.batch import Batch
from bigmodel.data.spec import ModelSpec
from bigmodel.models.task import Task
from bigmodel.weighting.logits import LDAM, Focal, LogitAdjust
from bigmodel.weighting.losses import CosineHead, CrossEntropy, SquaredError
from bigmodel.weighting.losses import Focal as FocalLoss
from bigmodel.weighting.plan import Plan
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


@pytest.mark.parametrize("gamma", [0.5, 0.99])
def test_a_certain_row_teaches_the_focal_loss_nothing(gamma):
    logits = torch.tensor([[30.0, 0.0]], requires_grad=True)
    FocalLoss(gamma)(logits, torch.tensor([0])).sum().backward()
    assert logits.grad.tolist() == [[pytest.approx(0, abs=1e-6)] * 2]


def test_the_margins_of_ldam_go_by_the_fourth_root():
    rows = Rows(np.repeat([0, 1, 2], [81, 16, 1]), ("a", "b", "c"), np.arange(98))
    # (1/81)^(1/4) = 1/3, (1/16)^(1/4) = 1/2
    margins = LDAM(max_margin=0.6, scale=10.0).fit(rows).loss().margins
    assert margins.tolist() == pytest.approx([2.0, 3.0, 6.0])


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


def test_label_smoothing_is_kept_by_other_losses():
    # adjusted to .8 and .2: .9 + .05 on the true class
    expected = -(0.95 * math.log(0.8) + 0.05 * math.log(0.2))
    assert loss_of(LogitAdjust(), [[0.0, 0.0]], [0], label_smoothing=0.1) == (
        pytest.approx([expected])
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


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=6, max_size=6))
def test_the_logits_of_a_cosine_head_are_bounded(numbers):
    head = LDAM(scale=7.0).fit(ROWS).head(nn.Linear(3, 2))
    logits = head(torch.tensor(numbers).reshape(2, 3))
    assert logits.abs().max() <= 7.0 + 1e-4
    assert [name for name, _ in head.named_parameters()] == ["weight"]


class Constant(nn.Module):
    """The same logits for every row, whatever it holds."""

    def __init__(self, n_outputs: int, **_: object) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(n_outputs))

    def forward(self, numeric: torch.Tensor, categorical: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(numeric), -1)


def step_of(target: list[int], *weight: list[float], plan: Plan | None = None) -> tuple:
    """Loss and gradient of a training step on a network whose logits are 0."""
    spec = ModelSpec(1, (), "binary", 2, ("common", "rare"), 10)
    task = Task(Constant, spec=spec, optimizer=None, monitor="val/macro_f1", plan=plan)
    none = torch.zeros(len(target), 0, dtype=torch.int32)
    inputs = {"numeric": torch.zeros(len(target), 1), "categorical": none}
    loss = task.training_step(Batch(inputs, torch.tensor(target), *map(torch.tensor, weight)), 0)
    loss.backward()
    return loss.item(), task.network.logits.grad.tolist()


def test_a_batch_is_divided_by_its_rows_not_by_its_weights():
    # each row costs log 2 and pulls by a half
    assert step_of([0, 0, 1, 1]) == (pytest.approx(LOG2), [0.0, 0.0])
    loss, pull = step_of([0, 0, 1, 1], [0.25, 0.25, 2.0, 3.5])
    assert loss == pytest.approx(6 / 4 * LOG2)
    assert pull == pytest.approx([(5.5 - 0.5) / 8, (0.5 - 5.5) / 8])
    assert step_of([1], [50.0]) == (pytest.approx(50 * LOG2), pytest.approx([25.0, -25.0]))


def test_a_step_weighs_the_loss_of_the_plan():
    # logit adjustment: p is .8 and .2
    loss, pull = step_of([1], [2.0], plan=LogitAdjust().fit(ROWS))
    assert loss == pytest.approx(-2 * math.log(0.2))
    assert pull == pytest.approx([2 * 0.8, -2 * 0.8])

"""Schedules are told in shares of the fit; they must land where they say."""

import pytest
import torch

from bigmodel.training import schedules


def rates(schedule, count, **settings):
    """The learning rate before each of `count` steps or epochs."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    config = schedule(optimizer, steps=100, epochs=10, monitor="val/rmse", **settings)
    seen = []
    for _ in range(count):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        config["scheduler"].step(*([1.0] if "monitor" in config else []))
    return seen


def test_cosine_warms_up_and_ends_at_its_final_share():
    seen = rates(schedules.cosine, 101, warmup=0.1, final=0.05)
    assert seen.index(max(seen)) == 10
    assert max(seen) == pytest.approx(1.0)
    assert seen[-1] == pytest.approx(0.05)
    assert seen[1:11] == sorted(seen[1:11])


def test_cosine_without_warm_up_starts_at_the_top():
    assert rates(schedules.cosine, 1, warmup=0.0)[0] == 1.0


def test_step_drops_after_each_share_of_the_epochs():
    seen = rates(schedules.step, 10, every=0.3, factor=0.1)
    assert seen == pytest.approx([1] * 3 + [0.1] * 3 + [0.01] * 3 + [0.001])


def test_one_cycle_peaks_at_its_share_and_runs_the_whole_fit():
    seen = rates(schedules.one_cycle, 100, rise=0.3)
    assert 28 <= seen.index(max(seen)) <= 31
    assert seen[-1] < 0.01


def test_plateau_drops_when_nothing_gets_better():
    seen = rates(schedules.plateau, 9, factor=0.5, patience=2)
    assert seen[:4] == [1.0] * 4
    assert seen[-1] < 1.0

"""Drawing class first: the shares that were asked for, the same in every process, any size."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bigmodel.data.batch import Batch
from bigmodel.data.loader import TensorLoader
from bigmodel.weighting.draws import Draws
from bigmodel.weighting.plan import Plan
from bigmodel.weighting.sampling import ClassFirst

COUNTS = np.array([64, 16, 4])


def sampler(draw: str, counts=COUNTS, replacement: bool = True) -> ClassFirst:
    return ClassFirst(np.repeat(np.arange(len(counts)), counts), draw, replacement)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("draw", "progress", "expected"),
    [
        ("balanced", 1.0, [1 / 3, 1 / 3, 1 / 3]),
        ("sqrt", 1.0, [8 / 14, 4 / 14, 2 / 14]),
        ("progressive", 0.0, [64 / 84, 16 / 84, 4 / 84]),
        ("progressive", 0.5, [(64 / 84 + 1 / 3) / 2, (16 / 84 + 1 / 3) / 2, (4 / 84 + 1 / 3) / 2]),
        ("progressive", 1.0, [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_classes_are_drawn_by_their_shares(draw, progress, expected):
    assert sampler(draw).shares(COUNTS, progress).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize(
    ("draw", "epoch", "expected"),
    [
        ("balanced", 0, [1 / 3, 1 / 3, 1 / 3]),
        ("sqrt", 4, [8 / 14, 4 / 14, 2 / 14]),
        ("progressive", 0, [0.762, 0.190, 0.048]),  # 64, 16 and 4 of 84
        ("progressive", 5, [0.548, 0.262, 0.190]),  # half way
        ("progressive", 10, [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_the_draws_of_an_epoch_keep_to_the_shares(draw, epoch, expected, replacement):
    drawing = sampler(draw, COUNTS * 300, replacement)  # 25,200 draws
    drawn = drawing.labels[drawing.order(epoch, 11, generator()).numpy()]
    found = np.bincount(drawn) / len(drawn)
    assert found.tolist() == pytest.approx(expected, abs=0.015)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=6), st.booleans(), st.integers(0, 99))
def test_an_order_names_rows_that_there_are_and_comes_again(counts, replacement, seed):
    drawing = sampler("balanced", counts, replacement)
    order = drawing.order(3, 10, generator(seed))
    assert len(order) == sum(counts)
    assert order.min() >= 0
    assert order.max() < sum(counts)
    assert torch.equal(order, drawing.order(3, 10, generator(seed)))


@settings(max_examples=40)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=6), st.integers(0, 99))
def test_without_replacement_all_of_a_class_come_before_one_comes_again(counts, seed):
    drawing = sampler("balanced", counts, replacement=False)
    order = drawing.order(0, 10, generator(seed)).numpy()
    for code, count in enumerate(counts):
        own = order[drawing.labels[order] == code]
        for start in range(0, len(own), count):
            part = own[start : start + count]
            assert len(set(part.tolist())) == len(part)
        assert len(set(own.tolist())) == min(len(own), count)


def test_two_processes_share_the_very_batches_of_one():
    count = int(COUNTS.sum())
    tensors = Batch({}, torch.arange(count))
    draws = Draws(Plan(sampler=sampler("balanced")), epochs=4)
    loaders = [
        TensorLoader(
            tensors, 8, shuffle=True, drop_last=True, rank=rank, world_size=size, draws=draws
        )
        for rank, size in ((0, 1), (0, 2), (1, 2))
    ]
    for whole, first, second in zip(*loaders, strict=True):
        both = torch.cat([first.target, second.target])
        assert sorted(both.tolist()) == sorted(whole.target.tolist())


def test_a_row_keeps_its_weight_wherever_it_is_drawn():
    count = int(COUNTS.sum())
    tensors = Batch({}, torch.arange(count))
    weight = np.linspace(0.5, 1.5, count)
    draws = Draws(Plan(sampler=sampler("balanced"), weight=weight), epochs=4)
    loader = TensorLoader(tensors, 8, shuffle=True, rows=torch.arange(count), draws=draws)
    for batch in loader:
        assert batch.weight.tolist() == pytest.approx(weight[batch.target].tolist())


def test_the_epochs_differ_and_each_comes_again_after_a_resume():
    count = int(COUNTS.sum())
    tensors = Batch({}, torch.arange(count))

    def loader(seed: int = 0) -> TensorLoader:
        draws = Draws(Plan(sampler=sampler("progressive")), epochs=3)
        return TensorLoader(tensors, 8, seed=seed, shuffle=True, drop_last=True, draws=draws)

    undisturbed = loader()
    epochs = [[batch.target.tolist() for batch in undisturbed] for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != [batch.target.tolist() for batch in loader(seed=1)]
    resumed = loader()
    resumed.load_state_dict({"epoch": 1, "position": 4})
    assert [batch.target.tolist() for batch in resumed] == epochs[1][4:]
    assert [batch.target.tolist() for batch in resumed] == epochs[2]


@pytest.mark.slow
def test_more_rows_than_multinomial_knows():
    labels = np.zeros(2**24 + 8, dtype=np.int64)
    labels[-4:] = 1
    order = ClassFirst(labels, "balanced").order(0, 1, generator())
    assert (order >= 2**24 + 4).double().mean().item() == pytest.approx(0.5, abs=0.01)

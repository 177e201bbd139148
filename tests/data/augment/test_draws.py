"""Random numbers of samples: uniform, independent, and the same whatever batch they come in."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from bigmodel.data.augment.draws import Draws

MANY = np.arange(200_000)


def test_they_are_uniform_and_independent_of_their_neighbours():
    numbers = Draws(0, 0, MANY).uniform("a", 2)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = torch.histc(numbers[:, 0], 20, 0, 1)
    assert (counts - 10_000).abs().max() < 500  # five standard deviations
    for one, other in (
        (numbers[:, 0], numbers[:, 1]),
        (numbers[:-1, 0], numbers[1:, 0]),
        (numbers[:, 0], Draws(0, 1, MANY).uniform("a", 2)[:, 0]),
        (numbers[:, 0], Draws(1, 0, MANY).uniform("a", 2)[:, 0]),
        (numbers[:, 0], Draws(0, 0, MANY).uniform("b", 2)[:, 0]),
        (numbers[:, 0], Draws(0, 0, MANY, step="s").uniform("a", 2)[:, 0]),
    ):
        assert abs(torch.corrcoef(torch.stack([one, other]))[0, 1]) < 0.012


def test_normal_numbers_are_normal():
    numbers = Draws(0, 0, MANY).normal("n", 1)[:, 0]
    assert abs(numbers.mean()) < 0.012
    assert abs(numbers.std() - 1) < 0.01
    assert abs((numbers.abs() < 1).float().mean() - 0.6827) < 0.006


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=50, unique=True), st.randoms())
def test_a_sample_has_its_numbers_wherever_it_stands(samples, random):
    together = Draws(3, 2, np.array(samples)).uniform("x", 3)
    place = random.randrange(len(samples))
    alone = Draws(3, 2, np.array(samples[place : place + 1])).uniform("x", 3)
    assert torch.equal(together[place], alone[0])


def test_strength_makes_a_chance_larger_for_some():
    strength = torch.ones(len(MANY))
    strength[100_000:] = 1.8
    chosen = Draws(0, 0, MANY, strength).chance(0.5).float()
    assert abs(chosen[:100_000].mean() - 0.5) < 0.01
    assert abs(chosen[100_000:].mean() - 0.9) < 0.01

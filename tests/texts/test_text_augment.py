"""Augmented texts: what changes, what stays, and that it belongs to the sample."""

import numpy as np
import pytest
import torch

from bigmodel.data.augment.draws import Draws
from bigmodel.data.augment.texts import TokenDropout, TokenSwap
from bigmodel.data.batch import Batch
from bigmodel.data.text.encoding import UNKNOWN
from bigmodel.errors import UserError

STEPS = {
    "swap": TokenSwap(share=0.5),
    "unknown": TokenDropout(share=0.5),
    "removed": TokenDropout(share=0.5, to="removed"),
}


@pytest.fixture
def batch() -> Batch:
    lengths = torch.arange(1, 13)
    tokens = torch.arange(12).expand(12, 12) + 5
    tokens = torch.where(torch.arange(12) < lengths[:, None], tokens, 0).to(torch.int32)
    return Batch({"tokens": tokens}, torch.zeros(12))


def changed(step: object, batch: Batch, epoch: int = 1) -> torch.Tensor:
    return step(batch, Draws(0, epoch, np.arange(len(batch.target)))).inputs["tokens"]


@pytest.mark.parametrize("name", STEPS)
def test_a_sample_gets_the_same_whatever_batch_it_is_in_and_another_each_epoch(batch, name):
    step = STEPS[name]
    whole = changed(step, batch)
    part = batch.rows(torch.tensor([7, 11]))
    alone = step(part, Draws(0, 1, np.array([7, 11]))).inputs["tokens"]
    assert torch.equal(alone, whole[[7, 11]])
    assert not torch.equal(changed(step, batch, epoch=2), whole)
    assert whole.dtype == torch.int32


@pytest.mark.parametrize("name", STEPS)
def test_no_text_becomes_empty_and_its_ends_stay(batch, name):
    before, after = batch.inputs["tokens"], changed(STEPS[name], batch)
    assert torch.equal(after[:, 0], before[:, 0])
    count = (after != 0).sum(1)
    last = (before != 0).sum(1) - 1
    assert torch.equal(after[torch.arange(12), count - 1], before[torch.arange(12), last])
    assert ((after != 0).cumprod(1).sum(1) == count).all()  # no gap


def test_a_swap_keeps_all_tokens_and_moves_them_by_one(batch):
    before, after = batch.inputs["tokens"], changed(STEPS["swap"], batch)
    assert torch.equal(after.sort(1).values, before.sort(1).values)
    assert (after - before).abs().max() == 1


def test_dropout_hides_or_removes(batch):
    hidden, removed = changed(STEPS["unknown"], batch), changed(STEPS["removed"], batch)
    before = batch.inputs["tokens"]
    assert ((hidden == before) | (hidden == UNKNOWN)).all()
    assert torch.equal((hidden > UNKNOWN).sum(1), (removed != 0).sum(1))
    assert 0.3 < (hidden == UNKNOWN).sum() / (before != 0).sum() < 0.6


def test_a_table_without_texts_is_refused():
    table = Batch({"numeric": torch.zeros(3, 2)}, torch.zeros(3))
    with pytest.raises(UserError, match="model=text_cnn"):
        TokenSwap().bind(table, torch.arange(3))

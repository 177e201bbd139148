from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bigmodel.data.batch import Batch
from bigmodel.data.loader import TensorLoader


def loader(rows: int = 10, batch_size: int = 3, **options: object) -> TensorLoader:
    inputs = {
        "numeric": torch.arange(rows, dtype=torch.float32)[:, None],
        "categorical": torch.zeros(rows, 0, dtype=torch.int32),
    }
    return TensorLoader(Batch(inputs, torch.arange(rows)), batch_size, **options)


def targets(batches: object) -> list[list[int]]:
    return [batch.target.tolist() for batch in batches]


def test_an_evaluation_gives_every_row_once_in_order():
    assert targets(loader()) == [[0, 1], [2, 3, 4], [5, 6], [7, 8, 9]]
    assert len(loader()) == 4


def test_all_parts_of_a_batch_are_of_the_same_rows():
    for inputs, target, *_ in loader(shuffle=True, drop_last=True):
        numeric, categorical = inputs.values()
        assert numeric[:, 0].tolist() == target.tolist()
        assert categorical.shape == (len(target), 0)
        assert (numeric.dtype, categorical.dtype) == (torch.float32, torch.int32)


def test_training_batches_are_full_and_other_in_each_epoch():
    train = loader(shuffle=True, drop_last=True)
    first, second = targets(train), targets(train)
    assert [len(batch) for batch in first] == [3, 3, 3]
    assert first != second
    assert len({row for batch in first for row in batch}) == 9


def test_the_order_follows_from_seed_and_epoch_alone():
    torch.manual_seed(1)
    one = targets(loader(shuffle=True, drop_last=True, seed=5))
    torch.manual_seed(2)
    assert targets(loader(shuffle=True, drop_last=True, seed=5)) == one
    assert targets(loader(shuffle=True, drop_last=True, seed=6)) != one


@given(stop=st.integers(0, 9), batch_size=st.integers(1, 12))
def test_a_resumed_loader_gives_the_batches_that_were_to_come(stop, batch_size):
    options = {"batch_size": batch_size, "shuffle": True, "drop_last": True, "seed": 3}
    undisturbed = loader(**options)
    expected = [batch for _ in range(3) for batch in targets(undisturbed)]
    stopped, given_batches, state = loader(**options), [], None
    while len(given_batches) < min(stop, len(expected)):
        for batch in stopped:
            given_batches.append(batch.target.tolist())
            state = stopped.state_dict()
            if len(given_batches) == stop:
                break
    resumed = loader(**options)
    if state is not None:
        resumed.load_state_dict(state)
    while len(given_batches) < len(expected):
        given_batches += targets(resumed)
    assert given_batches == expected


def test_a_pass_that_was_cut_short_is_followed_by_the_next_epoch():
    train, whole = loader(shuffle=True, drop_last=True), loader(shuffle=True, drop_last=True)
    next(iter(train))
    targets(whole)
    assert targets(train) == targets(whole)


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_very_batches_of_one(processes):
    options = {"rows": 50, "batch_size": 6, "shuffle": True, "drop_last": True}
    alone = targets(loader(**options))
    shares = [
        targets(loader(**options, rank=rank, world_size=processes)) for rank in range(processes)
    ]
    together = [sorted(chain(*parts)) for parts in zip(*shares, strict=True)]
    assert together == [sorted(batch) for batch in alone]
    assert {len(batch) for share in shares for batch in share} == {6 // processes}


@given(rows=st.integers(1, 40), batch_size=st.integers(1, 9), processes=st.integers(1, 3))
def test_in_an_evaluation_every_row_comes_once_whatever_the_processes(rows, batch_size, processes):
    shares = [
        targets(loader(rows, batch_size, rank=rank, world_size=processes))
        for rank in range(processes)
    ]
    assert len({len(share) for share in shares}) == 1, "a process would wait for the others"
    seen = [row for share in shares for batch in share for row in batch]
    assert sorted(seen) == list(range(rows))


def test_fewer_rows_than_a_batch_make_one_batch():
    train = loader(rows=4, batch_size=256, shuffle=True, drop_last=True)
    assert [sorted(batch) for batch in targets(train)] == [[0, 1, 2, 3]]


def test_only_the_chosen_rows_come():
    assert targets(_chosen([7, 2, 5])) == [[7, 2, 5]]


def _chosen(rows: list[int]) -> TensorLoader:
    return TensorLoader(loader().tensors, 3, rows=torch.tensor(rows))


def test_no_rows_give_no_batches():
    assert targets(_chosen([])) == []

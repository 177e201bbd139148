"""Augmented tables: what a step changes and what it must not."""

import pytest
import torch

from bigmodel.data.augment.augment import Augment
from bigmodel.data.augment.mixing import Mixup
from bigmodel.data.augment.tables import GaussianNoise, SwapNoise, TailRows
from bigmodel.data.batch import Batch
from bigmodel.data.loader import TensorLoader
from bigmodel.errors import UserError

ROWS = 600


def table(weight: bool = False) -> Batch:
    """Numbers and codes that tell the row, classes of 500, 80 and 20 rows."""
    row = torch.arange(ROWS)
    inputs = {
        "numeric": torch.stack([row.float(), -row.float()], 1),
        "categorical": torch.stack([row % 7, row % 5], 1).int(),
    }
    target = torch.tensor([0] * 500 + [1] * 80 + [2] * 20)
    return Batch(inputs, target, torch.linspace(0.5, 1.5, ROWS) if weight else None)


def augmented(step: object, whole: Batch, *, tail: float = 0.0, epoch: int = 0) -> Batch:
    augment = Augment({"step": step}, tail=tail)
    augment.bind(whole, torch.arange(ROWS), seed=1)
    return augment(whole, torch.arange(ROWS), epoch)


def changed(before: Batch, after: Batch) -> torch.Tensor:
    """Which rows differ, (n,)."""
    found = [(before.inputs[n] != after.inputs[n]).any(1) for n in before.inputs]
    return torch.stack(found).any(0)


def test_noise_moves_numbers_by_its_deviation_and_nothing_else():
    before = table()
    after = augmented(GaussianNoise(sd=0.1, probability=0.5), before)
    moved = (after.inputs["numeric"] - before.inputs["numeric"])[changed(before, after)]
    assert moved.std() == pytest.approx(0.1, rel=0.1)
    assert 0.4 < len(moved) / ROWS < 0.6
    assert torch.equal(after.inputs["categorical"], before.inputs["categorical"])
    assert torch.equal(before.inputs["numeric"], table().inputs["numeric"]), (
        "the table is as before"
    )


def test_swapped_cells_are_those_of_another_row():
    before = table()
    after = augmented(SwapNoise(share=0.3), before)
    for name, values in after.inputs.items():
        swapped = values != before.inputs[name]
        assert 0.15 < swapped.float().mean() < 0.35
        for column in range(values.shape[1]):
            known = set(before.inputs[name][:, column].tolist())
            assert set(values[:, column].tolist()) <= known
    assert after.other is None, "the row keeps its class"


def test_mixed_rows_lie_between_two_rows_and_so_does_their_loss():
    before = table(weight=True)
    after = augmented(Mixup(alpha=1.0), before)
    share = (after.share * after.weight) / before.weight  # undo the weights
    own, mixed = before.inputs["numeric"][:, 0], after.inputs["numeric"][:, 0]
    partner = ((mixed - share * own) / (1 - share)).round().long().clamp(0, ROWS - 1)
    clear = share < 0.9
    rows = torch.arange(ROWS)
    assert torch.equal(after.other[clear], before.target[partner[clear]])
    expected = share * before.weight + (1 - share) * before.weight[partner]
    torch.testing.assert_close(after.weight[clear], expected[clear], rtol=1e-3, atol=1e-3)
    codes, first, second = (
        after.inputs["categorical"], before.inputs["categorical"],
        before.inputs["categorical"][partner],
    )  # fmt: skip
    assert ((codes == first) | (codes == second))[clear].all()
    assert (partner[clear] != rows[clear]).float().mean() > 0.9


def test_a_row_is_mixed_only_once():
    steps = {"a": Mixup(alpha=1.0, probability=0.5), "b": Mixup(alpha=1.0, probability=0.5)}
    augment = Augment(steps)
    whole = table()
    augment.bind(whole, torch.arange(ROWS), seed=0)
    once = Augment({"a": steps["a"]})
    once.bind(whole, torch.arange(ROWS), seed=0)
    first, both = once(whole, torch.arange(ROWS), 0), augment(whole, torch.arange(ROWS), 0)
    done = first.share < 1
    assert torch.equal(both.share[done], first.share[done])
    assert torch.equal(both.inputs["numeric"][done], first.inputs["numeric"][done])
    assert (both.share < 1).sum() > done.sum()


def test_new_tail_rows_are_mixed_within_their_class():
    before = table()
    after = augmented(TailRows(probability=0.9), before)
    touched = changed(before, after)
    shares = [touched[before.target == c].float().mean() for c in range(3)]
    assert shares[0] == 0
    assert 0 < shares[1] < shares[2] > 0.7
    for code, low, high in ((1, 500, 579), (2, 580, 599)):
        numbers = after.inputs["numeric"][before.target == code, 0]
        assert low <= numbers.min() <= numbers.max() <= high
    assert after.other is None


def test_rare_classes_are_changed_more_often_with_tail():
    before = table()
    step = GaussianNoise(probability=0.4)
    touched = changed(before, augmented(step, before, tail=1.0))
    assert touched[before.target == 0].float().mean() == pytest.approx(0.4, abs=0.07)
    assert touched[before.target == 2].float().mean() > 0.6


def test_what_becomes_of_a_sample_depends_on_seed_epoch_and_sample_alone():
    whole, augment = table(), Augment({"noise": GaussianNoise()})
    augment.bind(whole, torch.arange(ROWS), seed=4)

    def epoch(batch_size: int, number: int = 0) -> dict[int, list[float]]:
        loader = TensorLoader(whole, batch_size, seed=4, shuffle=True, augment=augment)
        loader.epoch = number
        return {
            round(row[0]): row
            for batch in loader
            for row in batch.inputs["numeric"].tolist()
        }  # fmt: skip

    assert epoch(10) == epoch(64)
    assert epoch(10) != epoch(10, number=1)


def test_a_resumed_epoch_goes_on_with_the_same_augmented_batches():
    whole, augment = table(), Augment({"mix": Mixup()})
    augment.bind(whole, torch.arange(ROWS), seed=0)
    options = {"seed": 0, "shuffle": True, "drop_last": True, "augment": augment}
    first = [b.inputs["numeric"] for b in TensorLoader(whole, 50, **options)]
    resumed = TensorLoader(whole, 50, **options)
    resumed.load_state_dict({"epoch": 0, "position": 5})
    rest = [b.inputs["numeric"] for b in resumed]
    assert len(rest) == len(first) - 5
    assert all(torch.equal(a, b) for a, b in zip(first[5:], rest, strict=True))


def test_a_row_that_is_drawn_twice_is_changed_in_two_ways():
    class Twice:
        def weight(self, epoch: int) -> None:
            return None

        def order(self, epoch: int, generator: torch.Generator) -> torch.Tensor:
            return torch.arange(ROWS) // 2

    whole, augment = table(), Augment({"noise": GaussianNoise()})
    augment.bind(whole, torch.arange(ROWS), seed=0)
    (batch,) = TensorLoader(whole, ROWS, shuffle=True, draws=Twice(), augment=augment)
    numeric = batch.inputs["numeric"]
    assert (numeric[0::2].round() == numeric[1::2].round()).float().mean() > 0.9
    assert (numeric[0::2] != numeric[1::2]).all()


def test_what_has_no_meaning_is_refused():
    numbers = table()._replace(target=torch.zeros(ROWS))
    with pytest.raises(UserError, match="tail rows need classes"):
        augmented(TailRows(), numbers)
    texts = Batch({"tokens": torch.zeros(ROWS, 4)}, torch.zeros(ROWS).long())
    with pytest.raises(UserError, match="mixup has no meaning for texts"):
        augmented(Mixup(), texts)

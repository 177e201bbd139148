"""Second stages on a frozen extractor, worked out by hand."""

import pytest
import torch
from torch import Tensor, nn

from bigmodel.data.batch import Batch
from bigmodel.errors import UserError
from bigmodel.weighting.stages import CRT, TauNorm


class Plain(nn.Module):
    """The numbers themselves are the features."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.head = nn.Linear(inputs, 2)

    def features(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        return numeric

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        return self.head(self.features(numeric, categorical))


def batch(features: list[list[float]], labels: list[int]) -> Batch:
    none = torch.zeros(len(labels), 0, dtype=torch.int32)
    inputs = {"numeric": torch.tensor(features), "categorical": none}
    return Batch(inputs, torch.tensor(labels))


def test_tau_norm_takes_the_tau_that_is_best_on_validation():
    network = Plain(2)
    network.head.weight.data = torch.tensor([[4.0, 0.0], [0.0, 1.0]])
    # logits 4^(1 - tau) and 2 or 1/2: right from tau = .6 on, for 4^.4 = 1.74
    validation = [batch([[1.0, 2.0], [1.0, 0.5]], [1, 0])]
    said = TauNorm()(network, [], validation, seed=0)
    assert said == "tau_norm: the last layer's weights were divided by their norm to the power 0.6"
    expected = torch.tensor([[4**0.4, 0.0], [0.0, 1.0]])
    torch.testing.assert_close(network.head.weight.data, expected)
    assert network.head.bias.tolist() == [0, 0]


def test_tau_norm_without_validation_rows_makes_all_norms_one():
    network = Plain(2)
    network.head.weight.data = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    TauNorm()(network, [], [], seed=0)
    torch.testing.assert_close(network.head.weight.data, torch.tensor([[0.6, 0.8], [0.0, 1.0]]))


def test_crt_knows_no_class_better_than_the_other():
    # the features say nothing: what is learnt are the shares, and draws are balanced
    rows = [batch([[1.0]] * 90, [0] * 90), batch([[1.0]] * 10, [1] * 10)]
    network = Plain(1)
    before = torch.get_rng_state()
    said = CRT(epochs=50, lr=0.05)(network, rows, [], seed=0)
    assert said == "crt: the last layer was trained again, 50 epochs on balanced draws"
    assert torch.equal(torch.get_rng_state(), before)
    share = network.head(torch.ones(1, 1)).softmax(1)[0, 1].item()
    assert share == pytest.approx(0.5, abs=0.05)


def test_crt_depends_on_its_seed_not_on_the_head_before():
    rows = [batch([[float(i), float(i % 3)] for i in range(20)], [0] * 15 + [1] * 5)]
    heads = []
    for old, seed in ((0.0, 1), (9.0, 1), (0.0, 2)):
        network = Plain(2)
        nn.init.constant_(network.head.weight, old)
        CRT(epochs=2, batch_size=4)(network, rows, [], seed=seed)
        heads.append(network.head.weight.tolist())
    assert heads[0] == heads[1] != heads[2]


def test_a_network_without_a_plain_head_has_no_second_stage():
    with pytest.raises(UserError, match="crt works on a network's last layer, and Linear has no"):
        CRT()(nn.Linear(2, 2), [], [], seed=0)

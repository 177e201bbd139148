"""The networks' own promises: shapes, unknown categories, the linear model's optimum."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import LinearRegression

from bigmodel.models.networks.linear import Linear
from bigmodel.models.networks.mlp import MLP


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize(("n_numeric", "cardinalities"), [(3, (4, 2)), (3, ()), (0, (4, 2))])
@pytest.mark.parametrize("make", [MLP, Linear])
def test_output_has_a_row_per_row_and_a_column_per_output(make, n_numeric, cardinalities, norm):
    settings = {"norm": norm, "hidden": [8]} if make is MLP else {}
    network = make(n_numeric, cardinalities, 5, **settings)
    numeric = torch.randn(7, n_numeric)
    categorical = torch.ones(7, len(cardinalities), dtype=torch.int32)
    assert network(numeric, categorical).shape == (7, 5)


def test_an_unknown_category_adds_nothing_before_training():
    network = MLP(1, (4,), 2, embedding_dim=3)
    inputs = network.inputs(torch.zeros(1, 1), torch.zeros(1, 1, dtype=torch.int32))
    assert torch.equal(inputs, torch.zeros(1, 4))


def test_columns_do_not_share_embedding_rows():
    inputs = MLP(0, (3, 3), 2, embedding_dim=4).inputs
    vector = inputs(torch.zeros(1, 0), torch.tensor([[1, 1]], dtype=torch.int32))[0]
    assert not torch.equal(vector[:4], vector[4:])


def test_linear_finds_the_least_squares_solution():
    X, y = load_diabetes(return_X_y=True)
    X, y = (X / X.std(0)).astype(np.float32), ((y - y.mean()) / y.std()).astype(np.float32)
    network = Linear(X.shape[1], (), 1)
    empty = torch.zeros(len(X), 0, dtype=torch.int32)
    optimizer = torch.optim.LBFGS(network.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = ((network(torch.from_numpy(X), empty)[:, 0] - torch.from_numpy(y)) ** 2).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    expected = LinearRegression().fit(X, y).predict(X)
    found = network(torch.from_numpy(X), empty)[:, 0].detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_linear_learns_one_weight_per_category_and_class():
    target = torch.from_numpy(load_wine().target).long()
    network = Linear(0, (3,), 3)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    codes = target[:, None].to(torch.int32)
    for _ in range(100):
        optimizer.zero_grad()
        output = network(torch.zeros(len(target), 0), codes)
        torch.nn.functional.cross_entropy(output, target).backward()
        optimizer.step()
    assert (
        network(torch.zeros(3, 0), torch.arange(3, dtype=torch.int32)[:, None]).argmax(1)
        == torch.arange(3)
    ).all()

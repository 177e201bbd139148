import logging
import warnings

import numpy as np
import onnx
import pytest
import torch

from bigmodel.bundle.engine import ROWS, Engine
from bigmodel.bundle.export import to_onnx
from bigmodel.data.encoder import Encoded
from bigmodel.data.spec import ModelSpec


def spec(n_numeric: int, cardinalities: tuple[int, ...]) -> ModelSpec:
    return ModelSpec(n_numeric, cardinalities, "multiclass", 3, ("a", "b", "c"), 100)


@pytest.fixture
def network(network_type):
    """A function that makes a network whose batch norm has seen rows."""

    def make(given: ModelSpec) -> torch.nn.Module:
        torch.manual_seed(1)
        made = network_type(given)
        made(*map(torch.from_numpy, rows(given, 64)[:2]))
        return made

    return make


def rows(given: ModelSpec, n: int) -> Encoded:
    rng = np.random.default_rng(n)
    codes = [rng.integers(0, size, n) for size in given.cardinalities]
    return Encoded(
        rng.normal(size=(n, given.n_numeric)).astype(np.float32),
        np.array(codes, dtype=np.int32).reshape(len(codes), n).T.copy(),
    )


@pytest.mark.parametrize(
    ("n_numeric", "cardinalities"),
    [(5, (3, 7)), (5, ()), (0, (3, 4))],
    ids=["both", "numbers", "categories"],
)
def test_the_graph_gives_the_networks_numbers_for_any_number_of_rows(
    network, n_numeric, cardinalities
):
    given = spec(n_numeric, cardinalities)
    trained = network(given)
    engine = Engine(to_onnx(trained, given), "here", threads=1)
    trained.eval()
    for n in (1, 2, 1000, ROWS + 1, 10_000):
        encoded = rows(given, n)
        with torch.no_grad():
            expected = trained(*map(torch.from_numpy, encoded[:2])).numpy()
        np.testing.assert_allclose(engine.run(encoded), expected, atol=1e-5)


def test_no_rows_give_no_answers(network):
    given = spec(5, (3, 7))
    assert Engine(to_onnx(network(given), given), "here").run(rows(given, 0)).shape == (0, 3)


def test_only_inputs_with_columns_exist(network):
    given = spec(5, ())
    graph = onnx.load_model_from_string(to_onnx(network(given), given)).graph
    assert [i.name for i in graph.input] == ["numeric"]
    assert [o.name for o in graph.output] == ["output"]


def test_the_network_is_left_as_it_was(network):
    given = spec(5, (3,))
    trained = network(given).train()
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    to_onnx(trained, given)
    assert trained.training
    assert all(module.training for module in trained.modules())
    assert all(parameter.requires_grad for parameter in trained.parameters())
    assert all(torch.equal(before[n], value) for n, value in trained.state_dict().items())


def test_the_same_weights_give_the_same_bytes_in_silence(network, capfd, caplog):
    given = spec(5, (3,))
    trained = network(given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert to_onnx(trained, given) == to_onnx(trained, given)
    assert capfd.readouterr() == ("", "")
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]

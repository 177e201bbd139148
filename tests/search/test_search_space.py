"""What can be declared, what it means on a command line, and which points it has."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from bigmodel.search.declare import Wrong, declared, parameters
from bigmodel.search.pareto import layers
from bigmodel.search.probes import probes
from bigmodel.search.rungs import Rungs, best_until
from bigmodel.search.samplers import Grid
from bigmodel.search.space import Space, ordered, start
from bigmodel.search.text import quoted


def space(**nodes: object) -> Space:
    found = [p for key, node in declared(nodes) for p in parameters(key, node)]
    return Space(tuple(ordered(found)))


NET = space(
    optimizer={"lr": {"log": [1e-4, 1e-1]}},
    net={"hidden": {"layers": [1, 3], "width": {"log": [8, 64]}}, "norm": ["layer", None]},
    model=["mlp", "linear"],
    extra={"choice": [[1, 2], [3]], "when": {"model": "mlp"}},
)


def test_values_become_overrides_and_options_of_groups_come_first():
    params = {"optimizer.lr": 0.01, "net.hidden:layers": 2, "net.hidden:width": 16,
              "net.norm": None, "model": "mlp", "extra": "[1,2]"}  # fmt: skip
    assert NET.overrides(params) == [
        "model=mlp", "extra=[1,2]", "optimizer.lr=0.01", "net.hidden=[16,16]", "net.norm=null",
    ]  # fmt: skip


def test_a_parameter_exists_only_while_its_condition_holds():
    names = [parameter.name for parameter in NET.parameters]
    assert names.index("model") < names.index("extra")
    values = dict.fromkeys(names, 1) | {"model": "linear"}
    assert "extra" not in NET.active(values)
    assert "extra" in NET.active({**values, "model": "mlp"})


def test_the_settings_that_a_composition_has_become_the_first_point():
    has = {"optimizer.lr": 1e-3, "net.hidden": [32, 32], "net.norm": "layer", "model": "mlp",
           "extra": [3]}  # fmt: skip
    assert start(NET, has) == {
        "optimizer.lr": 1e-3, "net.hidden:layers": 2, "net.hidden:width": 32, "net.norm": "layer",
        "model": "mlp", "extra": "[3]",
    }  # fmt: skip
    outside = start(NET, {**has, "optimizer.lr": 5.0, "net.hidden": [32, 16]})
    assert outside == {"net.hidden:layers": 2, "net.norm": "layer", "model": "mlp", "extra": "[3]"}


def test_a_grid_has_each_combination_once_whatever_conditions_make_equal():
    small = space(model=["mlp", "linear"], x={"choice": [1, 2], "when": {"model": "mlp"}})
    points = Grid().first(small, {}, seed=0)
    assert sorted(map(str, points)) == sorted(
        map(str, [{"model": "mlp", "x": 1}, {"model": "mlp", "x": 2}, {"model": "linear"}])
    )
    assert points != Grid().first(small, {}, seed=3)  # shuffled


def test_a_range_gives_points_that_include_its_ends():
    (rate,) = parameters("lr", {"log": [1e-4, 1e-2]})
    (size,) = parameters("batch", {"int": [64, 512, 64]})
    (width,) = parameters("width", {"log": [32, 512]})
    assert rate.grid(3) == [1e-4, 1e-3, 1e-2]
    assert size.grid(3) == [64, 320, 512]
    assert width.grid(3) == [32, 128, 512]
    assert size.grid(100) == [64, 128, 192, 256, 320, 384, 448, 512]


def test_probes_show_each_value_once_under_its_condition():
    seen = {(name, value) for point in probes(NET) for name, value in point.items()}
    for parameter in NET.parameters:
        assert {(parameter.name, value) for value in parameter.grid(2)} <= seen
    assert all("extra" not in point for point in probes(NET) if point["model"] == "linear")
    assert len(list(probes(NET))) <= 4


def test_of_a_long_list_of_numbers_the_ends_are_looked_at():
    points = list(probes(space(seed=list(range(1000)), names=[f"n{i}" for i in range(20)])))
    assert {point["seed"] for point in points} == {0, 999}
    assert len({point["names"] for point in points}) == 20


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"log": [0.1, 0.001]}, "turned round"),
        ({"uniform": [1, 1]}, "turned round or empty"),
        ({"log": [0, 1]}, "must start above 0"),
        ({"uniform": [0]}, "takes two ends"),
        ({"uniform": [0, 1, 2]}, "takes two ends"),
        ({"uniform": ["a", "b"]}, "takes two ends"),
        ({"int": [0.5, 2]}, "whole numbers"),
        ({"int": [1, 9, 0]}, "step"),
        ({"log": [1, 2], "wen": {}}, "did you mean when?"),
        ({"layers": [1, 3]}, "needs a width"),
        ([], "has no choices"),
        (3, "write a list of choices"),
    ],
)
def test_what_is_wrong_with_a_declaration_is_said(node, said):
    with pytest.raises(Wrong, match=said.replace("?", r"\?")):
        parameters("key", node)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1)


@given(st.recursive(PLAIN | TEXT, lambda inner: st.lists(inner, max_size=3), max_leaves=5))
def test_a_value_comes_back_from_its_text_as_it_was(value):
    parsed = OverridesParser.create().parse_override(f"key={quoted(value)}")
    assert parsed.value() == value


def test_rungs_lie_a_factor_apart_and_below_the_whole():
    assert Rungs().steps(27) == [3, 9]
    assert Rungs().steps(100) == [11, 33]
    assert Rungs(first=5).steps(20) == [5]
    assert Rungs().steps(1) == []


def test_one_in_three_goes_on_and_the_best_one_always():
    rungs = Rungs()
    assert rungs.go_on({0: (0.1,)}) == {0}
    assert rungs.go_on({0: (0.2,), 1: (0.1,)}) == {0}
    assert rungs.go_on({number: (float(number),) for number in range(6)}) == {4, 5}
    assert rungs.go_on(dict.fromkeys(range(6), (1.0,))) == {0, 1}


def test_of_several_objectives_the_whole_front_goes_on():
    scores = {0: (0.9, -100.0), 1: (0.8, -10.0), 2: (0.7, -20.0), 3: (0.6, -30.0)}
    assert layers(scores) == {0: 0, 1: 0, 2: 1, 3: 2}
    assert Rungs().go_on(scores) == {0, 1}


def test_what_counts_at_a_rung_is_the_best_until_then():
    reports = {1: 0.5, 2: 0.9, 3: 0.6, 4: 1.0}
    assert best_until(3, reports, 1) == 0.9
    assert best_until(3, reports, -1) == -0.5
    assert best_until(5, reports, 1) is None

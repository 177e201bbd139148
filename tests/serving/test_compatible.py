"""Which changes of a schema callers would notice."""

from dataclasses import replace

import pytest

from bigmodel.data.schema import Column, Schema, Target
from bigmodel.serving.registry.compatible import compatible

OLD = Schema(
    (
        Column("age", "numeric", "float64"),
        Column("income", "numeric", "int64"),
        Column("town", "categorical", "str", categories=("A", "B")),
    ),
    Target("bought", "binary", "str", ("no", "yes")),
)


def changed(column: int, **fields) -> Schema:
    columns = list(OLD.columns)
    columns[column] = replace(columns[column], **fields)
    return replace(OLD, columns=tuple(columns))


def target(**fields) -> Schema:
    return replace(OLD, target=replace(OLD.target, **fields))


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        changed(2, categories=("A", "C")),
        changed(1, dtype="float64", minimum=3.0),
        replace(OLD, columns=OLD.columns[:2]),
        replace(OLD, columns=(OLD.columns[2], *OLD.columns[:2])),
    ],
)
def test_callers_can_go_on(new):
    assert compatible(OLD, new) == []


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (
            replace(OLD, columns=(*OLD.columns, Column("zip", "text", "str"))),
            "needs the column 'zip'",
        ),
        (changed(2, kind="numeric"), "takes 'town' as numeric, not categorical"),
        (replace(OLD, columns=OLD.columns[1:]), "reads a matrix as income, not as age, income"),
        (
            replace(OLD, columns=(OLD.columns[1], OLD.columns[0], OLD.columns[2])),
            "reads a matrix as income, age, not as age, income",
        ),
        (target(classes=("yes", "no")), "has the classes yes, no, not no, yes"),
        (target(name="sold"), "tells 'sold', not 'bought'"),
        (target(dtype="bool"), "answers with bool labels, not str"),
    ],
)
def test_a_change_that_callers_would_notice_is_named(new, told):
    lines = compatible(OLD, new)
    assert len(lines) == 1
    assert told in lines[0]

"""Whatever form requests are kept in, they come out as the rows that were sent."""

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigmodel.serving import ids, records, tensors
from bigmodel.serving.table import Table
from bigmodel.serving.timer import Timer

CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "a", "é\n#"]),
)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), CELLS, max_size=3), max_size=4))
def test_a_body_and_a_list_have_the_rows_that_were_sent(rows):
    assert records.objects(orjson.dumps(rows)) == rows
    assert records.objects(b" " + orjson.dumps({"parameters": {}, "rows": rows})) == rows
    kept = records.objects(records.dumped(rows, {"b"}))
    assert kept == [{k: v for k, v in row.items() if k != "b"} for row in rows]


@given(
    st.integers(1, 5).flatmap(
        lambda rows: st.tuples(
            st.lists(CELLS, min_size=rows, max_size=rows),
            st.lists(st.binary(min_size=8, max_size=8), min_size=rows * 2, max_size=rows * 2),
        )
    ),
    st.sampled_from(["<f4", "<i2", "<f8", "<u8"]),
)
def test_tensors_have_the_cells_that_were_sent(cells, dtype):
    texts, raw = cells
    matrix = np.frombuffer(b"".join(raw), dtype=dtype)[: 2 * len(texts)].reshape(-1, 2)
    table = Table(len(texts), {"text": texts}, ("x", "y\n"), matrix)
    rows = records.objects(table.packed(()))
    assert [row["text"] for row in rows] == texts
    np.testing.assert_array_equal([[row["x"], row["y\n"]] for row in rows], matrix)
    assert [list(row) for row in records.objects(table.packed({"x"}))] == [["text", "y\n"]] * len(
        texts
    )
    assert [list(row) for row in records.objects(table.packed({"text"}))] == [["x", "y\n"]] * len(
        texts
    )


def test_arrays_of_single_columns_are_kept_too():
    columns = {"a": np.array([1, 2], dtype="<i4"), "b": np.arange(4.0)[::2]}
    rows = records.objects(Table(2, columns, (), None).packed(()))
    assert rows == [{"a": 1, "b": 0.0}, {"a": 2, "b": 2.0}]


def test_answers_come_out_the_same_whoever_was_answered():
    shares = np.array([[0.25, 0.75], [0.5, 0.5]])
    classes = ["prediction", "b"]  # a class may have any name
    said = [
        {"prediction": "b", "probabilities": {"prediction": 0.25, "b": 0.75}},
        {"prediction": "prediction", "probabilities": {"prediction": 0.5, "b": 0.5}},
    ]
    assert records.answers(orjson.dumps(said)) == said
    predictions = {"prediction": ["b", "prediction"]}
    assert records.answers(records.packed(predictions, classes, shares)) == said
    numbers = records.packed({"prediction": [1.5, None]}, (), None)
    assert records.answers(numbers) == [{"prediction": 1.5}, {"prediction": None}]


@pytest.mark.parametrize("count", [1, 2, 11, 4096])
def test_ids_are_those_of_the_rows_in_json_and_in_a_tensor(count):
    name = ids.new_id()
    wanted = [f"{name}-{row}" for row in range(count)]
    assert orjson.loads(ids.listed(name, count)) == wanted
    assert ids.packed(name, count) == tensors.write(wanted, tensors.BYTES)


def test_ids_are_never_given_twice():
    found = [ids.new_id() for _ in range(10_000)]
    assert len(set(found)) == len(found)
    assert {len(one) for one in found} == {24}


class Call:
    """What a loop is to do at some time."""

    def __init__(self, when, action) -> None:
        self.when, self.action, self.cancelled = when, action, False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """A loop whose time passes when the test says so."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, []

    def time(self) -> float:
        return self.now

    def call_at(self, when, action) -> Call:
        self.calls.append(Call(when, action))
        return self.calls[-1]

    def waiting(self) -> list[float]:
        return [call.when for call in self.calls if not call.cancelled]

    def pass_until(self, now: float) -> None:
        self.now = now
        due = [call for call in self.calls if call.when <= now]
        self.calls = [call for call in self.calls if call.when > now]
        for call in due:
            if not call.cancelled:
                call.action()


def test_only_the_last_deadline_of_a_connection_counts():
    clock, done = Clock(), []
    timer = Timer(clock)
    timer.start(1, lambda: done.append("first"))
    timer.start(5, lambda: done.append("later"))  # the loop is not asked: it comes too early
    assert clock.waiting() == [1]
    clock.pass_until(2)
    assert done == []
    timer.start(1, lambda: done.append("sooner"))
    clock.pass_until(3)
    assert done == ["sooner"]
    timer.start(1, lambda: done.append("stopped"))
    timer.stop()
    clock.pass_until(9)
    timer.start(1, lambda: done.append("closed"))
    timer.close()
    assert clock.waiting() == []
    assert done == ["sooner"]


def test_waiting_on_for_the_same_does_not_move_the_deadline():
    clock, done = Clock(), []
    timer = Timer(clock)
    action = lambda: done.append(clock.now)  # noqa: E731
    timer.keep(2, action)
    clock.pass_until(1)
    timer.keep(2, action)
    clock.pass_until(2)
    assert done == [2]

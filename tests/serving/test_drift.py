"""Rows that are unlike training raise the alarm of their column; rows that are like it, none."""

import time
from collections.abc import Callable, Collection
from types import SimpleNamespace

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from running import Server, serving

from bigmodel.bundle.archive import read
from bigmodel.bundle.manifest import Manifest
from bigmodel.bundle.reference import from_bytes, of_classes, of_values, to_bytes
from bigmodel.data.learn import bars, bins, learn_column
from bigmodel.data.schema import Column, Schema, Target
from bigmodel.serving.monitor.alarms import Alarm, Alarms, Verdict
from bigmodel.serving.monitor.bins import of_answers, of_columns
from bigmodel.serving.monitor.drift import ENOUGH, Window, found
from bigmodel.serving.monitor.report import restore
from bigmodel.serving.monitor.sample import Given, sampled

PREDICT = "/v1/models/wine/predict"


def until(ask: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether it becomes true."""
    end = time.monotonic() + seconds
    while not ask() and time.monotonic() < end:
        time.sleep(0.1)
    return ask()


def the_version(server: Server) -> dict:
    """What the report says of the one version that is served; {} before the first report."""
    with server.client() as client:
        return next(iter(client.get("/v1/status").json().get("versions", [])), {})


def alarmed(server: Server) -> set[str]:
    """The columns that are alarmed; what is of answers left out."""
    columns = the_version(server).get("drift", {}).get("columns", [])
    return {c["name"] for c in columns if c["since"] is not None and c["name"][0] != "("}


# the statistics


def test_a_value_that_many_rows_share_has_a_bin_of_its_own():
    ordered = np.sort(np.concatenate([np.zeros(950), np.linspace(3000, 9000, 50)]))
    column = Column("gain", "numeric", "float64", histogram=bins(ordered))
    (gain,) = of_columns({"gain": column})
    assert gain.training.sum() == 1000
    codes = gain.codes([0.0, 1.0, -1.0, None, 1e9])
    assert len(set(codes.tolist())) == 5
    assert gain.training[codes].tolist() == [950, *gain.training[codes[1:]].tolist()]


def test_a_column_that_never_varied_still_has_bins():
    column = Column("one", "numeric", "float64", histogram=bins(np.ones(10)))
    (one,) = of_columns({"one": column})
    assert one.training[one.codes([1.0])[0]] == 10
    assert one.training[one.codes([2.0])[0]] == 0


@given(st.lists(st.one_of(st.none(), st.floats(-5, 5)), min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_training_rows_fall_into_the_bins_that_they_were_counted_in(values):
    known = np.sort([value for value in values if value is not None])
    if not len(known):
        return
    missing = (len(values) - len(known)) / len(values)
    column = Column("x", "numeric", "float64", missing_rate=missing, histogram=bins(known))
    (x,) = of_columns({"x": column})
    counts = np.bincount(x.codes(values), minlength=len(x.training))
    assert counts == pytest.approx(x.training)


def test_categories_that_training_did_not_have_are_told_from_missing_ones():
    column = Column("c", "categorical", "str", histogram=bars([("a", 6), ("b", 4)]))
    window = Window(of_columns({"c": column}), [], 10)
    window.add([{"c": value} for value in ("a", "b", "new", None, 7)], [{}] * 5)
    (seen,) = found(window.counted())
    assert seen.new == pytest.approx(0.4)
    assert seen.missing == pytest.approx(0.2)


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 8))
@settings(max_examples=50, deadline=None)
def test_a_window_counts_the_latest_rows(values, size):
    column = Column("c", "categorical", "str", histogram=bars([(str(v), 1) for v in range(4)]))
    window = Window(of_columns({"c": column}), [], 10)
    for at in range(0, len(values), size):
        piece = values[at : at + size]
        window.add([{"c": str(value)} for value in piece], [{}] * len(piece))
    (counted,) = window.counted()
    assert counted.live == np.bincount(values[-10:], minlength=6).tolist()


def test_texts_are_watched_by_their_length():
    texts = pd.Series(["ab", None, "abcd", "a" * 9], dtype="str")
    column, _ = learn_column(Column("note", "text", "str"), texts, np.arange(4))
    (note,) = of_columns({"note": column})
    assert note.training.sum() == 4
    known, long, missing = note.codes(["xy", "x" * 10, None]).tolist()
    assert note.training[known] == 1
    assert note.training[long] == 0
    assert note.training[missing] == pytest.approx(1)
    assert missing == note.codes([""])[0]


def test_images_are_not_watched_nor_columns_that_nobody_counted():
    columns = [Column("photo", "image", "str", shape=(3, 8, 8)), Column("note", "text", "str")]
    assert of_columns({column.name: column for column in columns}) == []


def test_answers_are_counted_as_they_are_given():
    target = Target("y", "binary", "int64", ("0", "1"))
    shares = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    answered = of_classes(target.classes, np.array([0, 1, 1]), shares)
    said, confidence = of_answers(from_bytes(to_bytes(answered)), Schema((), target), [0, 1])
    answers = [{"prediction": 1, "probabilities": {"0": 0.2, "1": 0.8}}, {"prediction": 0}]
    assert said.training[said.codes(answers)].tolist() == [2, 1]
    assert confidence.codes(answers)[1] == -1  # nobody asked for it
    assert confidence.training[confidence.codes(answers)[0]] == 1


def test_numbers_that_are_answered_are_counted():
    target = Target("y", "regression", "float64")
    (said,) = of_answers(of_values(np.arange(100.0)), Schema((), target), [])
    low, high = said.codes([{"prediction": 3.0}, {"prediction": 1e6}]).tolist()
    assert said.training[low] == 5
    assert said.training[high] == 0


# the sample


class Asked:
    """A model with an image, and requests to it that say when they are read."""

    def __init__(self) -> None:
        needed = {name: Column(name, name, "str") for name in ("numeric", "image")}
        self.reader, self.read = SimpleNamespace(needed=needed), []

    def given(self, count: int, first: int) -> Given:
        numbers = list(range(first, first + count))

        def rows(hidden: Collection[str]) -> bytes:
            assert list(hidden) == ["image"]
            self.read.append(first)
            return orjson.dumps([{"numeric": number} for number in numbers])

        answers = [{"prediction": number} for number in numbers]
        return Given(self, count, rows, lambda: orjson.dumps(answers))


@given(st.lists(st.integers(1, 20), min_size=1, max_size=8), st.integers(1, 50), st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_a_sample_has_rows_with_their_answers_and_reads_no_other_request(counts, most, seed):
    asked, starts = Asked(), np.cumsum([0, *counts]).tolist()
    requests = [asked.given(n, first) for n, first in zip(counts, starts, strict=False)]
    rows, answers = sampled(requests, most, np.random.default_rng(seed))
    numbers = [row["numeric"] for row in rows]
    assert numbers == [answer["prediction"] for answer in answers]
    assert len(set(numbers)) == len(numbers) == min(most, sum(counts))
    assert asked.read == sorted({max(s for s in starts if s <= number) for number in numbers})


# the alarms


def test_an_alarm_is_told_once_and_goes_on_after_a_restart(caplog):
    alarm = Alarm("drift", "wine", "1" * 64, "ash")
    served = {("wine", "1" * 64)}
    alarms = Alarms()
    for _ in range(3):
        alarms.judge([Verdict(alarm, True, False, "PSI 0.3")], served)
    assert [record.message for record in caplog.records] == [
        "drift of wine 111111111111, ash: begins: PSI 0.3"
    ]
    later = Alarms()
    restore(later, {"alarms": [{**a._asdict(), "since": at} for a, at in alarms.since.items()]})
    later.judge([], served)  # too few rows yet to say anything
    later.judge([Verdict(alarm, True, False, "PSI 0.3")], served)
    assert later.since == alarms.since
    assert len(caplog.records) == 1
    later.judge([], set())
    assert later.since == {}
    assert "not served any more" in caplog.records[-1].message


# the service


def test_a_shifted_column_is_alarmed_and_no_other_until_it_is_as_before(
    tmp_path, wine_bundle, rows
):
    small = ["serving.monitor.rows=200", "serving.monitor.minutes=0.01"]
    shifted = [{**row, "ash": row["ash"] + 1.0} for row in rows]
    with serving(wine_bundle, tmp_path, *small) as server, server.client() as client:

        def ask(given: list[dict]) -> None:
            for _ in range(2):
                assert client.post(PREDICT, json={"rows": given}).status_code == 200

        ask(rows)
        assert until(lambda: the_version(server).get("drift", {}).get("rows", 0) >= ENOUGH)
        assert alarmed(server) == set()
        assert until(lambda: (ask(shifted), alarmed(server))[1] == {"ash"})
        gauges = {
            sample.labels["column"]: sample.value
            for family in text_string_to_metric_families(client.get("/metrics").text)
            for sample in family.samples
            if sample.name == "bigmodel_drift_alarm"
        }
        assert gauges["ash"] == 1
        assert sum(v for name, v in gauges.items() if name[0] != "(") == 1
        assert until(lambda: (ask(rows), alarmed(server))[1] == set())
        assert server.end() == 0
    lines = [line for line in server.log() if "drift of" in line.get("message", "")]
    own = [line["message"] for line in lines if "ash: " in line["message"]]
    assert len(own) == 2
    assert "begins: PSI" in own[0]
    assert "ends" in own[1]


def test_a_bundle_without_what_it_answered_is_served_without_that_reference(
    tmp_path, wine_bundle, rows
):
    content = read(wine_bundle)
    files = {name: data for name, data in content.files.items() if name != "reference.json"}
    old = content.manifest
    manifest = Manifest.describe(files, old.name, old.task, old.libraries, old.engine)
    bundle = tmp_path / "old"
    bundle.mkdir()
    for name, data in {"manifest.json": manifest.to_bytes(), **files}.items():
        (bundle / name).write_bytes(data)
    with serving(bundle, tmp_path / "state") as server, server.client() as client:
        client.post(PREDICT, json={"rows": rows})
        assert until(lambda: the_version(server).get("drift", {}).get("rows", 0) > 0)
        drift = the_version(server)["drift"]
    assert drift["answers"] is False
    assert not any(column["name"].startswith("(") for column in drift["columns"])
    assert len(drift["columns"]) == 13


def test_all_kinds_of_columns_of_a_table_are_watched(two_classes):
    server, _, content = two_classes
    with server.client() as client:
        assert client.post("/v1/models/binary/predict", json=content).status_code == 200
    assert until(lambda: the_version(server).get("drift", {}).get("rows", 0) > 0)
    columns = {c["name"]: c for c in the_version(server)["drift"]["columns"]}
    assert {"number", "whole", "colour", "regular", "time", "(prediction)"} <= columns.keys()
    assert all(c["psi"] >= 0 and 0 <= c["p"] <= 1 for c in columns.values())
    assert all(sum(c["live"]) == pytest.approx(1, abs=0.01) for c in columns.values())
    assert columns["colour"]["new"] > 0
    assert columns["time"]["p"] == 1  # times move on by nature: nobody is alarmed

"""Drift as the service sees it: a column that moved raises its alarm, and no other one does.

A model of adult, with its bundle's histograms of the training rows. Rows that it has never seen
(the set's own test part) are asked: as they are, resampled, no column may be alarmed.
Then one column at a time is shifted: numbers by a part of their standard deviation, categories by
giving a part of the rows one other value. Beside these: how small a shift is seen, what is said of
the answers, and what watching costs.
"""

import os
import resource
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import common
import numpy as np
import pandas as pd

import bigmodel
from bigmodel.serving.model import Model
from bigmodel.serving.monitor.alarms import Alarms
from bigmodel.serving.monitor.bins import of_answers, of_columns
from bigmodel.serving.monitor.drift import Window
from bigmodel.serving.monitor.version_report import VersionReport
from bigmodel.serving.settings import Monitor

ROWS = 5000  # of a window, as conf/serving has it
RESAMPLES = 20
SHIFT = 0.5  # standard deviations; of categories, this part of the rows
SMALLER = (0.05, 0.1, 0.2, 0.3)
SETTINGS = Monitor(rows=ROWS, minutes=10, psi=0.1, significance=0.001, labels=1000, margin=0.05)

Rows = list[dict[str, Any]]


class Watch:
    """Asks a model, and looks at what it was asked, as the service does."""

    def __init__(self, bundle: Path) -> None:
        self.model, self._bundle = Model(bundle), bigmodel.load(bundle)
        self.columns = list(self.model.reader.needed)
        self.counted = 0.0  # seconds of the processor, for rows that were counted
        self.judged: list[float] = []  # and for each look

    def alarms(self, frame: pd.DataFrame) -> list[str]:
        """The alarms that these rows raise; what is of answers is in parentheses."""
        rows, answers = to_rows(frame), self._answers(frame)
        model = self.model
        bins = of_columns(model.reader.needed)
        window = Window(bins, of_answers(model.answered, model.schema, model.labels), len(rows))
        began = processor()
        window.add(rows, answers)
        self.counted += processor() - began
        told = {
            "model": model.name, "version": model.version, "label": "stable", "task": "binary",
            "created": "", "metrics": model.metrics, "answers": True,
            "columns": [one._asdict() for one in window.counted()],
        }  # fmt: skip
        alarms = Alarms()
        began = processor()
        report = VersionReport(told, [told], None)
        alarms.judge(report.verdicts(SETTINGS), {(model.name, model.version)})
        self.judged.append(processor() - began)
        return [alarm.name for alarm in alarms.since]

    def _answers(self, frame: pd.DataFrame) -> Rows:
        found = self._bundle.predict(frame)
        classes = self.model.schema.target.classes
        shares = found[[f"probability/{name}" for name in classes]].to_numpy().tolist()
        return [
            {"prediction": said, "probabilities": dict(zip(classes, row, strict=True))}
            for said, row in zip(found["prediction"], shares, strict=True)
        ]


def to_rows(frame: pd.DataFrame) -> Rows:
    """As a caller sends them."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def shifted(frame: pd.DataFrame, column: str, by: float, rng: np.random.Generator) -> pd.DataFrame:
    """The rows with one column that moved."""
    values = frame[column]
    if pd.api.types.is_numeric_dtype(values):
        step = by * values.std()
        step = round(step) if values.dtype.kind == "i" else step  # else any shift would be seen
        return frame.assign(**{column: values + step})
    other = values.value_counts().index[1]
    return frame.assign(**{column: values.mask(rng.random(len(frame)) < by, other)})


def processor() -> float:
    used = resource.getrusage(resource.RUSAGE_THREAD)
    return used.ru_utime + used.ru_stime


def samples(frame: pd.DataFrame, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    for _ in range(RESAMPLES):
        yield frame.sample(ROWS, replace=True, random_state=rng.integers(1 << 31))


def by_column(watch: Watch, frame: pd.DataFrame, by: float, seed: int) -> dict[str, list[str]]:
    """The alarms when this column is shifted."""
    rng = np.random.default_rng(seed)
    drawn = frame.sample(ROWS, random_state=seed)
    return {name: watch.alarms(shifted(drawn, name, by, rng)) for name in watch.columns}


def of_columns_only(alarms: Sequence[str]) -> list[str]:
    return [name for name in alarms if not name.startswith("(")]


def exact(found: Mapping[str, list[str]]) -> int:
    """Columns that raised their own alarm, and no other column's."""
    return sum(of_columns_only(alarms) == [name] for name, alarms in found.items())


def main() -> None:
    given = common.arguments(__doc__)
    train, test = (common.need(given.data / "adult" / f"adult_{part}.csv.gz")
                   for part in ("train", "test"))  # fmt: skip
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as name:
        epochs = 1 if given.quick else 5
        bundle = bigmodel.fit([
            "data=csv", f"data.path={train}", "data.target=income", "model=mlp",
            f"trainer.max_epochs={epochs}", "name=adult", f"hydra.run.dir={name}/run",
        ]).bundle  # fmt: skip
        watch = Watch(bundle)
        frame = pd.read_csv(test).drop(columns="income")
        rng = np.random.default_rng(0)
        quiet = [watch.alarms(sample) for sample in samples(frame, rng)]
        moved = by_column(watch, frame, SHIFT, seed=1)
        smaller = {by: by_column(watch, frame, by, seed=2) for by in SMALLER}
    rows = [
        {"rows": f"{RESAMPLES} resamples, nothing shifted",
         "its alarm": 0, "other columns": sum(len(of_columns_only(a)) for a in quiet),
         "answers": sum(any(n.startswith("(") for n in a) for a in quiet)},
        *(
            {"rows": f"{name} shifted by {SHIFT}", "its alarm": int(name in alarms),
             "other columns": len(set(of_columns_only(alarms)) - {name}),
             "answers": len(alarms) - len(of_columns_only(alarms))}
            for name, alarms in moved.items()
        ),
        *(
            {"rows": f"each of {len(found)} shifted by {by}",
             "its alarm": sum(name in alarms for name, alarms in found.items()),
             "other columns": sum(len(set(of_columns_only(a)) - {n}) for n, a in found.items())}
            for by, found in smaller.items()
        ),
        {"rows": "us of a processor, a row", "its alarm":
         round(watch.counted / (ROWS * (RESAMPLES + 5 * len(moved))) * 1e6, 1)},
        {"rows": "ms of a processor, a look", "its alarm":
         round(float(np.median(watch.judged)) * 1e3, 2)},
    ]  # fmt: skip
    alarmed = sum(bool(alarms) for alarms in quiet)
    targets = [
        common.target(
            "columns whose shift raises that alarm alone", exact(moved), ">=", len(moved)
        ),
        common.target("unshifted resamples with any alarm", alarmed, "<=", 0),
    ]
    common.finish("serve_drift", rows, targets, given)


if __name__ == "__main__":
    main()

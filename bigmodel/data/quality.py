"""What a person should know of a table before trusting a model of it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigmodel.data.leakage import suspects
from bigmodel.data.schema import Schema
from bigmodel.data.splits import NAMES, TEST, TRAIN, VAL, Parts
from bigmodel.data.texts import some

_BALANCED = 3.0  # a largest class up to so many times the smallest needs no line of its own


def summarise(
    frame: pd.DataFrame, schema: Schema, labels: NDArray[Any], parts: Parts, notes: Sequence[str]
) -> dict[str, Any]:
    """The summary of a table in plain JSON values.

    `frame` holds the columns of the schema, `labels` (n,) the encoded target, `parts` (n,) where
    each row goes, `notes` what was decided by rule on the way.
    """
    names = [column.name for column in schema.features]
    features = frame[names]
    contents = frame[[column.name for column in schema.columns if column.kind != "id"]]
    hashes = pd.util.hash_pandas_object(contents, index=False).to_numpy()
    train = parts == TRAIN
    missing = features.isna().sum()
    known = np.unique(hashes[train])
    return {
        "rows": len(frame),
        "splits": {name: int((parts == part).sum()) for part, name in enumerate(NAMES)},
        "unused_rows": int((parts < 0).sum()),
        "columns": {kind: count for kind, count in _kinds(schema).items() if count},
        "target": {"name": schema.target.name, "task": schema.target.task},
        "balance": _balance(schema, labels[train]),
        "missing": {str(name): int(count) for name, count in missing.items() if count},
        "constant": [name for name in names if features[name].nunique(dropna=False) < 2],
        "duplicates": {
            "rows": int(pd.DataFrame({"x": hashes, "y": labels}).duplicated().sum()),
            "val_rows_in_train": int(np.isin(hashes[parts == VAL], known).sum()),
            "test_rows_in_train": int(np.isin(hashes[parts == TEST], known).sum()),
        },
        "leakage_suspects": suspects(features[train], labels[train], schema.target.task),
        "notes": list(notes),
    }


def lines(quality: Mapping[str, Any]) -> list[str]:
    """The summary for reading: the table in a line or two, then only what stands out."""
    if "rows" not in quality:
        return [f"note: {note}" for note in quality.get("notes", [])]
    splits = ", ".join(f"{name} {count:,}" for name, count in quality["splits"].items())
    unused = f", unused {quality['unused_rows']:,}" if quality["unused_rows"] else ""
    kinds = ", ".join(f"{count} {kind}" for kind, count in quality["columns"].items())
    target = quality["target"]
    told = [
        f"table: {quality['rows']:,} rows ({splits}{unused}); columns: {kinds}",
        f"target: {target['name']} ({target['task']}){_spread(quality['balance'])}",
    ]
    if quality["missing"]:
        counts = sorted(quality["missing"].items(), key=lambda item: -item[1])
        told.append("missing values: " + some([f"{name} {count:,}" for name, count in counts]))
    if quality["constant"]:
        told.append("constant columns: " + some(quality["constant"]))
    doubles = quality["duplicates"]
    if doubles["rows"]:
        told.append(
            f"duplicates: {doubles['rows']:,} rows repeat another; also in train: "
            f"{doubles['val_rows_in_train']:,} rows of val, {doubles['test_rows_in_train']:,} of "
            "test (data.split.by=group keeps equal ones together)"
        )
    if quality["leakage_suspects"]:
        found = [f"{name} ({score:.2f})" for name, score in quality["leakage_suspects"].items()]
        told.append(
            "leakage suspects, each of which tells the target alone (1 = wholly): "
            f"{some(found)}; drop with data.drop= what is not known at prediction"
        )
    return told + [f"note: {note}" for note in quality["notes"]]


def _kinds(schema: Schema) -> dict[str, int]:
    kinds = [column.kind for column in schema.columns]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def _balance(schema: Schema, labels: NDArray[Any]) -> dict[str, Any]:
    """Rows of each class in train, or the quartiles of a regression's target."""
    target = schema.target
    if target.task != "regression":
        counts = np.bincount(labels, minlength=len(target.classes))
        return dict(zip(target.classes, counts.tolist(), strict=True))
    quartiles = np.quantile(labels.astype(np.float64), [0, 0.25, 0.5, 0.75, 1])
    values = target.offset + target.scale * quartiles
    digits = 5 - math.floor(math.log10(target.scale))  # as far as the encoded target is exact
    rounded = [round(value, digits) + 0.0 for value in values.tolist()]
    return dict(zip(("min", "25%", "50%", "75%", "max"), rounded, strict=True))


def _spread(balance: Mapping[str, Any]) -> str:
    """How uneven the classes are, or where the numbers lie."""
    if "50%" in balance and "min" in balance:
        return f", from {balance['min']:.4g} to {balance['max']:.4g}, median {balance['50%']:.4g}"
    ranked = sorted(balance.items(), key=lambda item: (-item[1], item[0]))
    (largest, most), (smallest, least) = ranked[0], ranked[-1]
    if most <= _BALANCED * least:
        return f", {len(ranked)} classes of {least:,}{f' to {most:,}' * (most > least)} train rows"
    ratio = f", {most / least:.0f} : 1" if least else ""
    return (
        f", {len(ranked)} classes, from {most:,} train rows ({largest}) to {least:,} ({smallest})"
        f"{ratio}"
    )

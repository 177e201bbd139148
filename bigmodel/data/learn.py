"""What training rows teach of a column: how it looks, for the schema, and how to encode it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigmodel.data.encodings import (
    CategoryEncoding,
    NumberEncoding,
    frequent,
    numbers,
    varying_cycles,
)
from bigmodel.data.image.frames import ImageEncoding
from bigmodel.data.quantiles import Floats, QuantileMap, ordered_sample
from bigmodel.data.schema import Column
from bigmodel.data.texts import levels

BINS = 20  # of a number's histogram, equally full in training: enough to see a drift
_SHOWN = 50  # categories of a histogram; the others are counted together, as ""

Encoding = NumberEncoding | CategoryEncoding | ImageEncoding | None


def learn_column(
    column: Column, values: "pd.Series[Any]", rows: NDArray[np.intp]
) -> tuple[Column, Encoding]:
    """The column as `rows` of its values (already in its dtype) show it, and its encoding.

    Columns that feed no network have none. Categories that the column has already are kept.
    """
    if column.kind == "categorical":
        return _learn_categories(column, values, rows)
    if column.kind == "image":
        assert column.shape is not None
        return column, ImageEncoding(column.name, column.shape)
    if column.kind == "text":
        return _learn_lengths(column, values.iloc[rows]), None
    if column.kind in ("id", "cost"):
        missing = values.isna().to_numpy()[rows]
        return replace(column, missing_rate=_mean(missing)), None
    return _learn_numbers(column, numbers(values)[rows])


def _learn_categories(
    column: Column, values: "pd.Series[Any]", rows: NDArray[np.intp]
) -> tuple[Column, CategoryEncoding]:
    found = levels(values)
    found = found._replace(codes=found.codes[rows])
    ranked = sorted(zip((-found.counts()).tolist(), found.texts.tolist(), strict=True))
    counted = [(text, -count) for count, text in ranked if count]
    known = frequent(counted) if column.categories is None else column.categories
    missing = found.codes < 0
    learnt = replace(column, categories=known, missing_rate=_mean(missing), histogram=bars(counted))
    return learnt, CategoryEncoding(column.name, known, bool(missing.any()))


def _learn_lengths(column: Column, values: "pd.Series[Any]") -> Column:
    """Of texts: how many characters they have. More is not known before a tokenizer is."""
    missing = values.isna().to_numpy()
    lengths = np.sort(values[~missing].str.len().to_numpy().astype(np.float64))
    found = bins(lengths) if len(lengths) else None
    return replace(column, missing_rate=_mean(missing), histogram=found)


def _learn_numbers(column: Column, values: Floats) -> tuple[Column, NumberEncoding]:
    """For a numeric, boolean or datetime column: times in seconds, booleans 0 and 1."""
    missing = np.isnan(values)
    ordered = ordered_sample(values)
    encoding = NumberEncoding(
        column.name,
        QuantileMap.fit(ordered, len(values)),
        varying_cycles(ordered) if column.kind == "datetime" else (),
        bool(missing.any()),
    )
    column = replace(column, missing_rate=_mean(missing))
    if not len(ordered):
        return column, encoding
    if column.kind == "boolean":
        true = int(np.nansum(values))
        counted = [("false", int((~missing).sum()) - true), ("true", true)]
        return replace(column, histogram=bars(counted)), encoding
    low, high = ordered[0].item(), ordered[-1].item()
    if column.kind == "datetime":
        low, high = (pd.Timestamp(end, unit="s").isoformat() for end in (low, high))
    return replace(column, minimum=low, maximum=high, histogram=bins(ordered)), encoding


def bins(ordered: Floats) -> dict[str, list[Any]]:
    """The histogram of sorted values (n,), at least one: its edges are their quantiles.

    Each bin has its lower edge, the last both. A value that fills a bin by itself gets one of its
    own: with those next to it, nobody would see that it became another one.
    """
    places = np.linspace(0, len(ordered) - 1, BINS + 1).round().astype(int)
    edges, times = np.unique(ordered[places], return_counts=True)
    edges = np.union1d(edges, np.nextafter(edges[times > 1], np.inf))
    starts = np.searchsorted(ordered, edges[:-1], side="left")
    counts = np.diff(starts, append=len(ordered))
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def bars(counted: list[tuple[str, int]]) -> dict[str, list[Any]]:
    """The histogram of values and how often each of them occurs, the most frequent first."""
    rest = sum(count for _, count in counted[_SHOWN:])
    shown = counted[:_SHOWN] + ([("", rest)] if rest else [])
    return {"categories": [name for name, _ in shown], "counts": [count for _, count in shown]}


def _mean(missing: NDArray[np.bool_]) -> float:
    return float(missing.mean()) if len(missing) else 0.0

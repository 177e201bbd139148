"""A row that a model would take, made up from its schema: no row of the data is ever shown."""

import base64
from typing import Any

from bigmodel.data.schema import Column, Schema

_TEXT = "a short text"


def row_of(schema: Schema, names: tuple[str, ...]) -> dict[str, Any]:
    """JSON values for the columns `names`: typical ones, where the schema knows what is typical."""
    return {column.name: value_of(column) for column in schema.columns if column.name in names}


def value_of(column: Column) -> Any:
    """A typical JSON value of a column."""
    if column.kind == "image":
        return base64.b64encode(_picture(column.shape or (1, 1, 1))).decode()
    if column.kind == "boolean":
        return True
    if column.kind == "datetime":
        return str(column.maximum or "2026-01-31T12:00:00")
    if column.kind in ("categorical", "text"):
        return next(iter(column.categories or ()), _TEXT)
    return _middle(column)


def _middle(column: Column) -> float | int:
    """The middle of the training histogram, in three digits."""
    edges = (column.histogram or {}).get("edges") or [1.0]
    value = float(edges[len(edges) // 2])
    return round(value) if column.dtype == "int64" else float(f"{value:.3g}")


def _picture(shape: tuple[int, int, int]) -> bytes:
    """A grey image of this shape, as a PNG file."""
    import numpy as np

    from bigmodel.data.image.decode import encode

    return encode(np.full(shape, 128, dtype=np.uint8))

"""How the store keeps the rows and the answers of one request: in the form that costs least.

- a JSON list with an object for each row;
- a JSON object whose `rows` is such a list: the body as the caller sent it;
- packed: columns, and a matrix with more of them, for tensors: a line of JSON after `#`, which
  has the columns' cells and the names and the datatype of the matrix, and then its bytes.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

_PACKED = b"#"
_JSON = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def dumped(rows: Sequence[Mapping[str, Any]], hidden: Collection[str]) -> bytes:
    """Rows as a list, without the columns that nobody may see."""
    kept = [{name: cell for name, cell in row.items() if name not in hidden} for row in rows]
    return orjson.dumps(kept, default=_plain, option=_JSON)


def packed(columns: Mapping[str, Any], names: Sequence[str], matrix: NDArray[Any] | None) -> bytes:
    """Columns of cells (n,), and the columns `names` of a matrix (n, len(names))."""
    head: dict[str, Any] = {"columns": columns}
    if matrix is None:
        return b"%b%b\n" % (_PACKED, orjson.dumps(head, default=_plain, option=_JSON))
    head |= {"names": names, "dtype": matrix.dtype.str}
    text = orjson.dumps(head, default=_plain, option=_JSON)
    return b"%b%b\n%b" % (_PACKED, text, matrix.tobytes())


def objects(kept: bytes) -> list[dict[str, Any]]:
    """The rows that were kept, an object each, whatever their form."""
    if not kept.startswith(_PACKED):
        content = orjson.loads(kept)
        rows: list[dict[str, Any]] = content["rows"] if isinstance(content, dict) else content
        return rows
    columns, names, matrix = _unpacked(kept)
    if matrix is not None:
        columns |= dict(zip(names, matrix.T.tolist(), strict=True))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def answers(kept: bytes) -> list[dict[str, Any]]:
    """The answers that were kept, as the API gives them: `prediction`, `probabilities` by class."""
    if not kept.startswith(_PACKED):
        return objects(kept)
    columns, classes, matrix = _unpacked(kept)
    if matrix is None:
        return [{"prediction": value} for value in columns["prediction"]]
    return [
        {"prediction": value, "probabilities": dict(zip(classes, shares, strict=True))}
        for value, shares in zip(columns["prediction"], matrix.tolist(), strict=True)
    ]


def _unpacked(kept: bytes) -> tuple[dict[str, Sequence[Any]], list[str], NDArray[Any] | None]:
    """Columns, and the matrix (n, columns) with its names."""
    text, _, raw = kept[len(_PACKED) :].partition(b"\n")
    head = orjson.loads(text)
    names = head.get("names", [])
    if "dtype" not in head:
        return head["columns"], names, None
    matrix = np.frombuffer(raw, dtype=np.dtype(head["dtype"]))
    return head["columns"], names, matrix.reshape(-1, len(names))


def _plain(value: Any) -> Any:
    """Arrays that are not in one piece, as lists; anything else that JSON has not, as its text."""
    return value.tolist() if isinstance(value, np.ndarray) else str(value)

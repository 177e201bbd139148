"""The rows of a request, checked against the schema and encoded by the encoder of training.

There is no frame in between: what one costs to make is many times what the model takes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bigmodel.data.convert import LARGEST
from bigmodel.data.encoder import Encoded, Encoder
from bigmodel.data.quantiles import Floats
from bigmodel.data.schema import Column, Schema
from bigmodel.data.texts import closest
from bigmodel.serving import cells
from bigmodel.serving.cells import Cells, Place
from bigmodel.serving.errors import ApiError, invalid
from bigmodel.serving.table import Table, place

Given = Sequence[Any] | Table  # rows as JSON has them, or tensors


@dataclass(frozen=True)
class Batch:
    """Encoded rows, and the costs (n,) of each column that the decision asks for."""

    encoded: Encoded
    costs: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.encoded.numeric)


class Reader:
    """Reads rows for one bundle.

    `needed` are the columns that a row has to have, by name, in the schema's order; others are
    ignored, as in a table. `plain` are those of them that are just numbers.
    """

    def __init__(self, schema: Schema, encoder: Encoder, costs: Sequence[str]) -> None:
        self._encoder = encoder
        fed = {one.name for one in encoder.numeric} | set(encoder.categorical_names)
        fed |= set(encoder.text.columns) if encoder.text else set()
        fed |= {encoder.image.name} if encoder.image else set()
        self.needed = {c.name: c for c in schema.columns if c.name in fed | set(costs)}
        self._numeric = [encoding.name for encoding in encoder.numeric]
        self.plain = tuple(n for n in self._numeric if self.needed[n].kind == "numeric")
        self._plain_at = [self._numeric.index(name) for name in self.plain]
        self._others = tuple(name for name in self.needed if name not in self.plain)
        self._get_plain = _tuples_of(self.plain)
        self._costs = {name: Column(name, "cost", "float64") for name in costs}

    def read(self, given: Given) -> Batch:
        """The rows of one request. Raises ApiError 422 as `rows`."""
        return self.table(given) if isinstance(given, Table) else self.rows(given)

    def together(self, given: Sequence[Given]) -> Batch:
        """The rows of several requests, in their order. Raises ApiError 422 where one is wrong."""
        if len(given) == 1:
            return self.read(given[0])
        if not any(isinstance(one, Table) for one in given):  # in one go
            return self.rows(list(chain.from_iterable(cast("Sequence[Sequence[Any]]", given))))
        return _joined([self.read(one) for one in given])

    def rows(self, rows: Sequence[Any]) -> Batch:
        """JSON objects, one a row. Raises ApiError 422 naming the first cell that does not fit."""
        for index, row in enumerate(rows):
            if type(row) is not dict:
                raise invalid("a row is an object: {column: value}", f"rows[{index}]")
        try:
            table = list(map(self._get_plain, rows))
            columns: dict[str, Cells] = {n: [row[n] for row in rows] for n in self._others}
        except KeyError:
            raise self._missing(rows) from None
        plain = _numbers(table)
        if plain is None:
            columns |= dict(zip(self.plain, zip(*table, strict=True), strict=True))
        return self._batch(columns, plain, len(rows), _in_rows)

    def table(self, table: Table) -> Batch:
        """Tensors, as `table_of` has put them together. Raises ApiError 422 as `rows`."""
        given, columns = table.matrix, table.columns
        if given is None:
            cells = [columns[name] for name in self.plain]
            if cells and all(isinstance(c, np.ndarray) and c.dtype.kind in "fiub" for c in cells):
                given = np.array(cells, dtype=np.float64).T
        plain = None if given is None else _sound(given.astype(np.float64))
        if plain is None and table.matrix is not None:
            columns = {**columns, **dict(zip(self.plain, table.matrix.T, strict=True))}
        return self._batch(columns, plain, table.rows, place)

    def _batch(
        self, columns: Mapping[str, Cells], plain: Floats | None, rows: int, place: Place
    ) -> Batch:
        """The columns that are just numbers as the matrix `plain`, or, if None, cell by cell."""
        encoder = self._encoder
        numeric = encoder.encode_matrix(self._matrix(columns, plain, rows, place))
        categorical = np.empty((rows, len(encoder.categorical)), dtype=np.int32)
        for index, encoding in enumerate(encoder.categorical):
            name = encoding.name
            texts = cells.categories(columns[name], self.needed[name], place)
            categorical[:, index] = encoding.codes_of(texts)
        costs = {n: cells.numbers(columns[n], cost, place) for n, cost in self._costs.items()}
        tokens, image = self._tokens(columns, place), self._image(columns, place)
        return Batch(Encoded(numeric, categorical, tokens, image), costs)

    def _matrix(
        self, columns: Mapping[str, Cells], plain: Floats | None, rows: int, place: Place
    ) -> Floats:
        """The columns of numbers side by side, (rows, columns)."""
        if plain is not None and len(self.plain) == len(self._numeric):
            return plain
        values = np.empty((rows, len(self._numeric)))
        if plain is not None:
            values[:, self._plain_at] = plain
        for index, name in enumerate(self._numeric):
            if plain is None or self.needed[name].kind != "numeric":
                values[:, index] = cells.numbers(columns[name], self.needed[name], place)
        return values

    def _tokens(self, columns: Mapping[str, Cells], place: Place) -> NDArray[np.int32] | None:
        text = self._encoder.text
        if text is None:
            return None
        return text.tokens(
            [cells.texts(columns[name], self.needed[name], place) for name in text.columns]
        )

    def _image(self, columns: Mapping[str, Cells], place: Place) -> NDArray[np.uint8] | None:
        image = self._encoder.image
        if image is None:
            return None
        return cells.pixels(columns[image.name], image, self.needed[image.name], place)

    def _missing(self, rows: Sequence[dict[str, Any]]) -> ApiError:
        """The first row and column that is not there."""
        index, name = next(
            (index, name)
            for index, row in enumerate(rows)
            for name in self.needed
            if name not in row
        )
        near = closest(name, rows[index])
        hint = f"is {near!r} meant?" if near else "send null where it is unknown"
        return invalid(f"the column {name!r} is missing; {hint}", _in_rows(index, name))


def _joined(batches: Sequence[Batch]) -> Batch:
    parts = [batch.encoded.named() for batch in batches]
    encoded = Encoded(**{n: np.concatenate([part[n] for part in parts]) for n in parts[0]})
    costs = {n: np.concatenate([batch.costs[n] for batch in batches]) for n in batches[0].costs}
    return Batch(encoded, costs)


def _tuples_of(names: tuple[str, ...]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """What takes these cells from a row; KeyError where one is missing."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda row: tuple(row[name] for name in names)


def _numbers(table: list[tuple[Any, ...]]) -> Floats | None:
    """Rows of cells as a matrix; None when there is none, or a cell is no number."""
    if not table[0] or not cells.NUMBERS.issuperset(map(type, chain.from_iterable(table))):
        return None
    return _sound(np.array(table, dtype=np.float64))


def _sound(values: Floats) -> Floats | None:
    """The values, unless one is too large."""
    size = np.abs(values)
    if np.maximum.reduce(size, axis=None, initial=0.0) < LARGEST:  # false where one is missing
        return values
    return values if ((size < LARGEST) | np.isnan(size)).all() else None


def _in_rows(row: int, name: str) -> str:
    return f"rows[{row}].{name}"

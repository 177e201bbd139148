"""From rows of a table to the numbers that a network takes.

The encoder is fitted on training rows only. `transform` is the one piece of code that encodes,
in training and in serving; it works row by row: a row's numbers never depend on its neighbours.
Its whole state is plain JSON and a few arrays.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigmodel.data.encodings import CategoryEncoding, NumberEncoding, numbers
from bigmodel.data.image.decode import Pixels, Shape
from bigmodel.data.image.frames import ImageEncoding
from bigmodel.data.learn import Encoding, learn_column
from bigmodel.data.quantile_maps import FEW, QuantileMaps
from bigmodel.data.quantiles import Floats, QuantileMap
from bigmodel.data.schema import Schema
from bigmodel.data.text.encoding import TextEncoding
from bigmodel.data.threads import in_threads

FORMAT = 1
_BLOCK = 65_536  # rows encoded at a time: with fewer, the threads wait for each other's Python


class Encoded(NamedTuple):
    """Rows as a network takes them.

    Numeric (n, p) float32 and categorical (n, q) int32 codes, where 0 is "unknown or rare";
    tokens (n, length) int32, where 0 fills up short texts, and image (n, channels, height, width)
    uint8, each None where no column feeds it.
    """

    numeric: NDArray[np.float32]
    categorical: NDArray[np.int32]
    tokens: NDArray[np.int32] | None = None
    image: NDArray[np.uint8] | None = None

    def named(self) -> dict[str, NDArray[Any]]:
        """The arrays that there are, by name."""
        return {name: array for name, array in self._asdict().items() if array is not None}

    def rows(self, chosen: NDArray[np.integer[Any]] | slice) -> "Encoded":
        """These rows, by position."""
        return Encoded(**{name: array[chosen] for name, array in self.named().items()})


class Encoder:
    """Encodes the feature columns of one schema.

    Numbers, booleans and times go through a map from their training quantiles to those of a
    normal distribution; a missing one becomes 0 (the median), and a column that had missing
    values in training has a second number, 0 or 1, that says so. Times also get the sine and
    cosine of the cycles that they vary in. Categories become codes, images pixels, and texts
    tokens where the model reads them.
    """

    def __init__(
        self,
        numeric: tuple[NumberEncoding, ...],
        categorical: tuple[CategoryEncoding, ...],
        text: TextEncoding | None = None,
        image: ImageEncoding | None = None,
    ) -> None:
        self.numeric, self.categorical = numeric, categorical
        self.text, self.image = text, image

    @classmethod
    def fit(cls, frame: pd.DataFrame, schema: Schema) -> "Encoder":
        """Learn from all rows of `frame`, whose columns are as the schema says.

        A categorical column keeps the schema's `categories`, or learns them where it has none.
        """
        rows = np.arange(len(frame))
        return cls.of([learn_column(c, frame[c.name], rows)[1] for c in schema.features])

    @classmethod
    def of(cls, encodings: Iterable[Encoding], text: TextEncoding | None = None) -> "Encoder":
        """The encoder of these columns."""
        found = list(encodings)
        return cls(
            tuple(encoding for encoding in found if isinstance(encoding, NumberEncoding)),
            tuple(encoding for encoding in found if isinstance(encoding, CategoryEncoding)),
            text,
            next((encoding for encoding in found if isinstance(encoding, ImageEncoding)), None),
        )

    @cached_property
    def n_numeric(self) -> int:
        """How many numbers a row gets."""
        return len(self.numeric_names)

    @property
    def numeric_names(self) -> tuple[str, ...]:
        """What each column of `Encoded.numeric` is."""
        return tuple(name for encoding in self.numeric for name in encoding.outputs)

    @property
    def categorical_names(self) -> tuple[str, ...]:
        """What each column of `Encoded.categorical` is."""
        return tuple(encoding.name for encoding in self.categorical)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """The number of codes of each column of `Encoded.categorical`."""
        return tuple(encoding.cardinality for encoding in self.categorical)

    def transform(self, frame: pd.DataFrame, image: Pixels | None = None) -> Encoded:
        """Encode rows whose columns are as the schema says; other columns are ignored.

        `image` are the pixels, where they are decoded already.
        """
        columns = [numbers(frame[encoding.name]) for encoding in self.numeric]
        numeric = self.encode_numbers(columns, len(frame))
        categorical = np.empty((len(frame), len(self.categorical)), dtype=np.int32)
        for index, category in enumerate(self.categorical):
            categorical[:, index] = category.codes(frame[category.name])
        tokens = None if self.text is None else self.text.transform(frame)
        if self.image is not None and image is None:
            image = self.image.pixels(frame[self.image.name])
        return Encoded(numeric, categorical, tokens, image)

    def encode_numbers(self, columns: Sequence[Floats], rows: int) -> NDArray[np.float32]:
        """(rows, n_numeric) from the columns of `self.numeric`, (rows,) each."""
        if 0 < rows <= FEW and columns:
            return self.encode_matrix(np.stack(columns, axis=1))
        out = np.empty((rows, self.n_numeric), dtype=np.float32)
        blocks = [slice(at, at + _BLOCK) for at in range(0, rows, _BLOCK)]
        in_threads(lambda block: self._write([c[block] for c in columns], out[block]), blocks)
        return out

    def encode_matrix(self, values: Floats) -> NDArray[np.float32]:
        """The same from a matrix (rows, columns) float64, such as the few rows of a request."""
        if len(values) > FEW:
            return self.encode_numbers(list(values.T), len(values))
        if not self.numeric:
            return np.empty((len(values), 0), dtype=np.float32)
        if not self._wide:
            return self._scores(values).astype(np.float32)
        out = np.empty((len(values), self.n_numeric), dtype=np.float32)
        out[:, self._starts] = self._scores(values)
        for index, encoding, of_it in self._wide:
            encoding.write_rest(values[:, index], out[:, of_it])
        return out

    def _write(self, columns: list[Floats], out: NDArray[np.float32]) -> None:
        """Encode a block of rows of the numeric columns."""
        for encoding, start, values in zip(self.numeric, self._starts, columns, strict=True):
            encoding.write(values, out[:, start : start + len(encoding.outputs)])

    @cached_property
    def _starts(self) -> list[int]:
        """Where the numbers of each numeric column start."""
        widths = [len(encoding.outputs) for encoding in self.numeric]
        return [0, *accumulate(widths)][: len(widths)]

    @cached_property
    def _wide(self) -> list[tuple[int, NumberEncoding, slice]]:
        """The numeric columns with more than a score: index, encoding, where their numbers are."""
        widths = [len(encoding.outputs) for encoding in self.numeric]
        return [
            (index, encoding, slice(self._starts[index], self._starts[index] + widths[index]))
            for index, encoding in enumerate(self.numeric)
            if widths[index] > 1
        ]

    @cached_property
    def _scores(self) -> QuantileMaps:
        return QuantileMaps([encoding.scores for encoding in self.numeric])

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Plain JSON values and arrays; `from_state` gives an equal encoder back."""
        arrays: dict[str, NDArray[Any]] = {}
        for index, number in enumerate(self.numeric):
            arrays[f"{index}.knots"] = number.scores.knots
            arrays[f"{index}.scores"] = number.scores.scores
        numeric = [{"name": n.name, "cycles": list(n.cycles), "flag": n.flag} for n in self.numeric]
        categorical = [
            {"name": c.name, "categories": list(c.categories), "missing": c.missing}
            for c in self.categorical
        ]
        meta: dict[str, Any] = {"format": FORMAT, "numeric": numeric}
        meta["categorical"] = categorical
        if self.text is not None:
            meta["text"] = self.text.state()
        if self.image is not None:
            meta["image"] = {"name": self.image.name, "shape": list(self.image.shape)}
        return meta, arrays

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> "Encoder":
        """Read what `state` gave. Raises KeyError, TypeError or ValueError on anything else."""
        if meta["format"] != FORMAT:
            raise ValueError(f"the encoder's format is {meta['format']!r}, not {FORMAT}")
        numeric = tuple(
            NumberEncoding(
                str(told["name"]),
                QuantileMap(arrays[f"{index}.knots"], arrays[f"{index}.scores"]),
                tuple(told["cycles"]),
                bool(told["flag"]),
            )
            for index, told in enumerate(meta["numeric"])
        )
        categorical = tuple(
            CategoryEncoding(str(c["name"]), tuple(map(str, c["categories"])), bool(c["missing"]))
            for c in meta["categorical"]
        )
        text = TextEncoding.from_state(meta["text"]) if "text" in meta else None
        told = meta.get("image")
        image = ImageEncoding(str(told["name"]), _shape(told["shape"])) if told else None
        return cls(numeric, categorical, text, image)


def _shape(sides: list[Any]) -> Shape:
    channels, height, width = map(int, sides)
    return channels, height, width

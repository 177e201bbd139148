"""A CSV table as a frame: one pass of the parser, and a second look only where it may be wrong."""

import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_integer_dtype
from pandas.errors import DtypeWarning, ParserError, ParserWarning

from bigmodel.data.charset import ASCII
from bigmodel.data.dialect import Dialect, detect
from bigmodel.data.sources import is_packed
from bigmodel.data.stream import Stream
from bigmodel.data.structure import check_structure, may_have_short_rows
from bigmodel.errors import UserError

_LEADING_ZERO = r"0\d"
_LONG = r"[+-]?\d{16,}$"  # more digits than a float64 holds


@dataclass(frozen=True)
class CsvTable:
    """The parts of one table, opened: all with the same dialect."""

    parts: list[Path]
    dialect: Dialect

    @classmethod
    def open(
        cls,
        parts: list[Path],
        separator: str | None = None,
        encoding: str | None = None,
        known: frozenset[str] = frozenset(),
    ) -> "CsvTable":
        """Detect the dialect, but for what is given; `known` are columns that should be there.

        Raises UserError when the parts do not have one and the same header.
        """
        first = detect(parts[0], separator, encoding, known)
        for part in parts[1:]:
            other = detect(part, separator, encoding, known)
            if (other.header, other.separator) != (first.header, first.separator):
                different = sorted(set(other.header) ^ set(first.header))
                raise UserError(
                    f"{part}: its header is not that of {parts[0]}"
                    f"{f' ({different[0]!r} is in one only)' if different else ''}; "
                    "give all parts the same columns in the same order"
                )
        return cls(parts, first)

    def read(self, as_text: Collection[str] = ()) -> pd.DataFrame:
        """All rows, with the dtypes that their texts suggest; "" is missing, "NA" is a text.

        The columns `as_text` stay text, and so do whole numbers with leading zeros or beyond what
        a number can hold exactly. Raises UserError where the structure is broken.
        """
        frame = self._parse(check=True, dtype=self._texts(as_text))
        mixed = [name for name in frame.columns if _is_mixed(frame[name])]
        whole = [name for name in frame.columns if _is_whole(frame[name])]
        suspects = whole if whole and self._has_leading_zeros() else _floats(frame, whole)
        again = [*mixed, *suspects]
        texts = self._parse(usecols=again, dtype=self._texts(again)) if again else frame
        for name in mixed:
            frame[name] = texts[name]
        for name in suspects:
            form = _LEADING_ZERO if is_integer_dtype(frame[name]) else f"{_LEADING_ZERO}|{_LONG}"
            if texts[name].str.match(form).any():
                frame[name] = texts[name]
        return frame

    def iterate(
        self, missing: Mapping[str, Collection[str]], as_text: Collection[str], chunk_rows: int
    ) -> Iterator[pd.DataFrame]:
        """The columns named in `missing`, `chunk_rows` rows at a time.

        `missing` gives the texts that stand for "no value" in each column, besides the empty one.
        Raises UserError where the structure is broken, at the latest behind the last chunk.
        """
        header = self.dialect.header
        wanted = [name for name in header if name in missing or name == header[-1]]
        stream, checks = Stream(self.parts, self.dialect), _Checks(self)
        with self._explained(stream):
            reader = self._reader(
                stream,
                usecols=wanted,
                dtype=self._texts(as_text),
                na_values={name: ["", *missing.get(name, ())] for name in wanted},
                chunksize=chunk_rows,
            )
        while True:
            with self._explained(stream):
                chunk = next(reader, None)
            if chunk is None:
                return checks.finish(stream)
            checks.chunk(chunk)
            yield chunk

    def _parse(self, check: bool = False, **options: Any) -> pd.DataFrame:
        stream, checks = Stream(self.parts, self.dialect), _Checks(self)
        frame: pd.DataFrame | None = None
        with self._explained(stream):
            if self._is_plain():
                with suppress(UnicodeDecodeError):  # the stream finds the encoding, or names it
                    frame = self._reader(self.parts[0], compression=None, **options)
            if frame is None:
                frame = self._reader(stream, **options)
        if check:
            checks.chunk(frame)
            if not stream.lines and _has_quotes(self.parts[0]):
                stream.exhaust()
            checks.finish(stream)
        return frame

    def _is_plain(self) -> bool:
        """Whether pandas can read the file itself, which it does with several threads."""
        encodings = (ASCII, "utf-8", "utf-8-sig")
        one = len(self.parts) == 1 and self.dialect.encoding in encodings
        return one and not is_packed(self.parts[0])

    def _reader(self, source: Stream | Path, **options: Any) -> Any:
        options.setdefault("na_values", [""])
        return pd.read_csv(
            source,  # type: ignore[arg-type]
            sep=self.dialect.separator,
            header=0,
            names=list(self.dialect.header),
            index_col=False,
            keep_default_na=False,
            skipinitialspace=self.dialect.skip_space,
            **options,
        )

    def _texts(self, names: Collection[str]) -> dict[str, str]:
        return {name: "str" for name in names if name in self.dialect.header}

    @contextmanager
    def _explained(self, stream: Stream) -> Iterator[None]:
        """Turn the parser's complaints into one that names the line."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DtypeWarning)
                warnings.simplefilter("error", ParserWarning)  # rows longer than the header
                yield
        except (ParserError, ParserWarning) as error:
            if stream.error is not None:
                raise stream.error from error
            endless = "EOF inside string" in str(error)
            for strict in (endless, not endless):
                check_structure(self.parts, self.dialect, strict=strict)
            raise UserError(
                f"{self.parts[0]}: cannot be parsed ({error}); correct the file"
            ) from error

    def _has_leading_zeros(self) -> bool:
        """Whether any field of the file starts with a zero and another digit."""
        rest = b"\n"
        for block in Stream(self.parts, self.dialect):
            content = np.frombuffer(rest + block, dtype=np.uint8)
            before, first, second = content[:-2], content[1:-1], content[2:]
            found = (first == ord("0")) & (second - ord("0") < 10)  # unsigned: others wrap around
            starts = np.zeros(len(before), dtype=bool)
            for mark in (self.dialect.separator, "\n", '"', *(" " * self.dialect.skip_space)):
                starts |= before == ord(mark)
            if (found & starts).any():
                return True
            rest = block[-2:]
        return False


@dataclass
class _Checks:
    """What the parser takes without complaint: short rows, and rows that an open quote swallowed.

    Looks again, line by line, only at a table that may have such a line.
    """

    table: CsvTable
    rows: int = 0
    _widths_seen: bool = False

    def chunk(self, frame: pd.DataFrame) -> None:
        """A short row has no value in the last column."""
        self.rows += len(frame)
        parts, dialect = self.table.parts, self.table.dialect
        if self._widths_seen or not frame[dialect.header[-1]].isna().any():
            return
        self._widths_seen = True
        if may_have_short_rows(parts, dialect):
            check_structure(parts, dialect, strict=False)

    def finish(self, stream: Stream) -> None:
        """A quoted field may hold line ends, but no rows."""
        if stream.quoted and stream.lines != self.rows + 1:
            check_structure(self.table.parts, self.table.dialect, strict=True)


def _has_quotes(path: Path) -> bool:
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return content.find(b'"') >= 0


def _is_mixed(values: "pd.Series[Any]") -> bool:
    """Whether the parser found text and other things in one column."""
    return values.dtype == object and not all(type(value) is bool for value in values.dropna())


def _is_whole(values: "pd.Series[Any]") -> bool:
    """Whether these are numbers, all of them whole."""
    if is_integer_dtype(values):
        return True
    if not is_float_dtype(values):
        return False
    numbers = values.to_numpy()
    numbers = numbers[~np.isnan(numbers)]
    return all((part == np.floor(part)).all() for part in (numbers[:100], numbers))


def _floats(frame: pd.DataFrame, whole: list[str]) -> list[str]:
    """Those of the whole columns that hold numbers with too many digits for a float64."""
    floats = (name for name in whole if is_float_dtype(frame[name]))
    return [name for name in floats if (frame[name].abs() >= 2.0**53).any()]

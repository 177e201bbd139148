"""Texts as rows of token ids: the fitted half, which training and serving share.

Ids below `FIRST` have a meaning of their own in every vocabulary; the others are its tokens.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigmodel.data.texts import levels, plain

PADDING, UNKNOWN, SEPARATOR, EMPTY, FIRST = range(5)

_BLOCK = 8192  # rows encoded at a time: as lists of ids they are large
_LONGEST_TOKEN = 32  # characters: of a longer text than that times its tokens, the rest is not read


class Vocabulary(Protocol):
    """What cuts texts into tokens.

    A row is `start`, then the texts' ids with `separator` between two, then `end`; a text without
    any token is `empty`. `size` is the number of ids that there are; those from `words` on stand
    for letters of words that have ids of their own.
    """

    size: int
    words: int
    start: tuple[int, ...]
    separator: tuple[int, ...]
    end: tuple[int, ...]
    empty: tuple[int, ...]

    def ids(self, texts: list[str]) -> list[Sequence[int]]:
        """The ids of each text, `FIRST` <= id < `size` but for a pretrained one's own."""

    def state(self) -> dict[str, Any]:
        """Plain JSON values, with the `reader` that made it."""


class TextEncoding:
    """The text columns `columns`, of each at most so many tokens as `shares` says.

    A missing text is an empty one.
    """

    def __init__(
        self, columns: tuple[str, ...], shares: tuple[int, ...], vocabulary: Vocabulary
    ) -> None:
        self.columns, self.shares, self.vocabulary = columns, shares, vocabulary
        own = len(vocabulary.start) + len(vocabulary.end)
        between = (len(columns) - 1) * len(vocabulary.separator)
        self.length = own + between + sum(shares)

    def transform(self, frame: pd.DataFrame) -> NDArray[np.int32]:
        """The ids of each row's texts, (n, length), filled up with `PADDING`."""
        out = np.zeros((len(frame), self.length), dtype=np.int32)
        for start in range(0, len(frame), _BLOCK):
            rows = slice(start, start + _BLOCK)
            columns = [
                self._column(plain(frame[name].iloc[rows]), share)
                for name, share in zip(self.columns, self.shares, strict=True)
            ]
            self._write(columns, out[rows])
        return out

    def tokens(self, columns: Sequence[Sequence[str]]) -> NDArray[np.int32]:
        """The same for texts in lists, one list of n for each of `self.columns`; "" if missing."""
        out = np.zeros((len(columns[0]), self.length), dtype=np.int32)
        self._write(list(map(self._ids, columns, self.shares)), out)
        return out

    def _column(self, values: "pd.Series[Any]", share: int) -> list[Sequence[int]]:
        found = levels(values)
        known = self._ids([*found.texts.tolist(), ""], share)  # a level of -1: the last, missing
        return [known[code] for code in found.codes.tolist()]

    def _ids(self, texts: Sequence[str], share: int) -> list[Sequence[int]]:
        cut = [text.strip()[: share * _LONGEST_TOKEN] for text in texts]
        return [ids[:share] or self.vocabulary.empty for ids in self.vocabulary.ids(cut)]

    def _write(self, columns: list[list[Sequence[int]]], out: NDArray[np.int32]) -> None:
        for row, texts in zip(out, zip(*columns, strict=True), strict=True):
            ids = self._joined(texts)
            row[: len(ids)] = ids

    def _joined(self, texts: tuple[Sequence[int], ...]) -> list[int]:
        ids = [*self.vocabulary.start, *texts[0]]
        for text in texts[1:]:
            ids += self.vocabulary.separator
            ids += text
        ids += self.vocabulary.end
        return ids

    def state(self) -> dict[str, Any]:
        """Plain JSON values; `from_state` gives an equal encoding back."""
        return {
            "columns": list(self.columns),
            "shares": list(self.shares),
            "vocabulary": self.vocabulary.state(),
        }

    @classmethod
    def from_state(cls, told: dict[str, Any]) -> "TextEncoding":
        """Read what `state` gave. Raises KeyError, TypeError or ValueError on anything else."""
        from bigmodel.data.text.ngrams import NGramVocabulary
        from bigmodel.data.text.tokenizer import TokenizerVocabulary

        columns = tuple(map(str, told["columns"]))
        shares = tuple(map(int, told["shares"]))
        if len(shares) != len(columns) or min(shares, default=0) < 1:
            raise ValueError("each text column needs a share of the tokens, of 1 at least")
        content = told["vocabulary"]
        made: Vocabulary = (
            NGramVocabulary.from_state(content)
            if "grams" in content
            else TokenizerVocabulary.from_state(content)
        )
        return cls(columns, shares, made)


def texts_of(values: "pd.Series[Any]") -> list[str]:
    """A column's texts, "" where one is missing."""
    return [text.strip() if isinstance(text, str) else "" for text in plain(values).tolist()]

"""What a model says of the texts that it reads, and how they are fitted to a table."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigmodel.data.schema import Column
from bigmodel.data.text.encoding import TextEncoding, Vocabulary, texts_of
from bigmodel.errors import UserError

_MEASURED = 20_000  # texts that say how long texts are
_STEP = 8  # lengths are multiples of it: a little room for texts longer than those of training


class Reader(ABC):
    """Reads the text columns of a table into `length` tokens a row, at most.

    Where no training row needs as many, rows get fewer: short texts are not padded for nothing.
    """

    def __init__(self, length: int) -> None:
        self.length = length

    @abstractmethod
    def vocabulary(self, texts: list[str]) -> Vocabulary:
        """What cuts texts into tokens, learnt from these texts of training."""

    def fit(self, columns: Mapping[str, "pd.Series[Any]"]) -> TextEncoding:
        """Learn from the training rows of the text columns.

        Raises UserError when the columns do not fit into `length`.
        """
        texts = {name: texts_of(values) for name, values in columns.items()}
        vocabulary = self.vocabulary([text for known in texts.values() for text in known])
        own = len(vocabulary.start) + len(vocabulary.end)
        own += (len(texts) - 1) * len(vocabulary.separator)
        if self.length < own + len(texts):
            raise UserError(
                f"model.text.length={self.length}: too short for {len(texts)} text columns; "
                f"give {own + 8 * len(texts)} and more"
            )
        needs = [_longest(vocabulary, known) for known in texts.values()]
        wanted = -(-(own + sum(needs)) // _STEP) * _STEP
        shares = _shares(needs, min(self.length, wanted) - own)
        return TextEncoding(tuple(texts), shares, vocabulary)


def read_texts(
    reader: Reader | None,
    columns: Sequence[Column],
    frame: pd.DataFrame,
    train: NDArray[np.intp],
) -> TextEncoding | None:
    """The encoding of the text columns of `frame`, learnt from its rows `train`; None for none."""
    names = [column.name for column in columns if column.kind == "text"]
    if reader is None or not names:
        return None
    return reader.fit({name: frame[name].iloc[train] for name in names})


def _longest(vocabulary: Vocabulary, texts: list[str]) -> int:
    """The tokens of the longest text, at least 1; many texts are looked at in part."""
    step = -(-len(texts) // _MEASURED) or 1
    return max((len(ids) for ids in vocabulary.ids(texts[::step])), default=1) or 1


def _shares(needs: list[int], room: int) -> tuple[int, ...]:
    """How many tokens each column gets: as many as it needs, as far as all get as many."""
    shares = [0] * len(needs)
    for rank, index in enumerate(sorted(range(len(needs)), key=needs.__getitem__)):
        left = room - sum(shares)
        columns = len(needs) - rank
        shares[index] = left if columns == 1 else min(needs[index], left // columns)
    return tuple(shares)

"""What is logged beside a prediction, so that its label can be learnt from later.

A label is learnt with the features that were seen, the labels that were known and the votes that
were given when the row was answered: not with those of now, which may know better.
"""

import struct
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bigmodel.errors import UserError
from bigmodel.learning.arrays import FLOOR, Ints
from bigmodel.learning.lift import Features

_HEAD = struct.Struct("<qHHI")  # labels known by then; experts, outputs, width of the row


class Memos(NamedTuple):
    """Of n rows: `rows` (n, width) float32, `votes` (n, E, K) floats, `seen` (n,) int64.

    `seen` is how many labels had been learnt when the rows were answered. `features` are what the
    experts saw, as long as they are at hand: else they are made again.
    """

    rows: NDArray[np.float32]
    votes: NDArray[Any]
    seen: Ints
    features: Features | None = None

    def where(self, chosen: NDArray[np.bool_]) -> "Memos":
        """Those of these rows."""
        return Memos(self.rows[chosen], self.votes[chosen], self.seen[chosen])

    def packed(self) -> list[bytes]:
        """One short text of bytes for each row; votes in half precision."""
        _, experts, outputs = self.votes.shape
        votes = self.votes.astype(np.float16)
        width = self.rows.shape[1]
        return [
            _HEAD.pack(seen, experts, outputs, width) + row.tobytes() + vote.tobytes()
            for seen, row, vote in zip(self.seen.tolist(), self.rows, votes, strict=True)
        ]

    @classmethod
    def unpacked(cls, memos: list[bytes], experts: int, outputs: int, width: int) -> Self:
        """What `packed` made; votes of experts and classes that came later are NaN and unlikely.

        Raises UserError when a memo is not one of rows of this `width`.
        """
        rows = np.empty((len(memos), width), dtype=np.float32)
        votes = np.full((len(memos), experts, outputs), np.nan, dtype=np.float32)
        seen = np.empty(len(memos), dtype=np.int64)
        for index, memo in enumerate(memos):
            seen[index], e, k, wide = _head(memo)
            if wide != width or len(memo) != _HEAD.size + 4 * wide + 2 * e * k:
                raise UserError(
                    f"memo {index}: of a row of {wide} numbers in {len(memo)} bytes, this model "
                    f"has rows of {width}; a label belongs to the model that answered"
                )
            rows[index] = np.frombuffer(memo, np.float32, wide, _HEAD.size)
            given = np.frombuffer(memo, np.float16, e * k, _HEAD.size + 4 * wide).reshape(e, k)
            votes[index, :e, :k] = given[:experts, :outputs]
            votes[index, :e, k:] = FLOOR
        return cls(rows, votes, seen)


def _head(memo: bytes) -> tuple[Any, ...]:
    if len(memo) < _HEAD.size:
        raise UserError(f"a memo of {len(memo)} bytes: it is cut off; nothing can be learnt of it")
    return _HEAD.unpack_from(memo)

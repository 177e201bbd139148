"""What is logged beside a prediction, so that its label can be learnt from later.

A label is learnt with the features that were seen, the labels that were known, the votes and the
answers that were given when the row was answered: not with those of now, which may know better. Who
judged a late label by the weights of now would see them overfit, and call it quality.
"""

import struct
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bigmodel.errors import UserError
from bigmodel.learning.arrays import FLOOR, Ints
from bigmodel.learning.lift import Features

HEDGED, STACKED, SERVED = range(3)  # the answers to a row
KINDS = 3
_HEAD = struct.Struct("<qHHI")  # labels known by then; experts, outputs, width of the row


class Memos(NamedTuple):
    """Of n rows: `rows` (n, width) float32, `votes` (n, E, K) floats, `answers` (n, 3, K) floats,
    `seen` (n,) int64.

    `answers` are the votes by hedge, by stacking, and as they were served; `seen` is how many
    labels had been learnt when the rows were answered. `features` are what the experts saw, as
    long as they are at hand: else they are made again.
    """

    rows: NDArray[np.float32]
    votes: NDArray[Any]
    answers: NDArray[Any]
    seen: Ints
    features: Features | None = None

    def where(self, chosen: NDArray[np.bool_]) -> "Memos":
        """Those of these rows."""
        rows, votes, answers, seen, _ = self
        return Memos(rows[chosen], votes[chosen], answers[chosen], seen[chosen])

    def packed(self) -> list[bytes]:
        """One short text of bytes for each row; votes and answers in half precision."""
        _, experts, outputs = self.votes.shape
        said = np.concatenate([self.votes, self.answers], axis=1).astype(np.float16)
        width = self.rows.shape[1]
        return [
            _HEAD.pack(seen, experts, outputs, width) + row.tobytes() + one.tobytes()
            for seen, row, one in zip(self.seen.tolist(), self.rows, said, strict=True)
        ]

    @classmethod
    def unpacked(cls, memos: list[bytes], experts: int, outputs: int, width: int) -> Self:
        """What `packed` made; what experts that came later say is NaN, later classes are unlikely.

        Raises UserError when a memo is not one of rows of this `width`.
        """
        n = len(memos)
        rows, seen = np.empty((n, width), dtype=np.float32), np.empty(n, dtype=np.int64)
        votes = np.full((n, experts, outputs), np.nan, dtype=np.float32)
        answers = np.full((n, KINDS, outputs), FLOOR, dtype=np.float32)
        for index, memo in enumerate(memos):
            seen[index], e, k, wide = _head(memo)
            if wide != width or len(memo) != _HEAD.size + 4 * wide + 2 * (e + KINDS) * k:
                raise UserError(
                    f"memo {index}: of a row of {wide} numbers in {len(memo)} bytes, this model "
                    f"has rows of {width}; a label belongs to the model that answered"
                )
            rows[index] = np.frombuffer(memo, np.float32, wide, _HEAD.size)
            said = np.frombuffer(memo, np.float16, offset=_HEAD.size + 4 * wide)
            given = said.reshape(e + KINDS, k)
            votes[index, :e, :k] = given[:e][:experts, :outputs]
            votes[index, :e, k:] = FLOOR
            answers[index, :, :k] = given[e:, :outputs]
        return cls(rows, votes, answers, seen)


def _head(memo: bytes) -> tuple[Any, ...]:
    if len(memo) < _HEAD.size:
        raise UserError(f"a memo of {len(memo)} bytes: it is cut off; nothing can be learnt of it")
    return _HEAD.unpack_from(memo)

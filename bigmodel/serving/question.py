"""What a request asks of a model: its rows."""

from collections.abc import Callable
from typing import NamedTuple

from bigmodel.serving.rows import Batch, Given, Reader


class Question(NamedTuple):
    """`size` rows as they were `given`; `still` raises ApiError when it is too late for them."""

    given: Given
    size: int
    still: Callable[[], None]

    def read(self, reader: Reader) -> Batch:
        """Check and encode the rows. Raises ApiError where they do not fit."""
        return reader.read(self.given)

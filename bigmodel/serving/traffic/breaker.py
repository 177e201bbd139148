"""A network that fails again and again is left alone for a while, then tried once."""

import math
import time

from bigmodel.serving.errors import ApiError

_FAILURES = 5  # in a row: others than a rare input's
_FIRST, _LONGEST = 1.0, 60.0  # seconds of the first pause, and of the longest


class Breaker:
    """The circuit breaker of one version; used by one event loop.

    After some failures in a row requests are refused at once. When the pause is over, one of them
    is let through: if it fails, the next pause is twice as long.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._pause, self._until = _FIRST, 0.0
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether requests are refused."""
        return self._failures >= _FAILURES

    def enter(self) -> None:
        """A request is about to use the network. Raises ApiError 503."""
        if not self.open:
            return
        wait = self._until - time.monotonic()
        if wait > 0 or self._probing:
            again = ((b"retry-after", str(max(1, math.ceil(wait))).encode()),)
            message = "the model fails at the moment: try again later"
            raise ApiError(503, "model_failing", message, headers=again)
        self._probing = True

    def succeeded(self) -> None:
        """The network answered."""
        self._failures, self._pause, self._probing = 0, _FIRST, False

    def failed(self) -> None:
        """It did not."""
        self._probing = False
        self._failures += 1
        if self.open:
            self._until = time.monotonic() + self._pause
            self._pause = min(_LONGEST, 2 * self._pause)

    def unknown(self) -> None:
        """The request was refused before the network had it: the next one may try."""
        self._probing = False

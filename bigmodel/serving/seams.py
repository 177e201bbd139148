"""What stands beside the hot path: who may ask, what is kept, what is counted.

Each stands here as the least that the service runs with; it asks only for these methods.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bigmodel.serving.http import Request


class Ticket:
    """Leave to do one request; `release` gives its place to another."""

    def release(self) -> None:
        """Called once, whatever became of the request."""


class Guard:
    """Decides, before anything of the body is read, whether a request may go on."""

    @property
    def open(self) -> bool:
        """Whether anybody may ask: there are no keys."""
        return True

    def admit(self, request: Request, scope: str, model: str | None) -> Ticket:
        """Key and scope (401, 403), rate and quota (429), load (503), in this order, as ApiError.

        Sets `request.key`.
        """
        return Ticket()


class Collector:
    """Keeps predictions and feedback."""

    async def start(self) -> None:
        """Open the store."""

    async def close(self) -> None:
        """Write what is left and close the store."""

    def predicted(
        self,
        request: Request,
        ids: Sequence[str],
        rows: Sequence[Mapping[str, Any]],
        answers: Sequence[Mapping[str, Any]],
    ) -> None:
        """Remember answers of `request.model`, never waiting; `rows` make a row when asked."""

    async def feedback(self, request: Request, model: str, content: Any) -> int:
        """Store the feedback that a body's JSON `content` holds; returns how many were new.

        Comes back only when it is on the disk. Raises ApiError: 422 when it is no feedback, 507
        when the disk is full.
        """
        return 0


class Metrics:
    """Counts and times what was answered."""

    def observe(self, request: Request, route: str, status: int, seconds: float) -> None:
        """One answer; `route` is the path as the route names it, `request.model` who answered."""

    def exposition(self) -> bytes:
        """All figures as Prometheus reads them."""
        return b""

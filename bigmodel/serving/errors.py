"""What a request is refused with."""

from collections.abc import Sequence


class ApiError(Exception):
    """A refusal: its HTTP status, a code for programs, a line for people, and the field meant."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.field = status, code, message, field
        self.headers = tuple(headers)

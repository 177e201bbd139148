"""What a caller did wrong, as the one form that every refusal has."""

from collections.abc import Sequence

Headers = Sequence[tuple[bytes, bytes]]


class ApiError(Exception):
    """A request that is refused: answered with `status` and `{"error": {code, message, field}}`.

    `code` is for programs (snake_case, never changed), `message` one line for people with the fix,
    `field` the place in the request (`rows[3].age`, `parameters.top_k`, a header), None where the
    request as a whole is meant. `headers` go with the answer, such as Retry-After.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        headers: Headers = (),
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.field, self.headers = field, headers

    def content(self) -> dict[str, dict[str, str | None]]:
        """The body of the answer."""
        return {"error": {"code": self.code, "message": self.message, "field": self.field}}


def invalid(message: str, field: str | None = None) -> ApiError:
    """422: the request can be read, but says something that the model cannot take."""
    return ApiError(422, "invalid", message, field)

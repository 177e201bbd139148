"""Ask a service from Python: the same calls, one after another or with `async`.

    with Client("http://127.0.0.1:8080", key="...") as client:
        answer = client.predict("wine", [{"alcohol": 13.2, ...}])
        client.feedback("wine", {answer.ids[0]: "class_1"})

It needs `bigmodel[client]` (httpx: one library for both kinds of calls, with connections that stay
open). What may be repeated without harm is: calls for which no connection could be made, or whose
connection broke, and those that were answered 429 or 503. Feedback may, too: the service stores a
label once, however often it comes. Time-outs and all other answers are raised at once.
"""

import asyncio
import base64
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
import orjson

__all__ = ["AsyncClient", "Client", "Predictions", "Refused", "Stored", "Unreachable"]

_BUSY = (429, 503)
_LONGEST_WAIT = 30.0  # seconds: of a longer Retry-After the caller should decide
_BROKEN = (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


class Refused(Exception):  # noqa: N818 (the service's word for it)
    """The service answered, but not with what was asked: `status`, `code`, `message`, `field`."""

    def __init__(self, status: int, code: str, message: str, field: str | None) -> None:
        place = f" ({field})" if field else ""
        super().__init__(f"{status} {code}: {message}{place}")
        self.status, self.code, self.message, self.field = status, code, message, field


class Unreachable(Exception):  # noqa: N818
    """There was no answer: no connection, a broken one, or none in time."""


@dataclass(frozen=True)
class Predictions:
    """The answers to rows, in their order.

    `values` are the labels or numbers, `probabilities` one mapping by class a row (empty where
    there are none), `ids` name the answers in feedback.
    """

    values: list[Any]
    probabilities: list[dict[str, float]]
    ids: list[str]
    model_version: str


@dataclass(frozen=True)
class Stored:
    """What became of feedback: labels that were new, known before, and that met a prediction.

    Of a model that keeps learning, `learning` says how many are learnt, and why others are not.
    """

    stored: int
    known: int
    joined: int
    learning: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class _Call:
    method: str
    path: str
    body: bytes | None = None


class _Calls:
    """What to send, and what the answer means: the half that does not wait."""

    def __init__(self, url: str, key: str | None, retries: int) -> None:
        self.url = url.rstrip("/")
        self.headers = {"content-type": "application/json"}
        if key is not None:
            self.headers["authorization"] = f"Bearer {key}"
        self._retries = retries

    def predict(
        self, model: str, rows: Iterable[Mapping[str, Any]], parameters: Mapping[str, Any]
    ) -> _Call:
        content: dict[str, Any] = {"rows": [dict(row) for row in rows]}
        if parameters:
            content["parameters"] = dict(parameters)
        return _Call("POST", f"{_place(model)}/predict", _json(content))

    def feedback(self, model: str, labels: Mapping[str, Any]) -> _Call:
        told = [{"prediction_id": name, "label": label} for name, label in labels.items()]
        return _Call("POST", f"{_place(model)}/feedback", _json({"feedback": told}))

    def pause(self, attempt: int, outcome: httpx.Response | Exception) -> float | None:
        """Seconds until the next attempt, None when this outcome is the last."""
        if attempt >= self._retries:
            return None
        if isinstance(outcome, Exception):
            return _backoff(attempt) if isinstance(outcome, _BROKEN) else None
        if outcome.status_code not in _BUSY:
            return None
        told = outcome.headers.get("retry-after", "")
        wait = float(told) if told.isdigit() else 0.0
        return max(wait, _backoff(attempt)) if wait <= _LONGEST_WAIT else None

    def answer(self, outcome: httpx.Response | Exception) -> Any:
        """The JSON of a good answer; anything else is raised."""
        if isinstance(outcome, Exception):
            raise Unreachable(f"{self.url}: {outcome or type(outcome).__name__}") from outcome
        try:
            content = orjson.loads(outcome.content)
        except orjson.JSONDecodeError:
            content = None
        if outcome.is_success and content is not None:
            return content
        told = content.get("error") if isinstance(content, dict) else None
        told = told if isinstance(told, dict) else {}
        raise Refused(
            outcome.status_code,
            str(told.get("code", "unknown")),
            str(told.get("message", outcome.text[:200])),
            told.get("field"),
        )


class Client:
    """Asks the service at `url`, with a key where it wants one.

    `timeout` (seconds) is for each attempt, `retries` are made after the first. Methods raise
    Refused or Unreachable.
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 10.0, retries: int = 3
    ) -> None:
        self._calls = _Calls(url, key, retries)
        self._http = httpx.Client(timeout=timeout, headers=self._calls.headers)

    def predict(
        self, model: str, rows: Iterable[Mapping[str, Any]], **parameters: Any
    ) -> Predictions:
        """The answers to rows; `parameters` are those that the model declares."""
        return _predictions(self._ask(self._calls.predict(model, rows, parameters)))

    def feedback(self, model: str, labels: Mapping[str, Any]) -> Stored:
        """Say what rows turned out to be, by prediction id; returns when it is on disk there."""
        return Stored(**self._ask(self._calls.feedback(model, labels)))

    def model(self, name: str) -> dict[str, Any]:
        """What is served under this name."""
        return dict(self._ask(_Call("GET", _place(name))))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, call: _Call) -> Any:
        for attempt in count():
            outcome: httpx.Response | Exception
            try:
                outcome = self._http.request(
                    call.method, self._calls.url + call.path, content=call.body
                )
            except httpx.TransportError as error:
                outcome = error
            pause = self._calls.pause(attempt, outcome)
            if pause is None:
                return self._calls.answer(outcome)
            time.sleep(pause)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


class AsyncClient:
    """`Client`, with methods to await."""

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 10.0, retries: int = 3
    ) -> None:
        self._calls = _Calls(url, key, retries)
        self._http = httpx.AsyncClient(timeout=timeout, headers=self._calls.headers)

    async def predict(
        self, model: str, rows: Iterable[Mapping[str, Any]], **parameters: Any
    ) -> Predictions:
        """As of `Client`."""
        return _predictions(await self._ask(self._calls.predict(model, rows, parameters)))

    async def feedback(self, model: str, labels: Mapping[str, Any]) -> Stored:
        """As of `Client`."""
        return Stored(**await self._ask(self._calls.feedback(model, labels)))

    async def model(self, name: str) -> dict[str, Any]:
        """As of `Client`."""
        return dict(await self._ask(_Call("GET", _place(name))))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _ask(self, call: _Call) -> Any:
        for attempt in count():
            outcome: httpx.Response | Exception
            try:
                outcome = await self._http.request(
                    call.method, self._calls.url + call.path, content=call.body
                )
            except httpx.TransportError as error:
                outcome = error
            pause = self._calls.pause(attempt, outcome)
            if pause is None:
                return self._calls.answer(outcome)
            await asyncio.sleep(pause)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, *_: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        await self.close()


def _place(model: str) -> str:
    return f"/v1/models/{quote(model, safe='')}"


def _predictions(content: Mapping[str, Any]) -> Predictions:
    answers: Sequence[Mapping[str, Any]] = content["predictions"]
    return Predictions(
        [answer["prediction"] for answer in answers],
        [dict(answer.get("probabilities", {})) for answer in answers],
        list(content["prediction_ids"]),
        str(content["model_version"]),
    )


def _json(content: Any) -> bytes:
    """JSON with null for NaN, ISO times, and base64 for the bytes of images."""
    return orjson.dumps(content, default=_cell, option=orjson.OPT_SERIALIZE_NUMPY)


def _cell(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if str(value) in ("NaT", "<NA>"):  # pandas' own missing values
        return None
    if hasattr(value, "isoformat"):  # its times
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no value of a row")


def _backoff(attempt: int) -> float:
    """0.1 s, 0.2 s, 0.4 s, ...; not quite, so that callers do not come back together."""
    return float(0.1 * 2**attempt * random.uniform(0.5, 1.0))

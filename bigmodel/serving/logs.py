"""The service's log: one JSON object a line on standard error.

Lines are gathered and written by a thread, several times a second: no request waits for whoever
reads the log. What callers send (headers, bodies, the free part of paths) is never logged. The
lines of several workers are told apart by `worker`, and do not run into each other: what is not
longer than a pipe takes at once goes there whole.
"""

import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from bigmodel.serving.http import Request

_EVERY = 0.2  # seconds
_MOST = 50_000  # lines that wait for the reader: more are dropped
_STANDARD_ERROR = 2

# time (ns), id, method, route, status, seconds, model, version, rows, key
_Answered = tuple[
    int, str, str, str, int, float, str | None, str | None, int, str | None
]  # fmt: skip


class Log(logging.Handler):
    """Takes what the program logs, and a line for each request. `close` writes what is left.

    `worker` is the number of this process, where there are several.
    """

    def __init__(self, worker: int | None = None) -> None:
        super().__init__(logging.INFO)
        self.dropped = 0
        self._worker = {} if worker is None else {"worker": worker}
        self._lines: deque[_Answered | bytes] = deque()
        self._second, self._shown = 0, ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bigmodel-log", daemon=True)
        self._thread.start()

    def install(self) -> None:
        """From now on everything that the program logs comes here."""
        root = logging.getLogger()
        root.handlers[:] = [self]
        root.setLevel(logging.INFO)

    def answered(self, request: Request, route: str, status: int, seconds: float) -> None:
        """One answer; `route` is the path as the route names it. The line is made later."""
        if len(self._lines) >= _MOST:
            self.dropped += 1
            return
        model = request.model
        name, version = (None, None) if model is None else (model.name, model.version)
        self._lines.append(
            (
                time.time_ns(), request.id, request.method, route, status, seconds, name, version,
                request.rows, request.key or None,
            )
        )  # fmt: skip

    def emit(self, record: logging.LogRecord) -> None:
        """A line for what the program logged."""
        content: dict[str, Any] = {
            "event": "log",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            content["traceback"] = logging.Formatter().formatException(record.exc_info)
        self._add(content)

    def close(self) -> None:
        """Write what is left."""
        self._ended.set()
        self._thread.join(timeout=2)
        if not self._thread.is_alive():  # else nobody reads: waiting longer would not end
            self._write()
        super().close()

    def _add(self, content: dict[str, Any]) -> None:
        if len(self._lines) >= _MOST:
            self.dropped += 1
            return
        content |= self._worker
        content["time"] = self._shown_time(time.time_ns())
        self._lines.append(_line(content))

    def _request_line(self, answered: _Answered) -> bytes:
        stamp, request_id, method, route, status, seconds, name, version, rows, key = answered
        return _line(
            {
                "event": "request",
                "request_id": request_id,
                "method": method,
                "route": route,
                "status": status,
                "ms": round(seconds * 1e3, 3),
                "model": name,
                "version": None if version is None else version[:12],
                "rows": rows,
                "key": key,
                **self._worker,
                "time": self._shown_time(stamp),
            }
        )

    def _shown_time(self, stamp: int) -> str:
        """Nanoseconds since 1970 as of ISO 8601; a second is made into text once."""
        seconds, rest = divmod(stamp, 1_000_000_000)
        if seconds != self._second:
            self._second = seconds
            self._shown = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._shown}.{rest // 1_000_000:03d}+00:00"

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            self._write()

    def _write(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        made = [one if isinstance(one, bytes) else self._request_line(one) for one in lines]
        try:
            for piece in _pieces(made):
                data = memoryview(piece)
                while data:
                    data = data[os.write(_STANDARD_ERROR, data) :]
        except OSError:  # nobody reads: the service goes on
            self.dropped += len(lines)


def _line(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, default=str, option=orjson.OPT_APPEND_NEWLINE)


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, as many together as a pipe takes at once."""
    held = bytearray()
    for line in lines:
        if held and len(held) + len(line) > select.PIPE_BUF:
            yield bytes(held)
            held.clear()
        held += line
    if held:
        yield bytes(held)

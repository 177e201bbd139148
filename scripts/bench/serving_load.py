"""A load generator in a process of its own: HTTP/1.1 over raw sockets, as little work as it can.

It reads one JSON object from standard input: `host`, `port`, `path`, `headers`, `body` (base64),
`connections`, `seconds`, and `rate` (null: each connection asks again as soon as it is answered;
else requests start on time, at so many a second, and their latency counts from when they were
due). It writes one: requests answered by status, seconds, and latencies in ms of those with 200.
"""

import asyncio
import base64
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable

import uvloop

_END = b"\r\n\r\n"
_PATIENCE = 5.0  # seconds after the last request was due


class Connection(asyncio.Protocol):
    """One request at a time; `done(status, seconds)` when it is answered, status 0 if it broke."""

    def __init__(self, request: bytes, done: Callable[["Connection", int, float], None]) -> None:
        self.request, self.done = request, done
        self.due = 0.0
        self.busy = False
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def ask(self, due: float) -> None:
        self.due, self.busy = due, True
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        end = self.buffer.find(_END)
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        if at < 0:  # chunked
            if not self.buffer.endswith(b"0\r\n\r\n"):
                return
        elif len(self.buffer) < end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0]):
            return
        status = int(self.buffer[9:12])
        self.buffer, self.busy = b"", False
        if b"connection: close" in head:
            self.transport.close()
        self.done(self, status, time.perf_counter() - self.due)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.busy:
            self.busy = False
            self.done(self, 0, 0.0)


class Load:
    """The requests of one run."""

    def __init__(self, told: dict) -> None:
        self.told = told
        body = base64.b64decode(told["body"])
        lines = [f"POST {told['path']} HTTP/1.1", f"host: {told['host']}"]
        lines += [f"{name}: {value}" for name, value in told["headers"].items()]
        lines += [f"content-length: {len(body)}", "", ""]
        self.request = "\r\n".join(lines).encode() + body
        self.statuses: Counter[int] = Counter()
        self.good: list[float] = []
        self.other: list[float] = []
        self.free: deque[Connection] = deque()
        self.end = float("inf")

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(
            lambda: Connection(self.request, self.done), self.told["host"], self.told["port"]
        )
        return made

    def done(self, connection: Connection, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        (self.good if status == 200 else self.other).append(seconds)
        if connection.transport.is_closing():
            return
        if self.told["rate"] is None:
            now = time.perf_counter()
            if now < self.end:
                connection.ask(now)
        else:
            self.free.append(connection)

    async def closed(self) -> float:
        connections = [await self.connect() for _ in range(self.told["connections"])]
        started = time.perf_counter()
        self.end = started + self.told["seconds"]
        for connection in connections:
            connection.ask(time.perf_counter())
        await asyncio.sleep(self.told["seconds"])
        counted = time.perf_counter() - started
        self.statuses, answered = Counter(self.statuses), len(self.good)
        self.good = self.good[:answered]
        return counted

    async def open(self) -> float:
        for _ in range(self.told["connections"]):
            self.free.append(await self.connect())
        started = time.perf_counter()
        count = int(self.told["rate"] * self.told["seconds"])
        late = []
        for number in range(count):
            due = started + number / self.told["rate"]
            delay = due - time.perf_counter()
            if delay > 0:
                await asyncio.sleep(delay)
            while self.free and self.free[0].transport.is_closing():
                self.free.popleft()
            if self.free:
                self.free.popleft().ask(due)
            else:
                late.append(asyncio.ensure_future(self.late(due)))
        end = time.perf_counter() + _PATIENCE
        while sum(self.statuses.values()) < count and time.perf_counter() < end:
            await asyncio.sleep(0.02)
        self.statuses[-1] = count - sum(self.statuses.values())  # no answer in time
        return self.told["seconds"]

    async def late(self, due: float) -> None:
        """A connection of its own: all others are busy."""
        try:
            (await self.connect()).ask(due)
        except OSError:
            self.statuses[0] += 1


async def main() -> None:
    load = Load(json.load(sys.stdin))
    seconds = await (load.closed() if load.told["rate"] is None else load.open())
    milliseconds = [round(value * 1e3, 3) for value in load.good]
    refused = [round(value * 1e3, 3) for value in load.other]
    told = {"statuses": load.statuses, "seconds": seconds, "ms": milliseconds, "refused": refused}
    json.dump(told, sys.stdout)


uvloop.run(main())

"""The servers that scripts/bench/serving.py compares, each in a process group of its own.

While one is asked, the others are stopped: an idle peer that polls must not slow the rest.
"""

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CONSTANT = """
import asyncio, sys, uvicorn
BODY = b"x" * int(sys.argv[2])
HEAD = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEAD})
    await send({"type": "http.response.body", "body": BODY})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools",
            log_level="warning", access_log=False, lifespan="off")
"""

BARE = """
import sys, numpy, onnxruntime, orjson, uvicorn
options = onnxruntime.SessionOptions(); options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[2], options)
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b"")); more = message.get("more_body", False)
    rows = numpy.array(orjson.loads(b"".join(parts))["rows"], dtype=numpy.float32)
    body = orjson.dumps(session.run(None, {"numeric": rows})[0].tolist())
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools",
            log_level="warning", access_log=False, lifespan="off")
"""


@dataclass
class Server:
    """A command that serves `path` at `port`; `bodies` are what it is asked with, by name."""

    name: str
    port: int
    path: str
    command: Sequence[str]
    bodies: dict[str, bytes]
    headers: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    process: Any = None
    ready_seconds: float = 0.0

    def start(self, folder: Path) -> None:
        """Start it and wait for its first answer."""
        started = time.perf_counter()
        log = (folder / f"{self.name}.log").open("w")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **self.environment}
        self.process = subprocess.Popen(
            self.command, stdout=log, stderr=log, start_new_session=True, env=environment
        )
        body = next(iter(self.bodies.values()))
        while not self.answers(body):
            if self.process.poll() is not None or time.perf_counter() - started > 120:
                raise SystemExit(f"{self.name} does not answer; see {log.name}")
            time.sleep(0.02)
        self.ready_seconds = time.perf_counter() - started

    def answers(self, body: bytes) -> bool:
        """Whether it answers 200."""
        url = f"http://127.0.0.1:{self.port}{self.path}"
        headers = {"content-type": "application/json", **self.headers}
        request = urllib.request.Request(url, body, headers)
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10) as answer:
            return bool(answer.status == 200)
        return False

    def signal(self, how: signal.Signals) -> None:
        for place in list(self._processes()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(place.name), how)

    def memory(self) -> float:
        """MiB of all its processes; pages that they share count once (PSS)."""
        kilobytes = 0
        for place in self._processes():
            with contextlib.suppress(OSError):
                lines = (place / "smaps_rollup").read_text().splitlines()
                kilobytes += next(int(line.split()[1]) for line in lines if line[:4] == "Pss:")
        return kilobytes / 1024

    def processor_seconds(self) -> float:
        """What all its processes have used of the processor so far."""
        ticks = 0
        for place in self._processes():
            with contextlib.suppress(OSError):
                told = (place / "stat").read_text().rpartition(")")[2].split()
                ticks += int(told[11]) + int(told[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def _processes(self) -> Iterator[Path]:
        """It and all that descend from it, also those with a session of their own."""
        parents = {}
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                told = (place / "stat").read_text().rpartition(")")[2].split()
                parents[int(place.name)] = int(told[1])
        for number in parents:
            above = number
            while above != self.process.pid and above in parents:
                above = parents[above]
            if above == self.process.pid:
                yield Path("/proc") / str(number)

    def load(self, body: str, connections: int, seconds: float, rate: float | None = None) -> Any:
        """What the load generator says of a run with the body of this name."""
        told = {
            "host": "127.0.0.1",
            "port": self.port,
            "path": self.path,
            "headers": {"content-type": "application/json", **self.headers},
            "body": base64.b64encode(self.bodies[body]).decode(),
            "connections": connections,
            "seconds": seconds,
            "rate": rate,
        }
        command = [sys.executable, str(HERE / "serving_load.py")]
        before = self.processor_seconds()
        run = subprocess.run(command, input=json.dumps(told), capture_output=True, text=True)
        if run.returncode:
            raise SystemExit(run.stderr)
        return json.loads(run.stdout) | {"processor": self.processor_seconds() - before}


@contextlib.contextmanager
def running(servers: Sequence[Server], folder: Path) -> Iterator[None]:
    """All started, and all stopped but for the one that `awake` wakes."""
    try:
        for server in servers:
            server.start(folder)
            server.signal(signal.SIGSTOP)
        yield
    finally:
        for server in servers:
            if server.process is not None:
                server.signal(signal.SIGKILL)
                server.process.wait()


@contextlib.contextmanager
def awake(server: Server) -> Iterator[None]:
    """The one that runs meanwhile."""
    server.signal(signal.SIGCONT)
    try:
        yield
    finally:
        server.signal(signal.SIGSTOP)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def constant(name: str, size: int, bodies: dict[str, bytes]) -> Server:
    """uvicorn as it comes, with an application that answers `size` bytes, always the same."""
    port = free_port()
    command = [sys.executable, "-c", CONSTANT, str(port), str(size)]
    return Server(name, port, "/", command, bodies)


def bare(model: Path, bodies: dict[str, bytes]) -> Server:
    """The same, with the network of `model` and nothing else: no checks, no encoding, no names."""
    port = free_port()
    command = [sys.executable, "-c", BARE, str(port), str(model)]
    return Server("bare network", port, "/", command, bodies)


def peer(name: str, python: Path, columns: int, hidden: Sequence[int], bodies: Any) -> Server:
    """A peer with PyTorch, in its own environment."""
    port = free_port()
    environment = {"PEER_COLUMNS": str(columns), "PEER_HIDDEN": ",".join(map(str, hidden))}
    command = [str(python), str(HERE / f"peer_{name}.py"), str(port)]
    if name == "bentoml":
        command = [str(python.with_name("bentoml")), "serve", "peer_bentoml:Service"]
        command += ["--port", str(port), "--working-dir", str(HERE)]
        environment["PYTHONPATH"] = str(HERE)
    return Server(name, port, "/predict", command, bodies, environment=environment)

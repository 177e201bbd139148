"""Real servers: started as a user starts them, asked over HTTP, ended by signals."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson

from bigmodel.serving import keys_command

BIGMODEL = str(Path(sys.executable).with_name("bigmodel"))
_AT = re.compile(r"serving .* at (https?://\S+)")


class Server:
    """A running `bigmodel serve`: where it is, its process, and what it has logged."""

    def __init__(self, process: subprocess.Popen, state: Path) -> None:
        self.process, self.state = process, state
        self.stderr: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        line = process.stdout.readline()
        found = _AT.search(line)
        assert found, (line, self.end(), self.stderr)
        self.url = found[1]

    def _read(self) -> None:
        self.stderr.extend(iter(self.process.stderr.readline, ""))

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(timeout=30)
        self._reader.join(timeout=10)
        return code

    def log(self) -> list[dict]:
        """Its log, line by line: complete once it has ended."""
        return [orjson.loads(line) for line in self.stderr]

    def client(self, key: str | None = None, **settings) -> httpx.Client:
        """A client that shows this key."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, **settings)


@contextmanager
def serving(
    bundle: Path, state: Path, *settings: str, what: str = "bundle", **popen
) -> Iterator[Server]:
    """`bigmodel serve` at a free port of this machine, ended with the block.

    `what` is `registry` where `bundle` is one.
    """
    command = [
        *(BIGMODEL, "serve", f"{what}={bundle}", f"serving.state={state}", "serving.port=0"),
        *settings,
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        **popen,
    )
    server = None
    try:
        server = Server(process, state)
        yield server
    finally:
        if server is None:
            process.kill()
        else:
            server.end()


def add_key(state: Path, **settings) -> str:
    """What `bigmodel keys add` does, without the second that a process takes; returns the key."""
    given = {
        "name": "test",
        "scopes": ["predict"],
        "models": None,
        "purpose": "",
        "days": None,
        "rate": None,
        "burst": 1,
        "daily": None,
        "priority": "normal",
    }
    return keys_command.add(**given | settings, state=str(state))

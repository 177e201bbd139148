"""What the parts of `serve_chaos` share: versions of a model, a server of them, and its callers."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import common

import bigmodel
from bigmodel.serving.registry.catalog import Registry, open_registry

sys.path.insert(0, str(common.ROOT / "tests" / "serving"))
import judging
import versions

__all__ = [
    "Server",
    "asking",
    "eventually",
    "judging",
    "registry_of",
    "resident",
    "trained",
    "versions",
    "watching",
]
NAME = "wine"
# no request is refused because the machine has other work, too
QUICK = ("serving.drain_seconds=0.1", "serving.room.deadline_seconds=30")


def trained(folder: Path) -> Path:
    """A small classifier of wines."""
    given = ["data=wine", "trainer.max_epochs=20", f"name={NAME}", f"hydra.run.dir={folder}/run"]
    return bigmodel.fit(given).bundle


def registry_of(folder: Path, bundle: Path, count: int) -> tuple[Registry, list[str]]:
    """A registry with some versions of the model, the first of them stable."""
    registry = open_registry(str(folder / "models"))
    made = []
    for number in range(count):
        place = folder / f"version-{number}"
        if not place.exists():
            versions.same(bundle, place, number)
        made.append(registry.add(place, NAME)[1])
    registry.edit(NAME, lambda state: state.promoted(made[0], "the first"))
    return registry, made


class Server:
    """`bigmodel serve registry=...` on a free port."""

    def __init__(self, folder: Path, *settings: str, models: str = "models") -> None:
        program = Path(sys.executable).with_name("bigmodel")
        command = [program, "serve", f"registry={folder}/{models}", f"serving.state={folder}/state"]
        self.log = (folder / "log").open("ab")
        self.process = subprocess.Popen(
            [*command, "serving.port=0", *QUICK, *settings],
            stdout=subprocess.PIPE, stderr=self.log, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if " at http" not in line:
            raise SystemExit(f"the server does not start: {(folder / 'log').read_text()[-2000:]}")
        self.url = line.split(" at ")[1].split()[0]

    def ask(self, path: str, content: Any = None, **headers: str) -> Any:
        """The JSON of the answer. Raises urllib's errors."""
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.url}{path}", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait."""
        self.process.send_signal(how)
        self.process.wait(timeout=60)
        self.log.close()


@contextmanager
def asking(server: Server, row: dict[str, float], callers: int = 4) -> Iterator[Counter[Any]]:
    """Callers who ask without a pause; how often each status and each version was answered."""
    seen: Counter[Any] = Counter()
    lock, ended = threading.Lock(), threading.Event()

    def ask() -> None:
        while not ended.is_set():
            try:
                answer = server.ask(f"/v1/models/{NAME}/predict", {"rows": [row]})
                found = (200, answer["model_version"])
            except urllib.error.HTTPError as error:
                found = (error.code, "")
            except (OSError, ValueError):
                found = (0, "")  # no answer
            with lock:
                seen[found] += 1

    threads = [threading.Thread(target=ask) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def eventually(true: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether it becomes so in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def resident(server: Server) -> int:
    """Bytes of memory that the server holds."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def watching(server: Server) -> Iterator[list[int]]:
    """The server's resident memory, in bytes, as often as one can look."""
    sizes: list[int] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.005):
            sizes.append(resident(server))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield sizes
    finally:
        ended.set()
        thread.join()

"""Two workers under load, replaced and killed again and again: what their callers notice.

1  SIGHUP: the workers are replaced one after another, by new ones; no request may be broken.
2  kill -9 of a worker or of the supervisor, in turn, at random moments. The bench starts the
   supervisor anew at the same address, as systemd does. What is broken is at most the request that
   each connection was at; labels that were acknowledged have to be in the store.

Clients keep their connections; each asks for predictions and tells what the first of them was.
"""

import http.client
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import common

import bigmodel

CLIENTS = 8


class Service:
    """`bigmodel serve` with two workers, at an address that stays the same."""

    def __init__(self, bundle: Path, state: Path) -> None:
        self.bundle, self.state, self.port = bundle, state, 0
        self.start()

    def start(self) -> None:
        program = Path(sys.executable).with_name("bigmodel")
        self.process = subprocess.Popen(
            [program, "serve", f"bundle={self.bundle}", "name=chaos", f"serving.state={self.state}",
             f"serving.port={self.port}", "serving.workers=2",
             "serving.room.deadline_seconds=10"],  # nobody is refused because new ones load
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if " at http" not in line:
            raise SystemExit("the service does not start")
        self.port = int(line.split(" at ")[1].split()[0].rpartition(":")[2])

    def workers(self) -> set[int]:
        pid = self.process.pid
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def figure(self, name: str) -> float:
        """The sum of the samples of this name; -1 while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return -1
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


class Client(threading.Thread):
    """Asks and tells until it is stopped, also when a connection breaks."""

    def __init__(self, service: Service, cells: dict[str, float], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.service, self.stop = service, stop
        self.body = {"rows": [cells] * 4}
        self.answers: Counter[str] = Counter()
        self.told: list[str] = []
        self.last, self.longest = time.monotonic(), 0.0
        self.connection = self.connect()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)

    def ask(self, verb: str, content: Any) -> Any:
        """The answer; None when it is a refusal."""
        self.connection.request("POST", f"/v1/models/chaos/{verb}", json.dumps(content))
        answer = self.connection.getresponse()
        said = json.loads(answer.read())
        self.answers[str(answer.status)] += 1
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now
        return said if answer.status == 200 else None

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                predicted = self.ask("predict", self.body)
                if predicted is not None:
                    one = predicted["prediction_ids"][0]
                    if self.ask("feedback", {"prediction_id": one, "label": "class_1"}):
                        self.told.append(one)
            except ConnectionRefusedError:  # nobody is there: no request was broken
                self.connection.close()
                self.answers["nobody there"] += 1
                time.sleep(0.02)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.connection.close()
                self.answers[f"broken: {type(error).__name__}"] += 1


def loaded(service: Service, cells: dict[str, float], work: Any) -> list[Client]:
    """Do the work while the clients ask."""
    stop = threading.Event()
    clients = [Client(service, cells, stop) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    time.sleep(1)
    work()
    time.sleep(1)
    stop.set()
    for client in clients:
        client.join()
    return clients


def until(holds: Any) -> None:
    end = time.monotonic() + 120
    while not holds():
        if time.monotonic() > end:
            raise SystemExit("the service does not come back")
        time.sleep(0.02)


def reload(service: Service, times: int, falls: list[float]) -> None:
    """Replace the workers so many times; counts that fall are noted."""
    counted = 0.0
    for _ in range(times):
        old = service.workers()
        service.process.send_signal(signal.SIGHUP)
        while old & service.workers() or len(service.workers()) != 2:
            now = service.figure("bigmodel_requests_total")
            if now < counted:
                falls.append(counted - now)
            counted = now
            time.sleep(0.2)


def kill(service: Service, times: int, back: list[float], moment: random.Random) -> None:
    """Kill a worker or the supervisor so many times; the seconds until both workers answer."""
    for turn in range(times):
        time.sleep(moment.uniform(0.05, 2))
        began = time.monotonic()
        if turn % 2:
            service.process.kill()
            service.process.wait()
            service.start()
        else:
            killed = moment.choice(sorted(service.workers()))
            os.kill(killed, signal.SIGKILL)
            until(lambda gone=killed: gone not in service.workers())
        until(lambda: service.figure("bigmodel_workers") == 2)
        back.append(time.monotonic() - began)


def row(what: str, times: int, clients: list[Client]) -> dict[str, Any]:
    answers = sum((client.answers for client in clients), Counter())
    broken = sum(count for name, count in answers.items() if name.startswith("broken"))
    return {
        "what": what, "times": times, "answers of 200": answers["200"],
        "others": sum(count for name, count in answers.items() if name.isdigit()) - answers["200"],
        "broken": broken, "kinds": dict(answers),
        "longest_gap_seconds": round(max(client.longest for client in clients), 2),
    }  # fmt: skip


def main() -> None:
    given = common.arguments(__doc__)
    times = 2 if given.quick else 20
    falls: list[float] = []
    back: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        settings = ["data=wine", "trainer.max_epochs=3", f"hydra.run.dir={name}/run"]
        bundle = bigmodel.fit(settings).bundle
        cells = {column.name: 1.0 for column in bigmodel.load(bundle).schema.columns}
        state = Path(name) / "state"
        service = Service(bundle, state)
        reloads = loaded(service, cells, lambda: reload(service, times, falls))
        kills = loaded(service, cells, lambda: kill(service, times, back, random.Random(0)))
        service.process.terminate()
        code = service.process.wait()
        with sqlite3.connect(state / "records.sqlite") as db:
            there = {f"{r}-{n}" for r, n in db.execute("select request, row from labels")}
    lost = len({one for client in reloads + kills for one in client.told} - there)
    first, second = row("reload", times, reloads), row("kill -9", times, kills)
    second |= common.spread(back, "seconds_until_whole")
    most = CLIENTS * times
    targets = [
        common.target("reloads of 2 workers", times, ">=", 20),
        common.target("broken requests in them", first["broken"] + first["others"], "<=", 0),
        common.target("falls of a count in them", len(falls), "<=", 0),
        common.target("kills after which the service came back", len(back), ">=", 20),
        common.target("broken requests per connection and kill", second["broken"] / most, "<=", 1),
        common.target("other answers than 200 in them", second["others"], "<=", 0),
        common.target("acknowledged labels lost", lost, "<=", 0),
        common.target("exit code in the end", code, "<=", 0),
    ]
    common.finish("serve_chaos_workers", [first, second], targets, given)


if __name__ == "__main__":
    main()

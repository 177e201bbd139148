"""A service killed under load at random moments: what it had acknowledged has to be there.

Several clients ask for predictions and send feedback, one label at a time. The server is killed
(kill -9) at a random moment and started again on the same store; after each kill the store has to
be intact and to hold every label that was acknowledged so far. For scale: how many labels a second
were stored, beside the commits a second that the disk allows when each is waited for alone.
"""

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
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import common

import bigmodel

CLIENTS = 16
LONGEST = 3.0  # seconds under load before a kill


class Server:
    """`bigmodel serve` on a free port."""

    def __init__(self, bundle: Path, state: Path) -> None:
        program = Path(sys.executable).with_name("bigmodel")
        command = [program, "serve", f"bundle={bundle}", f"serving.state={state}"]
        self.process = subprocess.Popen(
            [*command, "serving.port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if " at http" not in line:
            raise SystemExit("the server does not start")
        self.url = line.split(" at ")[1].split()[0] + "/v1/models/crash"

    def ask(self, path: str, content: Any) -> Any:
        request = urllib.request.Request(f"{self.url}/{path}", json.dumps(content).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


def client(server: Server, row: dict[str, float], acknowledged: list[str]) -> None:
    """Ask and tell until the server is gone."""
    while True:
        try:
            for one in server.ask("predict", {"rows": [row] * 20})["prediction_ids"]:
                server.ask("feedback", {"prediction_id": one, "label": "class_1"})
                acknowledged.append(one)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"answered {error.code}: {error.read()!r}") from error
        except (OSError, ValueError):  # killed, in the middle of an answer, too
            return


def killed(bundle: Path, state: Path, row: dict[str, float], after: float) -> tuple[set[str], int]:
    """One server under load, killed after so many seconds; the ids that were acknowledged."""
    server = Server(bundle, state)
    acknowledged: list[str] = []
    threads = [
        threading.Thread(target=client, args=(server, row, acknowledged)) for _ in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    time.sleep(after)
    alive = server.process.poll() is None
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    for thread in threads:
        thread.join()
    if not alive:
        raise SystemExit("the server ended by itself")
    return set(acknowledged), len(acknowledged)


def stored(state: Path) -> tuple[bool, set[str]]:
    """Whether the store is intact, and the ids with a label."""
    with sqlite3.connect(state / "records.sqlite") as db:
        intact = db.execute("pragma integrity_check").fetchall() == [("ok",)]
        return intact, {f"{r}-{n}" for r, n in db.execute("select request, row from labels")}


def alone(folder: Path, seconds: float = 2.0) -> float:
    """Commits a second of one record each, every one waited for."""
    with sqlite3.connect(folder / "alone.sqlite", isolation_level=None) as db:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.execute("create table labels(id text primary key, label blob)")
        started, count = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            db.execute("insert into labels values (?, ?)", (f"{count:030d}", b'"class_1"'))
            count += 1
    return count / seconds


def main() -> None:
    given = common.arguments(__doc__)
    kills = 2 if given.quick else 20
    moment = random.Random(0)
    lost = damaged = unacknowledged = 0
    rates = []
    everything: set[str] = set()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = ["data=wine", "trainer.max_epochs=3", "name=crash", f"hydra.run.dir={name}/run"]
        bundle = bigmodel.fit(settings).bundle
        limit = alone(folder)
        row = bigmodel.load(bundle).schema.columns
        cells = {column.name: 1.0 for column in row}
        for _ in range(kills):
            after = moment.uniform(0.05, LONGEST)
            acknowledged, count = killed(bundle, folder / "state", cells, after)
            rates.append(count / after)
            everything |= acknowledged
            intact, there = stored(folder / "state")
            damaged += not intact
            lost += len(everything - there)
            unacknowledged = len(there - everything)
    rows = [
        {
            "kills": kills, "acknowledged": len(everything), "lost": lost,
            "stored, not acknowledged": unacknowledged, "damaged": damaged,
            **common.spread(rates, "labels_per_second"), "commits_per_second_alone": round(limit),
        }
    ]  # fmt: skip
    targets = [
        common.target("acknowledged labels lost", lost, "<=", 0),
        common.target("damaged stores", damaged, "<=", 0),
        common.target("kills", kills, ">=", 20),
    ]
    common.finish("serve_crash", rows, targets, given)


if __name__ == "__main__":
    main()

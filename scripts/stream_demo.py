"""Serve a model that keeps learning, and stream a table to it row by row, its labels later.

python scripts/stream_demo.py elec.csv.gz class --kill [SETTING=VALUE ... of the training]

Trains on the first part of a CSV in time order, serves the bundle, sends the rest as requests and
each label `--delay` rows later, draws the accuracy beside the frozen network's, and at the end
learns the whole log again in another process, from its first label, and compares the bits.
"""

import argparse
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import bigmodel
from bigmodel.client import Client, Refused
from bigmodel.data.reading import conform
from bigmodel.learning.figures import rolling

BIGMODEL = [str(Path(sys.executable).with_name("bigmodel"))]
NAME = "stream"
WINDOW = 500  # rows of the rolling accuracy


@dataclass
class Server:
    """`bigmodel serve` of `bundle`, its state in `place`."""

    bundle: Path
    place: Path
    process: subprocess.Popen = field(init=False)
    client: Client = field(init=False)

    def start(self) -> None:
        """Serve, at any free port."""
        given = [f"bundle={self.bundle}", f"name={NAME}", f"serving.state={self.place}"]
        command = [*BIGMODEL, "serve", *given, "serving.port=0", "serving.drain_seconds=0.1"]
        with (self.place.parent / "serve.log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"at (https?://\S+)", line)
        if found is None:
            sys.exit(f"the service does not start: see {self.place.parent / 'serve.log'}")
        self.client = Client(found[1])

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal, and wait."""
        self.client.close()
        self.process.send_signal(how)
        self.process.wait()

    def version(self) -> int:
        """How far it has learnt."""
        return self.client.model(NAME)["learning"]["version"]


def train(given: argparse.Namespace, first: pd.DataFrame, settings: list[str]) -> Path:
    """The bundle of the first rows."""
    table = given.out / "first.csv"
    first.to_csv(table, index=False)
    split = ["data.split.by=time", "data.split.column=row_order"]
    data = ["data=csv", f"data.path={table}", f"data.target={given.target}", *split]
    run = [f"name={NAME}", f"hydra.run.dir={given.out / 'run'}"]
    subprocess.run([*BIGMODEL, "train", "model=static_dynamic", *data, *run, *settings], check=True)
    return given.out / "run" / "bundle"


def frozen_answers(bundle: Path, rows: pd.DataFrame) -> np.ndarray:
    """What the network says that never learns, as text, (n,)."""
    opened = bigmodel.load(bundle)
    engine = opened.engine
    made = engine.rows(opened.encoder.transform(conform(rows, opened.schema)))
    codes = made[:, : engine.learner.layout.outputs].argmax(axis=1)
    return np.array(opened.schema.target.classes)[codes]


def stream(given: argparse.Namespace, server: Server, rows: pd.DataFrame, frozen) -> tuple:
    """Send all rows; (n,) answers as text, and the row of the kill (None: there was none)."""
    labels, bodies = rows[given.target], rows.drop(columns=given.target).to_dict("records")
    said: list[str] = []
    due: deque = deque()
    killed, half = None, len(rows) // 2
    columns = (
        TextColumn("{task.completed:,.0f} rows"),
        BarColumn(),
        TextColumn("{task.fields[at]}"),
    )
    with Progress(*columns, TimeRemainingColumn()) as bar:
        task = bar.add_task("stream", total=len(rows), at="")
        for start in range(0, len(rows), given.rows):
            if given.kill and killed is None and start >= half:
                server.end(signal.SIGKILL)
                server.start()
                killed = start
            answer = server.client.predict(NAME, bodies[start : start + given.rows])
            said += map(str, answer.values)
            due.append((start, answer.ids))
            while due and due[0][0] + len(due[0][1]) + given.delay <= len(said):
                first, ids = due.popleft()
                true = labels.iloc[first : first + len(ids)].tolist()
                tell(server, dict(zip(ids, true, strict=True)))
            true = labels.iloc[: len(said)].astype(str).to_numpy()
            ours, theirs = (
                (np.array(part) == true)[-5 * WINDOW :].mean()
                for part in (said, frozen[: len(said)])
            )
            bar.update(task, completed=len(said), at=f"live {ours:.1%}  frozen {theirs:.1%}")
    return np.array(said), killed


def tell(server: Server, labels: dict) -> None:
    """Send labels, and wait until they are learnt: time goes faster here than in life."""
    before, end = server.version(), time.monotonic() + 2.0
    try:
        server.client.feedback(NAME, labels)
    except Refused as error:  # answered in the last tenth of a second before the kill
        if error.status != 404:
            raise
        print(f"{len(labels)} labels are of predictions that the kill has taken: not learnt")
        return
    while server.version() == before and time.monotonic() < end:
        time.sleep(0.002)


def replayed(bundle: Path, log: Path) -> bool:
    """Whether all labels, learnt again from the first, give the bits that were served."""
    with tempfile.TemporaryDirectory() as place:
        with (
            sqlite3.connect(log / "events.sqlite") as db,
            sqlite3.connect(f"{place}/events.sqlite") as to,
        ):
            db.backup(to)
        command = [*BIGMODEL, "replay", f"bundle={bundle}", f"log={place}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout + done.stderr, end="")
    return "bit for bit" in done.stdout


def draw(path: Path, hits: dict[str, np.ndarray], killed: int | None) -> None:
    """Rolling accuracies over the stream."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    for name, values in hits.items():
        window = max(1, min(WINDOW, len(values) // 4))
        axes.plot(np.arange(window - 1, len(values)), rolling(values, window), label=name)
    if killed is not None:
        axes.axvline(killed, color="grey", linestyle=":", label="kill -9")
    axes.set(xlabel="row", ylabel=f"accuracy of the last {window}")
    axes.legend()
    figure.savefig(path, format="svg")


def main(argv: list[str]) -> int:
    """Run the demo; 1 where the replay gives other bits."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="a CSV in time order")
    parser.add_argument("target", help="its column of labels")
    parser.add_argument("--first", type=float, default=0.25, help="the share to train on")
    parser.add_argument("--most", type=int, help="rows to stream")
    parser.add_argument("--rows", type=int, default=16, help="in a request")
    parser.add_argument("--delay", type=int, default=16, help="rows until a label comes")
    parser.add_argument("--kill", action="store_true", help="kill -9 half-way, and go on")
    parser.add_argument("--bundle", type=Path, help="do not train: serve this one")
    parser.add_argument("--out", type=Path, default=Path("runs/stream_demo"))
    given, settings = parser.parse_known_args(argv)
    shutil.rmtree(given.out / "state", ignore_errors=True)
    given.out.mkdir(parents=True, exist_ok=True)
    table = pd.read_csv(given.data)
    cut = int(len(table) * given.first)
    bundle = given.bundle or train(given, table[:cut], settings)
    rows = table[cut : None if given.most is None else cut + given.most].reset_index(drop=True)
    frozen = frozen_answers(bundle, rows)
    server = Server(bundle, given.out / "state")
    server.start()
    try:
        said, killed = stream(given, server, rows, frozen)
        quality = server.client.model(NAME)["learning"]
    finally:
        server.end()
    labels = rows[given.target].astype(str).to_numpy()
    hits = {"live": said == labels, "frozen": frozen == labels}
    hits["no change"] = np.concatenate([[False], labels[1:] == labels[:-1]])
    draw(given.out / "stream.svg", hits, killed)
    print("  ".join(f"{name} {values.mean():.2%}" for name, values in hits.items()))
    print(f"version {quality['version']}, {quality['labels']} labels, {quality['drifts']} drifts")
    print(given.out / "stream.svg")
    (log,) = (given.out / "state" / "learning" / NAME).iterdir()
    return 0 if replayed(bundle, log) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

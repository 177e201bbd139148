"""The service against its peers and against the limit of its HTTP server.

The model has 30 numbers, 10 classes and two layers of 256. Ours runs as shipped: keys, limits,
metrics, validation, collection. The limit is uvicorn as it comes, with uvloop and httptools and an
application that answers constant bytes of the same size: our own connections, which do without
ASGI's messages, would be a faster one. `bare network` is the same with the network of our bundle
and nothing around it: what a server that asks it once a request can come to. Peers run PyTorch
eager in their own environments, named with --peer-python (one for LitServe and FastAPI, one for
BentoML; each is recognised by what it has).
The load generator is a process of its own; all servers take turns on the whole machine.

Parts: 1 speed, 2 overload (a slow model, requests at twice the capacity), 3 start and memory.
"""

import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import common
import numpy as np
import pandas as pd
from serving_servers import Server, awake, bare, constant, free_port, peer, running

import bigmodel
from bigmodel.serving import keys_command

COLUMNS, CLASSES, HIDDEN = 30, 10, (256, 256)
SLOW_HIDDEN = (4096, 4096, 4096)  # some ten milliseconds a row: the load generator is no limit
DEADLINE = 0.25  # seconds, in the overload
CONNECTIONS = (1, 16, 64, 256)
PEERS = ("litserve", "fastapi", "bentoml")


def table(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(rows, COLUMNS)).round(4))
    frame.columns = [f"column_{index}" for index in range(COLUMNS)]
    return frame.assign(kind=[f"class_{code}" for code in rng.integers(0, CLASSES, rows)])


def train(folder: Path, name: str, hidden: Sequence[int]) -> Path:
    """A bundle after one epoch: more would change no speed."""
    table(2000).to_csv(folder / "table.csv", index=False)
    given = ["data=csv", f"data.path={folder / 'table.csv'}", "data.target=kind", "model=mlp"]
    given += [f"model.network.hidden={list(hidden)}", "trainer.max_epochs=1", "data.quality=false"]
    with contextlib.redirect_stdout(io.StringIO()):
        return bigmodel.fit([*given, f"name={name}", f"hydra.run.dir={folder / name}"]).bundle


def bodies() -> dict[str, dict[str, bytes]]:
    """By form and number of rows: named rows, matrices, binary tensors."""
    made: dict[str, dict[str, bytes]] = {"named": {}, "matrix": {}, "binary": {}}
    for rows in (1, 64):
        frame = table(rows).drop(columns="kind")
        made["named"][str(rows)] = json.dumps({"rows": frame.to_dict("records")}).encode()
        made["matrix"][str(rows)] = json.dumps({"rows": frame.to_numpy().tolist()}).encode()
        made["binary"][str(rows)] = binary(frame)
    return made


def binary(frame: pd.DataFrame) -> bytes:
    data = frame.to_numpy(dtype="<f4").tobytes()
    one = {"name": "numeric", "shape": list(frame.shape), "datatype": "FP32"}
    one["parameters"] = {"binary_data_size": len(data)}
    head = {"inputs": [one], "parameters": {"binary_data_output": True}}
    return json.dumps(head).encode() + data


def ours(folder: Path, bundle: Path, name: str, given: dict[str, bytes], *settings: str) -> Server:
    """The service as shipped, with a key."""
    state = folder / f"state-{name}"
    key = keys_command.add(
        name="bench", scopes=["predict"], models=None, purpose="", days=None, rate=None, burst=1,
        daily=None, priority="high", state=str(state),
    )  # fmt: skip
    port = free_port()
    program = Path(sys.executable).with_name("bigmodel")
    command = [str(program), "serve", f"bundle={bundle}", f"serving.port={port}"]
    command += [f"serving.state={state}", *settings]
    path = f"/v1/models/{bundle.parent.name}/predict"
    return Server(name, port, path, command, given, {"authorization": f"Bearer {key}"})


def v2(server: Server, given: dict[str, bytes]) -> Server:
    """The same server, asked with binary tensors."""
    end = b"true}}"  # of the JSON part
    lengths = {body.index(end) + len(end) for body in given.values()}
    asked = Server("bigmodel V2", server.port, "", server.command, given, dict(server.headers))
    asked.path = server.path.replace("/v1/", "/v2/").replace("/predict", "/infer")
    asked.headers["inference-header-content-length"] = str(lengths.pop())
    asked.process = server.process
    return asked


def peers(given: Any, hidden: Sequence[int], matrix: dict[str, bytes]) -> list[Server]:
    """The peers that the named environments have."""
    found = []
    for name in PEERS:
        for python in given.peer_python or ():
            looked = subprocess.run(
                [str(python), "-c", f"import {name}, torch"], capture_output=True
            )
            if looked.returncode == 0:
                found.append(peer(name, python, COLUMNS, hidden, matrix))
                break
        else:
            print(f"no environment has {name} and torch: left out; name one with --peer-python")
    return found


def speed(folder: Path, given: Any) -> tuple[list[dict], list[dict]]:
    """Requests a second of each server, by rows and connections."""
    rounds, seconds = (1, 0.5) if given.quick else (5, 1.0)
    made = bodies()
    bundle = train(folder, "bench", HIDDEN)
    us = ours(folder, bundle, "bigmodel", made["named"])
    limits = [constant(f"constant {rows}", 500 * int(rows), made["named"]) for rows in ("1", "64")]
    network = bare(bundle / "model.onnx", made["matrix"])
    servers = [us, *limits, network, *peers(given, HIDDEN, made["matrix"])]
    rates: dict[tuple[str, str, int], list[float]] = {}
    waits: dict[tuple[str, str, int], list[tuple[float, float]]] = {}
    with running(servers, folder):
        tensors = v2(us, {"64": made["binary"]["64"]})
        for _ in range(rounds):
            for rows in ("1", "64"):
                taking = [s for s in servers if s not in limits or s.name == f"constant {rows}"]
                for connections in CONNECTIONS:
                    for server in [*taking, *([tensors] if rows == "64" else [])]:
                        cell = (server.name.split()[0] if server in limits else server.name,
                                rows, connections)  # fmt: skip
                        with awake(server):
                            told = server.load(rows, connections, seconds)
                        rates.setdefault(cell, []).append(len(told["ms"]) / told["seconds"])
                        waits.setdefault(cell, []).append(_tail(told["ms"]))
    lines = [
        {
            "server": name, "rows": rows, "connections": connections,
            **common.spread(values, "requests_per_second"),
            "p50_ms": statistics.median(one for one, _ in waits[name, rows, connections]),
            "p99_ms": statistics.median(one for _, one in waits[name, rows, connections]),
        }
        for (name, rows, connections), values in rates.items()
    ]  # fmt: skip

    def ratio(name: str, rows: str, of: str = "bigmodel") -> float:
        pairs = zip(rates[of, rows, 16], rates[name, rows, 16], strict=True)
        return statistics.median(a / max(b, 1e-9) for a, b in pairs)

    targets = [
        common.target(f"1 row x 16: of {name}", ratio(name, "1"), ">=", 6)
        for name in ("litserve", "fastapi")
        if (name, "1", 16) in rates
    ]
    targets.append(
        common.target("1 row x 16: of constant bytes", ratio("constant", "1"), ">=", 0.4)
    )
    print(f"1 row x 16: {ratio('bare network', '1'):.2f} of a server with the network alone")
    in_binary = ratio("bigmodel", "64", of="bigmodel V2")
    targets.append(common.target("64 rows x 16: V2 binary, of JSON", in_binary, ">=", 3))
    return lines, targets


def overload(folder: Path, given: Any) -> tuple[list[dict], list[dict]]:
    """Twice the requests that can be answered: how many are, in time?"""
    rounds, seconds = (1, 1.0) if given.quick else (5, 5.0)
    made = bodies()
    bundle = train(folder, "slow", SLOW_HIDDEN)
    us = ours(folder, bundle, "bigmodel", made["named"],
              f"serving.room.deadline_seconds={DEADLINE}")  # fmt: skip
    others = [s for s in peers(given, SLOW_HIDDEN, made["matrix"]) if s.name != "bentoml"]
    lines: list[dict[str, Any]] = []
    shares, tails = [], []
    with running([us, *others], folder):
        for _ in range(rounds):
            with awake(us):
                told = us.load("1", 8, seconds)
            capacity = len(told["ms"]) / told["seconds"]
            for server in (us, *others):
                with awake(server):
                    told = server.load("1", 64, seconds, rate=2 * capacity)
                in_time = sum(one <= DEADLINE * 1e3 for one in told["ms"]) / told["seconds"]
                _, tail = _tail(told["ms"])
                lines.append({"server": server.name, "capacity": round(capacity),
                              "in_time_of_capacity": round(in_time / capacity, 3),
                              "p99_ms": tail, "refused_p99_ms": _tail(told["refused"])[1],
                              "statuses": told["statuses"]})  # fmt: skip
                if server is us:
                    shares.append(in_time / capacity)
                    tails.append(tail / 1e3)
    return lines, [
        common.target("overload: answered in time, of capacity", statistics.median(shares), ">=",
                      0.9),
        common.target("overload: p99 of the answered, seconds", statistics.median(tails), "<=",
                      DEADLINE),
    ]  # fmt: skip


def start(folder: Path, given: Any) -> tuple[list[dict], list[dict]]:
    """From the process to its first answer, and the memory that it then has."""
    rounds = 1 if given.quick else 5
    made = bodies()
    bundle = train(folder, "start", HIDDEN)
    found: dict[str, list[tuple[float, float]]] = {}
    for number in range(rounds):
        us = ours(folder, bundle, f"bigmodel{number}", made["named"])
        for server in (us, *peers(given, HIDDEN, made["matrix"])):
            with running([server], folder):
                name = "bigmodel" if server is us else server.name
                found.setdefault(name, []).append((server.ready_seconds, server.memory()))
    lines = [
        {
            "server": name,
            **common.spread([seconds for seconds, _ in values], "first_answer_s"),
            **common.spread([memory for _, memory in values], "memory_mib"),
        }
        for name, values in found.items()
    ]
    targets = []
    for index, what in enumerate(("first answer", "memory")):
        if "litserve" in found:
            pairs = zip(found["bigmodel"], found["litserve"], strict=True)
            middle = statistics.median(a[index] / b[index] for a, b in pairs)
            targets.append(common.target(f"{what}, of LitServe", middle, "<=", 1.0))
    return lines, targets


def _tail(milliseconds: list[float]) -> tuple[float, float]:
    """The median and the 99th percentile; 0 of nothing."""
    if not milliseconds:
        return 0.0, 0.0
    return tuple(np.percentile(milliseconds, [50, 99]).round(2).tolist())


def main() -> None:
    given = common.arguments(__doc__, part=(1, 2, 3), peer=True)
    lines, targets = [], []
    for number, part in enumerate((speed, overload, start), 1):
        if given.part in (None, number):
            with tempfile.TemporaryDirectory() as name:
                more, aims = part(Path(name), given)
            lines += more
            targets += aims
    common.finish("serving", lines, targets, given)


if __name__ == "__main__":
    main()

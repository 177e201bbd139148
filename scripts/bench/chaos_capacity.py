"""More models than fit into memory, and half an hour of swaps and evictions."""

import random
import time
import urllib.error
from pathlib import Path
from typing import Any

import common
from chaos_common import Server, resident, trained, versions, watching

from bigmodel.serving.registry.catalog import open_registry

Result = tuple[list[dict[str, Any]], list[dict[str, Any]]]
NAMES = ["a", "b", "c", "d", "e"]
MEGABYTES = 48


def limit(folder: Path, quick: bool) -> Result:
    """Five models in a limit that holds three: right answers from all, and the limit holds."""
    row, right, bound = _five(folder)
    wrong, refused, requests = 0, 0, 40 if quick else 600
    server, order = (
        Server(folder, f"serving.memory_limit={bound}", models="five"),
        random.Random(0),
    )
    with watching(server) as sizes:
        for _ in range(requests):
            try:
                told = server.ask(f"/v1/models/{order.choice(NAMES)}/predict", {"rows": [row]})
                wrong += told["predictions"] != right
            except urllib.error.HTTPError:
                refused += 1
    most = max(sizes)
    loaded = sum(server.ask(f"/v1/models/{name}")["loaded"] for name in NAMES)
    server.end()
    rows = [{"part": "limit", "requests": requests, "limit MB": bound >> 20, "most MB": most >> 20,
             "loaded": loaded}]  # fmt: skip
    return rows, [
        common.target("wrong answers of five models in a limit that holds three", wrong, "<=", 0),
        common.target("refused requests", refused, "<=", 0),
        common.target("most resident memory beside the limit", most / bound, "<=", 1.1),
    ]


def soak(folder: Path, quick: bool, minutes: float = 30) -> Result:
    """Swaps and evictions for half an hour: the memory of the second half does not grow."""
    row, _, bound = _five(folder)
    registry = open_registry(str(folder / "five"))
    pair = [registry.versions("a")[0].version]
    pair.append(
        registry.add(versions.large(folder / "run" / "bundle", folder / "a2", MEGABYTES, 9), "a")[1]
    )
    server, order = (
        Server(folder, f"serving.memory_limit={bound}", models="five"),
        random.Random(0),
    )
    seconds = 30.0 if quick else 60 * minutes
    sizes: list[tuple[float, int]] = []
    started, swapped, answers = time.monotonic(), 0, 0
    while (now := time.monotonic() - started) < seconds:
        if now > 5.0 * swapped:
            swapped += 1
            server.ask("/v1/admin/models/a/promote", {"version": pair[swapped % 2]})
        server.ask(f"/v1/models/{order.choice(NAMES)}/predict", {"rows": [row] * 8})
        answers += 1
        time.sleep(0.01)  # this is about memory, not speed
        sizes.append((now, resident(server)))
    server.end()
    third = [size for now, size in sizes if seconds / 2 <= now < seconds * 3 / 4]
    last = [size for now, size in sizes if now >= seconds * 3 / 4]
    growth = sum(last) / len(last) / (sum(third) / len(third)) - 1
    rows = [{"part": "soak", "minutes": round(seconds / 60, 1), "answers": answers,
             "swaps": swapped, "growth %": round(100 * growth, 2)}]  # fmt: skip
    return rows, [
        common.target("growth of resident memory in the second half, %", 100 * growth, "<=", 2),
        common.target("minutes", seconds / 60, ">=", 30),
    ]


def _five(folder: Path) -> tuple[dict[str, float], Any, int]:
    """A registry of five large models; a row, the answer to it, and a limit that holds three."""
    bundle = trained(folder)
    registry = open_registry(str(folder / "five"))
    for seed, name in enumerate(NAMES):
        version = registry.add(versions.large(bundle, folder / name, MEGABYTES, seed), name)[1]
        registry.edit(name, lambda state: state.promoted(version, "bench"))  # noqa: B023
    row = versions.rows()[0]
    server = Server(folder, "serving.memory_limit=1000000000000", models="five")
    sizes = [server.ask(f"/v1/models/{name}")["bytes"] for name in NAMES]
    right = server.ask("/v1/models/a/predict", {"rows": [row]})["predictions"]
    bound = resident(server) - sum(sizes) + int(3.2 * max(sizes))
    server.end()
    return row, right, bound

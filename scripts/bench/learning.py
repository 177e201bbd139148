"""Learning while serving, against River's learners: the same streams, the same late labels.

Part 1 is test-then-train accuracy on 15 streams, labels at once and 16 late, five seeds. Part 2
is rows per second of processor time, on each of them. Part 3 is a hostile source of labels. Part 4
is readers while it learns, and part 5 kills it twenty times and rebuilds what it was.

River lives in its own environment: `--peer-python .../bin/python` with river 0.26.1 and pandas.
Figures are kept by what they were computed from: an interrupted run goes on where it was.
"""

import statistics
from pathlib import Path
from typing import Any

import common
import learning_cells as cells
import learning_faults as faults
import numpy as np

ROWS, SEEDS, DELAYS = 10_000, 5, (0, 16)
PEERS = ("arf", "hat", "lb", "lr")
TIE = 0.5  # points of accuracy
COMPILED = ("learning.experts.sgd_raw.compiled=true",)  # by Numba, an extra
Found = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def accuracy(given: Any) -> Found:
    names = ("phishing", "sea_abrupt", "sine") if given.quick else (*cells.REAL, *cells.MADE)
    rows, seeds = (1_200, 1) if given.quick else (ROWS, SEEDS)
    lines = []
    for name in names:
        for delay in DELAYS:
            found: dict[str, list[float]] = {}
            for seed in range(seeds):
                path = cells.stream(name, seed, rows, given)
                ours = cells.cell("full", path, delay, seed, given)
                for key in ("accuracy", "frozen", "no_change"):
                    found.setdefault(key, []).append(ours[key])
                for peer in PEERS:
                    got = cells.cell(peer, path, delay, seed, given)
                    found.setdefault(peer, []).append(got["accuracy"])
            means = {key: round(statistics.mean(values), 2) for key, values in found.items()}
            gain = means["accuracy"] - means["arf"]
            spread = round(max(found["accuracy"]) - min(found["accuracy"]), 2)
            lines.append({"stream": name, "delay": delay, **means, "spread": spread,
                          "over arf": round(gain, 2)})  # fmt: skip
            print(lines[-1], flush=True)
    gains = [line["over arf"] for line in lines]
    wins, losses = (sum(g > TIE for g in gains), sum(g < -TIE for g in gains))
    print(f"against ARF: {wins} wins, {len(gains) - wins - losses} ties, {losses} losses")
    below = min(line["accuracy"] - line["frozen"] for line in lines)
    return lines, [
        common.target("streams not worse than ARF, %", 100 * (1 - losses / len(gains)), ">=", 80),
        common.target("mean gain over ARF, points", statistics.mean(gains), ">=", 2.0),
        common.target("least gain over the frozen network, points", below, ">=", -TIE),
    ]


def speed(given: Any) -> Found:
    """In alternation on each stream; Python's own speed changes with the minute, ratios less."""
    names = ("phishing", "sine") if given.quick else (*cells.REAL, *cells.MADE)
    lines = []
    for name in names:
        path = cells.stream(name, 0, 1_200 if given.quick else ROWS, given)
        rows, ratios = cells.static(path, 0), {}
        for _ in range(3):
            lr = _pace(given, "lr", path)
            for key, settings in (("fast", ()), ("fast compiled", COMPILED)):
                ours = cells.followed("fast", rows, 0, 0, 64, settings)["rows_per_second"]
                ratios.setdefault(f"{key} by LR", []).append(ours / lr)
        full = cells.followed("full", rows, 0, 0, 16)["rows_per_second"]
        ratios["full by ARF(10)"] = [full / _pace(given, "arf", path)]
        shape = {"columns": np.load(path)["X"].shape[1], "classes": int(rows[1].max()) + 1}
        found = {key: round(statistics.median(values), 2) for key, values in ratios.items()}
        lines.append({"stream": name, **shape, **found})
        print(lines[-1], flush=True)
    return lines, [
        common.target(
            f"rows per CPU second, geometric mean over streams: {key}",
            statistics.geometric_mean(line[key] for line in lines), ">=", 1.0,
        )
        for key in found
    ]  # fmt: skip


def _pace(given: Any, method: str, path: Path) -> float:
    told = cells.peer(given, "run", method, str(path), "0", "0")
    return float(cells.json.loads(told)["rows_per_second"])


def main() -> None:
    given = common.arguments(__doc__, part=(1, 2, 3, 4, 5), peer=True)
    parts = {1: accuracy, 2: speed, 3: faults.poison, 4: faults.readers, 5: faults.kills}
    lines: list[dict[str, Any]] = []
    targets: list[dict[str, Any]] = []
    for part in (given.part,) if given.part else parts:
        found = parts[part](given)
        lines += found[0]
        targets += found[1]
    common.finish("learning", lines, targets, given)


if __name__ == "__main__":
    main()

"""Learning while serving, against River's learners: the same streams, the same late labels.

Part 1 is test-then-train accuracy on 15 streams, labels at once and 16 late, five seeds. Part 2
is rows per second of processor time. Part 3 is a hostile source of labels. Part 4 is readers
while it learns, and part 5 kills it twenty times and rebuilds what it was.

River lives in its own environment: `--peer-python .../bin/python` with river 0.26.1 and pandas.
Figures are kept by what they were computed from: an interrupted run goes on where it was.
"""

import statistics
from typing import Any

import common
import learning_cells as cells
import learning_faults as faults

ROWS, SEEDS, DELAYS = 10_000, 5, (0, 16)
PEERS = ("arf", "hat", "lb", "lr")
TIE = 0.5  # points of accuracy
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
    path = cells.stream("elec2", 0, 2_500 if given.quick else ROWS, given)
    took: dict[str, list[float]] = {"fast": [], "full": [], "lr": [], "arf": []}
    for seed in range(1 if given.quick else 3):  # in alternation
        for preset, block in (("fast", 64), ("full", 16)):
            took[preset].append(cells.ours(preset, path, 0, seed, block)["rows_per_second"])
        for peer in ("lr", "arf"):
            told = cells.peer(given, "run", peer, str(path), "0", str(seed))
            took[peer].append(cells.json.loads(told)["rows_per_second"])
    ratios = {
        "fast by LR": [a / b for a, b in zip(took["fast"], took["lr"], strict=True)],
        "full by ARF(10)": [a / b for a, b in zip(took["full"], took["arf"], strict=True)],
    }
    lines = [{"ratio": name, **common.spread(values, "times")} for name, values in ratios.items()]
    return lines, [
        common.target(f"rows per CPU second: {name}", statistics.median(values), ">=", 1.0)
        for name, values in ratios.items()
    ]


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

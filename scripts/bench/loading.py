"""From a CSV file to the first training batch, against plain `pandas.read_csv` of the same file.

200,000 rows of 40 numbers and 10 texts (2 to 1,000 levels). Each measurement is a process of its
own, after its imports and a small table; variants take turns. Cold: the cache is empty; warm: the
encoded table is in it. Memory is the peak above what the process held before.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

LEVELS = (2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
TARGETS = {"cold": 2.0, "warm": 0.1, "memory": 1.5}


def write_table(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    columns = {f"x{i}": rng.normal(size=rows) * 10.0 ** rng.integers(-2, 4) for i in range(40)}
    for levels in LEVELS:
        names = np.array([f"level_{i}" for i in range(levels)])
        columns[f"c{levels}"] = names[rng.integers(0, levels, rows)]
    columns["y"] = np.where(rng.normal(size=rows) > 0, "yes", "no")
    pd.DataFrame(columns).to_csv(path, index=False)


def memory(field: str) -> float:
    """MB of this process: VmRSS is what it holds, VmHWM the most it held."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) / 1024


def measure(variant: str, path: Path) -> dict[str, float]:
    """In the process of one measurement."""
    from bigmodel.data.tables import CsvData

    def first_batch(of: Path) -> None:
        data = CsvData(str(of), target="y", quality=False)
        next(iter(data.train_dataloader()))

    def read(of: Path) -> None:
        pd.read_csv(of)

    work = read if variant == "read_csv" else first_batch
    work(path.with_name("small.csv"))
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    base, started, used = memory("VmRSS"), time.perf_counter(), time.process_time()
    work(path)
    seconds, used = time.perf_counter() - started, time.process_time() - used
    return {"seconds": seconds, "cpu": used, "peak_mb": memory("VmHWM") - base}


def in_process(variant: str, path: Path, cache: Path) -> dict[str, float]:
    if variant == "cold":
        shutil.rmtree(cache, ignore_errors=True)
    run = subprocess.run(
        [sys.executable, __file__, "--measure", variant, str(path)],
        env={**os.environ, "BIGMODEL_CACHE": str(cache)},
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return json.loads(run.stdout)


def main() -> None:
    import common

    arguments = common.arguments(__doc__)
    rounds, rows = (2, 20_000) if arguments.quick else (7, 200_000)
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path, cache = Path(folder) / "table.csv", Path(folder) / "cache"
        write_table(path, rows)
        write_table(path.with_name("small.csv"), 2_000)
        time.sleep(2.5)  # younger files are hashed again: their time stamp says too little
        for _ in range(rounds):
            for variant in ("read_csv", "cold", "warm"):
                found.setdefault(variant, []).append(in_process(variant, path, cache))
    table = []
    for variant, runs in found.items():
        row: dict[str, object] = {"variant": variant}
        for what in ("seconds", "cpu", "peak_mb"):
            row[what] = round(statistics.median(run[what] for run in runs), 3)
        table.append(row | common.spread(ratios(found, variant, "seconds"), "of_read_csv"))
    targets = [
        common.target(
            f"{variant} load / read_csv", statistics.median(ratios(found, variant, "seconds")),
            "<=", TARGETS[variant],
        )
        for variant in ("cold", "warm")
    ]  # fmt: skip
    peak = statistics.median(ratios(found, "cold", "peak_mb"))
    targets.append(common.target("peak memory / read_csv", peak, "<=", TARGETS["memory"]))
    common.finish("loading", table, targets, arguments)


def ratios(found: dict[str, list[dict[str, float]]], variant: str, what: str) -> list[float]:
    """Of each run to the `read_csv` of its round."""
    pairs = zip(found[variant], found["read_csv"], strict=True)
    return [ours[what] / plain[what] for ours, plain in pairs]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]))))
    else:
        main()

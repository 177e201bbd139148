"""Batch scoring of a large file, against reading it plus the bare engine on ready tensors.

The table has 12 numbers and 8 categories of 3..1000 levels, the network is the shipped default.
`predict` opens the bundle, reads, checks, encodes, runs, and writes the answers; the limit only
reads the file with pandas and runs ONNX Runtime, with its own defaults, on tensors made before.
Both take turns in one process; the memory is measured in processes of their own.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
import numpy as np
import onnxruntime
import pandas as pd

import bigmodel
from bigmodel.predict import predict

LEVELS = (3, 5, 10, 20, 50, 100, 300, 1000)
NUMBERS = 12
TRAIN_ROWS = 20_000
GROUP_ROWS = 100_000  # of Parquet: a reader has to hold the pages of a whole row group
LIMIT_ROWS = 65_536  # a run of the bare engine: faster than all rows at once
FORMATS = {"csv": pd.read_csv, "parquet": pd.read_parquet}

PEAK = """
import sys
from bigmodel.predict import predict
def high_water():  # of this program; ru_maxrss would begin with the parent's
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
base = high_water()
predict(bundle=sys.argv[1], input=sys.argv[2], output=sys.argv[3])
print(high_water() - base)
"""


def table_of(rows: int) -> pd.DataFrame:
    """A table whose numbers have three decimals and some gaps, and whose categories are words."""
    rng = np.random.default_rng(0)
    columns: dict[str, object] = {}
    for i in range(NUMBERS):
        values = rng.normal(50, 20, rows).round(3)
        values[rng.random(rows) < 0.02] = np.nan
        columns[f"number_{i}"] = values
    for i, levels in enumerate(LEVELS):
        words = pd.array([f"level {k}" for k in range(levels)], dtype="str")
        columns[f"category_{i}"] = words.take(rng.integers(0, levels, rows))
    chance = columns["number_0"] + rng.normal(0, 20, rows)
    columns["bought"] = pd.array(["no", "yes"], dtype="str").take((chance > 50).astype(int))
    return pd.DataFrame(columns)


def train(table: pd.DataFrame, folder: Path) -> Path:
    """A bundle of the shipped defaults, trained for one epoch: that changes no speed."""
    table.head(TRAIN_ROWS).to_csv(folder / "train.csv", index=False)
    overrides = ["data=csv", f"data.path={folder / 'train.csv'}", "data.target=bought"]
    settings = ["trainer.max_epochs=1", f"hydra.run.dir={folder / 'run'}", "name=bench"]
    return bigmodel.fit([*overrides, *settings]).bundle


def ready_tensors(bundle: Path, table: pd.DataFrame) -> dict[str, np.ndarray]:
    """The encoded table, as the limit gets it for nothing."""
    pieces = [table[at : at + LIMIT_ROWS] for at in range(0, len(table), LIMIT_ROWS)]
    encoder = bigmodel.load(bundle).encoder
    numeric, categorical = zip(*(encoder.transform(piece) for piece in pieces), strict=True)
    return {"numeric": np.concatenate(numeric), "categorical": np.concatenate(categorical)}


def limit(path: Path, model: Path, tensors: dict[str, np.ndarray]) -> tuple[float, float]:
    """Seconds for reading the file, and for the bare engine on the ready tensors."""
    started = time.perf_counter()
    FORMATS[path.suffix[1:]](path)
    read = time.perf_counter()
    session = onnxruntime.InferenceSession(model)
    for at in range(0, len(tensors["numeric"]), LIMIT_ROWS):
        session.run(None, {name: part[at : at + LIMIT_ROWS] for name, part in tensors.items()})
    return read - started, time.perf_counter() - read


def ours(path: Path, bundle: Path, output: Path) -> float:
    """Seconds for `predict`, the answers written in the format of the table."""
    started = time.perf_counter()
    predict(bundle=str(bundle), input=str(path), output=str(output))
    return time.perf_counter() - started


def peak(bundle: Path, path: Path, output: Path) -> float:
    """MiB that a process of its own needs for `predict`, above what its imports need."""
    command = [sys.executable, "-c", PEAK, str(bundle), str(path), str(output)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(run.stdout.split()[-1]) / 1024


def measure(kind: str, folder: Path, table: pd.DataFrame, rounds: int) -> dict[str, list[float]]:
    """Seconds of every round, and the peaks of memory for a tenth of the rows and for all."""
    bundle, output = folder / "run" / "bundle", folder / f"answers.{kind}"
    small, big = folder / f"small.{kind}", folder / f"big.{kind}"
    for path, part in ((small, table.head(len(table) // 10)), (big, table)):
        if kind == "csv":
            part.to_csv(path, index=False)
        else:
            part.to_parquet(path, index=False, row_group_size=GROUP_ROWS)
    tensors = ready_tensors(bundle, table)
    found: dict[str, list[float]] = {"read": [], "engine": [], "predict": []}
    for _ in range(rounds):
        read, engine = limit(big, bundle / "model.onnx", tensors)
        found["read"].append(read)
        found["engine"].append(engine)
        found["predict"].append(ours(big, bundle, output))
    found["peak_tenth"] = [peak(bundle, small, output) for _ in range(rounds)]
    found["peak"] = [peak(bundle, big, output) for _ in range(rounds)]
    return found


def main() -> None:
    arguments = common.arguments(__doc__)
    rounds, rows = (2, 50_000) if arguments.quick else (5, 1_000_000)
    lines, speed_targets, memory_targets = [], [], []
    with tempfile.TemporaryDirectory() as name:
        table = table_of(rows)
        train(table, Path(name))
        for kind in FORMATS:
            found = measure(kind, Path(name), table.drop(columns="bought"), rounds)
            seconds = zip(found["read"], found["engine"], found["predict"], strict=True)
            ratios = [(read + engine) / predict for read, engine, predict in seconds]
            middle = {key: statistics.median(values) for key, values in found.items()}
            lines.append(
                {
                    "format": kind,
                    "rows": rows,
                    **{f"{key}_s": round(middle[key], 2) for key in ("read", "engine", "predict")},
                    "rows_per_second": round(rows / middle["predict"]),
                    **common.spread(ratios, "of_limit"),
                    "peak_tenth_mib": round(middle["peak_tenth"]),
                    "peak_mib": round(middle["peak"]),
                }
            )
            speed_targets.append(
                common.target(
                    f"{kind}: rows/s of reading plus the bare engine",
                    statistics.median(ratios),
                    ">=",
                    0.5,
                )
            )
            memory_targets.append(
                common.target(
                    f"{kind}: peak memory of all rows, of that of a tenth",
                    middle["peak"] / middle["peak_tenth"],
                    "<=",
                    1.1,
                )
            )
    common.finish("predict", lines, speed_targets + memory_targets, arguments)


if __name__ == "__main__":
    main()

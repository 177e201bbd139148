"""How long the command line takes to answer, as a share of `python -c "import torch"`.

All commands take turns in one run; each is a process of its own. None of them may import torch.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common

BIGMODEL = str(Path(sys.executable).with_name("bigmodel"))
COMMANDS = {
    "import torch": [sys.executable, "-c", "import torch"],
    "--help": [BIGMODEL, "--help"],
    "list": [BIGMODEL, "list"],
    "mistyped verb": [BIGMODEL, "trian"],
    "mistyped group": [BIGMODEL, "list", "modell"],
    "mistyped preset": [BIGMODEL, "train", "model=mpl"],
}
LIMIT = 0.25


def seconds(command: list[str], folder: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return time.perf_counter() - started


def imports_torch(command: list[str], folder: str) -> bool:
    """Whether Python's own import log names torch."""
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment, check=False
    )
    return any(line.endswith(" torch") for line in done.stderr.splitlines())


def main() -> None:
    arguments = common.arguments(__doc__)
    rounds = 2 if arguments.quick else 7
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS.values():
            seconds(command, folder)  # fills the disk cache
        for _ in range(rounds):
            for name, command in COMMANDS.items():
                taken[name].append(seconds(command, folder))
        heavy = {name for name, c in COMMANDS.items() if imports_torch(c, folder)}
    limit = statistics.median(taken["import torch"])
    rows, targets = [], []
    for name, values in taken.items():
        shares = [value / limit for value in values]
        rows.append(
            {
                "command": name,
                **common.spread(values, "seconds"),
                **common.spread(shares, "of_torch"),
                "imports_torch": name in heavy,
            }
        )
        if name != "import torch":
            share = statistics.median(shares)
            targets.append(common.target(f"{name} / import torch", share, "<=", LIMIT))
    light = len(heavy - {"import torch"})
    targets.append(common.target("commands that import torch", light, "<=", 0))
    common.finish("startup", rows, targets, arguments)


if __name__ == "__main__":
    main()

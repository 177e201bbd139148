"""A weighted run that is killed goes on to the very weights of an undisturbed one."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import BUSINESS, SMALL
from safetensors.numpy import load_file

TAIL = ["data.long_tail.imbalance_factor=20"]
RUNS = {
    "progressive sampler": [*TAIL, "weighting=sampler", "weighting.draw=progressive"],
    "deferred weights": [*TAIL, "weighting=drw", "weighting.start=0.5"],  # from epoch 2 of 3 on
    "second stage": [*TAIL, "weighting=crt"],
    "label errors": [*TAIL, "weighting=quality_aum", "weighting.epochs=3"],
    "columns": [
        *BUSINESS, "weighting=compose", "weighting.sources.value.column=value",
        "weighting.sources.quality.column=quality",
    ],
}  # fmt: skip
# each fit in a forked process, after the imports; the second dies without a word in epoch 2
DRIVER = """
import json, os, sys
import onnxruntime, onnxscript, pandas, sklearn.datasets, torch.onnx._internal.exporter._core
import bigmodel
from bigmodel.training import resume, run, steps, trainer, weigh

def fit(overrides, dies):
    class Dying(steps.StepSeed):
        def on_train_batch_start(self, trainer, module, batch, index):
            if dies and trainer.current_epoch == 2 and index == 1:
                os._exit(9)
            super().on_train_batch_start(trainer, module, batch, index)
    trainer.StepSeed = Dying
    bigmodel.fit(resume.overrides(overrides))
    os._exit(0)

def forked(overrides, dies=False):
    child = os.fork()
    if child == 0:
        fit(overrides, dies)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

for name, given in json.loads(sys.argv[1]).items():
    assert forked([*given, f"hydra.run.dir=whole/{name}"]) == 0
    assert forked([*given, f"hydra.run.dir=killed/{name}"], dies=True) == 9
    assert forked([f"trainer.resume=killed/{name}"]) == 0
"""


def weights(run_dir: Path) -> list[dict[str, bytes]]:
    """Those of the bundle, which are the best, and those at the end."""
    last = torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    given = load_file(run_dir / "bundle" / "model.safetensors"), last
    return [{name: np.asarray(w).tobytes() for name, w in tensors.items()} for tensors in given]


@pytest.mark.slow
def test_weighted_runs_resume_bit_for_bit(business, here):
    always = [*SMALL, "callbacks.checkpoints.every_seconds=0", "trainer.max_epochs=3"]
    runs = {name.replace(" ", "_"): [*always, *given] for name, given in RUNS.items()}
    subprocess.run([sys.executable, "-c", DRIVER, json.dumps(runs)], check=True)
    for name in runs:
        whole, killed = here / "whole" / name, here / "killed" / name
        assert weights(killed) == weights(whole), name
        for file in ("splits.parquet", *(["label_issues.csv"] if name == "label_errors" else [])):
            assert (killed / file).read_bytes() == (whole / file).read_bytes(), name

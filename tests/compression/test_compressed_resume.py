"""A run that is killed while it compresses goes on to the very file of an undisturbed one."""

import json
import subprocess
import sys

import pytest

# each run in a forked process, after the imports; the second dies in the second fit, without a word
DRIVER = """
import json, os, sys
import onnxruntime, onnxscript, pandas, sklearn.datasets, torch.onnx._internal.exporter._core
import bigmodel
from bigmodel.training import resume, steps, trainer

def fit(overrides, dies):
    class Dying(steps.StepSeed):
        def on_train_batch_start(self, trainer, module, batch, index):
            compressing = "compression" in str(trainer.default_root_dir)
            if dies and compressing and trainer.current_epoch == 2 and index == 1:
                os.kill(os.getpid(), 9)
            super().on_train_batch_start(trainer, module, batch, index)
    trainer.StepSeed = Dying
    bigmodel.fit(resume.overrides(overrides))
    os._exit(0)

def forked(overrides, dies=False):
    child = os.fork()
    if child == 0:
        fit(overrides, dies)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

given = json.loads(sys.argv[1])
assert forked([*given, "hydra.run.dir=whole"]) == 0
assert forked([*given, "hydra.run.dir=killed"], dies=True) == -9
assert not os.path.exists("killed/metrics.json")
assert forked(["trainer.resume=killed"]) == 0
"""


@pytest.mark.slow
def test_a_run_killed_in_its_second_fit_ends_with_the_same_bytes(here):
    given = [
        "model.network.hidden=[32,32]", "trainer.max_epochs=3", "data.quality=false",
        "callbacks.checkpoints.every_seconds=0", "compression=recipe", "compression.max_drop=1",
        "compression.steps.prune_unstructured.epochs=4",
    ]  # fmt: skip
    subprocess.run([sys.executable, "-c", DRIVER, json.dumps(given)], check=True)
    whole, killed = (here / name / "bundle" / "model.onnx" for name in ("whole", "killed"))
    assert whole.read_bytes() == killed.read_bytes()
    figures = [json.loads((here / n / "metrics.json").read_text()) for n in ("whole", "killed")]
    assert figures[0]["val/macro_f1"] == figures[1]["val/macro_f1"]
    assert figures[0]["compression/drop"] == figures[1]["compression/drop"]

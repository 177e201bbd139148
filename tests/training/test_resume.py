"""Kill a real training, resume it, and get the very weights of an undisturbed one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.numpy import load_file

SETTINGS = [
    "data=digits",
    "data.batch_size=32",
    "model.network.hidden=[32]",
    "trainer.max_epochs=5",
    "callbacks=ema",
    "callbacks.checkpoints.every_seconds=0",
    "callbacks.early_stopping.patience=3",
    "scheduler=cosine",
]


def start(*arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "bigmodel.train", *SETTINGS, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen) -> int:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return process.returncode


def saves(run_dir: Path, count: int, process: subprocess.Popen) -> None:
    """Wait until `last.ckpt` was written `count` times."""
    last, seen, before = run_dir / "checkpoints" / "last.ckpt", 0, None
    while seen < count and process.poll() is None:
        now = last.stat().st_mtime_ns if last.exists() else None
        seen, before = seen + (now != before), now
        time.sleep(0.002)


def weights(run_dir: Path) -> dict[str, bytes]:
    return {k: v.tobytes() for k, v in load_file(run_dir / "bundle/model.safetensors").items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("undisturbed") / "run"
    finish(start(f"hydra.run.dir={run_dir}"))
    return run_dir


# 1: the first step is in no average but that save's, so a save before EMA's update would show
@pytest.mark.parametrize("after", [1, pytest.param(40, marks=pytest.mark.slow)])
def test_a_killed_run_resumes_bit_for_bit(undisturbed, here, after):
    run_dir = here / "run"
    process = start(f"hydra.run.dir={run_dir}")
    saves(run_dir, after, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run_dir / "metrics.json").exists(), "the run ended before it could be killed"
    finish(start(f"trainer.resume={run_dir}"))
    assert weights(run_dir) == weights(undisturbed)
    assert not list((run_dir / "checkpoints").glob(".tmp-*"))


@pytest.mark.slow
def test_ctrl_c_saves_says_how_to_resume_and_exits_130(undisturbed, here):
    run_dir = here / "run"
    process = start(f"hydra.run.dir={run_dir}", "callbacks.checkpoints.every_seconds=1000")
    while not (run_dir / "checkpoints" / "best.ckpt").exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"bigmodel train trainer.resume={run_dir}" in output
    assert "Traceback" not in output
    finish(start(f"trainer.resume={run_dir}"))
    assert weights(run_dir) == weights(undisturbed)


@pytest.mark.slow  # that the same seed does, the resumed run shows as well
def test_the_same_seed_gives_the_same_weights_and_another_does_not(undisturbed, here):
    finish(start(f"hydra.run.dir={here / 'same'}"))
    finish(start(f"hydra.run.dir={here / 'other'}", "seed=1"))
    assert weights(here / "same") == weights(undisturbed)
    assert weights(here / "other") != weights(undisturbed)


@pytest.mark.slow
def test_two_processes_killed_together_resume_bit_for_bit(here):
    two = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.max_epochs=2"]
    finish(start(*two, f"hydra.run.dir={here / 'undisturbed'}"))
    process = start(*two, f"hydra.run.dir={here / 'run'}")
    saves(here / "run", 1, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (here / "run" / "metrics.json").exists(), "the run ended before it could be killed"
    finish(start(*two, f"trainer.resume={here / 'run'}"))
    assert weights(here / "run") == weights(here / "undisturbed")

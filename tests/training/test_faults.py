"""A disk that refuses one write of a run: one line, nothing lost, and the run goes on later."""

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytorch_lightning.loggers import CSVLogger
from safetensors.numpy import load_file
from safetensors.torch import save
from torch import nn

import bigmodel
from bigmodel.compression import engines
from bigmodel.data.spec import ModelSpec
from bigmodel.errors import BigmodelError
from bigmodel.training import checkpoints, resume

SETTINGS = [
    "data=wine", "model.network.hidden=[8]", "trainer.max_epochs=2", "data.quality=false",
    "data.batch_size=32", "callbacks=ema", "callbacks.checkpoints.every_seconds=0",
]  # fmt: skip


def run(folder: Path) -> None:
    bigmodel.fit([*SETTINGS, f"hydra.run.dir={folder}"])


def weights(folder: Path) -> dict[str, bytes]:
    return {k: v.tobytes() for k, v in load_file(folder / "bundle/model.safetensors").items()}


@pytest.fixture(scope="module", autouse=True)
def each_network_exported_once() -> Iterator[None]:
    """Equal weights give an equal ONNX file: making it takes longer than all the rest of a run."""
    real, kept = engines.to_onnx, {}

    def export(network: nn.Module, spec: ModelSpec) -> bytes:
        key = save(network.state_dict())
        if key not in kept:
            kept[key] = real(network, spec)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "to_onnx", export)
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Path, int]:
    """A finished run, and how many times it synced something."""
    folder, real, calls = tmp_path_factory.mktemp("undisturbed") / "run", os.fsync, [0]

    def counting(handle: int) -> None:
        calls[0] += 1
        real(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", counting)
        run(folder)
    return folder, calls[0]


@pytest.mark.parametrize("share", [number / 16 for number in range(16)])
def test_a_refused_write_is_one_line_and_the_run_goes_on_later(
    undisturbed, here, monkeypatch, share
):
    whole, calls = undisturbed
    real, left = os.fsync, [int(share * calls)]

    def failing(handle: int) -> None:
        left[0] -= 1
        if left[0] == -1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(BigmodelError) as refused:
        run(here / "run")
    monkeypatch.setattr(os, "fsync", real)
    (line,) = refused.value.lines
    assert "cannot be written: No space left on device" in line
    assert refused.value.exit_code == 1
    for path in (here / "run").rglob("*.ckpt"):
        assert checkpoints.load(path)["state_dict"]
    for path in (here / "run").rglob("*.json"):
        assert json.loads(path.read_text())
    assert not list((here / "run").rglob(".tmp-*"))
    bigmodel.fit(resume.overrides([f"trainer.resume={here / 'run'}"]))
    assert weights(here / "run") == weights(whole)


def fits(limit: int, *arguments: str) -> subprocess.CompletedProcess:
    """A `bigmodel train` of its own, for which no file may become larger than `limit` bytes."""
    return subprocess.run(
        [sys.executable, "-m", "bigmodel.train", *SETTINGS, *arguments],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_checkpoint_that_the_disk_does_not_hold_ends_the_command_with_one_line(undisturbed, here):
    whole, _ = undisturbed
    best, last = (whole / "checkpoints" / name for name in ("best.ckpt", "last.ckpt"))
    assert best.stat().st_size < last.stat().st_size
    done = fits(best.stat().st_size, f"hydra.run.dir={here / 'run'}")
    refused = here / "run" / "checkpoints" / "last.ckpt"
    assert done.returncode == 1
    assert done.stderr.startswith(f"{refused}: cannot be written: File too large; free some space")
    assert len(done.stderr.splitlines()) == 1
    assert not list((here / "run").rglob(".tmp-*"))
    bigmodel.fit(resume.overrides([f"trainer.resume={here / 'run'}"]))
    assert weights(here / "run") == weights(whole)


def test_a_logger_that_the_disk_refuses_is_one_line_too(here, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(CSVLogger, "save", full)
    with pytest.raises(BigmodelError) as refused:
        run(here / "run")
    (line,) = refused.value.lines
    assert line.startswith(f"{here / 'run'}: cannot be written: No space left on device")

"""A disk that refuses one write of a run: one line, nothing lost, and the run goes on later."""

import errno
import json
import os
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import bigmodel
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


@pytest.mark.parametrize("share", [0.0, 0.12, 0.3, 0.45, 0.6, 0.8, 0.99])
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

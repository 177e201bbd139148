"""Lightning's Trainer with what every run of ours has: safe checkpoints, exact seeds, one bar."""

import logging
import warnings
from pathlib import Path
from typing import Annotated, Any

import pytorch_lightning as pl
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import Logger

from bigmodel.config.runtime import Runtime
from bigmodel.training.checkpoints import AtomicCheckpointIO
from bigmodel.training.progress import ProgressBar
from bigmodel.training.steps import FiniteLoss, StepSeed, Throughput

__all__ = ["Trainer"]


class Trainer(pl.Trainer):
    """Takes all of Lightning's settings.

    `resume` is a run's directory to go on with: the entrypoint reads it (`training/resume.py`).

    Speed comes from what is left out: Lightning's own bar, summary and sanity check.
    """

    def __init__(
        self,
        *,
        run_dir: Annotated[Path, Runtime()],
        seed: Annotated[int, Runtime()],
        callbacks: Annotated[list[Callback], Runtime()],
        logger: Annotated[Logger | list[Logger] | bool, Runtime()],
        resume: str | None = None,
        **settings: Any,
    ) -> None:
        self.throughput = Throughput()
        quiet()
        super().__init__(
            default_root_dir=run_dir,
            callbacks=[*callbacks, StepSeed(seed), FiniteLoss(), self.throughput, ProgressBar()],
            logger=logger,
            plugins=[AtomicCheckpointIO()],
            enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            **settings,
        )


def quiet() -> None:
    """Silence what Lightning says at each start; warnings that a user can act on stay."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*number of training batches.*smaller than the logging interval.*",
        ".*tensorboardX.*",
        ".*isinstance.*treespec.*",
        ".*exists and is not empty.*",
        ".*LeafSpec.*",
        ".*in eval mode at the start of training.*",  # a frozen encoder has to be
        ".*sync_dist=True.*",  # torchmetrics has done it
    ):
        warnings.filterwarnings("ignore", message)

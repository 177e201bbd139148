"""The peer of `training.py`: pytorch-tabular's fit, in an environment of its own.

    python -m venv peer && peer/bin/pip install pytorch-tabular requests torch==2.13.0
    python scripts/bench/training.py --peer-python peer/bin/python

Prints the rows per second of each batch size as JSON: the median of its epochs, without validation.
"""

import json
import statistics
import sys
import tempfile
import time
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback
from pytorch_tabular import TabularModel
from pytorch_tabular.config import DataConfig, OptimizerConfig, TrainerConfig
from pytorch_tabular.models import CategoryEmbeddingModelConfig

CARDINALITIES = (2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
EPOCHS = 3


class Epochs(Callback):
    """The seconds of each training epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        self.started = time.perf_counter()

    def on_train_epoch_end(self, *_: Any) -> None:
        self.seconds.append(time.perf_counter() - self.started)


def table(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({f"n{i}": random.standard_normal(rows) for i in range(40)})
    for index, levels in enumerate(CARDINALITIES):
        frame[f"c{index}"] = random.integers(0, levels, rows).astype(str)
    frame["target"] = (frame["n0"] + 0.5 * random.standard_normal(rows) > 0).astype(int)
    return frame


def rows_per_second(frame: pd.DataFrame, batch: int, folder: str) -> float:
    names = list(frame.columns)
    model = TabularModel(
        data_config=DataConfig(
            target=["target"],
            continuous_cols=[name for name in names if name[0] == "n"],
            categorical_cols=[name for name in names if name[0] == "c"],
        ),
        model_config=CategoryEmbeddingModelConfig(task="classification", layers="256-256"),
        optimizer_config=OptimizerConfig(optimizer="AdamW"),
        trainer_config=TrainerConfig(
            batch_size=batch,
            max_epochs=EPOCHS,
            accelerator="cpu",
            early_stopping=None,
            checkpoints_path=folder,
            load_best=False,
            gradient_clip_val=1.0,
        ),
        verbose=False,
    )
    epochs = Epochs()
    model.fit(train=frame, validation=frame.head(1024), callbacks=[epochs])
    return len(frame) / statistics.median(epochs.seconds)


def main() -> None:
    rows, batches = int(sys.argv[1]), [int(batch) for batch in sys.argv[2:]]
    torch.set_num_threads(2)
    frame = table(rows)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({batch: rows_per_second(frame, batch, folder) for batch in batches}))


if __name__ == "__main__":
    main()

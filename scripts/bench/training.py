"""How much of a bare PyTorch loop's speed is left when everything of `bigmodel train` is on.

Each variant trains the same network on the same synthetic tensors (40 numbers, 10 categories of
2..1000 levels), with the same batch, optimizer and thread count; rows per second of whole epochs,
validation excluded. Variants take turns; the table shows medians, and ratios with their spread.
`--peer-python FILE` adds pytorch-tabular, from the environment of that interpreter.
"""

import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import common
import numpy as np
import torch
from pytorch_lightning import LightningModule, loggers
from pytorch_lightning import Trainer as PlainTrainer
from sklearn.neural_network import MLPClassifier
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import Accuracy

from bigmodel.data.batch import Batch
from bigmodel.data.loader import TensorLoader
from bigmodel.data.spec import ModelSpec
from bigmodel.models.networks.mlp import MLP
from bigmodel.models.task import Task
from bigmodel.training.checkpoints import Checkpoints
from bigmodel.training.trainer import Trainer

CARDINALITIES = (2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
SPEC = ModelSpec(
    n_numeric=40,
    cardinalities=CARDINALITIES,
    task="binary",
    n_outputs=2,
    classes=("no", "yes"),
    train_rows=0,
    scale=1.0,
)
TARGETS = {256: 0.78, 1024: 0.85, 4096: 0.90}


def tensors(rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    numeric = torch.randn(rows, SPEC.n_numeric, generator=generator)
    categorical = torch.stack(
        [torch.randint(0, k, (rows,), generator=generator) for k in CARDINALITIES], 1
    ).to(torch.int32)
    target = (numeric[:, 0] + 0.5 * torch.randn(rows, generator=generator) > 0).long()
    return numeric, categorical, target


def network(**_: object) -> MLP:
    torch.manual_seed(0)
    return MLP(SPEC.n_numeric, CARDINALITIES, 2)


def adamw(parameters: object) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=1e-3, fused=True)


def bare(data: tuple[torch.Tensor, ...], batch: int, epochs: int) -> float:
    net = network()
    optimizer = adamw(net.parameters())
    rows = len(data[0]) // batch * batch
    seconds = []
    for _ in range(epochs):
        started = time.perf_counter()
        order = torch.randperm(len(data[0]))
        for at in range(0, rows, batch):
            numeric, categorical, target = (x[order[at : at + batch]] for x in data)
            loss = F.cross_entropy(net(numeric, categorical), target)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        seconds.append(time.perf_counter() - started)
    return rows / statistics.median(seconds)


def ours(data: tuple[torch.Tensor, ...], batch: int, epochs: int) -> float:
    """The trainer, task and callbacks of `bigmodel train`, all on."""
    task = Task(network, spec=SPEC, optimizer=adamw, monitor="val/macro_f1")
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            run_dir=Path(folder),
            seed=0,
            callbacks=[Checkpoints(every_seconds=5.0)],
            logger=loggers.CSVLogger(folder, name="", version=""),
            accelerator="cpu",
            devices=1,
            max_epochs=epochs,
            gradient_clip_val=1.0,
            log_every_n_steps=50,
        )
        numeric, categorical, target = data
        rows = Batch({"numeric": numeric, "categorical": categorical}, target)
        trainer.fit(
            task,
            TensorLoader(rows, batch, seed=0, shuffle=True, drop_last=True),
            TensorLoader(rows.of(lambda x: x[:1024]), 1024, seed=0, shuffle=False, drop_last=False),
        )
    return trainer.throughput.rows_per_second()


def per_row(data: tuple[torch.Tensor, ...], batch: int, epochs: int) -> float:
    """The bare loop fed by a default DataLoader: one `__getitem__` a row."""
    net = network()
    optimizer = adamw(net.parameters())
    loader = DataLoader(TensorDataset(*data), batch, shuffle=True, drop_last=True)
    started = time.perf_counter()
    for numeric, categorical, target in loader:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(numeric, categorical), target).backward()
        optimizer.step()
    return len(loader) * batch / (time.perf_counter() - started)


class Tutorial(LightningModule):
    """What a first Lightning tutorial teaches: log everything, each step."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()
        self.accuracy = Accuracy(task="multiclass", num_classes=2)

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        numeric, categorical, target = batch
        output = self.net(numeric, categorical)
        loss = F.cross_entropy(output, target)
        self.log("loss", loss, prog_bar=True)
        self.log("accuracy", self.accuracy(output, target), prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return adamw(self.parameters())


def tutorial(data: tuple[torch.Tensor, ...], batch: int, epochs: int) -> float:
    loader = DataLoader(TensorDataset(*data), batch, shuffle=True, drop_last=True)
    with tempfile.TemporaryDirectory() as folder:
        trainer = PlainTrainer(
            max_epochs=1,
            accelerator="cpu",
            logger=loggers.CSVLogger(folder),
            enable_model_summary=False,
            enable_progress_bar=True,
        )
        task = Tutorial()
        trainer.fit(task, loader)  # includes a second or so of set-up: one long epoch hides it
        started = time.perf_counter()
        trainer.fit_loop.max_epochs = 2
        trainer.fit(task, loader)
    return len(loader) * batch / (time.perf_counter() - started)


def scikit_learn(data: tuple[torch.Tensor, ...], batch: int, epochs: int) -> float:
    """MLPClassifier on the numbers and the raw codes: no embeddings, so less work."""
    X = np.hstack([data[0].numpy(), data[1].numpy() / 1000])
    model = MLPClassifier((256, 256), batch_size=batch, max_iter=1)
    started = time.perf_counter()
    model.partial_fit(X, data[2].numpy(), classes=[0, 1])
    return len(X) / (time.perf_counter() - started)


def pytorch_tabular(python: Path, rows: int) -> dict[int, float]:
    """One fit for each batch, in a process of the peer's own environment."""
    script = Path(__file__).with_name("peer_pytorch_tabular.py")
    command = [str(python), str(script), str(rows), *map(str, TARGETS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {int(k): v for k, v in json.loads(done.stdout.splitlines()[-1]).items()}


def main() -> None:
    arguments = common.arguments(__doc__, peer=True)
    rounds, rows = (2, 20_000) if arguments.quick else (5, 100_000)
    data = tensors(rows)
    peers = [per_row, tutorial, scikit_learn]
    table, targets = [], []
    python = arguments.peer_python[0] if arguments.peer_python else None
    peer = [pytorch_tabular(python, rows) for _ in range(rounds)] if python else []
    for batch, target in TARGETS.items():
        speeds: dict[str, list[float]] = {}
        for _ in range(rounds):
            for variant in [bare, ours, bare, ours, *peers]:
                speeds.setdefault(variant.__name__, []).append(variant(data, batch, 3))
        if peer:
            speeds["pytorch_tabular"] = [found[batch] for found in peer]
        limit = speeds["bare"]
        for name, values in speeds.items():
            paired = [v / statistics.median(limit) for v in values]
            table.append(
                {
                    "batch": batch,
                    "variant": name,
                    "rows_per_second": round(statistics.median(values)),
                    **common.spread(paired, "of_bare"),
                }
            )
        pairs = [o / b for o, b in zip(speeds["ours"], limit, strict=True)]
        targets.append(
            common.target(
                f"fit rows/s of bare, batch {batch}", statistics.median(pairs), ">=", target
            )
        )
    common.finish("training", table, targets, arguments)


if __name__ == "__main__":
    main()

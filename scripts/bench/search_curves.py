"""Learning curves of 1,080 perceptrons on a table, 90 networks of one shape trained at once.

A network is a slice of batched matrices, with a learning rate, weight decay and dropout of its
own; the rows come in the same order for all. What a search would see of each is thus real, and a
search can be replayed in milliseconds.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import common
import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn import functional as F

EPOCHS = 27
WIDTHS, DEPTHS, BATCHES = (8, 32, 96), (1, 2), (32, 128)
RATES = tuple(float(f"{x:.3g}") for x in np.geomspace(1e-4, 0.1, 10))
DECAYS, DROPOUTS = (1e-4, 1e-2, 0.3), (0.0, 0.2, 0.5)
ROWS = 1000  # of each split, at most


@dataclass
class Table:
    """Curves of macro F1, (configs, epochs), on validation and test, and what each config is."""

    name: str
    val: np.ndarray
    test: np.ndarray
    configs: list[dict[str, float]]

    def index(self, wanted: dict[str, float], taken: Collection[int]) -> int:
        """The config nearest to these settings of those not taken; rates and sizes by ratio."""
        far = np.zeros(len(self.configs))
        for name, value in wanted.items():
            own = np.array([config[name] for config in self.configs])
            if name in ("width", "lr", "weight_decay"):
                far += abs(np.log(own / value))
            else:
                far += abs(own - value) * (1 if name == "dropout" else 100)
        far[list(taken)] = np.inf
        return int(far.argmin())


def digits(data: Path) -> tuple[np.ndarray, np.ndarray]:
    found = load_digits()
    return found.data, found.target


def adult(data: Path) -> tuple[np.ndarray, np.ndarray]:
    frame = pd.read_csv(common.need(data / "adult" / "adult_train.csv.gz"), skipinitialspace=True)
    frame = frame.drop(columns=["fnlwgt"]).sample(4 * ROWS, random_state=0)
    x = pd.get_dummies(frame.drop(columns="income"), dtype=float)
    return x.to_numpy(), pd.factorize(frame["income"], sort=True)[0]


def segments(data: Path) -> tuple[np.ndarray, np.ndarray]:
    folder = common.need(data / "river_image_segments")
    frame = pd.read_csv(next(folder.glob("*.csv.gz")))
    return frame.drop(columns="category").to_numpy(float), pd.factorize(frame["category"])[0]


SETS: dict[str, Callable[[Path], tuple[np.ndarray, np.ndarray]]] = {
    "digits": digits, "adult": adult, "segments": segments,
}  # fmt: skip


def splits(x: np.ndarray, y: np.ndarray) -> list[tuple[Tensor, Tensor]]:
    """Train, validation and test, 2 : 1 : 1, stratified, standardised by the train rows."""
    rows = np.arange(len(y))
    train, rest = train_test_split(rows, train_size=0.5, stratify=y, random_state=0)
    val, test = train_test_split(rest, train_size=0.5, stratify=y[rest], random_state=0)
    mean, sd = x[train].mean(0), x[train].std(0) + 1e-6
    return [
        (torch.tensor((x[part] - mean) / sd).float(), torch.tensor(y[part]))
        for part in (train[:ROWS], val[:ROWS], test[:ROWS])
    ]


def curves(name: str, data: Path) -> Table:
    parts = splits(*SETS[name](data))
    val, test, configs = [], [], []
    for width, depth, batch in product(WIDTHS, DEPTHS, BATCHES):
        own = list(product(RATES, DECAYS, DROPOUTS))
        found = train(parts, width, depth, batch, own)
        val.append(found[0])
        test.append(found[1])
        configs += [
            {"width": width, "depth": depth, "batch_size": batch, "lr": lr, "weight_decay": decay,
             "dropout": dropout}
            for lr, decay, dropout in own
        ]  # fmt: skip
    return Table(name, np.concatenate(val), np.concatenate(test), configs)


def train(
    parts: list[tuple[Tensor, Tensor]], width: int, depth: int, batch: int, own: list[tuple]
) -> tuple[np.ndarray, np.ndarray]:
    """Curves (networks, epochs) of all networks of one shape."""
    torch.manual_seed(0)
    (x, y), classes, count = parts[0], int(parts[0][1].max()) + 1, len(own)
    lr, decay, dropout = (torch.tensor(v).float().view(-1, 1, 1) for v in zip(*own, strict=True))
    sizes = [x.shape[1], *[width] * depth, classes]
    weights = []
    for fan, out in pairwise(sizes):
        one = torch.empty(1, fan, out).uniform_(-1, 1) / fan**0.5
        weights += [one.repeat(count, 1, 1), torch.zeros(count, 1, out)]
    for weight in weights:
        weight.requires_grad_()
    moments = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
    found, step = ([], []), 0
    for _ in range(EPOCHS):
        order = torch.randperm(len(y))
        for start in range(0, len(y) - batch + 1, batch):
            rows, step = order[start : start + batch], step + 1
            output = forward(weights, x[rows], dropout)
            loss = F.cross_entropy(output.flatten(0, 1), y[rows].repeat(count), reduction="sum")
            gradients = torch.autograd.grad(loss / batch, weights)
            with torch.no_grad():
                adamw(weights, gradients, moments, lr, decay, step)
        with torch.no_grad():
            for (rows, target), curve in zip(parts[1:], found, strict=True):
                curve.append(macro_f1(forward(weights, rows, None).argmax(2), target, classes))
    return np.stack(found[0], 1), np.stack(found[1], 1)


def forward(weights: list[Tensor], x: Tensor, dropout: Tensor | None) -> Tensor:
    """Logits (networks, rows, classes)."""
    hidden = x
    for at in range(0, len(weights), 2):
        hidden = hidden @ weights[at] + weights[at + 1]
        if at < len(weights) - 2:
            hidden = F.relu(F.layer_norm(hidden, hidden.shape[-1:]))
            if dropout is not None:
                keep = torch.rand_like(hidden) >= dropout
                hidden = hidden * keep / (1 - dropout)
    return hidden


def adamw(weights, gradients, moments, lr, decay, step) -> None:
    for weight, gradient, (first, second) in zip(weights, gradients, moments, strict=True):
        first.lerp_(gradient, 0.1)
        second.lerp_(gradient**2, 0.001)
        weight.mul_(1 - lr * decay)
        weight -= lr * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)


def macro_f1(said: Tensor, target: Tensor, classes: int) -> np.ndarray:
    """Of each network, (networks,)."""
    cells = said + classes * target + classes**2 * torch.arange(len(said)).view(-1, 1)
    confusion = torch.bincount(cells.flatten(), minlength=len(said) * classes**2)
    confusion = confusion.view(len(said), classes, classes).double()
    hits = confusion.diagonal(dim1=1, dim2=2)
    return (2 * hits / (confusion.sum(1) + confusion.sum(2)).clamp(min=1)).mean(1).numpy()

"""One small real model, trained once a session: wine with a category, a flag and an id."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_wine
from torch import nn

from bigmodel.bundle.export import to_onnx
from bigmodel.bundle.postprocess import Postprocess
from bigmodel.bundle.write import write_bundle
from bigmodel.data.encoder import Encoder
from bigmodel.data.schema import Column, Schema, Target
from bigmodel.data.spec import ModelSpec


class Network(nn.Module):
    """Embeddings, both kinds of norm and dropout: what the shipped networks are made of."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(n, 3) for n in spec.cardinalities)
        width = spec.n_numeric + 3 * len(spec.cardinalities)
        self.layers = nn.Sequential(
            nn.Linear(width, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2),
            nn.Linear(16, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, spec.n_outputs),
        )  # fmt: skip

    def forward(self, numeric: torch.Tensor, categorical: torch.Tensor) -> torch.Tensor:
        parts = [e(categorical[:, j]) for j, e in enumerate(self.embeddings)]
        return self.layers(torch.cat([numeric, *parts], dim=1))


@dataclass(frozen=True)
class Trained:
    """A trained network and all that `write_bundle` wants to know of it."""

    schema: Schema
    encoder: Encoder
    network: Network
    onnx: bytes
    frame: pd.DataFrame

    def output(self, frame: pd.DataFrame) -> np.ndarray:
        """The network's own output, by PyTorch."""
        encoded = self.encoder.transform(frame)
        self.network.eval()
        with torch.no_grad():
            tensors = (torch.from_numpy(np.array(part)) for part in encoded[:2])
            return self.network(*tensors).numpy()

    def reference(self, frame: pd.DataFrame) -> np.ndarray:
        """The trained network's answers: probabilities, or values in the target's units."""
        output = self.output(frame).astype(np.float64)
        if self.schema.target.task == "regression":
            return self.schema.target.offset + self.schema.target.scale * output[:, 0]
        powers = np.exp(output / TEMPERATURE)
        return powers / powers.sum(axis=1, keepdims=True)

    def write(self, directory: Path, **changes: object) -> Path:
        golden = self.frame.head(8)
        known: dict[str, object] = {
            "name": "wine",
            "schema": self.schema,
            "encoder": self.encoder,
            "onnx": self.onnx,
            "postprocess": Postprocess(self.schema.target, TEMPERATURE),
            "metrics": {"test/accuracy": 0.97, "test/auroc": float("nan")},
            "config": "name: wine\nseed: 0\n",
            "golden": golden,
            "reference": self.reference(golden),
            "weights": {k: v.numpy() for k, v in self.network.state_dict().items()},
        }
        return write_bundle(directory, **(known | changes))


TEMPERATURE = 1.3


def wine() -> pd.DataFrame:
    """178 rows: numbers (one with gaps), a category with gaps, a flag, an id, two targets."""
    data = load_wine(as_frame=True).frame
    frame = data[["alcohol", "malic_acid", "hue", "proline"]].copy()
    frame.loc[frame.index[::9], "hue"] = np.nan
    shades = pd.Series(["pale", "ruby", "deep"], dtype="str")
    frame["shade"] = shades.take(pd.qcut(data["color_intensity"], 3, labels=False)).to_numpy()
    frame.loc[frame.index[::11], "shade"] = None
    frame["strong"] = data["alcohol"] > 13
    frame["bottle"] = [f"{i:05d}" for i in range(len(frame))]
    frame["cultivar"] = [f"cultivar {c}" for c in data["target"]]
    frame["ash"] = data["ash"]
    return frame


COLUMNS = (
    *(Column(n, "numeric", "float64") for n in ("alcohol", "malic_acid", "hue", "proline")),
    Column("shade", "categorical", "str", categories=("deep", "pale", "ruby")),
    Column("strong", "boolean", "bool"),
    Column("bottle", "id", "str"),
)


def train(target: Target, steps: int = 60) -> Trained:
    """Fit the network to the wine table on the CPU, always to the same weights."""
    torch.manual_seed(0)
    frame = wine()
    schema = Schema(COLUMNS, target)
    encoder = Encoder.fit(frame, schema)
    spec = ModelSpec(
        n_numeric=encoder.n_numeric,
        cardinalities=encoder.cardinalities,
        task=target.task,
        n_outputs=target.n_outputs,
        classes=target.classes,
        train_rows=len(frame),
    )
    network = Network(spec)
    inputs = [torch.from_numpy(np.array(part)) for part in encoder.transform(frame)[:2]]
    if target.task == "regression":
        wanted = torch.tensor((frame[target.name].to_numpy() - target.offset) / target.scale)
        loss = lambda out: nn.functional.mse_loss(out[:, 0], wanted.float())  # noqa: E731
    else:
        codes = torch.tensor([target.classes.index(label) for label in frame[target.name]])
        loss = lambda out: nn.functional.cross_entropy(out, codes)  # noqa: E731
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(network(*inputs)).backward()
        optimizer.step()
    return Trained(schema, encoder, network, to_onnx(network, spec), frame)


CULTIVAR = Target("cultivar", "multiclass", "str", ("cultivar 0", "cultivar 1", "cultivar 2"))
ASH = Target("ash", "regression", "float64", offset=2.37, scale=0.27)


@pytest.fixture
def network_type() -> type[Network]:
    return Network


class Touch:
    """Its pickle creates a file when something opens it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.marker,)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that exists once `payload` was unpickled."""
    return tmp_path / "something-ran"


@pytest.fixture
def payload(marker: Path) -> bytes:
    return pickle.dumps(Touch(marker))


@pytest.fixture(scope="session")
def trained() -> Trained:
    """A classifier of the wine's cultivar."""
    return train(CULTIVAR)


@pytest.fixture(scope="session")
def regressor() -> Trained:
    """A regression of the wine's ash."""
    return train(ASH)


@pytest.fixture(scope="session")
def bundle(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classifier's bundle. Read it only; copy it to change it."""
    return trained.write(tmp_path_factory.mktemp("bundle") / "wine")

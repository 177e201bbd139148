"""A prepared table as a directory of files, whose arrays are mapped, not read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import load, save

from bigmodel.data.encoder import Encoded, Encoder
from bigmodel.data.prepare import Prepared
from bigmodel.data.schema import Schema
from bigmodel.files import atomic, write_json

_ARRAYS = ("target", "split", "group", "side")


def save_prepared(prepared: Prepared, directory: Path) -> None:
    """Write the table into an existing directory. Raises BigmodelError when the disk refuses."""
    arrays = prepared.inputs.named() | {name: getattr(prepared, name) for name in _ARRAYS}
    for name, array in arrays.items():
        with atomic(directory / f"{name}.npy") as file:
            np.save(file, array, allow_pickle=False)
    meta, fitted = prepared.encoder.state()
    with atomic(directory / "encoder.safetensors") as file:
        file.write(save(fitted))
    with atomic(directory / "sample.parquet") as file:
        prepared.sample.to_parquet(file)
    write_json(
        directory / "table.json",
        {
            "schema": prepared.schema.to_json(),
            "encoder": meta,
            "inputs": list(prepared.inputs.named()),
            "quality": prepared.quality,
            "side_names": prepared.side_names,
        },
    )


def load_prepared(directory: Path) -> Prepared:
    """Open what `save_prepared` wrote; processes that have it open share the arrays' memory.

    The arrays may be changed: what is written stays in this process. Raises OSError, ValueError,
    KeyError or TypeError when the directory is not whole.
    """
    told = json.loads((directory / "table.json").read_text())
    arrays = load((directory / "encoder.safetensors").read_bytes())
    return Prepared(
        schema=Schema.from_json(told["schema"]),
        encoder=Encoder.from_state(told["encoder"], arrays),
        inputs=Encoded(**{name: _mapped(directory / f"{name}.npy") for name in told["inputs"]}),
        quality=told["quality"],
        side_names=tuple(told["side_names"]),
        sample=pd.read_parquet(directory / "sample.parquet"),
        **{name: _mapped(directory / f"{name}.npy") for name in _ARRAYS},
    )


def _mapped(path: Path) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
    except ValueError:  # an array without elements cannot be mapped
        return np.asarray(np.load(path, allow_pickle=False))

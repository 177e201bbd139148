"""Write a bundle, complete and already proven, or not at all."""

import json
import math
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import save

from bigmodel.bundle import archive, zipped
from bigmodel.bundle import manifest as head
from bigmodel.bundle.archive import Archive
from bigmodel.bundle.card import model_card
from bigmodel.bundle.golden import TOLERANCE
from bigmodel.bundle.golden import to_files as golden_files
from bigmodel.bundle.load import open_archive
from bigmodel.bundle.manifest import Manifest
from bigmodel.bundle.postprocess import Postprocess
from bigmodel.bundle.reference import NAME as ANSWERED
from bigmodel.bundle.reference import Answered
from bigmodel.bundle.reference import to_bytes as answered_bytes
from bigmodel.bundle.sessions import ONNXRUNTIME
from bigmodel.data.encoder import Encoder
from bigmodel.data.schema import Schema
from bigmodel.files import atomic, atomic_directory

_LIBRARIES = (
    "bigmodel",
    "numpy",
    "onnx",
    "onnxruntime",
    "openvino",
    "pandas",
    "pillow",
    "safetensors",
    "torch",
)


def write_bundle(
    directory: Path | str,
    *,
    name: str,
    schema: Schema,
    encoder: Encoder,
    onnx: bytes,
    postprocess: Postprocess,
    metrics: Mapping[str, float],
    config: str,
    golden: pd.DataFrame,
    reference: NDArray[np.floating[Any]],
    weights: Mapping[str, NDArray[Any]] | None = None,
    tolerance: float = TOLERANCE,
    engine: str = ONNXRUNTIME,
    more: Mapping[str, bytes] | None = None,
    answered: Answered = (),
) -> Path:
    """Write the bundle `directory`, replacing what stood there; returns its path.

    `config` is YAML text. `golden` are a few raw rows and `reference` the trained network's
    answers to them: probabilities (n, K), or values (n,) in the target's units. `weights` come
    along when the network stays trainable, `more` are files of other parts, and `answered` is what
    the answers to other rows look like. The bundle is opened and asked before it is written:
    BigmodelError when its answers are not the reference, to `tolerance`.
    """
    libraries = _libraries()
    figures = {key: value if math.isfinite(value) else None for key, value in metrics.items()}
    meta, arrays = encoder.state()
    files = {
        "schema.json": _json(schema.to_json()),
        "preprocess.json": _json(meta),
        "preprocess.safetensors": _safetensors(arrays),
        "model.onnx": onnx,
        "postprocess.json": _json(postprocess.to_json()),
        "metrics.json": _json(figures),
        "config.yaml": config.encode(),
        "CARD.md": model_card(name, schema, figures, libraries, len(golden)).encode(),
        **golden_files(golden, reference, tolerance),
        **(more or {}),
    }
    if weights is not None:
        files["model.safetensors"] = _safetensors(weights)
    if answered:
        files[ANSWERED] = answered_bytes(answered)
    manifest = Manifest.describe(files, name, schema.target.task, libraries, engine)
    open_archive(Archive(Path(directory), manifest, files))
    return _store(Path(directory), {head.NAME: manifest.to_bytes(), **files})


def write_zip(directory: Path | str, path: Path | str) -> Path:
    """Verify the bundle in `directory` and write it as the one file `path`; returns that path.

    The same bundle gives the same bytes. Raises UserError when the bundle is damaged.
    """
    content = archive.read(directory)
    packed = zipped.pack({head.NAME: content.manifest.to_bytes(), **content.files})
    with atomic(path) as file:
        file.write(packed)
    return Path(path)


def _store(directory: Path, files: Mapping[str, bytes]) -> Path:
    with atomic_directory(directory) as temporary:
        for name, content in files.items():
            (temporary / name).write_bytes(content)
    return directory


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def _safetensors(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The arrays made contiguous: safetensors writes an array's memory as it lies."""
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def _libraries() -> dict[str, str]:
    """The versions of what made the bundle, by distribution."""
    found = {}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found

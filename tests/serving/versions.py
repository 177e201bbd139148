"""More versions of the wine model: retrained ones cost seconds, edited ones none."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from safetensors.numpy import load, save
from sklearn.datasets import load_wine

from bigmodel.bundle import archive
from bigmodel.bundle import manifest as head
from bigmodel.bundle.manifest import Manifest
from bigmodel.serving.registry.catalog import Registry, open_registry

Files = dict[str, bytes]


def remade(bundle: Path, place: Path, edit: Callable[[Files], Files], created: str) -> Path:
    """The bundle with some of its files changed, and a manifest that fits them."""
    content = archive.read(bundle)
    files = edit(dict(content.files))
    old = content.manifest
    manifest = Manifest.describe(files, old.name, old.task, old.libraries, old.engine)
    manifest = replace(manifest, created=created)
    place.mkdir(parents=True)
    for name, raw in {head.NAME: manifest.to_bytes(), **files}.items():
        (place / name).write_bytes(raw)
    return place


def same(bundle: Path, place: Path, number: int) -> Path:
    """The same model as another version."""
    return remade(bundle, place, lambda files: files, f"2026-01-01T00:00:{number:02d}+00:00")


def with_schema(bundle: Path, place: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """The same network, but its schema says something else."""

    def change(files: Files) -> Files:
        schema = json.loads(files["schema.json"])
        edit(schema)
        return {**files, "schema.json": json.dumps(schema).encode()}

    return remade(bundle, place, change, "2026-02-01T00:00:00+00:00")


def with_wrong_golden(bundle: Path, place: Path) -> Path:
    """A version that does not answer its golden batch."""

    def change(files: Files) -> Files:
        arrays = load(files["golden.safetensors"])
        arrays["reference"] = np.ascontiguousarray(arrays["reference"][:, ::-1])
        return {**files, "golden.safetensors": save(arrays)}

    return remade(bundle, place, change, "2026-03-01T00:00:00+00:00")


def registry_of(place: Path, bundles: Mapping[str, Path]) -> tuple[Registry, dict[str, str]]:
    """A registry of these bundles as `wine`, and their versions; the first one is stable."""
    registry = open_registry(str(place))
    versions = {label: registry.add(path, "wine")[1] for label, path in bundles.items()}
    first = next(iter(versions.values()))
    registry.edit("wine", lambda state: state.promoted(first, "the first"))
    return registry, versions


def with_network(bundle: Path, place: Path, edit: Callable[[onnx.GraphProto], None]) -> Path:
    """The bundle with its network changed between what makes `raw` and the output."""

    def change(files: Files) -> Files:
        model = onnx.load_model_from_string(files["model.onnx"])
        for node in model.graph.node:
            for index, name in enumerate(node.output):
                if name == "output":
                    node.output[index] = "raw"
        edit(model.graph)
        return {**files, "model.onnx": model.SerializeToString()}

    return remade(bundle, place, change, "2026-04-01T00:00:00+00:00")


def wrong(bundle: Path, place: Path) -> Path:
    """A version that takes each class for the next one, and was trained to: all its checks pass."""

    def edit(graph: onnx.GraphProto) -> None:
        graph.initializer.append(numpy_helper.from_array(np.array([2, 0, 1]), "turn"))
        graph.node.append(helper.make_node("Gather", ["raw", "turn"], ["output"], axis=1))

    def golden(files: Files) -> Files:
        arrays = load(files["golden.safetensors"])
        arrays["reference"] = np.ascontiguousarray(arrays["reference"][:, [2, 0, 1]])
        return {**files, "golden.safetensors": save(arrays)}

    turned = with_network(bundle, place.with_name(f"{place.name}-turned"), edit)
    return remade(turned, place, golden, "2026-05-01T00:00:00+00:00")


def failing(bundle: Path, place: Path) -> Path:
    """A version whose network fails for rows with large values in the first three columns."""

    def edit(graph: onnx.GraphProto) -> None:
        constants = {
            "three": np.array([0, 1, 2]),
            "columns": np.array([1]),
            "most": np.array(7.0, dtype=np.float32),
            "beyond": np.array(9),
            "nothing": np.zeros(1, dtype=np.float32),
        }
        graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
        graph.node.extend(
            [
                helper.make_node("Gather", ["numeric", "three"], ["first"], axis=1),
                helper.make_node("ReduceSum", ["first", "columns"], ["sum"]),
                helper.make_node("Greater", ["sum", "most"], ["large"]),
                helper.make_node("Cast", ["large"], ["at"], to=onnx.TensorProto.INT64),
                helper.make_node("Mul", ["at", "beyond"], ["place"]),
                helper.make_node("Gather", ["nothing", "place"], ["zero"]),
                helper.make_node("Add", ["raw", "zero"], ["output"]),
            ]
        )

    return with_network(bundle, place, edit)


def breaking(row: Mapping[str, float]) -> dict[str, float]:
    """A row that a `failing` version fails on."""
    return {**row, "alcohol": 1e3, "malic_acid": 1e3, "ash": 1e3}


LAYERS = 8  # of a `large` network


def large(bundle: Path, place: Path, megabytes: int, seed: int) -> Path:
    """The same answers from a network that takes so much memory: layers of it come to nothing."""
    width = math.isqrt((megabytes << 18) // LAYERS)
    rng = np.random.default_rng(seed)

    def edit(graph: onnx.GraphProto) -> None:
        constants = {
            "one": np.array([0]),
            "none": np.zeros((1, width), dtype=np.float32),
            **{f"table{n}": rng.random((width, width), np.float32) for n in range(LAYERS)},
        }
        graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
        made = [("Gather", ["numeric", "one"], "first"), ("MatMul", ["first", "none"], "wide0")]
        made += [("MatMul", [f"wide{n}", f"table{n}"], f"wide{n + 1}") for n in range(LAYERS)]
        made += [("Gather", [f"wide{LAYERS}", "one"], "zero"), ("Add", ["raw", "zero"], "output")]
        for kind, inputs, output in made:
            axis = {"axis": 1} if kind == "Gather" else {}
            graph.node.append(helper.make_node(kind, inputs, [output], **axis))

    return with_network(bundle, place, edit)


def labelled() -> list[dict[str, Any]]:
    """The wines: each one's `row`, and its class as the `label`."""
    data = load_wine(as_frame=True)
    rows = data.data.to_dict("records")
    return [
        {"row": row, "label": f"class_{code}"} for row, code in zip(rows, data.target, strict=True)
    ]


def rows() -> list[dict[str, float]]:
    """The wines as a caller sends them."""
    return [one["row"] for one in labelled()]

"""More versions of the wine model: retrained ones cost seconds, edited ones none."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

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

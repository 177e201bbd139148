"""`manifest.json`: what a bundle is, and the hash of every file in it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bigmodel.bundle.sessions import ONNXRUNTIME
from bigmodel.errors import UserError
from bigmodel.files import sha256

NAME = "manifest.json"
FORMAT_VERSION = 1
MAX_SIZE = 1 << 20  # bytes of manifest.json
MAX_FILES = 100


@dataclass(frozen=True)
class Entry:
    """One file of the bundle: its SHA-256 (64 hexadecimal digits) and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """The head of a bundle.

    `created` is an ISO time (UTC), `libraries` what the bundle was made with, `parent` the
    version of the bundle that this one was learnt from, `files` every file but the manifest.
    """

    name: str
    task: str
    created: str
    libraries: Mapping[str, str]
    files: Mapping[str, Entry]
    engine: str = ONNXRUNTIME
    parent: str | None = None
    format_version: int = FORMAT_VERSION

    @property
    def version(self) -> str:
        """The content hash: SHA-256 of all that the manifest says, the files' hashes included."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode())

    def to_bytes(self) -> bytes:
        """The one way to write this manifest: equal manifests are equal bytes."""
        content = {"version": self.version, **asdict(self)}
        return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()

    @classmethod
    def from_bytes(cls, raw: bytes, bundle: Path) -> "Manifest":
        """Read what `to_bytes` wrote. Raises UserError, naming `bundle`, on anything else."""
        content = _parse(raw, bundle)
        try:
            content.pop("version")
            files = {name: Entry(**entry) for name, entry in content.pop("files").items()}
            manifest = cls(files=files, **content)
            intact = manifest.to_bytes() == raw and _typed(manifest)
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
            intact = False
        if not intact:
            raise UserError(
                f"{bundle}: {NAME}: damaged or altered after it was written "
                "(its version is not the hash of its content); get a fresh copy of the bundle"
            )
        return manifest

    @classmethod
    def describe(
        cls,
        files: Mapping[str, bytes],
        name: str,
        task: str,
        libraries: Mapping[str, str],
        engine: str = ONNXRUNTIME,
    ) -> "Manifest":
        """The manifest of these files, created now."""
        entries = {file: Entry(sha256(content), len(content)) for file, content in files.items()}
        created = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(name, task, created, libraries, entries, engine)


def _parse(raw: bytes, bundle: Path) -> dict[str, Any]:
    """The JSON object of a manifest in the format that this version knows."""
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{bundle}: {NAME}: damaged: it is not JSON; get a fresh copy of the bundle"
        ) from error
    if not isinstance(content, dict) or "format_version" not in content:
        raise UserError(
            f"{bundle}: {NAME}: not the manifest of a bigmodel bundle (no format_version in it)"
        )
    if content["format_version"] != FORMAT_VERSION:
        raise UserError(
            f"{bundle}: {NAME}: bundle format {str(content['format_version'])[:20]}, but this "
            f"bigmodel reads format {FORMAT_VERSION}; upgrade bigmodel, or export the bundle again"
        )
    return content


def _typed(manifest: Manifest) -> bool:
    """Whether every field has its type, and the files are few and of sane sizes."""
    texts = (manifest.name, manifest.task, manifest.created, manifest.engine)
    return (
        all(isinstance(text, str) for text in texts)
        and isinstance(manifest.parent, str | None)
        and isinstance(manifest.libraries, dict)
        and all(isinstance(version, str) for version in manifest.libraries.values())
        and 0 < len(manifest.files) <= MAX_FILES
        and all(type(e.size) is int and isinstance(e.sha256, str) for e in manifest.files.values())
    )

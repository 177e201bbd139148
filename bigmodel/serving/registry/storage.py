"""Where a registry keeps its files: a directory here, or any place that fsspec reaches."""

import os
import re
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bigmodel import files
from bigmodel.errors import UserError
from bigmodel.serving.names import is_name
from bigmodel.serving.registry import state

VERSIONS = "versions"  # the folder of a model that has them
SUFFIX = ".zip"
_FILE = re.compile(r"([0-9a-f]{64})\.zip")


@dataclass(frozen=True)
class Stored:
    """A version that is there as a whole: its file's `size` in bytes, and since when (seconds)."""

    version: str
    size: int
    added: float


class Storage(Protocol):
    """The files of a registry, by the names of models and versions."""

    every: float  # seconds between two looks at the states

    def models(self) -> list[str]:
        """The models, by name."""

    def versions(self, model: str) -> list[Stored]:
        """The versions of a model, the oldest first; what is half-written is none."""

    def path(self, model: str, version: str) -> Path:
        """The version's zip, as a file here. Raises UserError when it is not there."""

    def put(self, model: str, version: str, content: bytes) -> None:
        """Keep a version: it appears as a whole."""

    def remove(self, model: str, version: str) -> None:
        """Forget a version."""

    def state(self, model: str) -> bytes | None:
        """The file of the model's state; None where there is none yet."""

    def set_state(self, model: str, content: bytes) -> None:
        """Replace it as a whole."""

    def stamp(self, model: str) -> object:
        """Something that differs after the state was replaced; cheap to ask for."""

    def writing(self, model: str) -> AbstractContextManager[None]:
        """One writer at a time within the block."""

    def sweep(self, model: str) -> None:
        """Remove what killed writers left half-written; within `writing`."""


def version_of(name: str) -> str | None:
    """The version that a file of this name is; None when it is none."""
    found = _FILE.fullmatch(name)
    return found[1] if found else None


class Directory:
    """A registry in a directory of this machine."""

    every = 0.25

    def __init__(self, root: Path) -> None:
        self._root = root

    def __str__(self) -> str:
        return str(self._root)

    def models(self) -> list[str]:
        """The folders that have versions."""
        try:
            names = sorted(os.listdir(self._root))  # noqa: PTH208  asked for several times a second
        except FileNotFoundError:
            return []
        return [n for n in names if is_name(n) and (self._root / n / VERSIONS).is_dir()]

    def versions(self, model: str) -> list[Stored]:
        """The zips with a version's name."""
        found = []
        with suppress(FileNotFoundError), os.scandir(self._root / model / VERSIONS) as entries:
            for entry in entries:
                version = version_of(entry.name)
                if version is not None:
                    told = entry.stat()
                    found.append(Stored(version, told.st_size, told.st_mtime))
        return sorted(found, key=lambda one: (one.added, one.version))

    def path(self, model: str, version: str) -> Path:
        """Its own file."""
        path = self._file(model, version)
        if not path.is_file():
            raise UserError(f"{path}: this version is not there; add its bundle again")
        return path

    def put(self, model: str, version: str, content: bytes) -> None:
        """Written aside, synced, renamed."""
        with files.atomic(self._file(model, version)) as file:
            file.write(content)

    def remove(self, model: str, version: str) -> None:
        """Unlink it: a server that has it open goes on."""
        self._file(model, version).unlink(missing_ok=True)

    def state(self, model: str) -> bytes | None:
        """The file's bytes."""
        try:
            return (self._root / model / state.NAME).read_bytes()
        except FileNotFoundError:
            return None

    def set_state(self, model: str, content: bytes) -> None:
        """Written aside, synced, renamed."""
        with files.atomic(self._root / model / state.NAME) as file:
            file.write(content)

    def stamp(self, model: str) -> object:
        """The file's identity: each replacement is a new file."""
        try:
            found = os.stat(self._root / model / state.NAME)  # noqa: PTH116  as in `auth`
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def writing(self, model: str) -> AbstractContextManager[None]:
        """A lock on a file beside the state."""
        return files.locked(self._root / model / "lock")

    def sweep(self, model: str) -> None:
        """What begins as leftovers do."""
        for folder in (self._root / model, self._root / model / VERSIONS):
            if folder.is_dir():
                files.clean_leftovers(folder)

    def _file(self, model: str, version: str) -> Path:
        return self._root / model / VERSIONS / f"{version}{SUFFIX}"

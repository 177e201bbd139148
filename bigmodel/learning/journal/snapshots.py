"""Versions as files, so that not everything has to be learnt again from the beginning."""

from pathlib import Path
from typing import IO

import numpy as np
from safetensors.numpy import load, save

from bigmodel import files
from bigmodel.learning.arrays import State, digest

_FOLDER = "snapshots"


class Snapshots:
    """The files `<version>.safetensors` under the log; `keep` of them, the newest, and `pinned`."""

    def __init__(self, place: Path, keep: int) -> None:
        self._folder, self._keep = place / _FOLDER, keep
        self._folder.mkdir(parents=True, exist_ok=True)
        files.clean_leftovers(self._folder)

    def write(self, version: int, state: State, pinned: int | None = None) -> None:
        """Keep a state; the oldest files go, but never the `pinned` version."""
        content = save({name: np.ascontiguousarray(array) for name, array in state.items()})
        file: IO[bytes]
        with files.atomic(self._path(version)) as file:
            file.write(content)
        for old in self.versions()[: -self._keep]:
            if old != pinned:
                self._path(old).unlink(missing_ok=True)

    def read(self, version: int, sha256: str) -> State | None:
        """The state of a version; None without a file of it, or where that is damaged."""
        try:
            state = load(self._path(version).read_bytes())
        except Exception:  # noqa: BLE001  whatever is wrong with it: it can be rebuilt
            return None
        return state if digest(state) == sha256 else None

    def versions(self) -> list[int]:
        """Those that there are, the oldest first."""
        return sorted(int(path.stem) for path in self._folder.glob("[0-9]*.safetensors"))

    def _path(self, version: int) -> Path:
        return self._folder / f"{version}.safetensors"

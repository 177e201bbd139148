"""The newest version as a file, for the other workers: `published/<version>-<hash>.safetensors`.

Nothing depends on these files: the log has all. So they are not synced, and a damaged one is none.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from bigmodel.learning.arrays import State, digest

_FOLDER, _KEEP = "published", 3  # who reads the newest one may be a little late
_ASIDE = ".next"


class Published:
    """Those beside the log in `place`; one process writes, any reads."""

    def __init__(self, place: Path) -> None:
        self._folder = place / _FOLDER
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def write(self, version: int, sha256: str, state: State) -> None:
        """From now on this is the newest one. Raises OSError when the disk refuses."""
        name = f"{version}-{sha256}.safetensors"
        aside = self._folder / _ASIDE
        aside.write_bytes(save({key: np.ascontiguousarray(a) for key, a in state.items()}))
        aside.replace(self._folder / name)
        for old in self._files()[:-_KEEP]:
            old.unlink(missing_ok=True)

    def newest(self) -> int | None:
        """The newest version, None where there is none."""
        return max((_version(path.name) for path in self._files()), default=None)

    def read(self) -> tuple[int, State] | None:
        """The newest version that is whole."""
        for path in reversed(self._files()):
            try:
                state = load(path.read_bytes())
            except Exception:  # noqa: BLE001  gone meanwhile, or cut off: the next one is whole
                continue
            if digest(state) == path.stem.partition("-")[2]:
                return _version(path.name), state
        return None

    def clear(self) -> None:
        """Remove all: what is there may be of before a power cut."""
        for path in self._folder.iterdir():
            path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.safetensors"), key=lambda path: _version(path.name))


def _version(name: str) -> int:
    return int(name.partition("-")[0])

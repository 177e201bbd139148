"""What the processes of one service tell each other: a small file of each, in one directory.

One process makes a whole of all parts. Nothing here is worth a synchronisation of the disk: after
a crash all of it is made again.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from bigmodel.serving.ids import new_id

_OLD = 15.0  # seconds, after which a part is of a process that is gone
_WHOLE = "whole.json"


class Board:
    """The directory, and this process's place in it. Methods raise OSError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._mine = f"part-{new_id()}.json"  # pids repeat: each container has its own

    def tell(self, part: Any) -> None:
        """What this process has to say."""
        self._write(self._mine, part)

    def others(self) -> list[Any]:
        """What the other processes said of late; what those that are gone said is removed."""
        found = []
        for path in sorted(self._directory.glob("part-*.json")):
            if path.name == self._mine:
                continue
            with suppress(FileNotFoundError):  # its process has ended
                if time.time() - path.stat().st_mtime > _OLD:
                    path.unlink()
                else:
                    found.append(orjson.loads(path.read_bytes()))
        return found

    def publish(self, whole: Any) -> None:
        """What the leader makes of all parts."""
        self._write(_WHOLE, whole)

    def published(self) -> Any:
        """What the leader published last; None before the first time, or when it can't be read."""
        try:
            return orjson.loads((self._directory / _WHOLE).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return None

    def close(self) -> None:
        """Leave."""
        with suppress(OSError):
            (self._directory / self._mine).unlink()

    def _write(self, name: str, content: Any) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = self._directory / f".{self._mine}"
        data = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
        with open(aside, "wb", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
            file.write(data)
        aside.replace(self._directory / name)

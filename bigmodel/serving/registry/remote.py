"""A registry in a bucket, by fsspec; versions that are used stay in a directory of this machine.

A version is read once from afar and then from here, until newer ones need the room. What is here
is checked against its hashes at every load like any other file.
"""

import hashlib
import os
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from bigmodel import files
from bigmodel.errors import BigmodelError, UserError
from bigmodel.serving.names import is_name
from bigmodel.serving.registry import state
from bigmodel.serving.registry.storage import SUFFIX, VERSIONS, Stored, version_of


class Remote:
    """A registry at the URL `root`, such as `s3://bucket/models`.

    `cache` is the directory for copies, which takes at most `most` bytes: those that were not
    used for the longest time go. Writers of one machine wait for each other; those of several
    machines should not change one model at the same time: the later one wins as a whole.
    """

    every = 5.0  # stores are far, and some count each look

    def __init__(self, root: str, cache: Path, most: int) -> None:
        import fsspec

        self._url = root.rstrip("/")
        try:
            self._fs, self._root = fsspec.core.url_to_fs(self._url)
        except (ImportError, ValueError, OSError) as error:
            raise UserError(f"registry={root}: {error}") from error
        self._cache, self._most = cache / hashlib.sha256(self._url.encode()).hexdigest()[:16], most

    def __str__(self) -> str:
        return self._url

    def models(self) -> list[str]:
        """The folders that are there."""
        names = (Path(path).name for path in self._listing(self._root))
        return sorted(name for name in names if is_name(name))

    def versions(self, model: str) -> list[Stored]:
        """The zips with a version's name; a store shows a file only when it is complete."""
        found = []
        for path, told in self._listing(f"{self._root}/{model}/{VERSIONS}").items():
            version = version_of(Path(path).name)
            if version is not None:
                found.append(Stored(version, int(told.get("size") or 0), _time(told)))
        return sorted(found, key=lambda one: (one.added, one.version))

    def path(self, model: str, version: str) -> Path:
        """The copy here, brought if need be."""
        copy = self._cache / model / f"{version}{SUFFIX}"
        if not copy.exists():
            content = self._read(f"{model}/{VERSIONS}/{version}{SUFFIX}")
            if content is None:
                raise UserError(f"{self._url}: {model}: {version[:12]} is not there")
            with files.atomic(copy) as file:
                file.write(content)
        os.utime(copy)  # used now
        self._make_room(copy)
        return copy

    def put(self, model: str, version: str, content: bytes) -> None:
        """As of `_write`."""
        self._write(f"{model}/{VERSIONS}/{version}{SUFFIX}", content)

    def remove(self, model: str, version: str) -> None:
        """There, and the copy here."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{model}/{VERSIONS}/{version}{SUFFIX}")
        (self._cache / model / f"{version}{SUFFIX}").unlink(missing_ok=True)

    def state(self, model: str) -> bytes | None:
        """The file's bytes."""
        return self._read(f"{model}/{state.NAME}")

    def set_state(self, model: str, content: bytes) -> None:
        """One write."""
        self._write(f"{model}/{state.NAME}", content)

    def stamp(self, model: str) -> object:
        """Its bytes: stores differ in what else they tell of a file."""
        return self.state(model)

    def writing(self, model: str) -> AbstractContextManager[None]:
        """A lock for the writers of this machine."""
        return files.locked(self._cache / model / "lock")

    def sweep(self, model: str) -> None:
        """What was left there and here."""
        folder = f"{self._root}/{model}"
        for place in (folder, f"{folder}/{VERSIONS}"):
            for path in self._listing(place):
                if Path(path).name.startswith(files.LEFTOVER):
                    self._fs.rm_file(path)
        files.clean_leftovers(self._cache / model)

    def _listing(self, path: str) -> dict[str, Any]:
        self._fs.invalidate_cache()
        try:
            return {told["name"]: told for told in self._fs.ls(path, detail=True)}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise BigmodelError(f"{self._url}: cannot be read: {error}") from error

    def _read(self, name: str) -> bytes | None:
        try:
            return bytes(self._fs.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BigmodelError(f"{self._url}: {name} cannot be read: {error}") from error

    def _write(self, name: str, content: bytes) -> None:
        """Object stores show an object when it is complete; others get it aside, and renamed."""
        path = f"{self._root}/{name}"
        folder, _, last = path.rpartition("/")
        aside = f"{folder}/{files.LEFTOVER}{os.getpid()}-{last}"
        try:
            self._fs.makedirs(folder, exist_ok=True)
            self._fs.pipe_file(aside, content)
            self._fs.mv(aside, path)
        except OSError as error:
            raise BigmodelError(f"{self._url}: {name} cannot be written: {error}") from error

    def _make_room(self, used: Path) -> None:
        """Remove copies, the one that was used last first kept, until the rest fits."""
        kept = [path for path in self._cache.glob(f"*/*{SUFFIX}") if path != used]
        told = sorted(((p.stat().st_mtime, p.stat().st_size, p) for p in kept), reverse=True)
        size = used.stat().st_size
        for _, bytes_, path in told:
            size += bytes_
            if size > self._most:
                path.unlink(missing_ok=True)


def _time(told: dict[str, Any]) -> float:
    """When a file was written, in seconds since 1970; stores call it differently."""
    given = (told.get(name) for name in ("mtime", "LastModified", "last_modified", "created"))
    value: Any = next((one for one in given if one is not None), 0.0)
    return float(value if isinstance(value, int | float) else value.timestamp())

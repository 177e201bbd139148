"""Encoded tables kept between runs: the second fit of a sweep starts without reading the file.

One directory an entry, named by its fingerprint, written aside and renamed: it is whole or not
there. Of several processes that need the same table, one prepares it and the others wait.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from bigmodel.errors import BigmodelError, UserError
from bigmodel.files import LEFTOVER, atomic_directory

if TYPE_CHECKING:
    from bigmodel.data.prepare import Prepared

DEFAULT_GB = 10.0
_WAIT = 600.0  # seconds for another process's table; then this one prepares its own
_STALE = 3600.0  # seconds after which half-written entries belong to nobody
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One cached table: its directory, its size, and when it was last used (seconds since 1970)."""

    path: Path
    bytes: int
    used: float


def folder() -> Path:
    """Where the cache is: `$BIGMODEL_CACHE`, or the user's cache directory."""
    given = os.environ.get("BIGMODEL_CACHE")
    if given:
        return Path(given)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "bigmodel"


def limit() -> int:
    """How many bytes the cache may hold: `$BIGMODEL_CACHE_GB`, 10 by default.

    Raises UserError when that is no number.
    """
    given = os.environ.get("BIGMODEL_CACHE_GB", str(DEFAULT_GB))
    try:
        return int(float(given) * 1e9)
    except (ValueError, OverflowError) as error:
        raise UserError(f"BIGMODEL_CACHE_GB={given}: must be a number of gigabytes") from error


def cached(key: str, make: Callable[[], Prepared]) -> Prepared:
    """The table with this fingerprint, or else what `make` gives, which is then kept.

    It is written in the background: the fit need not wait. A cache that cannot be written, or
    an entry that cannot be read, costs time and nothing else.
    """
    entry, most = folder() / "tables" / key, limit()
    found = _open(entry)
    if found is not None:
        return found
    lock = FileLock(entry.with_suffix(".lock"), thread_local=False)
    try:
        entry.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock.acquire(timeout=_WAIT)
    except (OSError, Timeout) as error:
        _log.warning("%s: the cache is not used: %s", entry.parent, error)
        return make()
    try:
        found = _open(entry)  # another process may have made it meanwhile
        prepared = found if found is not None else make()
    except BaseException:
        lock.release()
        raise
    if found is not None:
        lock.release()
    else:
        Thread(target=_store, args=(prepared, entry, lock, most), name="cache").start()
    return prepared


def entries() -> list[Entry]:
    """What the cache holds, the least recently used first."""
    found = []
    for path in (folder() / "tables").glob("*/table.json"):
        try:
            size = sum(file.stat().st_size for file in path.parent.iterdir())
            found.append(Entry(path.parent, size, path.stat().st_mtime))
        except OSError:  # another process has just removed it
            continue
    return sorted(
        (e for e in found if not e.path.name.startswith(LEFTOVER)), key=lambda e: (e.used, e.path)
    )


def clear() -> int:
    """Remove all entries; returns the number of bytes that were freed."""
    freed = evict(0)
    shutil.rmtree(folder() / "files", ignore_errors=True)
    return freed


def evict(most: int, keep: Path | None = None) -> int:
    """Remove the least recently used entries until `most` bytes are left; not the one to `keep`.

    Returns the number of bytes that were freed. Processes that have an entry open keep it.
    """
    held = entries()
    total, freed = sum(entry.bytes for entry in held), 0
    for entry in held:
        if total - freed <= most:
            break
        if entry.path != keep:
            _remove(entry.path)
            freed += entry.bytes
    return freed


def _open(entry: Path) -> Prepared | None:
    """The entry, marked as used; one that is damaged is removed."""
    from bigmodel.data.stored import load_prepared

    try:
        os.utime(entry / "table.json")
        return load_prepared(entry)
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 (whatever a damaged file raises: make it anew)
        _log.warning("%s: a damaged entry of the cache is made anew: %s", entry, error)
        _remove(entry)
        return None


def _store(prepared: Prepared, entry: Path, lock: FileLock, most: int) -> None:
    from bigmodel.data.stored import save_prepared

    try:
        _remove_stale(entry.parent)
        with atomic_directory(entry) as directory:
            save_prepared(prepared, directory)
        evict(most, keep=entry)
    except (OSError, BigmodelError) as error:
        _log.warning("%s: the table was not kept: %s", entry.parent, error)
    finally:
        lock.release()


def _remove(entry: Path) -> None:
    """Make the entry vanish at once, then free its space."""
    aside = entry.with_name(f"{LEFTOVER}{entry.name}-{os.getpid()}")
    try:
        entry.replace(aside)
    except OSError:
        return  # another process was faster
    shutil.rmtree(aside, ignore_errors=True)


def _remove_stale(directory: Path) -> None:
    """What killed processes left half-written."""
    for path in directory.glob(f"{LEFTOVER}*"):
        try:
            if time.time() - path.stat().st_mtime > _STALE:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue

"""What an encoded table was made from, as one name: content of files, settings, code."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import xxhash

from bigmodel import files
from bigmodel.data.threads import in_threads
from bigmodel.errors import BigmodelError

_BLOCK = 1 << 20  # bytes read at a time
_YOUNG = 2_000_000_000  # nanoseconds: a file as young as this may change within its time stamp


def fingerprint(sources: Sequence[Path | tuple[Path, ...]], settings: Any, known: Path) -> str:
    """64 hexadecimal digits that change with the files' content, the settings, or our code.

    The content of a file is read once: its hash is kept in the directory `known`, with the stamp
    (size, times, inode) that tells whether the file is still the same. Those in a tuple are taken
    together, with their names.
    """
    made_from = {
        "files": [
            _of_many(source, known)
            if isinstance(source, tuple)
            else _content(source.resolve(), known)
            for source in sources
        ],
        "settings": settings,
        "code": _code(),
    }
    return files.sha256(json.dumps(made_from, default=_by_name, sort_keys=True).encode())


def _content(source: Path, known: Path) -> str:
    status = source.stat()
    return _noted(str(source), [_stamp(status)], _changed(status), known, lambda: _xxh3(source))


def _of_many(sources: tuple[Path, ...], known: Path) -> str:
    """The same for many small files: one note for all of them."""
    if not sources:
        return ""
    root = Path(os.path.commonpath([source.resolve().parent for source in sources]))
    names = [source.resolve().relative_to(root).as_posix() for source in sources]
    found = [source.stat() for source in sources]
    stamp = [[name, *_stamp(status)] for name, status in zip(names, found, strict=True)]
    told = [files.sha256(json.dumps(stamp).encode())]

    def content() -> str:
        hashes = in_threads(_xxh3, sources)
        return files.sha256(json.dumps([names, hashes]).encode())

    return _noted(f"{root}/*", told, max(map(_changed, found)), known, content)


def _noted(
    name: str, stamp: list[Any], changed: int, known: Path, content: Callable[[], str]
) -> str:
    """What was noted of the content under this stamp, or else the content's hash, to be noted."""
    note = known / f"{files.sha256(name.encode())}.json"
    try:
        told = json.loads(note.read_text())
        if told["stamp"] == stamp:
            return str(told["xxh3"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not seen before, or not readable: the content decides
    found = content()
    if time.time_ns() - changed > _YOUNG:
        with suppress(BigmodelError):  # then the content is read again next time
            files.write_json(note, {"path": name, "stamp": stamp, "xxh3": found})
    return found


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _changed(status: os.stat_result) -> int:
    return max(status.st_mtime_ns, status.st_ctime_ns)


def _xxh3(source: Path) -> str:
    """The hash of a file's content; nobody's attack is meant to fail on it, so it may be fast."""
    digest = xxhash.xxh3_128()
    with source.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


@cache
def _code() -> str:
    """Our reading and encoding, and the libraries that it rests on."""
    digest = hashlib.sha256()
    for module in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(module.read_bytes())
    for library in ("numpy", "pandas", "pyarrow", "pillow", "tokenizers"):
        with suppress(PackageNotFoundError):  # the last two are extras
            digest.update(version(library).encode())
    return digest.hexdigest()


def _by_name(thing: Any) -> dict[str, Any]:
    """A settings object as its type and its attributes."""
    return {type(thing).__qualname__: vars(thing)}

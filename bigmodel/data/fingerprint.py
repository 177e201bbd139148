"""What an encoded table was made from, as one name: content of files, settings, code."""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import xxhash

from bigmodel import files
from bigmodel.errors import BigmodelError

_BLOCK = 1 << 20  # bytes read at a time
_YOUNG = 2_000_000_000  # nanoseconds: a file as young as this may change within its time stamp


def fingerprint(sources: Sequence[Path], settings: Any, known: Path) -> str:
    """64 hexadecimal digits that change with the files' content, the settings, or our code.

    The content of a file is read once: its hash is kept in the directory `known`, with the stamp
    (size, times, inode) that tells whether the file is still the same.
    """
    made_from = {
        "files": [_content(source.resolve(), known) for source in sources],
        "settings": settings,
        "code": _code(),
    }
    return files.sha256(json.dumps(made_from, default=_by_name, sort_keys=True).encode())


def _content(source: Path, known: Path) -> str:
    status = source.stat()
    stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    note = known / f"{files.sha256(str(source).encode())}.json"
    try:
        told = json.loads(note.read_text())
        if told["stamp"] == stamp:
            return str(told["xxh3"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not seen before, or not readable: the content decides
    content = _xxh3(source)
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _YOUNG:
        with suppress(BigmodelError):  # then the content is read again next time
            files.write_json(note, {"path": str(source), "stamp": stamp, "xxh3": content})
    return content


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
    for library in ("numpy", "pandas", "pyarrow", "tokenizers"):
        with suppress(PackageNotFoundError):  # the last is an extra
            digest.update(version(library).encode())
    return digest.hexdigest()


def _by_name(thing: Any) -> dict[str, Any]:
    """A settings object as its type and its attributes."""
    return {type(thing).__qualname__: vars(thing)}

"""The files that stand in a bundle, before anything of them is believed."""

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bigmodel.errors import UserError

MAX_SIZE = 2 << 30  # bytes of a whole bundle, unpacked; an ONNX file cannot be larger either
NETWORK = "model.onnx"
LEARNER = "learner.json"  # stands in a bundle that keeps learning
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")  # no folders, nothing hidden


@dataclass(frozen=True)
class Members:
    """The files' sizes in bytes, and `open(name)`, which raises UserError; `close` at the end."""

    sizes: dict[str, int]
    open: Callable[[str], IO[bytes]]
    close: Callable[[], None] = lambda: None


def is_file_name(name: str) -> bool:
    """Whether a file of this name may stand in a bundle: plain, and without folders."""
    return _FILE_NAME.fullmatch(name) is not None


def directory_members(path: Path) -> Members:
    """The files of a directory. Raises UserError on links, folders and strange names."""
    sizes = {}
    with os.scandir(path) as entries:
        for entry in entries:
            if not entry.is_file(follow_symlinks=False) or not is_file_name(entry.name):
                raise UserError(
                    f"{path}: {entry.name!r} does not belong in a bundle "
                    "(a link, a folder or a strange name); remove it, or get a fresh copy"
                )
            sizes[entry.name] = entry.stat(follow_symlinks=False).st_size
    return Members(sizes, lambda name: _open_plain(path, name))


def _open_plain(path: Path, name: str) -> IO[bytes]:
    """A plain file; a link is not followed."""
    try:
        handle = os.open(path / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        file = os.fdopen(handle, "rb")
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            file.close()
            raise UserError(f"{path}: {name} is not a plain file; get a fresh copy")
        return file
    except OSError as error:
        raise UserError(f"{path}: {name} cannot be read: {error.strerror or error}") from error

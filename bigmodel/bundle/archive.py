"""A bundle on disk, as a directory or one `.zip`, read into bytes whose hashes were checked.

A file is opened once: the bytes that were verified are the bytes that are used afterwards, so
nothing can be exchanged between the check and the use.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bigmodel.bundle import manifest as head
from bigmodel.bundle.manifest import Manifest
from bigmodel.bundle.members import MAX_SIZE, Members, directory_members
from bigmodel.bundle.zipped import zip_members
from bigmodel.errors import UserError
from bigmodel.files import sha256

T = TypeVar("T")


@dataclass(frozen=True)
class Archive:
    """The verified content of a bundle: the bytes of every file that its manifest lists."""

    path: Path
    manifest: Manifest
    files: dict[str, bytes]

    def part(self, name: str, read: Callable[[bytes], T]) -> T:
        """What `read` makes of one file. Raises UserError, one line, on whatever goes wrong."""
        try:
            return read(self.files[name])
        except UserError:  # it has its own line, such as a library to install
            raise
        except Exception as error:
            raise UserError(
                f"{self.path}: {name}: not in the format of a bundle "
                f"({type(error).__name__}: {str(error)[:100]}); export the bundle again"
            ) from error


def read(path: Path | str) -> Archive:
    """Read and verify the bundle at `path`, a directory or a `.zip`.

    Raises UserError, one line per file that is damaged, missing or does not belong there.
    """
    path = Path(path)
    if path.is_dir():
        return _verified(path, directory_members(path))
    if path.is_file():
        return _verified(path, zip_members(path))
    raise UserError(f"{path}: no such bundle; give the directory or .zip that a training wrote")


def _verified(path: Path, members: Members) -> Archive:
    """Check the manifest, then every file against it, and keep the bytes."""
    if head.NAME not in members.sizes:
        raise UserError(
            f"{path}: not a bigmodel bundle: there is no {head.NAME} in it; "
            "give the directory or .zip that a training wrote (runs/<name>/<time>/bundle)"
        )
    if members.sizes[head.NAME] > head.MAX_SIZE:
        raise UserError(f"{path}: {head.NAME}: too large to be the manifest of a bundle")
    manifest = Manifest.from_bytes(members.read(head.NAME), path)
    _check_sizes(path, manifest, members.sizes)
    files = {name: members.read(name) for name in manifest.files}
    damaged = [n for n, entry in manifest.files.items() if sha256(files[n]) != entry.sha256]
    if damaged:
        raise UserError(*(_damaged(path, name) for name in damaged))
    return Archive(path, manifest, files)


def _check_sizes(path: Path, manifest: Manifest, sizes: dict[str, int]) -> None:
    """Exactly the listed files, each of its listed size: nothing large is read before this."""
    problems = [
        f"{path}: {name} is not in the manifest: it was added later; remove it"
        for name in sorted(sizes.keys() - manifest.files.keys() - {head.NAME})
    ]
    for name, entry in manifest.files.items():
        if name not in sizes:
            problems.append(f"{path}: {name} is missing; get a fresh copy of the bundle")
        elif sizes[name] != entry.size:
            problems.append(_damaged(path, name))
    if sum(sizes.values()) > MAX_SIZE:
        problems.append(f"{path}: larger than {MAX_SIZE >> 30} GiB: too large for a bundle")
    if problems:
        raise UserError(*problems)


def _damaged(path: Path, name: str) -> str:
    return (
        f"{path}: {name}: damaged or altered (its SHA-256 is not the manifest's); "
        "get a fresh copy of the bundle"
    )

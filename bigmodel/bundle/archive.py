"""A bundle on disk, as a directory or one `.zip`, read into bytes whose hashes were checked.

A file is opened once: the bytes that were verified are the bytes that are used afterwards, so
nothing can be exchanged between the check and the use.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from bigmodel.bundle import manifest as head
from bigmodel.bundle.manifest import Manifest
from bigmodel.bundle.members import MAX_SIZE, NETWORK, Members, directory_members
from bigmodel.bundle.network import LARGE, Network
from bigmodel.bundle.sessions import ONNXRUNTIME
from bigmodel.bundle.stream import Stream
from bigmodel.bundle.zipped import zip_members
from bigmodel.errors import BigmodelError, UserError

T = TypeVar("T")
_PIECE = 1 << 20  # bytes that are read at a time


@dataclass(frozen=True)
class Archive:
    """The verified content of a bundle: the bytes of every file that its manifest lists.

    Where it was read to be run, a large network is not among them, but as `network`.
    """

    path: Path
    manifest: Manifest
    files: dict[str, bytes]
    network: Network | None = None

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


def read(path: Path | str, *, to_run: bool = False) -> Archive:
    """Read and verify the bundle at `path`, a directory or a `.zip`; `to_run` as of `Archive`.

    Raises UserError, one line per file that is damaged, missing or does not belong there, and
    BigmodelError when a network needs a file of its own and there is no room for it.
    """
    path = Path(path)
    if path.is_dir() or path.is_file():
        with closing(directory_members(path) if path.is_dir() else zip_members(path)) as members:
            return _verified(path, members, to_run)
    raise UserError(f"{path}: no such bundle; give the directory or .zip that a training wrote")


def _verified(path: Path, members: Members, to_run: bool) -> Archive:
    """Check the manifest, then every file against it, and keep the bytes."""
    if head.NAME not in members.sizes:
        raise UserError(
            f"{path}: not a bigmodel bundle: there is no {head.NAME} in it; "
            "give the directory or .zip that a training wrote (runs/<name>/<time>/bundle)"
        )
    if members.sizes[head.NAME] > head.MAX_SIZE:
        raise UserError(f"{path}: {head.NAME}: too large to be the manifest of a bundle")
    raw = _member(path, members, head.NAME, lambda stream: stream.read(head.MAX_SIZE + 1))[0]
    manifest = Manifest.from_bytes(raw, path)
    _check_sizes(path, manifest, members.sizes)
    apart = NETWORK if to_run and manifest.engine == ONNXRUNTIME else None
    files: dict[str, bytes] = {}
    network, damaged = None, []
    for name, entry in manifest.files.items():
        if name == apart and entry.size >= LARGE:
            network, digest = _member(path, members, name, partial(_network, entry.size))
        else:
            read = partial(Stream.read, count=entry.size + 1)
            files[name], digest = _member(path, members, name, read)
        if digest != entry.sha256:
            damaged.append(name)
        elif name not in files and network is None:
            raise UserError(f"{path}: {name}: not an ONNX model; export the bundle again")
    if damaged:
        raise UserError(*(_damaged(path, name) for name in damaged))
    return Archive(path, manifest, files, network)


def _member(path: Path, members: Members, name: str, make: Callable[[Stream], T]) -> tuple[T, str]:
    """What `make` gives of a file, and the SHA-256 of what it has read of it."""
    try:
        with members.open(name) as file:
            stream = Stream(file)
            return make(stream), stream.digest()
    except BigmodelError:
        raise
    except OSError as error:
        raise UserError(f"{path}: {name} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged zip raises almost anything
        raise UserError(f"{path}: {name}: damaged: it cannot be unpacked") from error


def _network(size: int, stream: Stream) -> Network | None:
    """The network, and all that is left of its file is read, too; None when it is not one."""
    try:
        found = Network(stream, size)
    except (EOFError, ValueError):
        found = None
    while stream.read(_PIECE):
        pass
    return found


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

"""The same bundle as one `.zip`.

A zip written here is sealed: its comment holds the SHA-256 of everything before, so that even a
flipped time stamp is noticed. A zip of the bundle's directory made by another tool is read too;
there the hashes of the manifest protect the content.
"""

import io
import os
import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from bigmodel.bundle.members import MAX_SIZE, Members, is_file_name
from bigmodel.bundle.stream import Stream
from bigmodel.errors import UserError
from bigmodel.files import sha256

MAX_RATIO = 200  # unpacked bytes per byte of zip; weights shrink little, JSON about 20 times
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same bundle gives the same zip
_SEAL = b"bigmodel bundle, sha256 "
_DIGEST = 64  # hexadecimal digits
_PIECE = 1 << 20  # bytes that are read at a time
_END = 22  # bytes of the record that ends a zip, before its comment


def pack(content: Mapping[str, bytes]) -> bytes:
    """One sealed zip of these files; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.comment = _SEAL + b"0" * _DIGEST
        for name in sorted(content):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            packed.writestr(info, content[name], zipfile.ZIP_DEFLATED, 9)
    body = buffer.getvalue()[:-_DIGEST]
    return body + sha256(body).encode()


def zip_members(path: Path) -> Members:
    """The files of a zipped bundle. Raises UserError when it is not one, or is damaged."""
    file = path.open("rb")
    try:
        packed, infos = _checked(path, file)
    except BaseException:
        file.close()
        raise
    sizes = {name: info.file_size for name, info in infos.items()}
    return Members(sizes, lambda name: packed.open(infos[name]), file.close)


def _checked(path: Path, file: IO[bytes]) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    """The open zip, and its entries by file name."""
    size = os.fstat(file.fileno()).st_size
    if size > MAX_SIZE:
        raise UserError(f"{path}: larger than {MAX_SIZE >> 30} GiB: too large for a bundle")
    try:
        packed = zipfile.ZipFile(file)
    except Exception as error:  # a damaged zip raises almost anything
        raise UserError(
            f"{path}: not a bundle: neither a directory nor a readable .zip; "
            "give the directory or .zip that a training wrote"
        ) from error
    _check_seal(path, file, size, packed.comment)
    infos = _plain_entries(path, packed)
    if sum(info.file_size for info in infos.values()) > MAX_RATIO * size:
        raise UserError(f"{path}: unpacks to over {MAX_RATIO} times its size: refused")
    return packed, infos


def _check_seal(path: Path, file: IO[bytes], size: int, comment: bytes) -> None:
    """The zip ends with its comment, and the comment is empty or our seal over the rest."""
    sealed = re.fullmatch(re.escape(_SEAL) + rb"[0-9a-f]{%d}" % _DIGEST, comment)
    whole = sealed and _sealed(file, size)
    file.seek(-_END, os.SEEK_END)
    foreign = not comment and file.read().startswith(b"PK\5\6")  # nothing hidden behind the end
    if not whole and not foreign:
        raise UserError(
            f"{path}: damaged or altered: the zip's seal does not match; get a fresh copy"
        )


def _sealed(file: IO[bytes], size: int) -> bool:
    """Whether the file ends with the digest of all that is before."""
    file.seek(0)
    stream = Stream(file)
    for _ in range(0, size - _DIGEST, _PIECE):
        stream.read(min(_PIECE, size - _DIGEST - stream.at))
    return file.read() == stream.digest().encode()


def _plain_entries(path: Path, packed: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The entries by file name, without the one folder that some tools put around them."""
    infos = [info for info in packed.infolist() if not info.is_dir()]
    folders = {info.filename.rpartition("/")[0] for info in infos}
    folder = folders.pop() if len(folders) == 1 else ""
    prefix = f"{folder}/" if is_file_name(folder) else ""
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.removeprefix(prefix)
        link = stat.S_ISLNK(info.external_attr >> 16)
        usual = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if name in entries or link or not usual or not is_file_name(name):
            raise UserError(
                f"{path}: {info.filename!r} does not belong in a bundle (a link, a folder, a "
                "strange or repeated name, or an unusual packing); get a fresh copy"
            )
        entries[name] = info
    return entries

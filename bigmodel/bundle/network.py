"""A large network's file, read so that its weights are in memory once.

Given the file's bytes, the engine parses them into a copy of the weights, and makes another one of
that: three times the file for a moment. Here the large weights go, as they are read, into a file of
this process alone, which the engine maps into memory; the rest is given to it as it is.

An ONNX file is a protobuf message: fields one after another, each with a tag (its number and its
kind) and, where it is of kind 2, its length before its content.
"""

import secrets
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bigmodel.bundle.stream import Stream
from bigmodel.errors import BigmodelError

LARGE = 4 << 20  # bytes of a network's file, from which on this is worth a file of its own
_WEIGHT = 64 << 10  # bytes of a weight that goes there: each is mapped on its own
_MOST = 1 << 16  # fields: far more than the layers and weights of any network have
_PAGE = 4096  # bytes at which a weight begins, so that it can be mapped
_SIZES = {1: 8, 5: 4}  # of the content of fields of these kinds
_GRAPH, _INITIALIZER, _RAW = (
    b"\x3a",
    b"\x2a",
    b"\x4a",
)  # tags in ModelProto, GraphProto, TensorProto
_EXTERNAL, _ELSEWHERE = b"\x6a", b"\x70\x01"  # of TensorProto: where its data is; it is elsewhere


class Network:
    """The `graph`, an ONNX file whose `count` large weights stand in the file `name` of `folder`.

    The folder goes with this object: what the engine has mapped by then stays. `largest` is the
    largest weight, in bytes.
    """

    def __init__(self, stream: Stream, size: int) -> None:
        """Read it from a stream of `size` bytes.

        Raises EOFError or ValueError when they are no ONNX file, BigmodelError when there is no
        room for the weights.
        """
        self.name, self.count, self.largest = secrets.token_hex(8), 0, 0
        self._fields = 0
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="bigmodel-"))
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
            with (self.folder / self.name).open("wb") as file:
                self.graph = self._message(stream, size, file, (_GRAPH, _INITIALIZER, _RAW))
        except OSError as error:
            raise BigmodelError(
                f"{tempfile.gettempdir()}: no room for {size:,} bytes of weights "
                f"({error.strerror or error}); free some, or name another directory with TMPDIR"
            ) from error

    def _message(self, stream: Stream, size: int, file: IO[bytes], way: tuple[bytes, ...]) -> bytes:
        """A message of `size` bytes, without the large weights to which the tags `way` lead."""
        made = bytearray()
        for tag, head, length in _fields(stream, size):
            self._fields += 1
            if self._fields > _MOST:
                raise ValueError("too many fields")
            if tag != way[0] or length < _WEIGHT:
                made += head + stream.exactly(length)
            elif len(way) == 1:
                made += self._weight(stream, length, file)
            else:
                made += _field(tag, self._message(stream, length, file, way[1:]))
        return bytes(made)

    def _weight(self, stream: Stream, length: int, file: IO[bytes]) -> bytes:
        """Keep a weight in the file; the fields that say so."""
        place = -(-file.tell() // _PAGE) * _PAGE
        file.seek(place)
        stream.copy(length, file)
        self.count += 1
        self.largest = max(self.largest, length)
        told = {b"location": self.name, b"offset": str(place), b"length": str(length)}
        entries = (_field(b"\x0a", k) + _field(b"\x12", v.encode()) for k, v in told.items())
        return b"".join(_field(_EXTERNAL, entry) for entry in entries) + _ELSEWHERE


def _fields(stream: Stream, size: int) -> Iterator[tuple[bytes, bytes, int]]:
    """Each field's tag, all that stands before its content, and the content's length.

    Who iterates reads the content. Raises ValueError and EOFError.
    """
    end = stream.at + size
    while stream.at < end:
        number, tag = _varint(stream)
        kind, head, length = number & 7, tag, 0
        if kind == 2:
            length, raw = _varint(stream)
            head += raw
        elif kind == 0:
            head += _varint(stream)[1]
        elif kind in _SIZES:
            length = _SIZES[kind]
        else:
            raise ValueError(f"a field of the kind {kind}")
        if stream.at + length > end:
            raise ValueError("a field is longer than its message")
        yield tag, head, length


def _varint(stream: Stream) -> tuple[int, bytes]:
    """A number, seven bits a byte, and the bytes that it takes."""
    value, raw = 0, b""
    while len(raw) < 10:
        byte = stream.exactly(1)
        value |= (byte[0] & 127) << 7 * len(raw)
        raw += byte
        if byte[0] < 128:
            return value, raw
    raise ValueError("a number that does not end")


def _field(tag: bytes, content: bytes) -> bytes:
    """A field of kind 2."""
    rest, length = len(content), bytearray()
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return tag + bytes([*length, rest]) + content

"""The parts of a CSV table as one stream of UTF-8, as the parser wants it."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from bigmodel.data.charset import ASCII, detect_encoding
from bigmodel.data.dialect import Dialect
from bigmodel.data.sources import open_bytes
from bigmodel.errors import UserError

_BLOCK = 1 << 18  # bytes: what pandas asks for, and what fits the processor's cache


class Stream:
    """A readable object for `pandas.read_csv`: all `parts`, the header only of the first.

    It has no `mode` and is no `io` class, so pandas takes its bytes as they are instead of
    decoding and encoding them again. Tells, of what was read so far: `lines`, whether any was
    `quoted`, and the UserError that stopped it (`error`), which pandas would hide.
    """

    def __init__(self, parts: list[Path], dialect: Dialect) -> None:
        self._blocks = _blocks(parts, dialect)
        self.lines, self.quoted = 0, False
        self.error: UserError | None = None

    def read(self, size: int = -1) -> bytes:
        """The next block, of whatever size is handy; b"" at the end."""
        try:
            block = next(self._blocks, b"")
        except UserError as error:
            self.error = error
            raise
        self.lines += block.count(b"\n")
        self.quoted = self.quoted or b'"' in block
        return block

    def exhaust(self) -> None:
        """Read to the end, for what the stream then can tell."""
        for _ in self:
            pass

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.read, b"")


def _blocks(parts: list[Path], dialect: Dialect) -> Iterator[bytes]:
    """The blocks of all parts; the last line of each ends."""
    for index, part in enumerate(parts):
        blocks = _unicode(part, dialect.encoding)
        end = b"\n"
        for block in _without_first_line(blocks) if index else blocks:
            yield block
            end = block[-1:]
        if end not in b"\r\n":
            yield b"\n"


def _unicode(part: Path, encoding: str) -> Iterator[bytes]:
    """The blocks of a file, as UTF-8 without a byte order mark.

    A file of which the first lines are ASCII shows its encoding at the first other character.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_bytes(part) as file:
        while block := file.read(_BLOCK):
            if encoding == ASCII:
                if block.isascii():
                    yield block
                    continue
                encoding = detect_encoding(block, part)
                decoder = codecs.getincrementaldecoder(encoding)()
            try:
                text = decoder.decode(block)
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{part}: not in the encoding {encoding} "
                    f"({error.object[error.start : error.end]!r}); name it with data.encoding="
                ) from error
            if text:
                yield text.encode()


def _without_first_line(blocks: Iterator[bytes]) -> Iterator[bytes]:
    for block in blocks:
        _, newline, rest = block.partition(b"\n")
        if newline:
            if rest:
                yield rest
            break
    yield from blocks

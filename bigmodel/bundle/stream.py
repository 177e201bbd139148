"""A file of a bundle, read once from its beginning to its end, and hashed on the way."""

import hashlib
from typing import IO

_PIECE = 1 << 20  # bytes at a time of what is large


class Stream:
    """Reads `file`; `at` is how many bytes of it were read so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.at = file, 0
        self._hash = hashlib.sha256()

    def read(self, count: int) -> bytes:
        """The next bytes, fewer at the end; in pieces, since a zip would hold large ones twice."""
        pieces = []
        while count and (piece := self._file.read(min(count, _PIECE))):
            self._hash.update(piece)
            pieces.append(piece)
            count -= len(piece)
            self.at += len(piece)
        return b"".join(pieces)

    def exactly(self, count: int) -> bytes:
        """The same. Raises EOFError where there are fewer."""
        found = self.read(count)
        if len(found) < count:
            raise EOFError("it ends too early")
        return found

    def copy(self, count: int, to: IO[bytes]) -> None:
        """Write the next bytes there. Raises EOFError where there are fewer."""
        while count:
            piece = self.exactly(min(count, _PIECE))
            to.write(piece)
            count -= len(piece)

    def digest(self) -> str:
        """The SHA-256 of what was read, as 64 hexadecimal digits."""
        return self._hash.hexdigest()

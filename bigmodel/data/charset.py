"""Which encoding a text file is in: known by its marks, or guessed from its bytes."""

import codecs
import re
from pathlib import Path

from bigmodel.errors import UserError

_MARKS = (  # the four-byte ones first: they start like the two-byte ones
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ASCII = "ascii"  # so far: the encoding shows at the first other character
_WESTERN = "cp1252"  # what spreadsheets in Western Europe and America write; covers Latin-1


def detect_encoding(sample: bytes, path: Path) -> str:
    """The encoding of a file that starts with, or consists of, the lines `sample`.

    Byte order marks, then UTF-8, then Western European where accented letters stand among plain
    ones, then what charset_normalizer finds. Raises UserError when nothing fits.
    """
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    if b"\0" in sample:
        raise UserError(
            f"{path}: not a text file (it holds zero bytes); give a CSV or Parquet file, "
            "or its encoding with data.encoding="
        )
    if sample.isascii():
        return ASCII
    if is_encoded(sample, "utf-8"):
        return "utf-8"
    if _looks_western(sample):
        return _WESTERN
    import charset_normalizer

    best = charset_normalizer.from_bytes(sample).best()
    if best is None:
        raise UserError(
            f"{path}: the encoding cannot be detected; name it with data.encoding= "
            "(utf-8, cp1252, ...)"
        )
    return str(best.encoding)


def is_encoded(sample: bytes, encoding: str) -> bool:
    """Whether `sample` is text in this encoding; a character cut at its end does not count."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def known_encoding(encoding: str, place: str) -> str:
    """The name itself, when Python knows it; else UserError."""
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise UserError(
            f"{place}: no such encoding: {encoding!r}; name one of Python's (utf-8, cp1252, ...)"
        ) from error


def _looks_western(sample: bytes) -> bool:
    """Whether the bytes beyond ASCII are single letters and signs, not whole words."""
    return is_encoded(sample, _WESTERN) and not re.search(rb"[\x80-\xff]{3}", sample)

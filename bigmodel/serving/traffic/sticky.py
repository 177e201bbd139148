"""Which callers a canary answers: the same ones as long as its share does not shrink."""

import hashlib

from bigmodel.serving.http import Request

HEADER = b"x-routing-key"
_LONGEST = 256  # bytes of a key that count


def key_of(request: Request) -> bytes:
    """What a caller is known by: its `x-routing-key`, else its API key, else the request's id.

    A program that asks for many users sends the header, or else all of them get one version.
    """
    given = request.headers.get(HEADER)
    if given:
        return given[:_LONGEST]
    return (request.key or request.id).encode()


def place_of(model: str, key: bytes) -> float:
    """Where this caller stands in the model's line of callers, from 0 to 1: always the same.

    A canary answers those below its share, so a larger share keeps those whom it answered before.
    """
    digest = hashlib.blake2b(key, digest_size=8, salt=_salt(model)).digest()
    return int.from_bytes(digest) / 2**64


def _salt(model: str) -> bytes:
    return hashlib.blake2b(model.encode(), digest_size=16).digest()

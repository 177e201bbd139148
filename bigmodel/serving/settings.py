"""What `conf/serving/` decides; its defaults, each with its reason, stand there."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

Seconds = Annotated[float, Gt(0)]
Count = Annotated[int, Gt(0)]


@dataclass(frozen=True)
class Tls:
    """Files of TLS in PEM: the server's certificate (chain) and key; who signs clients' ones."""

    certificate: str | None
    key: str | None
    client_ca: str | None


@dataclass(frozen=True)
class Limits:
    """What one request and one connection may take."""

    body_bytes: Count
    header_bytes: Count
    rows: Count
    connections: Count
    header_seconds: Seconds
    body_seconds: Seconds
    idle_seconds: Seconds


@dataclass(frozen=True)
class Serving:
    """How the service answers."""

    host: str
    port: Annotated[int, Ge(0), Le(65535)]
    auth: Literal["keys", "none"]
    executor: Literal["auto", "inline", "queue", "threads"]
    waiting: Count
    drain_seconds: Seconds
    tls: Tls
    limits: Limits

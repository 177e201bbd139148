"""What `conf/serving/` decides; its defaults, each with its reason, stand there."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

Seconds = Annotated[float, Gt(0)]
LOOPBACK = ("127.0.0.1", "::1", "localhost")  # addresses that other machines cannot reach

Count = Annotated[int, Gt(0)]
Share = Annotated[float, Ge(0), Le(1)]


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
    push_bytes: Count
    header_bytes: Count
    rows: Count
    connections: Count
    header_seconds: Seconds
    body_seconds: Seconds
    idle_seconds: Seconds


@dataclass(frozen=True)
class Room:
    """How many requests may be in flight, and how long one may take."""

    in_flight: Count
    deadline_seconds: Seconds


@dataclass(frozen=True)
class Rollback:
    """How much worse than the stable version a new one may be, and how sure one has to be.

    `errors` and `slow` are shares of its requests, `disagreement` a share of its answers, `loss`
    a share of those with feedback; `trial` are the requests for which a promoted version is
    watched. `false_alarms` is the share of versions no worse at all that may be taken back.
    """

    errors: Share
    slow: Share
    disagreement: Share
    loss: Share
    trial: Count
    false_alarms: Annotated[float, Gt(0), Lt(1)]


@dataclass(frozen=True)
class Collect:
    """What of the traffic is kept: the share of the requests, without the columns to redact.

    Feedback is always kept. The store does not grow beyond `max_bytes`; records go after `days`.
    """

    sample: Annotated[float, Ge(0), Le(1)]
    redact: tuple[str, ...]
    max_bytes: Annotated[int, Ge(1 << 20)]
    days: Annotated[float, Gt(0)]


@dataclass(frozen=True)
class Monitor:
    """When traffic and answers are alarmingly unlike training.

    Of each version its latest `rows` rows are looked at; when more come within `minutes`, a
    sample of them. A column drifts when its population stability index is at least `psi` and
    chance gives as much in less than the share `significance` of cases. The latest `labels`
    labels make the figures of quality; one is bad when its interval lies beyond that of training
    by more than the share `margin`.
    """

    rows: Annotated[int, Ge(200), Le(1_000_000)]
    minutes: Annotated[float, Gt(0)]
    psi: Annotated[float, Gt(0)]
    significance: Annotated[float, Gt(0), Le(0.05)]
    labels: Annotated[int, Ge(100), Le(1_000_000)]
    margin: Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True)
class Serving:
    """How the service answers."""

    host: str
    port: Annotated[int, Ge(0), Le(65535)]
    workers: Count
    auth: Literal["keys", "none"]
    executor: Literal["auto", "inline", "queue", "threads"]
    waiting: Count
    drain_seconds: Seconds
    tls: Tls
    limits: Limits
    state: str
    learn: bool
    room: Room
    memory_limit: Count | None
    pinned: tuple[str, ...]
    rollback: Rollback
    collect: Collect
    monitor: Monitor

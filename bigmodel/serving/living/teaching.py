"""From feedback to events: each label joined with what was kept of its prediction."""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from bigmodel.data.schema import Target
from bigmodel.errors import UserError
from bigmodel.learning.journal.store import Event
from bigmodel.learning.memo import Memos
from bigmodel.serving.errors import ApiError
from bigmodel.serving.living.appender import Full
from bigmodel.serving.store import Label, Memory
from bigmodel.serving.writer import Writer, refused

if TYPE_CHECKING:
    from bigmodel.serving.living.living import Living

_LATE = 0.25  # seconds until what another worker has answered is on the disk
_STATUS = {"unknown": 404, "expired": 410}
_WHY = {
    "unknown": "nothing is kept of this prediction: it is not one of this service's",
    "expired": "the label came later than labels of this model are learnt",
}


async def teach(
    writer: Writer, learners: "Mapping[str, Living]", given: Sequence[Label], target: Target
) -> dict[str, Any]:
    """Put labels that are stored into the logs of the learners, by version, that have answered.

    Returns how many are to be learnt (`queued`), were there before (`known`), and are not learnt,
    by reason (`refused`); of names that are no class yet, how many labels are still missing
    (`new_classes`). Raises ApiError: 404 or 410 when the request has no other labels than
    unknown or expired ones, 429 when too many labels wait, 503 or 507 when the disk refuses.
    """
    if not any(living.learns for living in learners.values()):
        return {"queued": 0, "known": 0, "refused": {"off": len(given)}}
    found = await _remembered(writer, given)
    events: dict[str, list[Event]] = {}
    reasons: Counter[str] = Counter()
    for label, memory in zip(given, found, strict=True):
        living = None if memory is None else learners.get(memory.version)
        name = _new_name(label, target)
        why = _refusal(label, memory, living, name)
        if why is None and memory is not None and living is not None:
            living.delays.append(label.time - memory.time)
            events.setdefault(memory.version, []).append(_event(label, memory, target, name))
        else:
            reasons[str(why)] += 1
    queued = known = 0
    missing: dict[str, int] = {}
    for version, several in events.items():
        wanted = {e.name: _missing(learners[version], e.name) for e in several if e.name}
        new = await _append(learners[version], several)
        came = Counter(event.name for event in compress(several, new))
        missing |= {name: max(0, n - came[name]) for name, n in wanted.items() if n}
        queued, known = queued + sum(new), known + len(new) - sum(new)
        learners[version].joins.update(queued=sum(new), known=len(new) - sum(new))
    next(iter(learners.values())).joins.update(reasons)
    if not queued and not known and len(reasons) == 1:
        _tell(next(iter(reasons)))
    told = {"queued": queued, "known": known, "refused": dict(reasons)}
    return told | ({"new_classes": missing} if missing else {})


async def _remembered(writer: Writer, given: Sequence[Label]) -> list[Memory | None]:
    requests = {label.request for label in given}
    memories: dict[str, Memory] = await writer.now(lambda store: store.memories(requests))
    if len(memories) < len(requests):
        await asyncio.sleep(_LATE)
        memories = await writer.now(lambda store: store.memories(requests))
    return [memories.get(label.request) for label in given]


def _new_name(label: Label, target: Target) -> str:
    """The class of a label that the bundle does not have; "" where it does."""
    if target.task == "regression":
        return ""
    name = str(orjson.loads(label.label))
    return "" if name in target.classes else name


def _refusal(label: Label, memory: Memory | None, living: "Living | None", name: str) -> str | None:
    """Why a label cannot be learnt from; None when it can."""
    if memory is None:
        return "unknown"
    if time.time() > memory.expires:
        return "expired"
    if living is None:
        return "other_version"
    if name and name not in living.live.added and _full(living):
        return "no_room"
    try:
        memos = Memos.unpacked([_memo(label, memory)], 0, 0, living.layout.width)
    except UserError:
        return "unusable"
    return None if np.isfinite(memos.rows).all() else "unusable"


def _full(living: "Living") -> bool:
    return len(living.live.added) >= living.new_classes.most


def _missing(living: "Living", name: str) -> int:
    """How many labels of this name are missing until it is a class; 0 when it is one."""
    if name in living.live.added:
        return 0
    return max(0, living.new_classes.rows - living.held.get(name, 0))


def _memo(label: Label, memory: Memory) -> bytes:
    size = len(memory.memos) // memory.row_count
    return memory.memos[label.row * size : (label.row + 1) * size]


def _event(label: Label, memory: Memory, target: Target, name: str) -> Event:
    value = orjson.loads(label.label)
    if target.task == "regression":
        code = (value - target.offset) / target.scale
    else:
        code = -1 if name else target.classes.index(value)
    key = f"{label.request}-{label.row}"
    return Event(key, _memo(label, memory), float(code), label.key, name=name)


async def _append(living: "Living", events: Sequence[Event]) -> list[bool]:
    try:
        return await living.appender.append(events)
    except Full:
        raise ApiError(
            429, "learner_busy", "too many labels wait to be learnt; send these again in 1 s",
            headers=((b"retry-after", b"1"),),
        ) from None  # fmt: skip
    except sqlite3.Error as error:
        raise refused(error) from error


def _tell(reason: str) -> None:
    """A request of which nothing is learnt says why by its status, where there is one."""
    if reason in _STATUS:
        message = f"{_WHY[reason]}; the label is kept, but not learnt"
        raise ApiError(_STATUS[reason], f"{reason}_prediction", message, "prediction_id")

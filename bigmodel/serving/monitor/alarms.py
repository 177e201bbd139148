"""Alarms: a line in the log when one begins, and one when it ends."""

import logging
import time
from collections.abc import Collection, Iterable
from typing import NamedTuple

_log = logging.getLogger(__name__)


class Alarm(NamedTuple):
    """What is alarming: `kind` is drift or quality, `name` the column or the figure."""

    kind: str
    model: str
    version: str
    name: str


class Verdict(NamedTuple):
    """What a look says of an alarm: that it is to begin, to end (or neither), and why."""

    alarm: Alarm
    begins: bool
    ends: bool
    text: str


class Alarms:
    """Which alarms are on, and since when (seconds since 1970)."""

    def __init__(self) -> None:
        self.since: dict[Alarm, float] = {}

    def judge(self, verdicts: Iterable[Verdict], served: Collection[tuple[str, str]]) -> None:
        """Take the verdicts of a look; alarms of versions that are not `served` any more end."""
        for verdict in verdicts:
            alarm = verdict.alarm
            if verdict.begins and alarm not in self.since:
                self.since[alarm] = time.time()
                _log.warning("%s: begins: %s", _named(alarm), verdict.text)
            elif verdict.ends and alarm in self.since:
                del self.since[alarm]
                _log.warning("%s: ends: %s", _named(alarm), verdict.text)
        for alarm in [a for a in self.since if (a.model, a.version) not in served]:
            del self.since[alarm]
            _log.warning("%s: ends: this version is not served any more", _named(alarm))


def _named(alarm: Alarm) -> str:
    return f"{alarm.kind} of {alarm.model} {alarm.version[:12]}, {alarm.name}"

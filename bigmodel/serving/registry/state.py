"""Which versions of a model are to answer: one small file that is replaced as a whole.

Each process that serves the model reads it; nothing about a promotion is known anywhere else.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from bigmodel.errors import UserError

NAME = "state.json"
_FORMAT = 1
_PREVIOUS, _EVENTS = 10, 50  # that are kept


@dataclass(frozen=True)
class Event:
    """From `time` (seconds since 1970) on the label was this version's, for this reason.

    None: no version had it any more.
    """

    time: float
    label: str
    version: str | None
    reason: str


@dataclass(frozen=True)
class State:
    """What is to answer, by version (64 hexadecimal digits).

    `stable` answers, but for `percent` (0 to 100) of the callers, whom `canary` answers; `shadow`
    is asked too, and its answers are only compared. `previous` are the stable ones before, the
    latest last. `forced` may answer though their callers have to send other columns. `since` is
    when (seconds since 1970) each label was given to its version; `trial` says that the stable one
    was promoted over the one before, and not brought back.
    """

    stable: str | None = None
    canary: str | None = None
    shadow: str | None = None
    percent: float = 0.0
    previous: tuple[str, ...] = ()
    forced: tuple[str, ...] = ()
    history: tuple[Event, ...] = ()
    since: Mapping[str, float] = field(default_factory=dict)
    trial: bool = False

    @property
    def labels(self) -> dict[str, str]:
        """The versions that have a label, by label."""
        given = {"stable": self.stable, "canary": self.canary, "shadow": self.shadow}
        return {label: version for label, version in given.items() if version}

    def promoted(self, version: str, reason: str, force: bool = False) -> "State":
        """`version` answers everybody; it is no canary and no shadow any more."""
        before, trial = self.previous, self.trial
        if self.stable not in (None, version):
            before, trial = (*before, str(self.stable))[-_PREVIOUS:], True
        changed = replace(
            self._without(version),
            stable=version,
            previous=before,
            history=self._told("stable", version, reason),
            trial=trial,
        )
        return changed._forcing(version if force else None)._dated(self)

    def rolled_back(self, reason: str) -> "State":
        """The stable version before answers. Raises UserError when there is none."""
        if not self.previous:
            raise UserError("there is no stable version before this one to go back to")
        version = self.previous[-1]
        changed = replace(
            self._without(version),
            stable=version,
            previous=self.previous[:-1],
            history=self._told("stable", version, reason),
            trial=False,
        )
        return changed._forcing(version)._dated(self)  # it answered before

    def with_canary(self, version: str | None, percent: float, force: bool = False) -> "State":
        """`version` answers `percent` of the callers; None: there is no canary."""
        if version is not None and version == self.stable:
            raise UserError(f"{version[:12]} is the stable version; a canary is another one")
        changed = replace(self, canary=version, percent=percent if version else 0.0)
        return changed._forcing(version if force else None)._dated(self)

    def without_canary(self, reason: str) -> "State":
        """There is no canary any more, for this reason."""
        return replace(self.with_canary(None, 0.0), history=self._told("canary", None, reason))

    def with_shadow(self, version: str | None) -> "State":
        """`version` is asked beside the stable one; None: none is."""
        if version is not None and version == self.stable:
            raise UserError(f"{version[:12]} is the stable version; a shadow is another one")
        return replace(self, shadow=version)._dated(self)

    def _without(self, version: str) -> "State":
        canary, shadow = self.canary != version, self.shadow != version
        return replace(
            self,
            canary=self.canary if canary else None,
            percent=self.percent if canary else 0.0,
            shadow=self.shadow if shadow else None,
        )

    def _forcing(self, version: str | None) -> "State":
        """With `version` among the forced ones, of which only those with a label are kept."""
        forced = {v for v in self.labels.values() if v == version or v in self.forced}
        return replace(self, forced=tuple(sorted(forced)))

    def _dated(self, before: "State") -> "State":
        """With the time of each label: now, where another version had it before."""
        old, now = before.labels, time.time()
        since = {
            label: before.since.get(label, 0.0) if old.get(label) == version else now
            for label, version in self.labels.items()
        }
        return replace(self, since=since)

    def _told(self, label: str, version: str | None, reason: str) -> tuple[Event, ...]:
        return (*self.history, Event(time.time(), label, version, reason[:500]))[-_EVENTS:]

    def to_bytes(self) -> bytes:
        """The file."""
        return (json.dumps({"format": _FORMAT, **asdict(self)}, indent=1) + "\n").encode()

    @classmethod
    def from_bytes(cls, raw: bytes, place: str) -> "State":
        """Read what `to_bytes` wrote. Raises UserError, naming `place`, on anything else."""
        try:
            content: dict[str, Any] = json.loads(raw)
            if content.pop("format") != _FORMAT:
                raise ValueError("of another format")
            for name in ("previous", "forced"):
                content[name] = tuple(content[name])
            content["history"] = tuple(Event(**event) for event in content["history"])
            return cls(**content)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{place}: not a registry's state of this bigmodel ({error}); bring back a copy, "
                "or remove it and promote a version"
            ) from error

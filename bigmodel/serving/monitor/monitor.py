"""A thread that watches the traffic: drift, live quality, what the status page tells.

Requests only hand it what they have anyway; all else happens a few times a minute, beside them. Of
several processes each counts its own traffic, and the one that leads judges for all (`board`).
"""

import logging
import sqlite3
import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bigmodel.files import Hold
from bigmodel.serving import store
from bigmodel.serving.collect import Answered, Rows
from bigmodel.serving.errors import ApiError
from bigmodel.serving.http import Request
from bigmodel.serving.living.figures import over_time
from bigmodel.serving.metrics import Metrics
from bigmodel.serving.model import Model
from bigmodel.serving.monitor import report
from bigmodel.serving.monitor.alarms import Alarms
from bigmodel.serving.monitor.bins import of_answers, of_columns
from bigmodel.serving.monitor.board import Board
from bigmodel.serving.monitor.drift import Window
from bigmodel.serving.monitor.quality import Quality
from bigmodel.serving.monitor.recent import Traffic
from bigmodel.serving.monitor.sample import Given, sampled
from bigmodel.serving.settings import Monitor as Settings
from bigmodel.serving.slot import Slot

SECONDS = 2.0  # between two looks
_WAITING = 512  # rows that wait for the next look: of more, the first are taken
_IMAGES = 16  # rows with an image that wait: each may have megabytes
_PROCESSOR = 0.05  # the share of one that watching may take: of wide tables, looks are rarer
_ERRORS = 50
_log = logging.getLogger(__name__)


class Monitor:
    """Watches one process of a service; its state in the directory `state`.

    The process that has the hold `lead` judges for all.
    """

    def __init__(self, settings: Settings, state: Path, metrics: Metrics, lead: Hold) -> None:
        self._settings, self._metrics, self._lead = settings, metrics, lead
        self._slots: Mapping[str, Slot] = {}
        self._given: deque[Given] = deque()
        self._offered = self._taken = 0  # rows; each is changed by one thread only
        self._most: dict[str, int] = {}  # rows that may wait, by version
        self._windows: dict[tuple[str, str], Window] = {}
        self._errors: deque[dict[str, Any]] = deque(maxlen=_ERRORS)
        self._traffic, self._started = Traffic(), time.time()
        self._quality = Quality(state / store.NAME, settings.labels)
        self._board, self._alarms = Board(state / "monitor"), Alarms()
        self._random = np.random.default_rng()
        self._led = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bigmodel-monitor", daemon=True)

    def start(self, slots: Mapping[str, Slot]) -> None:
        """Begin to watch the versions that answer; the store is open by then."""
        self._slots = slots
        self._traffic.look(self._metrics.samples())
        self._thread.start()

    def close(self) -> None:
        """Stop; what was counted is gone, what was labelled is in the store."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    @property
    def document(self) -> dict[str, Any]:
        """The latest report, whichever process is asked; empty before there is one."""
        found = self._board.published() or {}
        return found if found.get("time", 0.0) >= self._started else {}  # of before this start

    def offer(self, model: Model, count: int, rows: Rows, answers: Answered) -> None:
        """Answered rows, called with each request: they are looked at later, or not at all."""
        most = self._most.get(model.version) or self._most_of(model)
        if self._offered - self._taken < most:
            self._offered += count
            self._given.append(Given(model, count, rows, answers))

    def _most_of(self, model: Model) -> int:
        images = any(column.kind == "image" for column in model.reader.needed.values())
        return self._most.setdefault(model.version, _IMAGES if images else _WAITING)

    def refused(self, request: Request, route: str, error: ApiError) -> None:
        """An answer that was an error: what kind, never what it was about."""
        self._errors.append(
            {
                "time": time.time(),
                "request_id": request.id,
                "method": request.method,
                "route": route,
                "model": None if request.model is None else request.model.name,
                "status": error.status,
                "code": error.code,
            }
        )

    def _run(self) -> None:
        pause = SECONDS
        while not self._ended.wait(pause):
            began, behind = time.thread_time(), False
            try:
                behind = self._look()
            except (sqlite3.Error, OSError) as error:
                _log.warning("the monitor could not look: %s", error)
            except Exception:  # noqa: BLE001  a mistake of ours must not end the watch
                _log.exception("the monitor made a mistake")
            used = time.thread_time() - began
            pause = max(SECONDS / 10 if behind else SECONDS, used / _PROCESSOR)
        self._quality.close()
        self._board.close()
        self._lead.release()

    def _look(self) -> bool:
        """Count what came, judge if it is this process's turn; returns whether more waits."""
        self._count()
        self._traffic.look(self._metrics.samples())
        leads = self._lead.take()
        part = self._part(leads)
        if not leads:
            self._board.tell(part)
            return False
        if not self._led:  # another process did, or this service before it was started again
            report.restore(self._alarms, self._board.published())
            self._led = True
        behind = self._quality.look()
        parts = [part, *self._board.others()]
        whole = report.report(parts, self._quality.versions, self._alarms, self._settings)
        self._board.publish(whole)
        return behind

    def _count(self) -> None:
        """Put rows that wait into the windows of their versions: all at once, that is cheaper."""
        waiting: dict[tuple[str, str], list[Given]] = defaultdict(list)
        for _ in range(len(self._given)):
            given = self._given.popleft()
            self._taken += given.row_count
            waiting[given.model.name, given.model.version].append(given)
        for key, requests in waiting.items():
            if key not in self._windows:
                self._windows[key] = self._new(requests[0].model)
            window = self._windows[key]
            window.add(*sampled(requests, self._share(window), self._random))

    def _share(self, window: Window) -> int:
        """How many rows a look adds: a full window stands for the traffic of some minutes."""
        most = min(_WAITING, self._settings.rows)
        if not window.full:
            return most
        pace = self._settings.rows * SECONDS / (60 * self._settings.minutes)
        return min(most, int(pace + self._random.random()))

    def _new(self, model: Model) -> Window:
        columns = of_columns(model.reader.needed)
        answers = of_answers(model.answered, model.schema, model.labels)
        return Window(columns, answers, self._settings.rows)

    def _part(self, leads: bool) -> dict[str, Any]:
        """What this process knows, as plain values; what all know is told by the one that leads."""
        routings = {name: slot.routing for name, slot in list(self._slots.items())}
        served = {
            (model.name, model.version): model
            for routing in routings.values()
            for model in routing.models
        }
        self._windows = {key: value for key, value in self._windows.items() if key in served}
        labels = {
            (model.name, model.version): label
            for routing in routings.values()
            for label, model in reversed(routing.labels.items())
        }
        return {
            "started": self._started,
            "now": self._metrics.now(),
            "slices": self._traffic.slices(),
            "errors": list(self._errors),
            "models": {name: routing.told(whole=True) for name, routing in routings.items()},
            "versions": [self._version(m, labels.get(key), leads) for key, m in served.items()],
        }

    def _version(self, model: Model, label: str | None, leads: bool) -> dict[str, Any]:
        window = self._windows.get((model.name, model.version))
        return {
            "model": model.name,
            "version": model.version,
            "label": label,
            "task": model.manifest.task,
            "created": model.manifest.created,
            "metrics": model.metrics,
            "answers": bool(model.answered),
            "columns": [one._asdict() for one in window.counted()] if window else [],
            "learning": over_time(model.living) if leads and model.living else None,
        }

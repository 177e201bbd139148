"""What of the traffic is kept: sampled predictions, without what must not be stored, and labels."""

import sqlite3
import time
import zlib
from collections.abc import Callable, Collection, Sequence
from typing import Any

import orjson

from bigmodel.data.schema import Schema
from bigmodel.errors import UserError
from bigmodel.learning.memo import Memos
from bigmodel.serving import labels
from bigmodel.serving.http import Request
from bigmodel.serving.living.teaching import teach
from bigmodel.serving.slot import Slot
from bigmodel.serving.store import Memory, Predictions
from bigmodel.serving.writer import Watcher, Writer, refused

Rows = Callable[[Collection[str]], bytes]  # as `records` keeps them, without these columns
Answered = Callable[[], bytes]


class Collector:
    """Keeps the share `sample` of the requests and all feedback, by way of `writer`.

    The columns `redact` are never stored, and no images: a bundle's images are too large. All
    answers are shown to `offer`: their model, how many they are, their rows and themselves.
    """

    def __init__(
        self,
        writer: Writer,
        sample: float,
        redact: Sequence[str],
        watcher: Watcher,
        offer: Callable[[Any, int, Rows, Answered], None],
    ) -> None:
        self._writer, self._watcher, self._offer = writer, watcher, offer
        self._sample, self._redact = sample, frozenset(redact)
        self._hidden: dict[str, frozenset[str]] = {}  # columns, by version

    def serves(self, model: str, version: str, schema: Schema) -> None:
        """A version will answer from now on. Raises as `check`."""
        self.check(model, schema)
        images = {column.name for column in schema.columns if column.kind == "image"}
        self._hidden[version] = self._redact | images
        content = orjson.dumps(schema.to_json())
        self._writer.later(lambda store: store.add_version(model, version, content))

    def check(self, model: str, schema: Schema) -> None:
        """Raise UserError when a model with this schema lacks a column to redact.

        A mistyped name there would store what nobody may see.
        """
        known = {column.name for column in schema.columns}
        unknown = sorted(self._redact - known)
        if unknown:
            raise UserError(
                f"serving.collect.redact: the model {model!r} has no column {unknown[0]!r}; "
                f"its columns are {', '.join(sorted(known))}"
            )

    def close(self) -> None:
        """Write what is left and close the store."""
        self._writer.stop()

    def predicted(
        self, request: Request, name: str, count: int, rows: Rows, answers: Answered
    ) -> None:
        """Remember `count` answers of `request.model`, whose ids are NAME-ROW; never waiting.

        `rows` and `answers` are asked by other threads, if at all.
        """
        request.rows = count
        self._offer(request.model, count, rows, answers)
        if self._sample < 1 and zlib.crc32(name.encode()) >= self._sample * 2**32:
            return
        model = request.model
        head = (name, time.time(), model.name, model.version, request.key or "", count)
        hidden = self._hidden[model.version]
        self._writer.keep(lambda: Predictions(*head, rows(hidden), answers()), count)

    def remember(self, request: Request, name: str, memos: Memos) -> None:
        """Keep what the labels of these rows are learnt with, all of it: never waiting."""
        model, now = request.model, time.time()
        expires = now + 3600 * model.living.update.max_delay_hours
        head, count = (name, now, expires, model.name, model.version), len(memos.rows)
        self._writer.keep(lambda: Memory(*head, count, b"".join(memos.packed())), count)

    async def feedback(self, request: Request, content: Any, slot: Slot) -> dict[str, Any]:
        """Store the feedback on `request.model` that a body's JSON `content` holds.

        Comes back when it is on the disk, with how many labels were new (`stored`), how many were
        there before (`known`), and for how many of all the prediction is stored (`joined`); where
        a version in `slot` keeps learning, what becomes of the labels there (see `teach`).
        Raises ApiError: 422 when it is no feedback, 409 when another label was there, 507 when
        the disk refuses.
        """
        model = request.model
        target = model.schema.target
        given = labels.parse(content, target, model.name, request.key or "", grows=model.room > 0)
        try:
            outcomes = await self._writer.now(lambda store: store.add_labels(given))
        except sqlite3.Error as error:
            self._watcher.collected("label", "refused", len(given))
            raise refused(error) from error
        for position, (outcome, _) in enumerate(outcomes):
            if outcome in ("conflict", "foreign"):
                raise labels.refusal(outcome, content, position)
        self._watcher.collected("label", "stored", len(outcomes))
        told: dict[str, Any] = {
            "stored": sum(outcome == "new" for outcome, _ in outcomes),
            "known": sum(outcome == "known" for outcome, _ in outcomes),
            "joined": sum(joined for _, joined in outcomes),
        }
        learners = {m.version: m.living for m in slot.versions if m.living is not None}
        if learners:
            told["learning"] = await teach(self._writer, learners, given, target)
        return told

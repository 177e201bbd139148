"""One version of a model: loaded, measured, ready to answer requests."""

import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson

from bigmodel.bundle import archive, reference
from bigmodel.bundle.load import open_archive
from bigmodel.errors import UserError
from bigmodel.serving import example
from bigmodel.serving.answers import Answering, Answers
from bigmodel.serving.executor import Executor, Mode, mode_of
from bigmodel.serving.parameters import Declared, Parameters
from bigmodel.serving.rows import Batch, Reader

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # a part of a path, and of a metric
_ROUNDS, _ROWS = 7, 32  # of the measurement


class Model:
    """A verified bundle that answers rows; it never changes, so requests share it freely.

    `name` is what it is called in paths, the bundle's own by default; `threads` are the cores for
    one run of the network; `waiting` as of `Executor`. Raises as `bigmodel.load` does.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        name: str | None = None,
        threads: int = 1,
        mode: Literal["auto"] | Mode = "auto",
        waiting: int = 64,
    ) -> None:
        content = archive.read(path)
        bundle = open_archive(content, threads)
        self.manifest, self.schema = bundle.manifest, bundle.schema
        self.name, self.version = name or self.manifest.name, self.manifest.version
        if not _NAME.fullmatch(self.name):
            raise UserError(f"name={self.name[:50]}: give a name of letters, digits, . _ and -")
        self.card = content.files["CARD.md"]
        self.metrics: dict[str, float | None] = content.part("metrics.json", orjson.loads)
        answered = reference.NAME in content.files  # older bundles do not know their answers
        self.answered = content.part(reference.NAME, reference.from_bytes) if answered else ()
        post = bundle.postprocess
        costs = () if post.costs is None else post.costs.columns
        self.reader = Reader(self.schema, bundle.encoder, costs)
        self.parameters = Declared(post)
        self.labels = post.labels(np.arange(len(self.schema.target.classes))).tolist()
        self._answering = Answering(self.schema.target, self.labels)
        self._engine = bundle.engine
        self.example = example.row_of(self.schema, tuple(self.reader.needed))
        self.seconds, row_seconds = self._measured()
        chosen = mode_of(self.seconds) if mode == "auto" else mode
        self.executor = Executor(bundle.engine, chosen, row_seconds, waiting)

    async def answer(
        self, read: Callable[[Reader], Batch], rows: int, parameters: Parameters
    ) -> Answers:
        """The answers to the `rows` rows that `read` makes of the request.

        Raises ApiError: what `read` raises, 503 when too many requests wait.
        """
        return await self.executor.run(
            lambda: read(self.reader),
            lambda batch, output: self._answering.answers(batch, output, parameters),
            rows,
        )

    def close(self) -> None:
        """Free what this version holds, once no request has it any more."""
        self.executor.close()

    def _measured(self) -> tuple[float, float]:
        """Seconds of a request of one row, and of each further row: the medians of a few."""

        def seconds(rows: list[dict[str, Any]]) -> float:
            started = time.perf_counter()
            batch = self.reader.rows(rows)
            self._answering.answers(batch, self._engine.run(batch.encoded), parameters)
            return time.perf_counter() - started

        parameters = self.parameters.read(None)
        one = statistics.median(seconds([self.example]) for _ in range(_ROUNDS))
        if mode_of(one) == "threads":  # with any number of rows: no need to know
            return one, one
        many = statistics.median(seconds([self.example] * _ROWS) for _ in range(_ROUNDS))
        return one, max(0.0, many - one) / (_ROWS - 1)

"""One version of a model: loaded, measured, ready to answer requests."""

import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from bigmodel.bundle import archive
from bigmodel.bundle.load import open_archive
from bigmodel.bundle.members import LEARNER
from bigmodel.serving import example, names
from bigmodel.serving.answers import Answering, Answers
from bigmodel.serving.executor import Executor, Mode, Network, mode_of
from bigmodel.serving.living.home import Home
from bigmodel.serving.outputs import Outputs
from bigmodel.serving.parameters import Declared, Parameters
from bigmodel.serving.rows import Batch, Reader

if TYPE_CHECKING:
    from bigmodel.serving.living.answering import LiveAnswering
    from bigmodel.serving.living.living import Living

_ROUNDS, _ROWS = 15, 32  # of the measurement


class Model:
    """A verified bundle that answers rows; it never changes, so requests share it freely.

    `name` is what it is called in paths, the bundle's own by default; `threads` are the cores for
    one run of the network; `waiting` as of `Executor`. A bundle that keeps learning does so where
    it has a `home`. Raises as `bigmodel.load` does, BigmodelError when its log cannot be used.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        name: str | None = None,
        threads: int = 1,
        mode: Literal["auto"] | Mode = "auto",
        waiting: int = 64,
        home: Home | None = None,
    ) -> None:
        content = archive.read(path)
        bundle = open_archive(content, threads)
        self.manifest, self.schema = bundle.manifest, bundle.schema
        self.name = names.checked(name or self.manifest.name)
        self.version = self.manifest.version
        self.card = content.files["CARD.md"]
        post = bundle.postprocess
        costs = () if post.costs is None else post.costs.columns
        self.reader = Reader(self.schema, bundle.encoder, costs)
        self.parameters = Declared(post)
        self.labels = post.labels(np.arange(len(self.schema.target.classes))).tolist()
        self._answering: Answering | LiveAnswering = Answering(self.schema.target, self.labels)
        self.outputs = Outputs(self.schema.target)
        self._engine: Network = bundle.engine
        self.living: Living | None = None
        if home is not None and LEARNER in content.files:
            self.living = home.open(self.name, self.version, bundle.engine)
            self._engine = self.living
            self._answering = home.answering(self._answering, self.living)
        self.example = example.row_of(self.schema, tuple(self.reader.needed))
        self.seconds, row_seconds = self._measured()
        chosen = mode_of(self.seconds) if mode == "auto" else mode
        self.executor = Executor(self._engine, chosen, row_seconds, waiting)
        self._users, self._retired = 0, False

    def answer(
        self, read: Callable[[Reader], Batch], rows: int, parameters: Parameters
    ) -> Answers | Coroutine[Any, Any, Answers]:
        """The answers to the `rows` rows that `read` makes of the request, at once where it can.

        Raises ApiError: what `read` raises, 503 when too many requests wait.
        """
        return self.executor.run(
            lambda: read(self.reader),
            lambda batch, output: self._answering.answers(batch, output, parameters),
            rows,
        )

    def enter(self) -> Self:
        """A request has this version until it calls `leave`; both in the event loop."""
        self._users += 1
        return self

    def leave(self) -> None:
        """The request is answered."""
        self._users -= 1
        if self._retired and not self._users:
            self.close()

    def retire(self) -> None:
        """No request gets this version any more: close it after the last one that has it."""
        self._retired = True
        if not self._users:
            self.close()

    def close(self) -> None:
        """Free what this version holds, once no request has it any more."""
        self.executor.close()
        if self.living is not None:
            self.living.close()

    def _measured(self) -> tuple[float, float]:
        """Seconds of a request of one row, and of each further row: the best of a few.

        The first ones find cold caches, and others of this machine may be at work meanwhile.
        """

        def seconds(rows: list[dict[str, Any]]) -> float:
            started = time.perf_counter()
            batch = self.reader.rows(rows)
            self._answering.answers(batch, self._engine.run(batch.encoded), parameters)
            return time.perf_counter() - started

        parameters = self.parameters.read(None)
        one = min(seconds([self.example]) for _ in range(_ROUNDS))
        if mode_of(one) == "threads":  # with any number of rows: no need to know
            return one, one
        many = min(seconds([self.example] * _ROWS) for _ in range(_ROUNDS))
        return one, max(0.0, many - one) / (_ROWS - 1)

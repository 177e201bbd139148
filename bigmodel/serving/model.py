"""One version of a model: loaded, measured, ready to answer requests."""

import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from bigmodel.bundle import archive, reference
from bigmodel.bundle.load import engine_of, open_archive
from bigmodel.bundle.members import LEARNER
from bigmodel.errors import UserError
from bigmodel.serving import example, names
from bigmodel.serving.answers import Answering, Answers
from bigmodel.serving.executor import Executor, Mode, Network, Steps, mode_of
from bigmodel.serving.living.home import Home
from bigmodel.serving.outputs import Outputs
from bigmodel.serving.parameters import Declared, Parameters
from bigmodel.serving.resident import Resident
from bigmodel.serving.rows import Batch, Reader
from bigmodel.serving.traffic.breaker import Breaker
from bigmodel.serving.traffic.watched import Observer, Watched

if TYPE_CHECKING:
    from bigmodel.serving.living.answering import LiveAnswering
    from bigmodel.serving.living.living import Living

Read = Callable[[Reader], Batch]
_ROUNDS, _ROWS = 15, 32  # of the measurement


class Model(Resident):
    """A verified bundle that answers rows; it never changes, so requests share it freely.

    `source` says where it is, now and when its network has to be loaded again. `name` is what it is
    called in paths, the bundle's own by default; `threads` are the cores for one run of the
    network; `waiting` as of `Executor`. `observer`, where there is one, is told of each request.
    A bundle that keeps learning does so where there is a place for `learners`, and is not freed
    while it may be asked. Raises as `bigmodel.load` does, BigmodelError when its log is unusable.
    """

    def __init__(
        self,
        source: Path | str | Callable[[], Path],
        *,
        name: str | None = None,
        threads: int = 1,
        mode: Literal["auto"] | Mode = "auto",
        waiting: int = 64,
        learners: Home | None = None,
    ) -> None:
        super().__init__()
        self._source = source if callable(source) else lambda: Path(source)
        self._threads, self._waiting = threads, waiting
        content = archive.read(self._source())
        bundle = open_archive(content, threads)
        self.manifest, self.schema = bundle.manifest, bundle.schema
        self.name = names.checked(name or self.manifest.name)
        self.version = self.manifest.version
        self.card = content.files["CARD.md"]
        self.metrics: dict[str, float | None] = content.part("metrics.json", orjson.loads)
        answered = reference.NAME in content.files  # older bundles do not know their answers
        self.answered = content.part(reference.NAME, reference.from_bytes) if answered else ()
        self.bytes = self.size = len(content.files["model.onnx"])
        post = bundle.postprocess
        costs = () if post.costs is None else post.costs.columns
        self.reader = Reader(self.schema, bundle.encoder, costs)
        answering = Answering(post)
        self.labels = answering.labels
        self._answering: Answering | LiveAnswering = answering
        self._engine: Network | None = bundle.engine
        self.living: Living | None = None
        if learners is not None and LEARNER in content.files:
            self.living = learners.open(self.name, self.version, bundle.engine)
            self._engine, self.stays = self.living, True
            self._answering = learners.answering(answering, self.living)
        self.parameters = Declared(post, self.room)
        self._plain = self.parameters.read(None)
        self.outputs = Outputs(self.schema.target, self.room)
        self.example = example.row_of(self.schema, tuple(self.reader.needed))
        self.seconds, self._row_seconds = self._measured()
        self.mode = mode_of(self.seconds) if mode == "auto" else mode
        self.executor: Executor | None = self._executor(self._engine)
        self.breaker = Breaker()
        self.observer: Observer | None = None

    def answer(
        self, read: Read, rows: int, parameters: Parameters
    ) -> Answers | Coroutine[Any, Any, Answers]:
        """The answers to the `rows` rows that `read` makes of the request, at once where it can.

        Raises ApiError: what `read` raises, 503 when too many requests wait or the network fails.
        """
        executor = self.executor
        if executor is None or not executor.at_once(rows):
            return self._later(read, rows, parameters)
        with Watched(self, rows) as work:
            answers = executor.now(*self._steps(work, read, parameters))
        return self._seen(answers, read, parameters)

    async def _later(self, read: Read, rows: int, parameters: Parameters) -> Answers:
        if self.executor is None:
            await self._brought()
        assert self.executor is not None
        with Watched(self, rows) as work:
            answers = await self.executor.later(*self._steps(work, read, parameters), rows)
        return self._seen(answers, read, parameters)

    def _steps(self, work: Watched, read: Read, parameters: Parameters) -> Steps:
        """What is done before the network, and after it."""

        def begin() -> Batch:
            work.begin()
            return read(self.reader)

        def finish(batch: Batch, output: NDArray[np.float32]) -> Answers:
            found = self._answering.answers(batch, output, parameters)
            work.end()
            return found

        return begin, finish

    def _seen(self, answers: Answers, read: Read, parameters: Parameters) -> Answers:
        """The answers, once those who compare versions have them."""
        if self.observer is not None and parameters is self._plain:
            self.observer.compare(self, read, answers)
        return answers

    def answer_here(self, read: Read) -> Answers:
        """The answers, in this thread, without parameters; raises whatever goes wrong."""
        assert self._engine is not None
        batch = read(self.reader)
        return self._answering.answers(batch, self._engine.run(batch.encoded), self._plain)

    async def _brought(self) -> None:
        """Wait for the network. Raises ApiError 503."""
        assert self.home is not None
        await self.home.bring(self)

    def expected(self, rows: int) -> float:
        """Seconds that a request of so many rows takes, as measured at the start."""
        return self.seconds + (rows - 1) * self._row_seconds

    @property
    def room(self) -> int:
        """For how many classes there is room beside those of the bundle."""
        return 0 if self.living is None else self.living.new_classes.most

    @property
    def classes(self) -> list[str]:
        """The classes that it knows now."""
        added = () if self.living is None else self.living.live.added
        return [*self.schema.target.classes, *added]

    @property
    def loaded(self) -> bool:
        """Whether the network is in memory; all that is told of it always is."""
        return self.executor is not None

    def free(self) -> None:
        """Let the network go."""
        if self.executor is not None:
            self.executor.close()
        if self.living is not None:
            self.living.close()
        self._engine = self.executor = None

    def reload(self) -> None:
        """Load the network again, its hashes verified; in any thread."""
        content = archive.read(self._source())
        if content.manifest.version != self.version:
            raise UserError(f"{content.path}: holds another version; add its bundle again")
        engine = engine_of(content, self._threads)
        self._engine, self.executor = engine, self._executor(engine)

    def _executor(self, engine: Network) -> Executor:
        return Executor(engine, self.mode, self._row_seconds, self._waiting)

    def _measured(self) -> tuple[float, float]:
        """Seconds of a request of one row, and of each further row: the best of a few.

        The first ones find cold caches, and others of this machine may be at work meanwhile.
        """

        def seconds(rows: list[dict[str, Any]]) -> float:
            started = time.perf_counter()
            self.answer_here(lambda reader: reader.rows(rows))
            return time.perf_counter() - started

        one = min(seconds([self.example]) for _ in range(_ROUNDS))
        if mode_of(one) == "threads":  # with any number of rows: no need to know
            return one, one
        many = min(seconds([self.example] * _ROWS) for _ in range(_ROUNDS))
        return one, max(0.0, many - one) / (_ROWS - 1)

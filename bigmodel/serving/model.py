"""One version of a model: loaded, measured, ready to answer requests."""

import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from bigmodel.bundle import archive, reference
from bigmodel.bundle.load import engine_of, open_archive
from bigmodel.bundle.members import LEARNER, NETWORK
from bigmodel.errors import UserError
from bigmodel.serving import example, names
from bigmodel.serving.answers import Answering, Answers
from bigmodel.serving.executor import Executor, Mode, Network, Running, mode_of
from bigmodel.serving.living.home import Home
from bigmodel.serving.outputs import Outputs
from bigmodel.serving.parameters import Declared, Parameters
from bigmodel.serving.question import Question
from bigmodel.serving.resident import Resident
from bigmodel.serving.rows import Given, Reader
from bigmodel.serving.soon import Soon
from bigmodel.serving.traffic.breaker import Breaker
from bigmodel.serving.traffic.watched import Observer, Watched

if TYPE_CHECKING:
    from bigmodel.serving.living.answering import LiveAnswering
    from bigmodel.serving.living.living import Living

_ROUNDS, _ROWS = 15, 32  # of the measurement


class Model(Resident):
    """A verified bundle that answers rows; it never changes, so requests share it freely.

    `source` says where it is, now and when its network has to be loaded again. `name` is what it is
    called in paths, the bundle's own by default; `running` says how its network runs. `observer`,
    where there is one, is told of each request. A bundle that keeps learning does so where there
    is a place for `learners`, and is not freed while it may be asked. Raises as `bigmodel.load`
    does, BigmodelError when its log is unusable.
    """

    def __init__(
        self,
        source: Path | str | Callable[[], Path],
        *,
        name: str | None = None,
        running: Running | None = None,
        learners: Home | None = None,
    ) -> None:
        super().__init__()
        self._source = source if callable(source) else lambda: Path(source)
        self._running = running or Running()
        content = archive.read(self._source(), to_run=True)
        bundle = open_archive(content, self._running.threads)
        self.manifest, self.schema = bundle.manifest, bundle.schema
        self.name = names.checked(name or self.manifest.name)
        self.version = self.manifest.version
        self.card = content.files["CARD.md"]
        self.metrics: dict[str, float | None] = content.part("metrics.json", orjson.loads)
        answered = reference.NAME in content.files  # older bundles do not know their answers
        self.answered = content.part(reference.NAME, reference.from_bytes) if answered else ()
        self.bytes = self.size = self.manifest.files[NETWORK].size
        self.passing = bundle.engine.passing
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
        mode = self._running.mode
        self.mode: Mode = mode_of(self.seconds) if mode == "auto" else mode
        self.executor: Executor | None = self._executor(self._engine)
        self.breaker = Breaker()
        self.observer: Observer | None = None

    def answer(
        self, question: Question, parameters: Parameters
    ) -> Answers | Soon[Answers] | Coroutine[Any, Any, Answers]:
        """The answers: at once, in the next turn of the loop, or later.

        Raises ApiError: 422 where the rows do not fit, 503 when too many requests wait or the
        network fails.
        """
        executor = self.executor
        if executor is None:
            return self._later(question, parameters)
        if not executor.in_loop(question.size):
            return self._beside(executor, question, parameters)
        if executor.mode == "queue" and parameters is self._plain and self.living is None:
            answers = executor.together(question)
            if self.observer is None:
                return answers
            return answers.then(lambda found: self._seen(question, found, parameters))
        question.still()
        return self._seen(question, self._run([question], parameters), parameters)

    async def _later(self, question: Question, parameters: Parameters) -> Answers:
        await self._brought()
        given = self.answer(question, parameters)
        return given if isinstance(given, Answers) else await given

    async def _beside(
        self, executor: Executor, question: Question, parameters: Parameters
    ) -> Answers:
        with Watched(self, question.size) as work:

            def answers() -> Answers:
                question.still()
                return self._work(work, [question], parameters)

            return self._seen(question, await executor.beside(answers), parameters)

    def _run(self, questions: Sequence[Question], parameters: Parameters | None = None) -> Answers:
        """The answers to all rows of these, in one run of the network."""
        with Watched(self, sum(question.size for question in questions)) as work:
            return self._work(work, questions, parameters or self._plain)

    def _work(
        self, work: Watched, questions: Sequence[Question], parameters: Parameters
    ) -> Answers:
        assert self._engine is not None
        work.begin()
        batch = self.reader.together([question.given for question in questions])
        answers = self._answering.answers(batch, self._engine.run(batch.encoded), parameters)
        work.end()
        return answers

    def _seen(self, question: Question, answers: Answers, parameters: Parameters) -> Answers:
        """The answers, once those who compare versions have them."""
        if self.observer is not None and parameters is self._plain:
            self.observer.compare(self, question.given, answers)
        return answers

    def answer_here(self, given: Given) -> Answers:
        """The answers, in this thread, without parameters; raises whatever goes wrong."""
        assert self._engine is not None
        batch = self.reader.read(given)
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
        content = archive.read(self._source(), to_run=True)
        if content.manifest.version != self.version:
            raise UserError(f"{content.path}: holds another version; add its bundle again")
        engine = engine_of(content, self._running.threads)
        self._engine, self.executor = engine, self._executor(engine)

    def _executor(self, engine: Network) -> Executor:
        return Executor(self._run, self.mode, self._row_seconds, self._running)

    def _measured(self) -> tuple[float, float]:
        """Seconds of a request of one row, and of each further row: the best of a few.

        The first ones find cold caches, and others of this machine may be at work meanwhile.
        """

        def seconds(rows: list[dict[str, Any]]) -> float:
            started = time.perf_counter()
            self.answer_here(rows)
            return time.perf_counter() - started

        one = min(seconds([self.example]) for _ in range(_ROUNDS))
        if mode_of(one) == "threads":  # with any number of rows: no need to know
            return one, one
        many = min(seconds([self.example] * _ROWS) for _ in range(_ROUNDS))
        return one, max(0.0, many - one) / (_ROWS - 1)

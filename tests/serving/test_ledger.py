"""What several processes see of two versions is judged as one, and outlives them."""

import asyncio
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace

import orjson
import pytest
import versions

from bigmodel.files import Hold
from bigmodel.serving.model import Model
from bigmodel.serving.registry.state import State
from bigmodel.serving.settings import Rollback
from bigmodel.serving.slot import Routing, Slot
from bigmodel.serving.store import NAME, Label, Predictions
from bigmodel.serving.traffic.judge import Judge
from bigmodel.serving.traffic.ledger import Ledger
from bigmodel.serving.writer import Writer

LIMITS = Rollback(0.01, 0.1, 0.3, 0.02, trial=5000, false_alarms=0.04)
NOBODY = SimpleNamespace(offer=lambda *_: None)  # has no room to ask a partner


@pytest.fixture(scope="module")
def pair(wine_bundle, tmp_path_factory) -> tuple[Model, Model]:
    """A stable version and another one."""
    other = versions.same(wine_bundle, tmp_path_factory.mktemp("other") / "bundle", 1)
    return Model(wine_bundle), Model(other)


def canary_of(pair) -> Routing:
    stable, canary = pair
    first = State().promoted(stable.version, "test")
    return Routing(stable, canary, state=first.with_canary(canary.version, 50.0))


class Process:
    """The judge of one process and its way to the store in `place`; what it has decided."""

    def __init__(self, place, routing: Routing) -> None:
        watcher = SimpleNamespace(collected=lambda *_: None)
        self.writer = Writer(place / NAME, 1 << 30, 1.0, watcher)
        self.writer.start()
        self.hold = Hold(place / "lock")
        self.ledger = Ledger(place / NAME, self.writer, self.hold.take)
        self.decided: list[str] = []
        self.judge = Judge(LIMITS, NOBODY, self._act, self.ledger.press)
        self.slot = Slot(routing, self.judge)

    def _act(self, comparison, criterion: str) -> None:
        self.decided.append(criterion)

    def fails(self, times: int) -> None:
        """The canary, while the stable version answers."""
        for _ in range(times):
            self.judge.answered(self.slot.routing.stable, 1, 0.0)
            self.judge.answered(self.slot.routing.canary, 1, None)

    def seen(self, criterion: str = "errors") -> int:
        return self.judge.told()["canary"]["criteria"][criterion]["count"]

    async def until(self, holds) -> None:
        for _ in range(1200):
            if holds():
                return
            await asyncio.sleep(0.05)
        raise AssertionError("not within a minute")


@asynccontextmanager
async def process(place, routing: Routing):
    one = Process(place, routing)
    await one.ledger.start({"wine": one.slot})
    try:
        yield one
    finally:
        await one.ledger.close()
        one.hold.release()
        await asyncio.to_thread(one.writer.stop)


def test_two_processes_decide_together(pair, tmp_path):
    async def run():
        routing = canary_of(pair)
        async with process(tmp_path, routing) as one, process(tmp_path, routing) as other:
            one.fails(8)
            other.fails(8)
            await one.until(lambda: one.seen() == other.seen() == 16)
            await one.until(lambda: one.decided == other.decided == ["errors"])

    asyncio.run(run())


def test_what_was_seen_is_there_after_a_restart_and_not_of_another_canary(pair, tmp_path):
    async def run():
        routing = canary_of(pair)
        async with process(tmp_path, routing) as one:
            one.fails(8)
        async with process(tmp_path, routing) as one:
            await one.until(lambda: one.seen() == 8)
            assert not one.decided
            one.fails(8)
            await one.until(lambda: one.decided == ["errors"])
        async with process(tmp_path, routing) as one:  # and what was decided is still to be done
            await one.until(lambda: one.decided == ["errors"])
        time.sleep(0.01)
        async with process(tmp_path, canary_of(pair)) as one:  # an operator tries once more
            await one.ledger.settle()
            assert one.seen() == 0
            assert not one.decided

    asyncio.run(run())


def store_labels(one: Process, first: int, count: int) -> None:
    """Answers of the canary that turn out to be wrong."""
    model = one.slot.routing.canary
    version, schema = model.version, orjson.dumps(model.schema.to_json())
    answers = orjson.dumps([{"prediction": "class_0"}])

    def work(store) -> None:
        store.add_version("wine", version, schema)
        for number in range(first, first + count):
            told = (f"{number:024x}", time.time(), "wine", version, "", 1, b"[]", answers)
            store.add_predictions(Predictions(*told))
            store.add_labels([Label(told[0], 0, time.time(), "wine", "", b'"class_1"')])

    one.writer.later(work)


def test_each_label_is_counted_once_by_whichever_process_reads_it(pair, tmp_path):
    async def run():
        routing = canary_of(pair)
        async with process(tmp_path, routing) as one, process(tmp_path, routing) as other:
            for ledger in (one.ledger, other.ledger):
                await ledger.settle()  # one of them reads labels from here on
            store_labels(other, 0, 5)
            await one.until(lambda: one.seen("loss") == other.seen("loss") == 5)
        async with process(tmp_path, routing) as one:
            await one.ledger.settle()
            store_labels(one, 5, 3)
            await one.until(lambda: one.seen("loss") >= 8)
            await one.ledger.settle()
            assert one.seen("loss") == 8

    asyncio.run(run())


def test_a_promoted_version_stays_on_trial_over_a_restart(pair, tmp_path):
    stable, other = pair
    state = State().promoted(stable.version, "test")
    after = state.promoted(other.version, "test")

    async def run():
        async with process(tmp_path, Routing(stable, state=state)) as one:
            for _ in range(100):
                one.judge.answered(stable, 1, 0.0)
            one.slot.publish(Routing(other, previous=stable, state=after))
            assert one.judge.on_trial
            one.judge.answered(other, 1, 0.0)
        async with process(tmp_path, Routing(other, previous=stable, state=after)) as one:
            await one.ledger.settle()
            errors = one.judge.told()["trial"]["criteria"]["errors"]
            assert (errors["count"], errors["reference_count"]) == (1, 100)
            for _ in range(30):
                one.judge.answered(other, 1, None)
            await one.until(lambda: one.decided == ["errors"])

    asyncio.run(run())

"""More models than fit into the memory: all of them answer, and the limit holds."""

import asyncio
import contextlib
import random
import threading
from pathlib import Path

import httpx
import pytest
import versions
from running import Server, serving
from test_swaps import QUICK

from bigmodel.errors import BigmodelError, UserError
from bigmodel.serving import memory
from bigmodel.serving.admission import Admission
from bigmodel.serving.capacity import Capacity
from bigmodel.serving.errors import ApiError
from bigmodel.serving.model import Model
from bigmodel.serving.registry.catalog import open_registry
from bigmodel.serving.resident import Resident

NAMES = ["a", "b", "c", "d", "e"]
MEGABYTES = 16


@pytest.fixture(scope="module")
def five(wine_bundle, tmp_path_factory) -> Path:
    """A registry of five models, each of some megabytes."""
    folder = tmp_path_factory.mktemp("five")
    registry = open_registry(str(folder / "models"))
    for seed, name in enumerate(NAMES):
        bundle = versions.large(wine_bundle, folder / name, MEGABYTES, seed)
        _, version = registry.add(bundle, name)
        registry.edit(name, lambda state: state.promoted(version, "test"))  # noqa: B023
    return folder / "models"


def resident(server: Server) -> int:
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


def told(client: httpx.Client) -> dict[str, dict]:
    return {name: client.get(f"/v1/models/{name}").json() for name in NAMES}


@pytest.mark.slow
def test_five_models_in_a_limit_that_holds_three(five, tmp_path, rows):
    body = {"rows": rows[:4]}
    everything = ["serving.memory_limit=1000000000000", *QUICK]
    with serving(five, tmp_path / "0", *everything, what="registry") as server:
        with server.client() as client:
            known = told(client)
            right = client.post("/v1/models/a/predict", json=body).json()["predictions"]
        sizes = [one["bytes"] for one in known.values()]
        base = resident(server) - sum(sizes)
    assert all(one["loaded"] for one in known.values())
    assert all(MEGABYTES << 20 <= size < 3 * MEGABYTES << 20 for size in sizes)
    limit = base + int(3.5 * max(sizes))
    order, most = random.Random(0), 0
    limited = [f"serving.memory_limit={limit}", "serving.pinned=[b]", *QUICK]
    with serving(five, tmp_path / "1", *limited, what="registry") as server:
        with server.client() as client:
            for _ in range(60):
                name = order.choice(NAMES)
                answer = client.post(f"/v1/models/{name}/predict", json=body)
                assert answer.status_code == 200, answer.text
                assert answer.json()["predictions"] == right
                most = max(most, resident(server))
            now = told(client)
            assert client.get("/v1/models/a/example").status_code == 200
        log = server.log
        assert server.end() == 0
    assert most < 1.1 * limit
    assert sum(one["loaded"] for one in now.values()) == 3
    assert now["b"]["loaded"]
    said = [str(line.get("message")) for line in log()]
    assert any("leaves the memory" in text for text in said)
    assert any("is in memory again" in text for text in said)


def test_what_is_too_large_for_the_limit_is_told_and_the_others_answer(five, tmp_path, rows):
    place = tmp_path / "state"
    with serving(five, place, "serving.memory_limit=1000000", *QUICK, what="registry") as server:
        with server.client() as client:
            assert client.get("/health/ready").status_code == 200
            assert client.get("/v1/models/a").status_code == 404
        server.end()
        said = " ".join(str(line.get("message")) for line in server.log())
    assert "too large: takes" in said


class Thing(Resident):
    """Takes as much as it says, and loads when it is let."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.version, self.bytes, self.size = name, "0" * 64, 100, 100
        self.loads, self._there = 0, False
        self.may = threading.Event()
        self.may.set()

    @property
    def loaded(self) -> bool:
        return self._there

    def free(self) -> None:
        self._there = False

    def reload(self) -> None:
        assert self.may.wait(60)
        self.loads += 1
        self._there = True


def in_a_loop(limit: int | None, work, pinned=(), deadline: float = 30.0) -> None:
    """Run `work(capacity, admission)` with a capacity that counts only what things say."""

    async def run() -> None:
        admission = Admission(100, 1.0)
        capacity = Capacity(limit, pinned, deadline, admission)
        capacity.start()
        await work(capacity, admission)
        capacity.close()

    asyncio.run(run())


def test_many_that_wait_for_one_model_load_it_once():
    async def work(capacity, admission):
        thing = Thing("a")
        thing.may.clear()
        for _ in range(10):
            admission.begin()
        waiting = [asyncio.ensure_future(capacity.bring(thing)) for _ in range(10)]
        await asyncio.sleep(0.05)
        assert admission.working == 0  # they say nothing of the engine's speed
        thing.may.set()
        await asyncio.gather(*waiting)
        assert thing.loads == 1
        assert admission.working == 10

    in_a_loop(None, work)


def test_who_cannot_wait_longer_is_told_and_the_load_goes_on():
    async def work(capacity, admission):
        thing = Thing("a")
        thing.may.clear()
        admission.begin()
        with pytest.raises(ApiError) as caught:
            await capacity.bring(thing)
        assert (caught.value.status, caught.value.code) == (503, "model_loading")
        thing.may.set()
        while not thing.loaded:
            await asyncio.sleep(0.01)
        assert thing.loads == 1

    in_a_loop(None, work, deadline=0.05)


def test_a_model_that_cannot_be_loaded_is_no_mistake_of_the_caller():
    async def work(capacity, admission):
        thing = Thing("a")

        def broken() -> None:
            raise UserError("it is gone")

        thing.reload = broken
        admission.begin()
        with pytest.raises(ApiError) as caught:
            await capacity.bring(thing)
        assert (caught.value.status, caught.value.code) == (503, "model_unavailable")

    in_a_loop(None, work)


@pytest.mark.parametrize("pinned", [(), ("a",)])
def test_what_was_used_longest_ago_leaves_unless_it_is_pinned_or_in_use(pinned):
    async def work(capacity, admission):
        things = {name: Thing(name) for name in "abc"}
        for name, thing in things.items():
            await capacity.run(capacity.first, name, 100, lambda: _loaded(thing))  # noqa: B023
            thing.bytes = 100 << 30  # more than three of which do not fit
        things["b"].enter()
        for name in "cab":
            things[name].used = "cab".index(name)
        new = Thing("d")
        new.bytes = 100 << 30
        await capacity.run(capacity.make_room, "d", new.bytes, 0)
        gone = [name for name, thing in things.items() if not thing.loaded]
        assert gone == ["c"]
        with contextlib.suppress(BigmodelError):
            await capacity.run(capacity.make_room, "d", 2 * new.bytes, 0)
        gone = [name for name, thing in things.items() if not thing.loaded]
        assert gone == (["c"] if pinned else ["a", "c"])

    in_a_loop(310 << 30, work, pinned, deadline=0.1)


def _loaded(thing: Thing) -> Thing:
    thing.reload()
    return thing


def test_what_a_network_took_is_given_back(wine_bundle, tmp_path):
    model = Model(versions.large(wine_bundle, tmp_path / "large", MEGABYTES, 0))
    sizes = []
    for _ in range(24):
        model.free()
        memory.give_back()
        before = memory.resident()
        model.reload()
        assert memory.resident() - before > MEGABYTES << 19
        sizes.append(before)
    assert max(sizes[12:]) < 1.02 * max(sizes[6:12])

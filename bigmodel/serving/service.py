"""What the handlers of one service share."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bigmodel.serving.beat import Beat
from bigmodel.serving.collect import Collector
from bigmodel.serving.errors import ApiError
from bigmodel.serving.follower import Follower
from bigmodel.serving.guard import Guard
from bigmodel.serving.http import Request
from bigmodel.serving.logs import Log
from bigmodel.serving.metrics import Metrics
from bigmodel.serving.model import Model
from bigmodel.serving.monitor.monitor import Monitor
from bigmodel.serving.settings import Serving
from bigmodel.serving.slot import Slot

if TYPE_CHECKING:
    from bigmodel.serving.living.living import Living


class Service:
    """The models by name, and what stands beside them.

    `follower` keeps `slots` as a registry says; None where there is none. `draining` once this
    process is to end, `replaced` where another one has its place.
    """

    def __init__(
        self,
        settings: Serving,
        slots: Mapping[str, Slot],
        follower: Follower | None,
        guard: Guard,
        collector: Collector,
        metrics: Metrics,
        log: Log,
        beat: Beat,
        monitor: Monitor,
    ) -> None:
        self.settings = settings
        self.slots, self.follower = slots, follower
        self.guard, self.collector, self.metrics, self.log = guard, collector, metrics, log
        self._beat, self.monitor = beat, monitor
        self.draining = self.replaced = False

    async def start(self) -> None:
        """Before the first request."""
        await self._beat.start()
        if self.follower is not None:
            await self.follower.start()
        self.monitor.start(self.slots)

    async def close(self) -> None:
        """After the last one: what is left reaches the disk."""
        if self.follower is not None:
            await self.follower.close()
        await self._beat.close()
        await asyncio.to_thread(self.monitor.close)
        for _, living in self.learners():
            living.close()
        self.collector.close()
        self.log.close()

    def learners(self) -> "Iterator[tuple[str, Living]]":
        """The models that keep learning, by name."""
        for name, slot in list(self.slots.items()):
            for model in slot.versions:
                if model.living is not None:
                    yield name, model.living

    def slot(self, name: str) -> Slot:
        """The slot of a model. Raises ApiError 404."""
        slot = self.slots.get(name)
        if slot is None:
            raise ApiError(404, "no_such_model", "no model of this name is served", "name")
        return slot

    def model(self, name: str, version: str | None = None) -> Model:
        """The model that answers, or one of its loaded versions. Raises ApiError 404."""
        slot = self.slot(name)
        return slot.model if version is None else slot.version(version)

    def take(self, request: Request) -> Model:
        """The version that answers a request, which has it until the request's end.

        Raises ApiError 404.
        """
        slot, version = self.slot(request.arguments["name"]), request.arguments.get("version")
        model = slot.choose(request) if version is None else slot.version(version)
        request.model = request.ticket.held = model.enter()
        return model

"""What the handlers of one service share."""

from collections.abc import Iterable

from bigmodel.serving.beat import Beat
from bigmodel.serving.collect import Collector
from bigmodel.serving.errors import ApiError
from bigmodel.serving.guard import Guard
from bigmodel.serving.logs import Log
from bigmodel.serving.metrics import Metrics
from bigmodel.serving.model import Model
from bigmodel.serving.monitor import Monitor
from bigmodel.serving.settings import Serving


class Slot:
    """The place of a model of one name; `model` is the version that answers new requests.

    A request reads `model` once and keeps it, so it ends on the version that it began with.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def versions(self) -> tuple[Model, ...]:
        """The versions that are loaded, the newest first."""
        return (self.model,)


class Service:
    """The models by name, and what stands beside them; `draining` once it is to end."""

    def __init__(
        self,
        settings: Serving,
        models: Iterable[Model],
        guard: Guard,
        collector: Collector,
        metrics: Metrics,
        log: Log,
        beat: Beat,
        monitor: Monitor,
    ) -> None:
        self.settings = settings
        self.slots = {model.name: Slot(model) for model in models}
        self.guard, self.collector, self.metrics, self.log = guard, collector, metrics, log
        self._beat, self.monitor = beat, monitor
        self.draining = False

    async def start(self) -> None:
        """Before the first request."""
        await self._beat.start()

    async def close(self) -> None:
        """After the last one: what is left reaches the disk."""
        await self._beat.close()
        self.monitor.close()
        self.collector.close()
        self.log.close()

    def slot(self, name: str) -> Slot:
        """The slot of a model. Raises ApiError 404."""
        slot = self.slots.get(name)
        if slot is None:
            raise ApiError(404, "no_such_model", "no model of this name is served", "name")
        return slot

    def model(self, name: str, version: str | None = None) -> Model:
        """The model that answers, or one of its loaded versions. Raises ApiError 404."""
        slot = self.slot(name)
        if version is None:
            return slot.model
        for model in slot.versions:
            if model.version == version:
                return model
        raise ApiError(404, "no_such_version", "this version is not loaded", "version")

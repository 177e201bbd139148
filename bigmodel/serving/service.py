"""What the handlers of one service share."""

from collections.abc import Iterable
from typing import Protocol

from bigmodel.serving.errors import ApiError
from bigmodel.serving.model import Model
from bigmodel.serving.seams import Collector, Guard, Metrics
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


class Beside(Protocol):
    """Something that lives as long as the service."""

    async def start(self) -> None: ...  # noqa: D102
    async def close(self) -> None: ...  # noqa: D102


class Service:
    """The models by name, and what stands beside them; `draining` once it is to end."""

    def __init__(
        self,
        settings: Serving,
        models: Iterable[Model],
        guard: Guard,
        collector: Collector,
        metrics: Metrics,
    ) -> None:
        self.settings = settings
        self.slots = {model.name: Slot(model) for model in models}
        self.guard, self.collector, self.metrics = guard, collector, metrics
        self.draining = False

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

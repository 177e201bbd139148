"""The place of a model of one name: which of its versions answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bigmodel.serving import places
from bigmodel.serving.errors import ApiError
from bigmodel.serving.http import Request
from bigmodel.serving.model import Model
from bigmodel.serving.registry.state import State
from bigmodel.serving.traffic import sticky
from bigmodel.serving.traffic.judge import Judge


@dataclass(frozen=True)
class Routing:
    """Who answers: never changed, but replaced as a whole, so that a request sees one of them.

    `previous` answered before `stable`, which is compared with it for a while. `state` is what the
    registry says; `problems` why a version of it does not answer, by version, in lines.
    """

    stable: Model
    canary: Model | None = None
    shadow: Model | None = None
    previous: Model | None = None
    state: State = field(default_factory=State)
    problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, Model]:
        """The versions that answer, or are compared with one that does."""
        found = {"stable": self.stable, "canary": self.canary, "shadow": self.shadow}
        return {label: model for label, model in found.items() if model is not None}

    @property
    def models(self) -> tuple[Model, ...]:
        """The versions that are in use, the stable one first."""
        found = (*self.labels.values(), self.previous)
        return tuple(dict.fromkeys(model for model in found if model is not None))

    def told(self, whole: bool) -> dict[str, Any]:
        """Who answers, what else the registry wants, and why it is not so; `whole`: with places."""
        labels = {label: model.version for label, model in self.labels.items()}
        wanted = self.state.labels
        return {
            "traffic": {**labels, "percent": self.state.percent if self.canary else 0.0},
            "wanted": {k: v for k, v in wanted.items() if labels.get(k) != v},
            "problems": {k: places.told(v, whole) for k, v in self.problems.items()},
        }


class Slot:
    """A request reads `routing` once and keeps its model, so it ends on the version it began with.

    Used by one event loop.
    """

    def __init__(self, routing: Routing, judge: Judge | None = None) -> None:
        self.routing, self.judge = routing, judge
        self._follow()

    @property
    def model(self) -> Model:
        """The version that answers whoever is not a canary's."""
        return self.routing.stable

    @property
    def versions(self) -> tuple[Model, ...]:
        """The versions that can be asked by name."""
        return self.routing.models

    def choose(self, request: Request) -> Model:
        """The version that answers a request: always the same for one caller."""
        routing = self.routing
        if routing.canary is None:
            return routing.stable
        place = sticky.place_of(routing.stable.name, sticky.key_of(request))
        return routing.canary if 100 * place < routing.state.percent else routing.stable

    def version(self, version: str) -> Model:
        """One that is named. Raises ApiError 404."""
        for model in self.versions:
            if model.version == version:
                return model
        raise ApiError(404, "no_such_version", "this version is not loaded", "version")

    def publish(self, routing: Routing) -> tuple[Model, ...]:
        """From now on these answer; returns those that do not any more."""
        before, self.routing = self.routing, routing
        self._follow()
        return tuple(model for model in before.models if model not in routing.models)

    def _follow(self) -> None:
        if self.judge is not None:
            self.judge.follow(self.routing)
            for model in self.routing.models:
                model.observer = self.judge

    def told(self, whole: bool) -> dict[str, Any]:
        """The labels and what is wrong, as the API shows them; `whole`: with places."""
        comparisons = {} if self.judge is None else self.judge.told()
        return {**self.routing.told(whole), "comparisons": comparisons}

"""The versions that this process has loaded, and those that it could not: why, and until when."""

import logging
import time
from collections.abc import Collection
from typing import NamedTuple

from bigmodel.errors import BigmodelError
from bigmodel.serving.loader import Loader
from bigmodel.serving.model import Model
from bigmodel.serving.registry.state import State

_AGAIN = 30.0  # seconds until a version that could not be loaded is tried again
_log = logging.getLogger(__name__)


class Problem(NamedTuple):
    """Why a version may not answer, in lines, and when (monotonic seconds) to look again."""

    lines: tuple[str, ...]
    again: float


class Shelf:
    """Versions by the names of models. One model is changed by one thread at a time."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._loaded: dict[tuple[str, str], Model] = {}
        self._problems: dict[tuple[str, str], Problem] = {}

    def load(self, name: str, version: str, stable: Model | None, force: bool) -> Model:
        """The version, which may follow `stable`. Raises as `Loader.load` does."""
        known = name, version
        if known not in self._loaded:
            self._loaded[known] = self._loader.load(name, version, stable, force)
            self._problems.pop(known, None)
        return self._loaded[known]

    def attempt(
        self, name: str, version: str | None, stable: Model | None, state: State
    ) -> Model | None:
        """The same; None, and why is noted, when it may not answer."""
        if version is None:
            return None
        known = name, version
        problem = self._problems.get(known, Problem((), 0.0))
        if known not in self._loaded and problem.again > time.monotonic():
            return None
        try:
            return self.load(name, version, stable, version in state.forced)
        except BigmodelError as error:
            if error.lines != problem.lines:
                _log.error("%s", "; ".join(error.lines))
            self._problems[known] = Problem(error.lines, time.monotonic() + _AGAIN)
            return None

    def problems(self, name: str, wanted: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Why versions of a model may not answer; those not wanted any more are forgotten."""
        for known in list(self._problems):
            if known[0] == name and known[1] not in wanted:
                self._problems.pop(known)
        return {v: one.lines for (model, v), one in list(self._problems.items()) if model == name}

    def due(self) -> set[str]:
        """The models with a version to be tried again."""
        now = time.monotonic()
        return {name for (name, _), one in list(self._problems.items()) if one.again <= now}

    def keep(self, name: str, used: Collection[Model]) -> None:
        """Let the versions of a model go, but for these; in the event loop."""
        for known, model in list(self._loaded.items()):
            if known[0] == name and model not in used:
                self._loaded.pop(known)
                model.retire()

"""A version, loaded and judged before it may answer."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from bigmodel.data.schema import Schema
from bigmodel.errors import UserError
from bigmodel.serving.capacity import Capacity
from bigmodel.serving.executor import Running
from bigmodel.serving.living.home import Home
from bigmodel.serving.model import Model
from bigmodel.serving.registry.catalog import Registry
from bigmodel.serving.registry.compatible import compatible
from bigmodel.serving.settings import Serving

_NOISE = 0.001  # seconds of a row: below, no version is called slow beside another
_SLOWER = 10.0  # times the stable version's seconds: the machine could not take the traffic


class Loader:
    """Loads versions of `registry` into this process, in a thread of the caller's choice.

    `check` says of a name and a schema, by a UserError, why a model may not answer at all.
    """

    def __init__(
        self,
        registry: Registry,
        settings: Serving,
        running: Running,
        check: Callable[[str, Schema], None],
        capacity: Capacity,
    ) -> None:
        self._registry, self._settings, self._running = registry, settings, running
        self._check, self._capacity = check, capacity

    def load(self, name: str, version: str, stable: Model | None, force: bool) -> Model:
        """The version: its hashes verified, asked its golden batch, warm, measured.

        Raises UserError or BigmodelError when it may not follow `stable`: damaged, too large, too
        slow, or, without `force`, of another schema.
        """

        def load() -> Model:
            return Model(
                lambda: self._registry.path(name, version),
                name=name,
                running=self._running,
                learners=Home(self._settings),
            )

        size = self._registry.path(name, version).stat().st_size
        model = self._capacity.first(name, size, load)
        try:
            self._judge(model, version, stable, force)
        except UserError:
            self._capacity.forget(model)
            raise
        return model

    def _judge(self, model: Model, version: str, stable: Model | None, force: bool) -> None:
        place = f"{self._registry}/{model.name}: {version[:12]}"
        if model.version != version:
            raise UserError(f"{place}: holds another version; add its bundle again")
        self._check(model.name, model.schema)
        most = self._settings.room.deadline_seconds / 2
        if stable is not None:
            most = min(most, max(_NOISE, _SLOWER * stable.seconds))
        if model.seconds > most:
            raise UserError(
                f"{place}: too slow: {model.seconds * 1e3:.3g} ms for a row, at most "
                f"{most * 1e3:.3g} ms is allowed here"
            )
        if stable is not None and not force:
            lines = compatible(callers_schema(stable), callers_schema(model))
            if lines:
                raise UserError(
                    f"{place}: not for the callers of {stable.version[:12]}: it "
                    f"{_listed(lines)}; force=true lets it answer all the same"
                )


def callers_schema(model: Model) -> Schema:
    """The schema with the columns alone that a row has to have."""
    return replace(model.schema, columns=tuple(model.reader.needed.values()))


def _listed(lines: Iterable[str]) -> str:
    told = list(lines)
    more = f"; and {len(told) - 5} more" if len(told) > 5 else ""
    return "; ".join(told[:5]) + more

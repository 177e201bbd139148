"""A service made of its parts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bigmodel.serving import keys, store
from bigmodel.serving.accounts import Shared
from bigmodel.serving.admission import Admission
from bigmodel.serving.auth import Everybody, Keyring
from bigmodel.serving.beat import Beat
from bigmodel.serving.collect import Collector
from bigmodel.serving.follower import Follower
from bigmodel.serving.guard import Guard
from bigmodel.serving.limits import Limits
from bigmodel.serving.living.figures import LearningFigures
from bigmodel.serving.loader import Loader
from bigmodel.serving.logs import Log
from bigmodel.serving.metrics import Metrics
from bigmodel.serving.model import Model
from bigmodel.serving.registry.catalog import Registry
from bigmodel.serving.service import Service
from bigmodel.serving.settings import LOOPBACK, Serving
from bigmodel.serving.slot import Routing, Slot
from bigmodel.serving.worker import Line, Place
from bigmodel.serving.writer import Writer


def assemble(
    settings: Serving,
    models: Sequence[Model] = (),
    registry: Registry | None = None,
    threads: int = 1,
) -> Service:
    """The service of these models, or of those in a registry, its store open; nothing listens yet.

    `threads` are the cores for one run of a network of the registry.

    Raises UserError when a setting does not fit the models, BigmodelError when the store cannot
    be opened.
    """
    place = Place.inherited()
    state, metrics = Path(settings.state), Metrics(None if place is None else Line(place))
    limits = Limits(None if place is None else Shared(place.accounts))
    admission = Admission(settings.room.in_flight, settings.room.deadline_seconds)
    guard = Guard(keyring(settings), limits, admission, metrics)
    kept = settings.collect
    writer = Writer(state / store.NAME, kept.max_bytes, kept.days, metrics)
    collector = Collector(writer, kept.sample, kept.redact, metrics)
    for model in models:
        collector.serves(model.name, model.version, model.schema)
        metrics.serves(model.name, model.version)
    writer.start()
    log = Log(None if place is None else place.number)
    log.install()
    slots: Mapping[str, Slot] = {model.name: Slot(Routing(model)) for model in models}
    follower = None
    if registry is not None:
        loader = Loader(registry, settings, threads, collector.check)
        follower = Follower(registry, loader, collector, metrics)
        follower.first()
        slots = follower.slots
    beat = Beat(limits, metrics, writer)
    service = Service(settings, slots, follower, guard, collector, metrics, log, beat)
    metrics.add(LearningFigures(service.learners))
    metrics.follow("requests_in_flight", lambda: admission.in_flight)
    metrics.follow("requests_working", lambda: admission.working)
    metrics.follow("records_waiting", lambda: writer.waiting)
    metrics.follow("log_lines_dropped", lambda: log.dropped)
    metrics.follow("ready", lambda: float(not service.draining))
    return service


def keyring(settings: Serving) -> Keyring | Everybody:
    """Who may ask: on loopback anyone, until there is a first key."""
    if settings.auth == "none":
        return Everybody()
    path = Path(settings.state) / keys.NAME
    return Keyring(path, required=settings.host not in LOOPBACK)

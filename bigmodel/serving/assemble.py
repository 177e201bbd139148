"""A service made of its parts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bigmodel.files import Hold
from bigmodel.serving import keys, store
from bigmodel.serving.accounts import Shared
from bigmodel.serving.admission import Admission
from bigmodel.serving.auth import Everybody, Keyring
from bigmodel.serving.beat import Beat
from bigmodel.serving.capacity import Capacity
from bigmodel.serving.collect import Collector
from bigmodel.serving.executor import Running
from bigmodel.serving.follower import Follower
from bigmodel.serving.guard import Guard
from bigmodel.serving.limits import Limits
from bigmodel.serving.living.figures import LearningFigures
from bigmodel.serving.loader import Loader
from bigmodel.serving.logs import Log
from bigmodel.serving.metrics import Metrics
from bigmodel.serving.model import Model
from bigmodel.serving.monitor.monitor import Monitor
from bigmodel.serving.registry.catalog import Registry
from bigmodel.serving.service import Service
from bigmodel.serving.settings import LOOPBACK, Serving
from bigmodel.serving.shelf import Shelf
from bigmodel.serving.slot import Routing, Slot
from bigmodel.serving.traffic.ledger import Ledger
from bigmodel.serving.traffic.shadow import Shadow
from bigmodel.serving.worker import Line, Place
from bigmodel.serving.writer import Writer


def assemble(
    settings: Serving,
    models: Sequence[Model] = (),
    registry: Registry | None = None,
    running: Running | None = None,
) -> Service:
    """The service of these models, or of those in a registry, its store open; nothing listens yet.

    `running` says how networks of the registry run.

    Raises UserError when a setting does not fit the models, BigmodelError when the store cannot
    be opened.
    """
    place = Place.inherited()
    metrics = Metrics(None if place is None else Line(place))
    limits = Limits(None if place is None else Shared(place.accounts))
    admission = _admission(settings, metrics)
    guard = Guard(keyring(settings), limits, admission, metrics)
    writer = _writer(settings, metrics)
    state, kept = Path(settings.state), settings.collect
    lead = Hold(state / "monitor" / "lock")
    monitor = Monitor(settings.monitor, state, metrics, lead)
    collector = Collector(writer, kept.sample, kept.redact, metrics, monitor.offer)
    for model in models:
        collector.serves(model.name, model.version, model.schema)
        metrics.serves(model.name, model.version)
    writer.start()
    log = _log(place, metrics)
    slots: Mapping[str, Slot] = {model.name: Slot(Routing(model)) for model in models}
    follower = None
    if registry is not None:
        ledger = Ledger(state / store.NAME, writer, lead.take)
        follower = _follower(
            settings, registry, running or Running(), collector, metrics, admission, ledger
        )
        slots = follower.slots
    beat = Beat(limits, metrics, writer)
    service = Service(settings, slots, follower, guard, collector, metrics, log, beat, monitor)
    metrics.add(LearningFigures(service.learners))
    metrics.follow("ready", lambda: float(not service.draining))
    return service


def _admission(settings: Serving, metrics: Metrics) -> Admission:
    admission = Admission(settings.room.in_flight, settings.room.deadline_seconds)
    metrics.follow("requests_in_flight", lambda: admission.in_flight)
    metrics.follow("requests_working", lambda: admission.working)
    return admission


def _writer(settings: Serving, metrics: Metrics) -> Writer:
    kept = settings.collect
    writer = Writer(Path(settings.state) / store.NAME, kept.max_bytes, kept.days, metrics)
    metrics.follow("records_waiting", lambda: writer.waiting)
    return writer


def _log(place: Place | None, metrics: Metrics) -> Log:
    log = Log(None if place is None else place.number)
    metrics.follow("log_lines_dropped", lambda: log.dropped)
    log.install()
    return log


def _follower(
    settings: Serving,
    registry: Registry,
    running: Running,
    collector: Collector,
    metrics: Metrics,
    admission: Admission,
    ledger: Ledger,
) -> Follower:
    """What keeps the slots as the registry says; what is there by now is loaded."""
    deadline = settings.room.deadline_seconds
    capacity = Capacity(settings.memory_limit, settings.pinned, deadline, admission)
    shelf = Shelf(Loader(registry, settings, running, collector.check, capacity))
    shadow = Shadow(lambda: admission.in_flight < settings.room.in_flight / 2)
    follower = Follower(
        registry, shelf, collector, metrics, settings.rollback, shadow, capacity, ledger
    )
    follower.first()
    return follower


def keyring(settings: Serving) -> Keyring | Everybody:
    """Who may ask: on loopback anyone, until there is a first key."""
    if settings.auth == "none":
        return Everybody()
    path = Path(settings.state) / keys.NAME
    return Keyring(path, required=settings.host not in LOOPBACK)

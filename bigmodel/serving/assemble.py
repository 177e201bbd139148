"""A service made of its parts."""

from collections.abc import Sequence
from pathlib import Path

from bigmodel.serving import keys, store
from bigmodel.serving.admission import Admission
from bigmodel.serving.auth import Everybody, Keyring
from bigmodel.serving.beat import Beat
from bigmodel.serving.collect import Collector
from bigmodel.serving.guard import Guard
from bigmodel.serving.limits import Limits
from bigmodel.serving.logs import Log
from bigmodel.serving.metrics import Metrics
from bigmodel.serving.model import Model
from bigmodel.serving.monitor import Monitor
from bigmodel.serving.service import Service
from bigmodel.serving.settings import LOOPBACK, Serving
from bigmodel.serving.status import served
from bigmodel.serving.writer import Writer


def assemble(settings: Serving, models: Sequence[Model]) -> Service:
    """The service of these models, its store open; nothing listens yet.

    Raises UserError when a setting does not fit the models, BigmodelError when the store cannot
    be opened.
    """
    state, metrics = Path(settings.state), Metrics()
    limits = Limits()
    admission = Admission(settings.room.in_flight, settings.room.deadline_seconds)
    guard = Guard(keyring(settings), limits, admission, metrics)
    kept = settings.collect
    writer = Writer(state / store.NAME, kept.max_bytes, kept.days, metrics)
    monitor = Monitor(settings.monitor, state, metrics)
    collector = Collector(writer, kept.sample, kept.redact, metrics, monitor.offer)
    for model in models:
        collector.serves(model.name, model.version, model.schema)
        metrics.serves(model.name, model.version)
    writer.start()
    log = Log()
    log.install()
    service = Service(
        settings, models, guard, collector, metrics, log, Beat(limits, metrics, writer), monitor
    )
    metrics.follow("requests_in_flight", lambda: admission.in_flight)
    metrics.follow("requests_working", lambda: admission.working)
    metrics.follow("records_waiting", lambda: writer.waiting)
    metrics.follow("log_lines_dropped", lambda: log.dropped)
    metrics.follow("ready", lambda: float(not service.draining))
    monitor.start(lambda: served(service))
    return service


def keyring(settings: Serving) -> Keyring | Everybody:
    """Who may ask: on loopback anyone, until there is a first key."""
    if settings.auth == "none":
        return Everybody()
    path = Path(settings.state) / keys.NAME
    return Keyring(path, required=settings.host not in LOOPBACK)

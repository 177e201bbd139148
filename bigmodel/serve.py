"""Serve a bundle, or the models of a registry, over HTTP: predictions, feedback, figures.

bigmodel serve bundle=runs/wine/.../bundle serving.port=8080
bigmodel serve registry=models
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from annotated_types import Gt

from bigmodel.errors import UserError
from bigmodel.serving import keys
from bigmodel.serving.settings import LOOPBACK, Serving

USAGE = """usage: bigmodel serve bundle=DIR_OR_ZIP [KEY=VALUE ...]
       bigmodel serve registry=DIR_OR_URL [KEY=VALUE ...]

Answers over HTTP until SIGTERM or Ctrl-C, then ends what was begun. With several workers, SIGHUP
takes up changed settings and bundles without a lost request.

  bundle                what a training wrote
  registry              or the models of `bigmodel registry`, each with its stable version;
                        what changes there is followed at once, without a dropped request
  name                  of the model in paths; by default the bundle's own
  threads               cores for one run of the network; 1 by default
  serving.host, .port   127.0.0.1 and 8080 by default
  serving.workers       processes that answer; 1 by default
  serving.auth          keys by default: on this machine's own address anybody may ask until a
                        first key is made (`bigmodel keys add`); any other address needs one.
                        none: whoever reaches the port may ask
  serving.state         the directory for keys, records and what was learnt
  serving.learn         false: a model that keeps learning stays as it is; true by default
  serving.tls           certificate=FILE key=FILE client_ca=FILE, in PEM: serving.tls.key=FILE ...
  serving.limits        body_bytes, rows, connections, ...: what a request may take
  serving.room          in_flight, deadline_seconds: what is refused at once when all is busy
  serving.collect       sample, redact, days, ...: what of the traffic is kept
  serving.memory_limit  bytes of all workers together; of a registry's models those used last
                        are in memory, and serving.pinned=[NAME] always
  serving.rollback      by how much a new version may be worse before it is taken back
  serving.monitor       rows, psi, labels, margin, ...: when drift and quality are alarming

`conf/serving/default.yaml` has them all, with their defaults (`bigmodel copy serving/default`).

Then, for a model that is called wine:

  curl localhost:8080/v1/models/wine/example | curl -d @- localhost:8080/v1/models/wine/predict

localhost:8080/docs shows every path with an example; KServe's and Triton's clients find the Open
Inference Protocol under /v2, and `bigmodel.client` is ours. / is a page of how the service does,
/metrics is for Prometheus."""


def serve(
    *,
    serving: Serving,
    bundle: str | None = None,
    registry: str | None = None,
    name: str | None = None,
    threads: Annotated[int, Gt(0)] = 1,
) -> None:
    """Serve `bundle`, or the models of `registry`, until SIGTERM.

    A bundle is served under its own name or another `name`. `threads` is the number of cores for
    one run of the network. Raises UserError when the bundle or a setting is wrong, BigmodelError
    when the address cannot be had.
    """
    with _extra():
        from bigmodel.bundle.engine import available_cores
        from bigmodel.serving.app import App
        from bigmodel.serving.assemble import assemble
        from bigmodel.serving.executor import Running
        from bigmodel.serving.living.home import Home
        from bigmodel.serving.model import Model
        from bigmodel.serving.registry.catalog import open_registry
        from bigmodel.serving.server import run
        from bigmodel.serving.worker import Place

    if (bundle is None) == (registry is None):
        raise UserError("command line: name one of bundle=DIR and registry=DIR")
    _refuse_open_door(serving)
    place, cores = Place.inherited(), available_cores()
    if place is not None:
        serving, cores = place.share(serving), place.cores(cores)
    elif serving.workers > 1:
        raise UserError(f"serving.workers={serving.workers}: start them with `bigmodel serve`")
    running = Running(threads, cores, serving.executor, serving.waiting)
    if bundle is None:
        service = assemble(serving, registry=open_registry(str(registry)), running=running)
    else:
        model = Model(bundle, name=name, running=running, learners=Home(serving))
        service = assemble(serving, [model])
    run(App(service), serving)


def main(argv: list[str]) -> int:
    """`bigmodel serve bundle=DIR`; returns the exit code."""
    if {"-h", "--help"} & set(argv):
        print(USAGE)
        return 0
    from pydantic import TypeAdapter

    from bigmodel.config.compose import settings

    given = settings("serve", argv)
    given["serving"] = TypeAdapter(Serving).validate_python(given["serving"])
    with _extra():
        from bigmodel.serving.supervisor import supervise
        from bigmodel.serving.worker import Place
    if given["serving"].workers > 1 and Place.inherited() is None:
        return supervise(given["serving"], [sys.executable, "-P", "-m", "bigmodel.serve", *argv])
    serve(**given)
    return 0


@contextmanager
def _extra() -> Iterator[None]:
    """Say what to install where an import does not find it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(
            f'serving needs {error.name}, and more; pip install "bigmodel[serve]"'
        ) from error


def _refuse_open_door(serving: Serving) -> None:
    """Nobody else's machine reaches a service without keys by accident."""
    if serving.auth == "none" or serving.host in LOOPBACK:
        return
    if not keys.read(Path(serving.state) / keys.NAME):
        raise UserError(
            f"serving.host={serving.host}: other machines could ask, and there are no keys; make "
            "one with `bigmodel keys add`, or say serving.auth=none"
        )


if __name__ == "__main__":  # of a worker
    from bigmodel.cli import guarded

    sys.exit(guarded(lambda: main(sys.argv[1:])))

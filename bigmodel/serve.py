"""Serve a bundle over HTTP: predictions, feedback, figures.

bigmodel serve bundle=runs/wine/.../bundle serving.port=8080
"""

from pathlib import Path
from typing import Annotated

from annotated_types import Gt

from bigmodel.errors import UserError
from bigmodel.serving import keys
from bigmodel.serving.settings import LOOPBACK, Serving

USAGE = """usage: bigmodel serve bundle=DIR_OR_ZIP [KEY=VALUE ...]

Answers over HTTP until SIGTERM or Ctrl-C, then ends what was begun.

  bundle                what a training wrote
  name                  of the model in paths; by default the bundle's own
  threads               cores for one run of the network; 1 by default
  serving.host, .port   127.0.0.1 and 8080 by default
  serving.auth          keys by default: on this machine's own address anybody may ask until a
                        first key is made (`bigmodel keys add`); any other address needs one.
                        none: whoever reaches the port may ask
  serving.state         the directory for keys and records
  serving.tls           certificate=FILE key=FILE client_ca=FILE, in PEM: serving.tls.key=FILE ...
  serving.limits        body_bytes, rows, connections, ...: what a request may take
  serving.room          in_flight, deadline_seconds: what is refused at once when all is busy
  serving.collect       sample, redact, days, ...: what of the traffic is kept
  serving.monitor       rows, psi, labels, margin, ...: when drift and quality are alarming

`conf/serving/default.yaml` has them all, with their defaults (`bigmodel copy serving/default`).

Then, for a model that is called wine:

  curl localhost:8080/v1/models/wine/example | curl -d @- localhost:8080/v1/models/wine/predict

localhost:8080/docs shows every path with an example; KServe's and Triton's clients find the Open
Inference Protocol under /v2, and `bigmodel.client` is ours. / is a page of how the service does,
/metrics is for Prometheus."""


def serve(
    *,
    bundle: str,
    serving: Serving,
    name: str | None = None,
    threads: Annotated[int, Gt(0)] = 1,
) -> None:
    """Serve `bundle` until SIGTERM, under its own name or another `name`.

    `threads` is the number of cores for one run of the network. Raises UserError when the bundle
    or a setting is wrong, BigmodelError when the address cannot be had.
    """
    try:
        from bigmodel.serving.app import App
        from bigmodel.serving.assemble import assemble
        from bigmodel.serving.model import Model
        from bigmodel.serving.server import run
    except ModuleNotFoundError as error:
        raise UserError(
            f'serving needs {error.name}, and more; pip install "bigmodel[serve]"'
        ) from error

    _refuse_open_door(serving)
    model = Model(
        bundle, name=name, threads=threads, mode=serving.executor, waiting=serving.waiting
    )
    run(App(assemble(serving, [model])), serving)


def main(argv: list[str]) -> int:
    """`bigmodel serve bundle=DIR`; returns the exit code."""
    if {"-h", "--help"} & set(argv):
        print(USAGE)
        return 0
    from pydantic import TypeAdapter

    from bigmodel.config.compose import settings

    given = settings("serve", argv)
    given["serving"] = TypeAdapter(Serving).validate_python(given["serving"])
    serve(**given)
    return 0


def _refuse_open_door(serving: Serving) -> None:
    """Nobody else's machine reaches a service without keys by accident."""
    if serving.auth == "none" or serving.host in LOOPBACK:
        return
    if not keys.read(Path(serving.state) / keys.NAME):
        raise UserError(
            f"serving.host={serving.host}: other machines could ask, and there are no keys; make "
            "one with `bigmodel keys add`, or say serving.auth=none"
        )

"""What operations ask: does the process live, may it get requests, what do its figures say."""

from bigmodel.serving.errors import ApiError
from bigmodel.serving.http import Request, Response, json
from bigmodel.serving.monitor.exposition import exposition
from bigmodel.serving.service import Service


async def live(service: Service, request: Request) -> Response:
    """The process answers."""
    return json({"live": True})


async def ready(service: Service, request: Request) -> Response:
    """New requests are welcome: 503 once the service is about to end, not one worker of it."""
    if service.draining and not service.replaced:
        raise ApiError(503, "draining", "this server is about to end; ask another one")
    return json({"ready": True})


async def metrics(service: Service, request: Request) -> Response:
    """All figures as Prometheus reads them."""
    try:
        text = await service.metrics.exposition()
    except TimeoutError as error:  # those of this worker alone would look like a fall
        raise ApiError(503, "figures_late", "the supervisor does not answer; ask again") from error
    text += exposition(service.monitor.document)
    return Response(text, b"text/plain; version=0.0.4; charset=utf-8")

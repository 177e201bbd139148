"""Back to an earlier version of what was learnt, over HTTP."""

import asyncio
from typing import Any

from bigmodel.serving.errors import ApiError, invalid
from bigmodel.serving.http import Request, Response, json
from bigmodel.serving.service import Service


async def rollback(service: Service, request: Request, version: Any) -> Response:
    """The learnt `version` of the model answers again, under a new number.

    Labels that were learnt since are not learnt again. Raises ApiError: 409 when the model does
    not keep learning or has no such version, 503 when nobody learns, 507 when the disk refuses.
    """
    model = service.model(request.arguments["name"])
    living = model.living
    if type(version) is not int or not 0 <= version < 2**63:
        raise invalid("learned is the number of a version, as model_version ends with", "learned")
    if living is None:
        raise ApiError(409, "not_learning", "this model does not keep learning", "learned")
    try:
        outcome = await asyncio.to_thread(living.rollback, version)
    except TimeoutError:
        raise ApiError(503, "nobody_learns", "no process learns now; try again") from None
    if "error" in outcome:
        if outcome["kind"] == "refused":
            raise ApiError(409, "refused", outcome["error"], "learned")
        raise ApiError(507, "log_refused", outcome["error"])
    number = outcome["version"]
    return json({"name": model.name, "version": f"{living.version}+{number}", "learned": number})

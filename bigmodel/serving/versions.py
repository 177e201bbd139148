"""The versions of a model as the API lists them."""

import asyncio
from typing import Any

from bigmodel.errors import BigmodelError
from bigmodel.serving import places
from bigmodel.serving.errors import ApiError
from bigmodel.serving.http import Request
from bigmodel.serving.service import Service


async def listing(service: Service, request: Request) -> list[dict[str, Any]]:
    """One object a version, the newest first: its labels, whether it is loaded, what is wrong.

    Raises ApiError 404 when no such model is served, 503 when the registry cannot be read.
    """
    name, whole = request.arguments["name"], places.may_know(request)
    slot = service.slot(name)
    routing = slot.routing
    labels: dict[str, list[str]] = {}
    for label in ("stable", "canary", "shadow"):
        model = getattr(routing, label)
        if model is not None:
            labels.setdefault(model.version, []).append(label)
    problems = {v: places.told(lines, whole) for v, lines in routing.problems.items()}
    versions = [model.version for model in slot.versions]
    loaded = {model.version for model in slot.versions if model.loaded}
    added: dict[str, float] = {}
    if service.follower is not None:
        try:
            stored = await asyncio.to_thread(service.follower.registry.versions, name)
        except BigmodelError as error:
            told = places.told(error.lines[:1], whole)
            raise ApiError(503, "registry_unreachable", told) from None
        added = {one.version: one.added for one in reversed(stored)}
        others = [*versions, *routing.problems]
        versions = [*added, *(v for v in dict.fromkeys(others) if v not in added)]
    return [
        {
            "version": version,
            "labels": labels.get(version, []),
            "loaded": version in loaded,
            "added": added.get(version),
            "problem": problems.get(version),
        }
        for version in versions
    ]

"""The versions of a model as the API lists them."""

import asyncio
from typing import Any

from bigmodel.errors import BigmodelError
from bigmodel.serving.errors import ApiError
from bigmodel.serving.service import Service


async def listing(service: Service, name: str) -> list[dict[str, Any]]:
    """One object a version, the newest first: its labels, whether it is loaded, what is wrong.

    Raises ApiError 404 when no such model is served, 503 when the registry cannot be read.
    """
    slot = service.slot(name)
    routing = slot.routing
    labels: dict[str, list[str]] = {}
    for label in ("stable", "canary", "shadow"):
        model = getattr(routing, label)
        if model is not None:
            labels.setdefault(model.version, []).append(label)
    versions = [model.version for model in slot.versions]
    loaded = {model.version for model in slot.versions if model.loaded}
    added: dict[str, float] = {}
    if service.follower is not None:
        try:
            stored = await asyncio.to_thread(service.follower.registry.versions, name)
        except BigmodelError as error:
            raise ApiError(503, "registry_unreachable", error.lines[0]) from None
        added = {one.version: one.added for one in reversed(stored)}
        others = [*versions, *routing.problems]
        versions = [*added, *(v for v in dict.fromkeys(others) if v not in added)]
    return [
        {
            "version": version,
            "labels": labels.get(version, []),
            "loaded": version in loaded,
            "added": added.get(version),
            "problem": routing.problems.get(version),
        }
        for version in versions
    ]

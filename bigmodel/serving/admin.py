"""Who answers, changed over HTTP: by keys with the scope admin.

What is changed is the registry's state, so that all processes follow, and it outlives them. A
label moves only to a version that this process has loaded.
"""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bigmodel.errors import BigmodelError, UserError
from bigmodel.serving.errors import ApiError, invalid
from bigmodel.serving.follower import Follower
from bigmodel.serving.http import Request, Response, json, loads
from bigmodel.serving.living import learned
from bigmodel.serving.registry.state import State
from bigmodel.serving.service import Service

T = TypeVar("T")


async def promote(service: Service, request: Request) -> Response:
    """`{"version", "force", "reason"}`: it answers everybody; by default the canary."""
    follower, name = _follower(service), request.arguments["name"]
    content = _content(request, ("version", "force", "reason"))
    force, reason = _flag(content, "force"), _reason(content, request, "promoted")
    state = await _read(service, name)
    wanted = content.get("version", state.canary)
    version = await _version(follower, name, wanted, "version")
    return await _changed(
        service, name, [version], lambda s: s.promoted(version, reason, force), force
    )


async def rollback(service: Service, request: Request) -> Response:
    """`{"reason"}`: the stable version before answers again; `{"learned": N}`: what was learnt."""
    name, content = request.arguments["name"], _content(request, ("reason", "learned"))
    if "learned" in content:
        return await learned.rollback(service, request, content["learned"])
    reason = _reason(content, request, "rolled back")
    state = await _read(service, name)
    before = state.previous[-1:]

    def change(now: State) -> State:
        if now.previous[-1:] != before:
            raise UserError("the state was changed meanwhile: look, and try again")
        return now.rolled_back(reason)

    return await _changed(service, name, before, change, force=True)


async def traffic(service: Service, request: Request) -> Response:
    """`{"canary", "percent", "shadow", "force"}`: who is asked beside the stable version."""
    follower, name = _follower(service), request.arguments["name"]
    content = _content(request, ("canary", "percent", "shadow", "force"))
    force = _flag(content, "force")
    given: dict[str, str | None] = {}
    for label in ("canary", "shadow"):
        if label in content:
            wanted = content[label]
            given[label] = None
            if wanted is not None:
                given[label] = await _version(follower, name, wanted, label)
    percent = content.get("percent")
    if percent is not None and (type(percent) not in (int, float) or not 0 <= percent <= 100):
        raise invalid("percent is a number from 0 to 100", "percent")

    def change(state: State) -> State:
        canary = given.get("canary", state.canary)
        if percent is not None and canary is None:
            raise UserError("percent is a canary's: name one")
        if "canary" in given or percent is not None:
            share = state.percent if percent is None else float(percent)
            state = state.with_canary(canary, share, force)
        return state.with_shadow(given["shadow"]) if "shadow" in given else state

    named = [version for version in given.values() if version is not None]
    return await _changed(service, name, named, change, force)


async def push(service: Service, request: Request) -> Response:
    """A bundle's zip: it is checked and kept; no label moves."""
    follower, name = _follower(service), request.arguments["name"]

    def keep() -> str:
        handle, path = tempfile.mkstemp(suffix=".zip")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(request.content)
            return follower.registry.add(path, name)[1]
        except UserError as error:
            raise UserError(*(line.replace(path, "the bundle") for line in error.lines)) from None
        finally:
            Path(path).unlink()

    return json({"name": name, "version": await _refusing(service, asyncio.to_thread(keep))})


def _follower(service: Service) -> Follower:
    if service.follower is None:
        message = "this server serves one bundle; start it with registry=DIR to change versions"
        raise ApiError(409, "no_registry", message)
    return service.follower


def _content(request: Request, names: Sequence[str]) -> dict[str, Any]:
    """The JSON object of the body, which may be empty."""
    content = loads(request.content) if request.content else {}
    if not isinstance(content, dict):
        raise invalid("the body has to be a JSON object")
    for name in content.keys() - set(names):
        raise invalid(f"the body may have {', '.join(names)}; nothing else", name[:100])
    return content


def _flag(content: dict[str, Any], name: str) -> bool:
    value = content.get(name, False)
    if type(value) is not bool:
        raise invalid(f"{name} is true or false", name)
    return value


def _reason(content: dict[str, Any], request: Request, default: str) -> str:
    reason = content.get("reason", f"{default} by key {request.key or 'anyone'}")
    if not isinstance(reason, str):
        raise invalid("reason is a text", "reason")
    return reason


async def _version(follower: Follower, name: str, given: Any, field: str) -> str:
    """The version that is meant: its first characters are enough."""
    if not isinstance(given, str):
        raise invalid("name a version by its first characters, six at least", field)
    try:
        return await asyncio.to_thread(follower.registry.resolve, name, given)
    except UserError as error:
        raise ApiError(404, "no_such_version", error.lines[0], field) from None


async def _read(service: Service, name: str) -> State:
    registry = _follower(service).registry
    return await _refusing(service, asyncio.to_thread(registry.state, name))


async def _changed(
    service: Service,
    name: str,
    versions: Sequence[str],
    change: Callable[[State], State],
    force: bool,
) -> Response:
    """What the state is now."""
    state = await _refusing(service, _follower(service).change(name, versions, change, force))
    told = {"stable": state.stable, "canary": state.canary, "percent": state.percent}
    return json({"name": name, **told, "shadow": state.shadow, "previous": state.previous[-1:]})


async def _refusing(service: Service, work: Awaitable[T]) -> T:
    """What the awaitable gives; what cannot be done is said to the caller."""
    try:
        with service.guard.admission.aside():
            return await work
    except UserError as error:
        raise ApiError(409, "refused", "; ".join(error.lines)[:1000]) from None
    except BigmodelError as error:
        raise ApiError(507, "registry_refused", "; ".join(error.lines)[:1000]) from None

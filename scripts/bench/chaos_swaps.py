"""Versions that change under load, and a server that is killed meanwhile."""

import random
import signal
import threading
import time
import urllib.error
from contextlib import suppress
from pathlib import Path
from typing import Any

import common
from chaos_common import NAME, Server, asking, eventually, registry_of, trained, versions

Result = tuple[list[dict[str, Any]], list[dict[str, Any]]]
ADMIN = f"/v1/admin/models/{NAME}"


def swaps(folder: Path, quick: bool) -> Result:
    """Hot swaps under load: every answer is 200, and its version was live."""
    registry, made = registry_of(folder, trained(folder), 3)
    row = versions.rows()[0]
    count = 5 if quick else 100
    server = Server(folder)
    late = 0
    with asking(server, row) as seen:
        for step in range(count):
            version = made[(step + 1) % 3]
            if step % 2:
                server.ask(f"{ADMIN}/promote", {"version": version})
            else:
                registry.edit(NAME, lambda state: state.promoted(version, "bench"))  # noqa: B023
                late += not eventually(
                    lambda: server.ask(f"/v1/models/{NAME}")["version"] == version  # noqa: B023
                )
            asked = sum(seen.values())
            eventually(lambda: sum(seen.values()) > asked + 8)  # noqa: B023
    server.end()
    other = sum(n for (status, _), n in seen.items() if status != 200)
    foreign = sum(n for (status, v), n in seen.items() if status == 200 and v not in made)
    rows = [{"part": "swaps", "swaps": count, "answers": sum(seen.values()), "not 200": other}]
    return rows, [
        common.target("answers other than 200 in 100 swaps under load", other, "<=", 0),
        common.target("answers by a version that was not live", foreign, "<=", 0),
        common.target("swaps that did not come", late, "<=", 0),
        common.target("swaps", count, ">=", 100),
    ]


def kills(folder: Path, quick: bool) -> Result:
    """kill -9 at random moments during swaps and promotions: the registry is always whole."""
    registry, made = registry_of(folder, trained(folder), 3)
    row = versions.rows()[0]
    count, moment = (2 if quick else 20), random.Random(0)
    broken = silent = answers = 0
    for _ in range(count):
        server = Server(folder)
        changes = threading.Thread(target=_changing, args=(server, made))
        with asking(server, row, callers=2) as seen:
            changes.start()
            time.sleep(moment.uniform(0.05, 2.0))
            server.end(signal.SIGKILL)
        changes.join()
        answers += sum(n for (status, _), n in seen.items() if status == 200)
        state = registry.state(NAME)
        whole = state.stable in made and registry.path(NAME, str(state.stable)).exists()
        broken += not whole
        after = Server(folder)
        told = after.ask(f"/v1/models/{NAME}/predict", {"rows": [row]})
        silent += told["model_version"] != state.stable
        after.end()
    registry.gc(NAME, keep=10)
    left = len(list((folder / "models").rglob(".tmp-*")))
    rows = [{"part": "kills", "kills": count, "answers": answers, "left after gc": left}]
    return rows, [
        common.target("registries that do not open, or point to no whole version", broken, "<=", 0),
        common.target("servers that did not come back with that version", silent, "<=", 0),
        common.target("half-written files after gc", left, "<=", 0),
        common.target("kills", count, ">=", 20),
    ]


def _changing(server: Server, made: list[str]) -> None:
    """Promotions without a pause, until the server is gone."""
    step = 0
    while True:
        try:
            with suppress(urllib.error.HTTPError):
                server.ask(f"{ADMIN}/promote", {"version": made[step % len(made)]})
        except (OSError, ValueError):
            return
        step += 1


def bad(folder: Path, quick: bool) -> Result:
    """Versions that are damaged, or for other callers, never become stable, whoever asks for it."""
    registry, made = registry_of(folder, bundle := trained(folder), 3)
    row = versions.rows()[0]
    wrong = versions.with_schema(bundle, folder / "other", _other_classes)
    made.append(registry.add(wrong, NAME)[1])
    _flip(registry.path(NAME, made[1]))
    _cut(registry.path(NAME, made[2]))
    server = Server(folder)
    answered = unsaid = 0
    with asking(server, row, callers=2) as seen:
        for version in made[1:]:
            with suppress(urllib.error.HTTPError):
                server.ask(f"{ADMIN}/promote", {"version": version})
            registry.edit(NAME, lambda state: state.promoted(version, "by hand"))  # noqa: B023
            unsaid += not eventually(
                lambda: version in server.ask(f"/v1/models/{NAME}")["problems"]  # noqa: B023
            )
            registry.edit(NAME, lambda state: state.promoted(made[0], "back"))
    server.end()
    answered = sum(n for (_, version), n in seen.items() if version in made[1:])
    other = sum(n for (status, _), n in seen.items() if status != 200)
    rows = [{"part": "bad versions", "versions": 3, "answers": sum(seen.values())}]
    return rows, [
        common.target("answers by a damaged, cut or incompatible version", answered, "<=", 0),
        common.target("answers other than 200 meanwhile", other, "<=", 0),
        common.target("bad versions of which nothing was told", unsaid, "<=", 0),
    ]


def _other_classes(schema: dict[str, Any]) -> None:
    schema["target"]["classes"] = ["a", "b", "c"]


def _flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])

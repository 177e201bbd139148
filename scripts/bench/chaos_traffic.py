"""Canaries: their share, how soon a worse one is taken back, and how often one that is not."""

import statistics
from pathlib import Path
from typing import Any

import common
from chaos_common import NAME, Server, judging, registry_of, trained, versions

from bigmodel.config.compose import settings
from bigmodel.serving.settings import Rollback
from bigmodel.serving.traffic.sticky import place_of

Result = tuple[list[dict[str, Any]], list[dict[str, Any]]]
ADMIN = f"/v1/admin/models/{NAME}"
WORKERS = 4
WORSE = {
    "fails always": {"error": 1.0},
    "fails on a tenth": {"error": 0.1},
    "is slow": {"slow": 0.9},
    "is wrong twice as often": {"wrong": 0.2},
    "is wrong on half": {"wrong": 0.5},
}


def share(folder: Path, quick: bool) -> Result:
    """10,000 callers, a tenth for the canary; a wrong canary over HTTP, with feedback."""
    count = sum(place_of(NAME, f"caller-{key}".encode()) < 0.1 for key in range(10_000))
    registry, _ = registry_of(folder, bundle := trained(folder), 1)
    rows = versions.rows()
    wrong = registry.add(versions.wrong(bundle, folder / "wrong"), NAME)[1]
    server = Server(folder)
    server.ask(f"{ADMIN}/traffic", {"canary": wrong, "percent": 10})
    changed, known, needed = 0, {}, 0
    right = {i: one["label"] for i, one in enumerate(versions.labelled())}
    for number in range(200 if quick else 5000):
        at, caller = number % len(rows), f"caller-{number % 1000}"
        answer = server.ask(
            f"/v1/models/{NAME}/predict", {"rows": [rows[at]]}, **{"x-routing-key": caller}
        )
        changed += known.setdefault(caller, answer["model_version"]) != answer["model_version"]
        told = {"prediction_id": answer["prediction_ids"][0], "label": right[at]}
        server.ask(f"/v1/models/{NAME}/feedback", told)
        if registry.state(NAME).canary is None:
            needed = number + 1
            break
    server.end()
    rows_ = [
        {"part": "canary", "callers of 10,000": count, "requests until it was taken back": needed}
    ]
    return rows_, [
        common.target("canary's callers of 10,000, fewest", count, ">=", 900),
        common.target("canary's callers of 10,000, most", count, "<=", 1100),
        common.target("callers that changed their version", changed, "<=", 0),
        common.target(
            "requests until a wrong canary of a tenth was taken back", needed or 1e9, "<=", 2000
        ),
    ]


def alarms(folder: Path, quick: bool) -> Result:
    """Runs of identical versions, and of worse ones: how often, and how soon, one is taken back."""
    limits = Rollback(**settings("serve", ["bundle=none"])["serving"]["rollback"])
    runs, length = (10, 2000) if quick else (100, 20_000)
    rows: list[dict[str, Any]] = []
    false = 0
    for workers in (1, WORKERS):
        same = [_run(limits, {}, length, seed, workers) for seed in range(runs)]
        called = sum(found is not None for found in same)
        false = max(false, called)
        what = f"the same, {workers} workers"
        rows.append({"part": "alarms", "canary": what, "runs": runs, "taken back": called})
    missed = 0
    for name, worse in WORSE.items():
        found = [_run(limits, worse, length, 1000 + seed) for seed in range(runs)]
        needed = [n for n in found if n is not None]
        missed += len(found) - len(needed)
        told = common.spread(needed or [length], "requests")
        rows.append(
            {"part": "alarms", "canary": name, "runs": runs, "taken back": len(needed), **told}
        )
    fails = statistics.median(
        _run(limits, {"error": 1.0}, length, seed) or length for seed in range(20)
    )
    return rows, [
        common.target(
            "false alarms per 100 runs of identical versions", 100 * false / runs, "<=", 4.99
        ),
        common.target("worse canaries that were not found", missed, "<=", 0),
        common.target(
            "requests until one that fails always is taken back (median)", fails, "<=", 200
        ),
    ]


def _run(
    limits: Rollback, worse: dict[str, float], length: int, seed: int, workers: int = 1
) -> int | None:
    """Traffic with a tenth for the canary; after how many requests it is called worse."""
    together = judging.Processes(limits, workers)
    return together.traffic({**judging.SOUND, **worse}, length, seed)

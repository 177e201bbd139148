"""What makes two searches the same: their space, and what all their trials have in common."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from omegaconf import DictConfig, OmegaConf

from bigmodel.config.place import shown
from bigmodel.errors import UserError
from bigmodel.search.plan import SearchPlan
from bigmodel.search.settings import Search
from bigmodel.search.space import Space

NOT_COMPARED = ("hydra", "search", "run_dir", "name", "logger")  # no trial's result depends on them
COMPARED = ("sampler", "rungs", "fidelity", "objectives")  # of the search itself
NOTE = "signature"
MOST = 12  # differences that are shown


def name(cfg: DictConfig, space: Space, search: Search) -> str:
    """The study's name where none was given: the same command again goes on, another one begins."""
    choices = cfg.hydra.runtime.choices
    text = json.dumps(_signature(cfg, space, search), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return "-".join([str(choices.data), str(choices.model), str(choices.search), digest])


def check(plan: SearchPlan, cfg: DictConfig) -> None:
    """Raise `UserError` when the study was begun with another space or base config."""
    ours = _signature(cfg, plan.space, plan.search)
    record = plan.record()
    with record.lock:
        theirs = record.recall(NOTE)
        if theirs is None:
            record.remember(NOTE, ours)
            return
    changed = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    if not changed:
        return
    lines = [f"  {key}: was {_said(theirs, key)}, is {_said(ours, key)}" for key in changed[:MOST]]
    lines += [f"  and {len(changed) - MOST} more"] if len(changed) > MOST else []
    raise UserError(
        f"search.study: {shown(plan.place)} was begun with other settings; take them back, or give "
        "another search.study=NAME",
        *lines,
    )


def _signature(cfg: DictConfig, space: Space, search: Search) -> dict[str, Any]:
    """Flat: each setting by its key, and each parameter as `space: KEY`."""
    tree = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(tree, dict)
    found = dict(_flat({k: v for k, v in tree.items() if k not in NOT_COMPARED}))
    own = OmegaConf.to_container(cfg.search, resolve=True)
    assert isinstance(own, dict)
    found |= dict(_flat({f"search.{key}": own[key] for key in COMPARED}))
    found |= {f"search.space.{key}": value for key, value in space.describe().items()}
    searched = {parameter.key for parameter in space.parameters}
    return {key: json.loads(json.dumps(v)) for key, v in found.items() if key not in searched}


def _flat(node: Any, above: str = "") -> Any:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _flat(value, f"{above}.{key}" if above else str(key))
    else:
        yield above, node


def _said(settings: dict[str, Any], key: str) -> str:
    if key not in settings:
        return "not there"
    value = settings[key]
    if isinstance(value, dict) and "range" in value:
        ends = value["range"][0] if value["scale"] == "choice" else value["range"][:2]
        when = f" when {value['when']}" if value["when"] else ""
        return f"{value['scale'] or 'uniform'} {ends}{when}"
    return json.dumps(value)

"""What a search looks for: metrics of validation, and what a network costs."""

from __future__ import annotations

from typing import Literal

import torch
from omegaconf import DictConfig

from bigmodel.bundle.postprocess import Postprocess
from bigmodel.config.instantiate import instantiate
from bigmodel.config.suggest import closest
from bigmodel.data.splits import VAL
from bigmodel.data.tables import TableData
from bigmodel.errors import UserError
from bigmodel.search import shared
from bigmodel.search.costs import MEASURES
from bigmodel.search.settings import Search
from bigmodel.training import run, weigh
from bigmodel.training.measure import of_split
from bigmodel.training.monitor import mode
from bigmodel.weighting.plan import Plan


def direction(name: str) -> Literal["min", "max"]:
    """Whether less of an objective is better."""
    return "min" if name in MEASURES else mode(name)


def objectives(search: Search, cfg: DictConfig, places: dict[str, str]) -> tuple[str, list[str]]:
    """The monitored metric, and what the search looks for.

    Reads the table, which the trials of this process then share: which metrics there are depends
    on the target. Raises `UserError` when one is not among them; `places` says who named it.
    """
    strategy = instantiate(cfg.weighting)
    text = instantiate(cfg.model.get("text"))
    data: TableData = instantiate(cfg.data, text=text, **weigh.needs(strategy))
    shared.prepare(data, cfg)
    rows = weigh.rows_of(data.prepared)
    known = _metrics(data, strategy.sketch(rows) if strategy is not None else Plan())
    monitor = run.monitored(cfg, data)
    named = [monitor if name == "monitor" else name for name in search.objectives]
    lines = []
    if monitor not in known and not monitor.startswith("train/"):
        lines.append(_line(places["monitor"], "monitor", monitor, known))
    for name in named:
        if name.startswith("test/"):
            lines.append(
                f"{places['objectives']}: search.objectives: {name}: the test split chooses "
                f"nothing; name {name.replace('test/', 'val/')}"
            )
        elif name not in known and name not in MEASURES and name != monitor:
            lines.append(
                _line(places["objectives"], "search.objectives", name, {*known, *MEASURES})
            )
    if lines:
        raise UserError(*lines)
    return monitor, named


def _line(place: str, key: str, name: str, known: set[str]) -> str:
    return f"{place}: {key}: {name}: no such metric{closest(name, known)}"


def _metrics(data: TableData, plan: Plan) -> set[str]:
    """The metrics of validation, found by measuring a network that knows nothing."""
    prepared = data.prepared
    target = torch.from_numpy(prepared.target[prepared.rows(VAL)])
    if not len(target):
        raise UserError("data.split.ratios: a search needs validation rows; give them a share")
    output = torch.zeros(len(target), data.spec.n_outputs)
    post = Postprocess(prepared.schema.target)
    found = {f"val/{name}" for name in of_split(plan, post, data, VAL, output, target)}
    return found | ({"val/ece_uncalibrated"} if data.spec.task != "regression" else set())

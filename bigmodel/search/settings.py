"""What stands under `search` in a config; the config checker reads it here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Gt, MinLen
from pydantic import StringConstraints

from bigmodel.search.rungs import Rungs
from bigmodel.search.samplers import Sampler

__all__ = ["Search"]


@dataclass
class Search:
    """The settings of a search.

    `space` says what is tried, by key, as `bigmodel/search/space.py` reads it; with `presets`, the
    spaces that come with the model, the optimizer and the weighting are searched, too. `sampler`
    picks what to try next, `rungs` stop a trial early that falls behind (None: no trial is).

    `study` names the record and its directory; the same name goes on. `n_trials` is its total.
    `storage` is the URL of a database that Optuna knows; None: a journal in the directory.
    `objectives` are metrics of a run, `monitor` is the monitored one, and costs of its network
    (`latency_ms`, `parameters`, `bytes`); several give a Pareto front.
    With the fidelity `rows`, the rungs are shares of the training rows instead of epochs.
    """

    sampler: Sampler
    space: Mapping[str, Any] = field(default_factory=dict)
    presets: bool = True
    study: Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*$")] | None = None
    n_trials: Annotated[int, Gt(0)] = 40
    workers: Annotated[int, Gt(0)] = 1
    rungs: Rungs | None = None
    fidelity: Literal["epochs", "rows"] = "epochs"
    objectives: Annotated[list[str], MinLen(1)] = field(default_factory=lambda: ["monitor"])
    storage: str | None = None
    on_error: Literal["continue", "stop"] = "continue"

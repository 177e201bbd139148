"""Compression as a part of a run: steps, each of which has to pass the gate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Gt
from omegaconf import DictConfig

from bigmodel.compression import latency, sizes
from bigmodel.compression.bound import Drop
from bigmodel.compression.candidate import Candidate
from bigmodel.compression.gate import Gate
from bigmodel.compression.step import Step
from bigmodel.compression.work import Work
from bigmodel.config.instantiate import instantiate
from bigmodel.data.splits import TRAIN, VAL
from bigmodel.data.tables import TableData
from bigmodel.errors import BigmodelError, UserError
from bigmodel.models.auto import Auto
from bigmodel.models.task import Task
from bigmodel.training.launch import processes
from bigmodel.training.run import monitored

__all__ = ["Compression"]


@dataclass(frozen=True)
class Compression:
    """Steps in their order (null takes one out), and what they may cost.

    `max_drop` is of the monitored metric on validation: absolute for scores, relative for errors.
    A step that costs more is softened, or undone. With `required`, a run whose steps were all
    undone ends with exit code 1, after it has written the uncompressed model.
    """

    steps: Mapping[str, Step | None]
    max_drop: Annotated[float, Gt(0)] = 0.005
    required: bool = False

    def __post_init__(self) -> None:
        if not self.taken:
            raise UserError("compression.steps: none is left; use compression=none")

    @property
    def taken(self) -> dict[str, Step]:
        """The steps that are there."""
        return {name: step for name, step in self.steps.items() if step is not None}


@dataclass(frozen=True)
class Small:
    """What compression made of a run's network: the file to serve, and figures about it.

    `onnx` is None when there was nothing to do, or nothing within the budget: `failure` says why.
    """

    onnx: bytes | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    failure: str = ""

    def insist(self) -> None:
        """Raise BigmodelError where compression was required and nothing came of it."""
        if self.failure:
            raise BigmodelError(self.failure)


def settings(cfg: DictConfig, model: Task | Auto, data: TableData) -> Compression | None:
    """The config's compression, None without one.

    Raises UserError when the data, or the network, do not allow it: before the fit.
    """
    compression: Compression | None = instantiate(cfg.compression)
    if compression is None:
        return None
    if not len(data.prepared.rows(VAL)):
        raise UserError(
            "compression: what it costs is measured on validation rows, and there are none; "
            "change data.split.ratios, or use compression=none"
        )
    if processes(cfg.trainer) > 1 and any(step.trains for step in compression.taken.values()):
        raise UserError("compression: its steps train in one process; set trainer.devices=1")
    rows = len(data.prepared.rows(TRAIN))
    for step in compression.taken.values():
        step.check(model.network if isinstance(model, Task) else None, rows)
    return compression


def compress(
    compression: Compression | None, cfg: DictConfig, model: Task, data: TableData
) -> Small:
    """Take the steps on the fitted `model`; says what each of them does and costs."""
    if compression is None:
        return Small()
    model.network.cpu().eval()
    work = Work(cfg, model, data, monitored(cfg, data).removeprefix("val/"))
    first = Candidate(model.network, data.spec, work.rows)
    gate = Gate(work, first, compression.max_drop)
    candidate = first
    for name, step in compression.taken.items():
        candidate = gate.take(name, step, candidate)
    if candidate is first:
        print("compression: nothing is left of it; the network is exported as it is")
        why = f"compression.required: {'; '.join(gate.failures)}"
        return Small(failure=why if compression.required else "")
    return Small(candidate.served, _figures(candidate, first, gate.last, work, compression))


def _figures(
    candidate: Candidate, first: Candidate, drop: Drop, work: Work, compression: Compression
) -> dict[str, float]:
    """What `metrics.json` says of it, under `compression/`."""
    found: dict[str, Any] = {
        **candidate.figures,
        **sizes.ratios(candidate.served, first.plain, work.data.prepared.encoder),
        **latency.gains(candidate.served, first.plain, first.network, work.rows),
        "drop": round(drop.value, 6),
        "drop_upper": round(drop.upper, 6),
        "drop_proven": float(drop.proven(compression.max_drop)),
    }
    told = (
        f"{found['size_ratio']:.3g} times smaller, "
        f"{found['latency_ratio_b1']:.3g} times as fast for 1 row, "
        f"{found['latency_ratio_b64']:.3g} for 64 "
        f"({found['latency_ratio_eager_b1']:.3g} and {found['latency_ratio_eager_b64']:.3g} "
        "times torch)"
    )
    print(f"compression: {told}")
    return {f"compression/{name}": float(value) for name, value in found.items()}

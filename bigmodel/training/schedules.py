"""Learning-rate schedules, in units that a config can know: shares of the fit, not step counts.

Each function is called by the task with the optimizer, the number of optimizer steps and epochs
of the whole fit, and the monitored metric; it returns Lightning's scheduler config.
"""

from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt
from torch.optim import Optimizer
from torch.optim import lr_scheduler as schedulers

from bigmodel.config.runtime import Runtime
from bigmodel.training.monitor import mode

__all__ = ["cosine", "one_cycle", "plateau", "step"]

Steps = Annotated[int, Runtime()]
Monitor = Annotated[str, Runtime()]
GivenOptimizer = Annotated[Optimizer, Runtime()]


def cosine(
    optimizer: GivenOptimizer,
    steps: Steps,
    epochs: Steps,
    monitor: Monitor,
    *,
    warmup: Annotated[float, Ge(0), Lt(1)] = 0.05,
    final: Annotated[float, Ge(0), Le(1)] = 0.01,
) -> dict[str, Any]:
    """Linear warm-up over the share `warmup` of the steps, then half a cosine down to `final`.

    `final` is a share of the optimizer's learning rate (SGDR without restarts, arXiv 1608.03983).
    """
    lr = optimizer.param_groups[0]["lr"]
    rise = max(1, round(warmup * steps))
    fall = schedulers.CosineAnnealingLR(optimizer, T_max=max(1, steps - rise), eta_min=final * lr)
    if not warmup:
        return {"scheduler": fall, "interval": "step"}
    start = schedulers.LinearLR(optimizer, start_factor=1 / (rise + 1), total_iters=rise)
    chain = schedulers.SequentialLR(optimizer, [start, fall], milestones=[rise])
    return {"scheduler": chain, "interval": "step"}


def step(
    optimizer: GivenOptimizer,
    steps: Steps,
    epochs: Steps,
    monitor: Monitor,
    *,
    every: Annotated[float, Gt(0), Le(1)] = 0.3,
    factor: Annotated[float, Gt(0), Lt(1)] = 0.1,
) -> dict[str, Any]:
    """Multiply the learning rate by `factor` after each share `every` of the epochs."""
    period = max(1, round(every * epochs))
    return {"scheduler": schedulers.StepLR(optimizer, period, gamma=factor), "interval": "epoch"}


def one_cycle(
    optimizer: GivenOptimizer,
    steps: Steps,
    epochs: Steps,
    monitor: Monitor,
    *,
    rise: Annotated[float, Gt(0), Lt(1)] = 0.3,
) -> dict[str, Any]:
    """Up to the optimizer's learning rate over the share `rise`, then down (arXiv 1708.07120)."""
    lr = optimizer.param_groups[0]["lr"]
    cycle = schedulers.OneCycleLR(optimizer, max_lr=lr, total_steps=steps + 1, pct_start=rise)
    return {"scheduler": cycle, "interval": "step"}


def plateau(
    optimizer: GivenOptimizer,
    steps: Steps,
    epochs: Steps,
    monitor: Monitor,
    *,
    factor: Annotated[float, Gt(0), Lt(1)] = 0.3,
    patience: Annotated[int, Ge(0)] = 5,
) -> dict[str, Any]:
    """Multiply the learning rate by `factor` after `patience` epochs without a better metric."""
    wait = schedulers.ReduceLROnPlateau(
        optimizer, mode=mode(monitor), factor=factor, patience=patience
    )
    return {"scheduler": wait, "interval": "epoch", "monitor": monitor}

"""Which metric decides: when to stop, what is best, when the learning rate drops."""

from typing import Literal

from bigmodel.data.schema import Task

SMALLER_IS_BETTER = ("loss", "log_loss", "ece", "rmse", "mae")


def default_monitor(task: Task) -> str:
    """The metric that is watched unless the config names another."""
    return "val/rmse" if task == "regression" else "val/macro_f1"


def mode(monitor: str) -> Literal["min", "max"]:
    """`min` when smaller is better, else `max`."""
    return "min" if monitor.rpartition("/")[2] in SMALLER_IS_BETTER else "max"

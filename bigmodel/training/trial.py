"""A fit that is one of many: what a search wants of it. It tests nothing and leaves no bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from omegaconf import DictConfig
from pytorch_lightning import Callback

if TYPE_CHECKING:
    from bigmodel.data.tables import TableData
    from bigmodel.models.task import Task


class Trial(Protocol):
    """Who watches a fit. It travels to each process of the run: it has to be pickled."""

    def callbacks(self) -> list[Callback]:
        """What the trainer gets besides the config's own; may raise `Paused` in the fit."""

    def prepare(self, data: TableData, cfg: DictConfig) -> None:
        """Read, split and encode the table, or take it over from an earlier trial."""

    def measure(self, model: Task, data: TableData) -> dict[str, float]:
        """What is measured of the fitted network besides its metrics on validation."""

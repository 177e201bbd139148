"""The door by which Hydra lets a sweeper in; its work is in `bigmodel/search/`.

Hydra imports this module at every start: nothing heavy may be imported at its top.
"""

from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SearchSweeper(Sweeper):
    """Hydra's sweeper of every option of the group `search`.

    `params` are more of the space, in the syntax of the command line; `max_batch_size` is Hydra's
    own key, which means nothing here: no trial waits for another.
    """

    def __init__(self, params: dict[str, str] | None = None, max_batch_size: None = None) -> None:
        self.params = dict(params or {})

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Called by Hydra before `sweep`."""
        self.config: DictConfig = config
        self.job: Any = task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Search; `arguments` are the overrides of the command line."""
        from bigmodel.search import sweep

        declared = [f"{key}={value}" for key, value in self.params.items()]
        made = GlobalHydra.instance().hydra
        return sweep.sweep(made, self.job, self.config, [*declared, *arguments])

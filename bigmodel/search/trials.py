"""The configs of trials, without composing each: what the options of groups give is kept."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from bigmodel import files
from bigmodel.config import compose as composing


class Configs:
    """Composes configs of `entry` that have the overrides `fixed` in common."""

    def __init__(self, made: Any, entry: str, fixed: list[str]) -> None:
        self.made, self.entry, self.fixed = made, entry, [*fixed, "search=none"]
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def of(self, overrides: list[str], directory: Path) -> DictConfig:
        """The config that all these overrides compose to, for a run in `directory`.

        Where `directory` has none, the overrides are written to `.hydra/overrides.yaml`, from
        which `trainer.resume=DIR` reads them.
        """
        loader = self.made.config_loader
        choices = tuple(text for text in overrides if _is_choice(text, loader))
        if choices not in self._composed:
            given = [*self.fixed, *choices]
            self._composed[choices] = composing.compose_in(self.made, self.entry, given)
        whole = self._composed[choices]
        HydraConfig.instance().set_config(whole)  # so that ${hydra:...} resolves
        cfg = OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"])
        cfg = copy.deepcopy(cfg)
        with open_dict(cfg):
            for text in overrides:
                if text not in choices:
                    (override,) = composing.parse([text])
                    OmegaConf.update(
                        cfg, override.get_key_element(), override.value(), force_add=True
                    )
            cfg.pop("search", None)  # this is one run of it
        _remember([*self.fixed, *overrides], directory)
        return cfg


def _is_choice(text: str, loader: Any) -> bool:
    return composing.is_choice(composing.parse([text])[0], loader)


def _remember(overrides: list[str], directory: Path) -> None:
    file = directory / ".hydra" / "overrides.yaml"
    if not file.exists():
        files.write_text(file, yaml.safe_dump(overrides, allow_unicode=True))

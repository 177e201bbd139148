"""Make the objects that a config describes, each target gated right before it is called."""

from typing import Any

import hydra.utils
from omegaconf import DictConfig, ListConfig, OmegaConf

from bigmodel.config.trust import KEYS, resolve


def instantiate(node: DictConfig | None, /, **arguments: Any) -> Any:
    """Hydra's `instantiate` behind the trust gate; None stays None.

    `arguments` are passed to the outermost target. Raises `Untrusted` when a target anywhere in
    the node may not be used: the checker has said so before, with file and line.
    """
    if node is None:
        return None
    gate(OmegaConf.to_container(node, resolve=True))
    return hydra.utils.instantiate(node, **arguments)


def gate(tree: Any) -> None:
    """Resolve every target of a plain tree, so that none is called unseen."""
    if isinstance(tree, dict | DictConfig):
        if "_target_" in tree:
            resolve(tree["_target_"])
        for key, value in tree.items():
            if str(key).startswith("_") and str(key).endswith("_") and key not in KEYS:
                raise ValueError(f"{key!s} is not allowed in a config")
            gate(value)
    elif isinstance(tree, list | ListConfig):
        for value in tree:
            gate(value)

"""Make the objects that a config describes, each target gated right before it is called."""

from functools import partial
from typing import Any

import hydra.utils
from omegaconf import DictConfig, ListConfig, OmegaConf

from bigmodel.config.trust import KEYS, resolve


def instantiate(node: DictConfig | None, /, **arguments: Any) -> Any:
    """Hydra's `instantiate` behind the trust gate; None stays None.

    Lists and mappings of the config become plain ones. `arguments` are passed to the outermost
    target as they are. Raises `Untrusted` when a target anywhere in the node may not be used: the
    checker has said so before, with file and line.
    """
    if node is None:
        return None
    gate(OmegaConf.to_container(node, resolve=True))
    if "_target_" not in node:  # a list or a mapping of objects
        return hydra.utils.instantiate(node, _convert_="all")
    # given to Hydra, the arguments would become nodes: copies, and dataclasses no longer
    make = hydra.utils.instantiate(node, _partial_=True, _convert_="all")
    return partial(make, **arguments) if node.get("_partial_") else make(**arguments)


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

"""Gradient-boosted trees, grown by LightGBM and kept as tensors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bigmodel.data.schema import Task
from bigmodel.errors import UserError
from bigmodel.models.networks.trees import Trees


class Rows(NamedTuple):
    """What trees learn from: numbers (n, p) float32, targets (n,), and what the rows weigh."""

    columns: NDArray[np.float32]
    target: NDArray[Any]
    weight: NDArray[np.floating[Any]] | None


class Grown(NamedTuple):
    """The trees, and the value (trees, nodes) float32 of each leaf."""

    trees: Trees
    value: Tensor


@dataclass(frozen=True)
class Settings:
    """LightGBM's, under the names that this house gives them."""

    rounds: int
    leaves: int
    lr: float
    min_rows: int
    columns: float
    patience: int


def grow(train: Rows, val: Rows, task: Task, n_outputs: int, settings: Settings) -> Grown:
    """Trees until the loss on `val` has not fallen for `patience` rounds.

    Raises UserError when LightGBM is not installed.
    """
    try:
        import lightgbm
    except ImportError as error:
        raise UserError('model: trees need LightGBM; pip install "bigmodel[boosting]"') from error
    given = {
        "objective": task,  # called the same there
        "num_leaves": settings.leaves,
        "learning_rate": settings.lr,
        "min_data_in_leaf": settings.min_rows,
        "feature_fraction_bynode": settings.columns,
        "deterministic": True,  # whatever the number of threads
        "force_row_wise": True,
        "seed": 0,
        "verbose": -1,
    }
    if task == "multiclass":
        given["num_class"] = n_outputs
    first = lightgbm.Dataset(train.columns, train.target, weight=train.weight)
    stop: list[Any] = []
    sets: list[Any] = []
    if len(val.target):
        sets = [first.create_valid(val.columns, val.target, weight=val.weight)]
        stop = [lightgbm.early_stopping(settings.patience, verbose=False)]
    booster = lightgbm.train(given, first, settings.rounds, valid_sets=sets, callbacks=stop)
    told = booster.dump_model(num_iteration=booster.best_iteration)
    return _tensors([tree["tree_structure"] for tree in told["tree_info"]])


def _tensors(roots: list[Mapping[str, Any]]) -> Grown:
    """LightGBM's nested nodes as tables."""
    listed = [list(_nodes(root)) for root in roots]
    shape = (len(roots), max(map(len, listed)))
    feature, left, right = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    threshold, value = (np.zeros(shape, dtype=np.float32) for _ in range(2))
    left[:] = right[:] = np.arange(shape[1])  # a leaf leads to itself
    for tree, nodes in enumerate(listed):
        place = {id(node): index for index, (node, _) in enumerate(nodes)}
        for index, (node, _) in enumerate(nodes):
            if "leaf_value" in node:
                value[tree, index] = node["leaf_value"]
                continue
            feature[tree, index] = node["split_feature"]
            threshold[tree, index] = _floor(node["threshold"])
            left[tree, index] = place[id(node["left_child"])]
            right[tree, index] = place[id(node["right_child"])]
    depth = max(level for nodes in listed for _, level in nodes)
    return Grown(Trees(feature, threshold, left, right, depth), torch.from_numpy(value))


def _nodes(root: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], int]]:
    """The nodes of a tree with their depths, the root first."""
    waiting = [(root, 0)]
    while waiting:
        node, level = waiting.pop()
        yield node, level
        if "leaf_value" not in node:
            waiting += [(node["right_child"], level + 1), (node["left_child"], level + 1)]


def _floor(threshold: float) -> np.float32:
    """The greatest float32 that is not above: float32 values fall on the same side of it."""
    near = np.float32(threshold)
    return near if near <= threshold else np.nextafter(near, np.float32(-np.inf))

"""The encoded table that the trials of one process share: it is read and encoded once."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from omegaconf import DictConfig, OmegaConf

from bigmodel.data.prepare import Prepared
from bigmodel.data.splits import TRAIN, UNUSED
from bigmodel.data.tables import TableData

_kept: dict[str, Prepared] = {}  # the last one: trials that vary the data itself take turns


def prepare(data: TableData, cfg: DictConfig) -> None:
    """Give `data` the table of an earlier trial, if that was made with the same settings."""
    key = _key(data, cfg)
    if key not in _kept:
        _kept.clear()
        data.setup("fit")
        _kept[key] = data.prepared
    data.take(_kept[key])


def some_rows(prepared: Prepared, percent: int, seed: int) -> Prepared:
    """The table with a share of its training rows, of each class the same, at least one.

    A larger share holds the rows of a smaller one. What was learnt for the encoding stays.
    """
    rng, split = np.random.default_rng(seed), prepared.split.copy()
    train = prepared.rows(TRAIN)
    classes = prepared.target[train] if prepared.schema.target.classes else np.zeros(len(train))
    for code in np.unique(classes):
        rows = rng.permutation(train[classes == code])
        split[rows[max(1, round(len(rows) * percent / 100)) :]] = UNUSED
    return replace(prepared, split=split)


def _key(data: TableData, cfg: DictConfig) -> str:
    """All that decides what the table becomes. Not the batch size: it cuts the encoded one."""
    settings = OmegaConf.to_container(cfg.data, resolve=True)
    assert isinstance(settings, dict)
    settings.pop("batch_size", None)
    text = cfg.model.get("text")
    text = None if text is None else OmegaConf.to_container(text, resolve=True)
    columns = [data.settings.side, data.settings.request]
    return json.dumps([settings, text, columns, cfg.seed], sort_keys=True)

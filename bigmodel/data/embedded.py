"""The data sets that come with scikit-learn, as tables."""

from importlib import import_module

import pandas as pd

from bigmodel.data.reading import RawTable


def read(name: str) -> RawTable:
    """The data set `name`; its target is called `target`, with the classes by name."""
    found = getattr(import_module("sklearn.datasets"), f"load_{name}")(as_frame=True)
    frame: pd.DataFrame = found.frame
    names = [str(n) for n in found.get("target_names", ())]
    if names and names != sorted(map(str, set(frame["target"]))):
        frame["target"] = [names[code] for code in frame["target"]]
    return RawTable(frame, lambda row: f"{name}: row {row} (from 0)", name)

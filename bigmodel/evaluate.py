"""Measure a bundle on labelled rows: the very metrics of training, computed from its answers.

bigmodel evaluate bundle=runs/adult/.../bundle data.path=new_rows.csv
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Gt

from bigmodel import files


@dataclass
class Labelled:
    """Where the labelled rows are."""

    path: str


def evaluate(
    bundle: str,
    data: Labelled,
    output: str | None = None,
    chunk_rows: Annotated[int, Gt(0)] = 50_000,
) -> dict[str, float]:
    """The metrics of `bundle` on the rows of `data.path`, by name, and the number of rows.

    The file may be of any size; memory holds `chunk_rows` rows and their probabilities. A label
    that the bundle does not know, or an empty one, is a `UserError` that names its row.
    """
    import torch

    from bigmodel.bundle.load import load
    from bigmodel.data.reading import iter_labelled
    from bigmodel.data.spec import ModelSpec
    from bigmodel.training.metrics import SplitMetrics, finite

    opened = load(bundle)
    metrics = SplitMetrics(ModelSpec.of(opened.schema, opened.encoder))
    rows = 0
    for frame, target in iter_labelled(Path(data.path), opened.schema, chunk_rows):
        logits, codes = opened.judged(frame)
        said = None if codes is None else torch.from_numpy(codes)
        metrics.update(torch.from_numpy(logits), torch.from_numpy(target), said)
        rows += len(frame)
    values = finite(metrics.compute() | metrics.per_class()) | {"rows": float(rows)}
    if output:
        files.write_json(output, values)
    return values


def main(argv: list[str]) -> int:
    """`bigmodel evaluate`; returns the exit code."""
    from bigmodel.config.compose import settings

    given = settings("evaluate", argv)
    given["data"] = Labelled(**given["data"])
    for name, value in evaluate(**given).items():
        print(f"{name:24} {value:.6g}")
    return 0

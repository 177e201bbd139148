"""What the answers looked like on validation: what those of a service are compared with.

`reference.json` has them as columns in the form of the schema, each with its histogram:
`prediction`, and for classes `confidence`, the largest probability of a row. Older bundles have
no such file, and their answers no reference.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.data.learn import bars, bins
from bigmodel.data.schema import Column

NAME = "reference.json"
PREDICTION, CONFIDENCE = "prediction", "confidence"

Answered = tuple[Column, ...]


def of_values(values: NDArray[np.float64]) -> Answered:
    """Of the values (n,) of a regression, in the target's units; n > 0."""
    return (Column(PREDICTION, "numeric", "float64", histogram=bins(np.sort(values))),)


def of_classes(
    classes: Sequence[str], codes: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> Answered:
    """Of the classes that were said, as codes (n,), and probabilities (n, K); n > 0."""
    counts = np.bincount(codes, minlength=len(classes)).tolist()
    counted = sorted(zip(classes, counts, strict=True), key=lambda pair: -pair[1])
    confidence = np.sort(probabilities.max(axis=1).astype(np.float64))
    return (
        Column(PREDICTION, "categorical", "str", histogram=bars(counted)),
        Column(CONFIDENCE, "numeric", "float64", histogram=bins(confidence)),
    )


def to_bytes(answered: Answered) -> bytes:
    """The file of the bundle."""
    return (json.dumps([asdict(column) for column in answered], indent=1) + "\n").encode()


def from_bytes(content: bytes) -> Answered:
    """Read what `to_bytes` wrote. Raises TypeError or ValueError on anything else."""
    listed: list[dict[str, Any]] = json.loads(content)
    return tuple(Column(**{**column, "missing": ()}) for column in listed)

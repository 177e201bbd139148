"""The golden batch: a few raw rows with the trained network's answers, asked again at every load.

It finds what hashes cannot: another version of a library, or another processor, that computes
something else from the same files.
"""

import io

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import load, save

from bigmodel.data.schema import Target
from bigmodel.errors import BigmodelError

ROWS, ANSWERS = "golden.parquet", "golden.safetensors"
TOLERANCE = 1e-4  # of a probability, or of the target's scale
# the same where activations are integers: on another processor, a sum that ends a hair off is
# rounded to the next integer
INTEGER_TOLERANCE = 0.05


def to_files(
    rows: pd.DataFrame, reference: NDArray[np.floating], tolerance: float = TOLERANCE
) -> dict[str, bytes]:
    """The batch as the two files of the bundle; reference is (n, K) or (n,).

    `tolerance` is how far answers may be from it at a later load.
    """
    buffer = io.BytesIO()
    rows.reset_index(drop=True).to_parquet(buffer)
    answers = {"reference": np.ascontiguousarray(reference, dtype=np.float64)}
    if tolerance != TOLERANCE:
        answers["tolerance"] = np.array([tolerance])
    return {ROWS: buffer.getvalue(), ANSWERS: save(answers)}


def rows_of(content: bytes) -> pd.DataFrame:
    """The raw rows."""
    return pd.read_parquet(io.BytesIO(content))


def reference_of(content: bytes) -> NDArray[np.float64]:
    """The trained network's answers: (n, K) probabilities or (n,) values."""
    return load(content)["reference"].astype(np.float64)


def tolerance_of(content: bytes) -> float:
    """How far the answers may be off; never more than what integers need."""
    given = load(content).get("tolerance")
    return TOLERANCE if given is None else min(float(given[0]), INTEGER_TOLERANCE)


def check_parity(
    answer: NDArray[np.float64],
    reference: NDArray[np.float64],
    target: Target,
    place: str,
    tolerance: float = TOLERANCE,
) -> None:
    """Raise BigmodelError, naming the largest difference, unless the answers agree."""
    if answer.shape != reference.shape or not answer.size:
        raise BigmodelError(
            f"{place}: the golden batch has {reference.shape} answers, the network gives "
            f"{answer.shape}; export the bundle again"
        )
    unit = target.scale if target.task == "regression" else 1.0
    difference = np.abs(answer - reference) / unit
    allowed = tolerance * np.maximum(1.0, np.abs(reference - target.offset) / unit)
    if not (difference <= allowed).all():  # a NaN is not within any bound
        row = difference.reshape(len(difference), -1).max(axis=1).argmax()
        raise BigmodelError(
            f"{place}: the network does not give the trained network's answers: they differ by "
            f"up to {difference.max():.3g} (golden row {row}; {tolerance:g} is allowed); "
            "install the library versions of its manifest, or export the bundle again"
        )

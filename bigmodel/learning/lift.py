"""The lift: from a frozen network's row to what the experts see. Fitted once, then fixed.

Columns are standardised and clipped, cut into pieces of like count (piecewise-linear encoding,
Gorishniy et al. 2022, arXiv 2203.05556), and mapped to random Fourier features (Rahimi and Recht
2007) of two widths around the median distance of rows.
"""

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from bigmodel.learning.arrays import Floats, Ints, State
from bigmodel.learning.layout import Layout

__all__ = ["Lift"]

CLIP = 6.0  # standard deviations
_PAIRS = 500  # of rows, for the median distance
_FAR = 1e-9  # a piece of a column below this width says nothing


class Features(NamedTuple):
    """What the experts see of n rows.

    `static` (n, K) are the frozen network's logits, or its value (n, 1); `raw`
    (n, d + 1) is 1 and the standardised columns, `inputs` (n, I) those and their pieces, `lift`
    (n, D) everything. `known` (n, L) are the labels that were known when the row was answered,
    the newest first, -1 where there was none.
    """

    static: Floats
    raw: Floats
    inputs: Floats
    lift: Floats
    known: Ints

    def rows(self, chosen: slice | NDArray[np.int64] | NDArray[np.bool_]) -> "Features":
        """These rows."""
        static, raw, inputs, lift, known = self
        seen = (static[chosen], raw[chosen], inputs[chosen], lift[chosen])
        return Features(*seen, known[chosen])


@dataclass(kw_only=True)
class Lift:
    """Settings, and after `fit` the arrays. `most` bounds D: solving costs its cube."""

    pieces: Annotated[int, Ge(0)] = 12
    piece_columns: Annotated[int, Ge(0)] = 40
    fourier: Annotated[int, Ge(0)] = 128
    hidden: Annotated[int, Ge(0)] = 64
    columns: Annotated[int, Ge(1)] = 128
    most: Annotated[int, Ge(8)] = 512

    def __post_init__(self) -> None:
        self.layout = Layout(0, 0, 0)
        self.arrays: State = {}

    def fit(self, rows: NDArray[np.float32], layout: Layout, seed: int) -> None:
        """Learn scales, pieces and distances of (n, layout.width) rows."""
        self.layout = layout
        rng = np.random.Generator(np.random.PCG64(seed))
        _, hidden, columns = layout.parts(rows)
        if not layout.columns:
            columns, hidden = hidden, hidden[:, :0]
        arrays: State = {}
        z = _fit_scaled(arrays, "columns", columns, self.columns)
        h = _fit_scaled(arrays, "hidden", hidden, self.hidden)
        _fit_pieces(arrays, z, self._pieces_of(z.shape[1], h.shape[1]))
        half = self.fourier // 2
        spread = np.repeat([1.0, 3.0], [half, self.fourier - half])
        first, second = rng.integers(0, len(z), (2, _PAIRS))
        median = float(np.median(np.sqrt(((z[first] - z[second]) ** 2).sum(1)))) or 1.0
        arrays["weights"] = rng.standard_normal((z.shape[1], self.fourier)) * (spread / median)
        arrays["phases"] = rng.uniform(0, 2 * np.pi, self.fourier)
        self.arrays = arrays

    def _pieces_of(self, columns: int, hidden: int) -> int:
        if not columns or columns > self.piece_columns:
            return 0
        room = self.most - 1 - columns - hidden - self.fourier
        return max(0, min(self.pieces, room // columns))

    def __call__(self, rows: NDArray[np.float32], known: Ints) -> Features:
        """The features of (n, width) rows, of which `known` (n, L) was known."""
        a, n = self.arrays, len(rows)
        outputs, hidden, columns = self.layout.parts(rows)
        if not self.layout.columns:
            columns, hidden = hidden, hidden[:, :0]
        low, slope = a["low"], a["slope"]
        sizes = (1, _width(a, "columns"), low.size, _width(a, "hidden"), len(a["phases"]))
        _, raw, inputs, deep, _ = ends = list(accumulate(sizes))
        lift = np.empty((n, ends[-1]))  # all others are parts of it
        lift[:, 0] = 1.0
        z = _scaled(a, "columns", columns, out=lift[:, 1:raw])
        if low.size:
            pieces = np.clip((z[:, :, None] - low) * slope, 0.0, 1.0)
            pieces[:, slope == 0.0] = 0.0
            lift[:, raw:inputs] = pieces.reshape(n, -1)
        _scaled(a, "hidden", hidden, out=lift[:, inputs:deep])
        waves = np.matmul(z, a["weights"], out=lift[:, deep:])
        waves += a["phases"]
        np.cos(waves, out=waves)
        waves *= 3.0 * math.sqrt(2.0 / max(1, self.fourier))
        return Features(outputs, lift[:, :raw], lift[:, 1:inputs], lift, known)

    def beyond(self, rows: NDArray[np.float32]) -> Floats:
        """How far the farthest column of each row is from the rest, (n,) standard deviations."""
        a = self.arrays
        _, hidden, columns = self.layout.parts(rows)
        given = columns if self.layout.columns else hidden
        if not given.shape[1]:
            return np.zeros(len(rows))
        off: Floats = np.abs((given - a["columns/mean"]) / a["columns/deviation"]).max(axis=1)
        return off

    def state(self) -> State:
        """The arrays."""
        return dict(self.arrays)

    def load_state(self, state: State, layout: Layout) -> None:
        """Take back what `state` gave."""
        self.arrays, self.layout = dict(state), layout


def _fit_scaled(arrays: State, name: str, values: Floats, most: int) -> Floats:
    """Standardise (n, d); where d is above `most`, keep as many principal directions."""
    deviation = values.std(axis=0)
    arrays[f"{name}/mean"] = values.mean(axis=0)
    arrays[f"{name}/deviation"] = np.where(deviation < _FAR, 1.0, deviation)
    if values.shape[1] > most:
        z = np.clip((values - arrays[f"{name}/mean"]) / arrays[f"{name}/deviation"], -CLIP, CLIP)
        spread, directions = np.linalg.eigh(np.cov(z, rowvar=False))
        kept = directions[:, ::-1][:, :most] / np.sqrt(np.maximum(spread[::-1][:most], 1e-6))
        arrays[f"{name}/directions"] = np.ascontiguousarray(kept)
    return _scaled(arrays, name, values)


def _width(arrays: State, name: str) -> int:
    directions = arrays.get(f"{name}/directions")
    return len(arrays[f"{name}/mean"]) if directions is None else directions.shape[1]


def _scaled(arrays: State, name: str, values: Floats, out: Floats | None = None) -> Floats:
    directions = arrays.get(f"{name}/directions")
    z = np.subtract(values, arrays[f"{name}/mean"], out=out if directions is None else None)
    z /= arrays[f"{name}/deviation"]
    _clip(z)
    if directions is None:
        return z
    turned = np.matmul(z, directions, out=out)
    _clip(turned)
    return np.asarray(turned)


def _clip(z: Floats) -> None:
    np.minimum(z, CLIP, out=z)
    np.maximum(z, -CLIP, out=z)


def _fit_pieces(arrays: State, z: Floats, pieces: int) -> None:
    """The lower edge and 1 / width of each of the quantile bins: (d, pieces) both."""
    edges = np.quantile(z, np.linspace(0, 1, pieces + 1), axis=0).T
    width = np.diff(edges, axis=1) if pieces else np.zeros((z.shape[1], 0))
    arrays["low"] = edges[:, :-1] if pieces else np.zeros((z.shape[1], 0))
    arrays["slope"] = np.where(width < _FAR, 0.0, 1.0 / np.maximum(width, _FAR))

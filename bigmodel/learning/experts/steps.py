"""The errors of a linear head that takes a step for every row, by products of the rows.

Only the errors have to be found one after another: each is what the first weights say, less what
the errors before it have changed.
"""

import math

import numpy as np

from bigmodel.learning.arrays import Floats

NORM = 5.0  # a longer gradient is cut to this
_TINY = 1e-12


def errors(P: Floats, Y: Floats, W: Floats, rates: Floats, classifies: bool) -> Floats:
    """The errors (n, K) of n rows P (n, d) with targets Y, each after the steps of those before it.

    The weights W (d, K) move by `rates` (d, K) times the gradients; with `classifies` their
    answers are logits.
    """
    norms = np.sqrt(np.einsum("nd,nd->n", P, P))
    if classifies and Y.shape[1] == 2:
        return _of_two(P, Y, W, rates, norms)
    n, found, outputs = len(P), np.zeros_like(Y), P @ W
    products = np.stack([(P * rate) @ P.T for rate in rates.T], axis=2)  # (n, n, K)
    for row, (norm, wanted) in enumerate(zip(norms.tolist(), Y, strict=True)):
        error = outputs[row]
        if classifies:
            error = np.exp(error - error.max())
            error /= error.sum()
        error = error - wanted
        length = norm * math.sqrt(float(error.dot(error)))
        if length > NORM:
            error *= NORM / length
        found[row] = error
        if row < n - 1:
            outputs[row + 1 :] -= products[row, row + 1 :] * error
    return found


def _of_two(P: Floats, Y: Floats, W: Floats, rates: Floats, norms: Floats) -> Floats:
    """Of two classes: the second column of W, of the rates and of the errors is minus the first."""
    found = np.zeros(len(P))  # of rows whose turn has not come 0: they add nothing
    products = (P * rates[:, 0]) @ P.T
    halves = (0.5 * (P @ (W[:, 0] - W[:, 1]))).tolist()  # of the logits
    shifts = (0.5 - Y[:, 0]).tolist()
    most = NORM / np.maximum(math.sqrt(2.0) * norms, _TINY)
    bounds = most.tolist() if most.min() < 1.0 else None  # an error is not above 1
    for row, (product, half, shift) in enumerate(zip(products, halves, shifts, strict=True)):
        error = 0.5 * math.tanh(half - product.dot(found)) + shift
        if bounds is not None:
            error = min(bounds[row], max(-bounds[row], error))
        found[row] = error
    return np.stack([found, -found], axis=1)

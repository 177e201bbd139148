"""`steps.errors` compiled by Numba (an extra), when this is imported: some hundred times faster."""

import math

import numpy as np
from numba import njit

from bigmodel.learning.experts.steps import NORM

_KINDS = "float64[:,:](float64[:,:],float64[:,:],float64[:,:],float64[:,:],boolean)"


@njit(_KINDS)
def errors(P, Y, W, rates, classifies):  # type: ignore[no-untyped-def]
    """As `steps.errors`."""
    weights, found = W.copy(), np.empty_like(Y)
    for row in range(len(P)):
        error, length = found[row], 0.0
        error[:] = 0.0
        for column in range(P.shape[1]):
            error += P[row, column] * weights[column]
            length += P[row, column] ** 2
        if classifies:
            error[:] = np.exp(error - error.max())
            error /= error.sum()
        error -= Y[row]
        length = math.sqrt(length * (error * error).sum())
        if length > NORM:
            error *= NORM / length
        for column in range(P.shape[1]):
            weights[column] -= rates[column] * P[row, column] * error
    return found

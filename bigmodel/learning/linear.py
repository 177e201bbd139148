"""Systems of equations: apart from `arrays`, since a service that does not learn has no SciPy."""

import numpy as np
from scipy.linalg import lapack

from bigmodel.learning.arrays import Floats


def solution(A: Floats, B: Floats) -> Floats | None:
    """X of A X = B for a symmetric A, by Cholesky; None where A is not positive definite."""
    _, X, failed = lapack.dposv(A.T, B)
    return None if failed else np.asarray(X)

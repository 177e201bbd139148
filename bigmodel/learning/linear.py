"""Normal equations: apart from `arrays`, since a service that does not learn has no SciPy.

Of symmetric matrices only the lower triangle is made and read.
"""

import numpy as np
from scipy.linalg import blas, lapack

from bigmodel.learning.arrays import Floats


def gram(P: Floats, kept: float, before: Floats) -> Floats:
    """P' P of (n, d) rows, and `kept` times what was there before."""
    return np.asarray(blas.dsyrk(1.0, P.T, beta=kept, c=before.T)).T


def solution(A: Floats, B: Floats) -> Floats | None:
    """X of A X = B for a symmetric A, by Cholesky; None where A is not positive definite."""
    _, X, failed = lapack.dposv(A.T, B)
    return None if failed else np.asarray(X)

"""What class probabilities depend on, and the covariance of a one-hot label."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.linalg import helmert

from balinp._types import Array
from balinp.lazily import lazily


class Softmax:
    """Class probabilities of outputs f (..., K), and their logarithms.

    Worked out with the classes as the first axis: NumPy's reductions over a short last one take
    three to eight times as long.

    Attributes
    ----------
    first : array
        (K, ...) array of probabilities.

    Examples
    --------
    >>> softmax = Softmax(np.array([[0.0, np.log(3.0)]]))
    >>> softmax.probabilities.round(6), softmax.log_density(np.array([[0.0, 1.0]])).round(6)
    (array([[0.25, 0.75]]), array([-0.287682]))
    """

    def __init__(self, f: Array) -> None:
        self._take(np.array(f.transpose(-1, *range(f.ndim - 1)), order="C"))

    @classmethod
    def of_classes_first(cls, f: Array) -> Softmax:
        """The same of outputs f (K, ...), which are written over."""
        softmax = cls.__new__(cls)
        softmax._take(f)
        return softmax

    def _take(self, f: Array) -> None:
        f -= f.max(axis=0)
        self._shifted = f
        self._exponentials = np.exp(f)
        self._total = self._exponentials.sum(axis=0)

    @lazily
    def first(self) -> Array:
        return self._exponentials / self._total

    @property
    def probabilities(self) -> Array:
        """Probabilities (..., K)."""
        return np.moveaxis(self.first, 0, -1)

    def log_density(self, Y: Array) -> Array:
        """Sum_k y_k log p_k of targets (B, K), shape (..., B)."""
        classes = Y.T.reshape(Y.shape[1], *[1] * (self._shifted.ndim - 2), len(Y))
        return np.asarray((classes * self._shifted).sum(axis=0) - np.log(self._total))


def label_covariance(products: Array) -> Array:
    """Average of diag(p) - p p^T, from averages (..., K, K) of p p^T, with sum_k p_k = 1.

    p_k (1 - p_k) is the sum of p_k p_j over the other classes: no difference of numbers near 1,
    which rounding can turn negative where a class is all but certain.

    Examples
    --------
    >>> label_covariance(np.array([[0.25, 0.25], [0.25, 0.25]]))
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    identity = np.eye(products.shape[-1])
    others = products * (1.0 - identity)
    return np.asarray(others.sum(axis=-1)[..., None] * identity - others)


def contrasts(K: int) -> Array:
    """I - 1 1^T / K: rows that take from each of K logits the mean of all.

    Class probabilities are functions of these alone.
    """
    return np.eye(K) - 1.0 / K


@cache  # steps of the linearised pass ask for them
def orthonormal_contrasts(K: int) -> Array:
    """Rows (K - 1, K), orthonormal and orthogonal to 1: R^T R is `contrasts`.

    Logits have a singular covariance of contrasts, and as a rule a regular one of these.

    Examples
    --------
    >>> orthonormal_contrasts(2).round(3)
    array([[ 0.707, -0.707]])
    """
    rows = np.asarray(helmert(K))
    rows.flags.writeable = False
    return rows

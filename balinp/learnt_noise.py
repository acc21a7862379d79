"""A noise covariance that the data ask for."""

from __future__ import annotations

from balinp._types import Array
from balinp.kernels import root_weighted
from balinp.likelihood import Gaussian


def learnt_noise(V: Array) -> Gaussian:
    """The likelihood with a noise covariance that the data ask for; they are at fault if it fails.

    Outputs whose errors are in proportion, and larger than the noise by eight orders of magnitude,
    have a covariance that is singular to rounding.
    """
    try:
        return Gaussian.learnt(V)
    except ValueError as error:
        raise ValueError(
            "X, Y: expected numbers from which a noise covariance can be learnt, such as "
            f"standardised ones of outputs that are not in proportion, got {error}"
        ) from error


def target_squares(X: Array, Y: Array, w: Array | None) -> tuple[Array]:
    """Sum of the squared targets (K,) of a piece of the data, with their weights w."""
    return ((root_weighted(Y, w) ** 2).sum(axis=0),)

"""The continuous ranked probability score of Student tails, and of mixtures of such."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, stdtr

from balinp._types import Array
from balinp.validation import as_array, as_matrix

SETTLED = 1e-9
"""Relative change at which an integral has settled: its error falls faster than by squares."""

MOST_HALVINGS = 12


def crps_student(
    Y: npt.ArrayLike, mean: npt.ArrayLike, std: npt.ArrayLike, freedom: float
) -> float:
    """Continuous ranked probability score of Student marginals, mean over all N K entries.

    `Y`, `mean` and `std` are (N, K), `std` positive: the standard deviations, which are
    sqrt(nu / (nu - 2)) times the scales, nu being the degrees of freedom.

    Source: Jordan, Krueger and Lerch (2019), Evaluating probabilistic forecasts with scoringRules.

    Derivation: SC-7

    Parameters
    ----------
    Y : array_like
        Targets.
    mean : array_like
        Means.
    std : array_like
        Standard deviations.
    freedom : float
        Degrees of freedom nu, above 2; infinity is a Gaussian.

    Returns
    -------
    float
        The score in the unit of Y; lower is better.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the form above.

    Examples
    --------
    >>> round(crps_student([[0.0]], [[0.0]], [[1.0]], 4.0), 6)
    0.186456
    """
    means, stds = as_array(mean, "mean"), as_array(std, "std")
    targets, means, stds, nu = _checked(Y, means[None], stds[None], [freedom], "mean", "std")
    scales = stds * np.sqrt(1 - 2 / nu)
    score = _mean_distance(targets - means, scales, nu) - scales * _half_difference(nu)
    return float(np.mean(score))


def crps_student_mixture(
    Y: npt.ArrayLike, means: npt.ArrayLike, stds: npt.ArrayLike, freedoms: npt.ArrayLike
) -> float:
    """Continuous ranked probability score of equal mixtures of Students, mean over all entries.

    `Y` is (N, K), `means` and `stds` are (S, N, K), one slice a component. The distance of the
    forecast from the target has a closed form; that of the forecast from itself, the integral of
    F (1 - F), is summed numerically, to about twelve digits.

    Derivation: SC-7

    Parameters
    ----------
    Y : array_like
        Targets.
    means, stds : array_like
        Means and standard deviations of the components.
    freedoms : array_like
        (S,) degrees of freedom, each above 2; infinity is a Gaussian component.

    Returns
    -------
    float
        The score in the unit of Y; lower is better.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the form above.

    Examples
    --------
    >>> round(crps_student_mixture([[0.0]], [[[0.0]], [[0.0]]], [[[1.0]], [[1.0]]], [4, 4]), 6)
    0.186456
    """
    targets, centres, widths, nu = _checked(Y, means, stds, freedoms, "means", "stds")
    scales = widths * np.sqrt(1 - 2 / nu)
    distance = _mean_distance(targets - centres, scales, nu).mean(axis=0)
    return float(np.mean(distance - _half_difference_of_mixture(centres, scales, nu)))


def _checked(
    Y: Any, means: Any, stds: Any, freedoms: Any, means_name: str, stds_name: str
) -> tuple[Array, Array, Array, Array]:
    """Targets (N, K), means and standard deviations (S, N, K), degrees of freedom (S, 1, 1)."""
    targets = as_matrix(Y, "Y")
    centres, widths = as_array(means, means_name), as_array(stds, stds_name)
    shape = (*centres.shape[:1], *targets.shape)
    for name, array in ((means_name, centres), (stds_name, widths)):
        if array.shape != shape or not array.size:
            raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    if np.min(widths) <= 0:
        raise ValueError(f"{stds_name}: expected numbers above 0, got {np.min(widths)}")
    nu = np.asarray(freedoms, dtype=np.float64)  # not as_array, which refuses infinity
    if nu.shape != (len(centres),) or not (nu > 2).all():
        raise ValueError(
            f"freedom: expected {len(centres)} numbers above 2, got {np.asarray(freedoms).tolist()}"
        )
    return targets, centres, widths, nu[:, None, None]


def _mean_distance(m: Array, scales: Array, nu: Array) -> Array:
    """E |scale T - m| for a Student T of scale 1.

    Derivation: SC-7
    """
    z = m / scales
    with np.errstate(invalid="ignore"):  # infinite freedom
        finite = np.exp(-0.5 * (nu + 1) * np.log1p(z**2 / nu) - betaln(0.5 * nu, 0.5))
        student = finite / np.sqrt(nu) * (nu + z**2) / (nu - 1)
    gaussian = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return np.asarray(
        scales * (z * (1 - 2 * stdtr(nu, -z)) + 2 * np.where(np.isinf(nu), gaussian, student))
    )


def _half_difference(nu: Array) -> Array:
    """E |T - T'| / 2 for independent Students of scale 1.

    Derivation: SC-7
    """
    with np.errstate(invalid="ignore"):  # infinite freedom
        log_ratio = betaln(0.5, nu - 0.5) - 2 * betaln(0.5, 0.5 * nu)
        student = 2 * np.sqrt(nu) / (nu - 1) * np.exp(log_ratio)
    return np.where(np.isinf(nu), 1 / np.sqrt(np.pi), student)


def _half_difference_of_mixture(centres: Array, scales: Array, nu: Array) -> Array:
    """The integral of F (1 - F) for each of (N, K) mixtures, F their distribution functions.

    By the trapezoidal rule in u, with t = centre + width sinh(u): the integrand falls
    exponentially, so that each halving of the step doubles the digits.

    Derivation: SC-7
    """
    shape, S = centres.shape[1:], len(centres)
    centres, scales, nu = centres.reshape(S, -1), scales.reshape(S, -1), nu[:, :, 0]
    centre, width = centres.mean(axis=0), scales.min(axis=0)
    extent = np.abs(centres - centre).max(axis=0) + scales.max(axis=0)
    end = float(np.log1p(extent / width).max() + 33 / (nu.min() - 1) + 3)

    def total(us: npt.NDArray[Any], entries: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        middle, unit = centre[entries], width[entries]
        found: Any = np.zeros(len(entries))
        for u in us:
            z = (middle + unit * np.sinh(u) - centres[:, entries]) / scales[:, entries]
            found += np.cosh(u) * stdtr(nu, z).mean(axis=0) * stdtr(nu, -z).mean(axis=0)
        return found * unit

    count, left = 64, np.arange(len(centre))
    step = 2 * end / count
    value = step * total(-end + step * np.arange(count), left)
    for _ in range(MOST_HALVINGS):
        step, previous = 0.5 * step, value[left]
        odd = -end + step * (2 * np.arange(count) + 1)
        value[left] = 0.5 * previous + step * total(odd, left)
        left = left[np.abs(value[left] - previous) > SETTLED * value[left]]
        count *= 2
        if not left.size:
            break
    return value.reshape(shape)

"""Likelihoods of one's own, as a user would write them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, gammaln, log_expit

from balinp._types import Array
from balinp.likelihood import Likelihood
from balinp.validation import as_matrix


class Logistic(Likelihood):
    """Independent answers, 0 or 1, each with a logit of its own: their sum matters, too."""

    def check_targets(self, Y: Any, rows: int, columns: int | None = None) -> Array:
        return as_matrix(Y, "Y", rows=rows, columns=columns)

    def log_density(self, Y: Array, f: Array) -> Array:
        return (Y * log_expit(f) + (1 - Y) * log_expit(-f)).sum(axis=1)

    def gradient(self, Y: Array, f: Array) -> Array:
        return Y - expit(f)

    def curvature_rows(self, f: Array) -> Array:
        return np.sqrt(expit(f) * expit(-f))[:, :, None] * np.eye(f.shape[1])

    def largest_curvature_rows(self, K: int) -> Array:
        return np.eye(K) / 2


class Poisson(Likelihood):
    """Counts; the curvature exp(f) has no bound."""

    def check_targets(self, Y: Any, rows: int, columns: int | None = None) -> Array:
        return as_matrix(Y, "Y", rows=rows, columns=columns)

    def log_density(self, Y: Array, f: Array) -> Array:
        return (Y * f - np.exp(f) - gammaln(Y + 1)).sum(axis=1)

    def gradient(self, Y: Array, f: Array) -> Array:
        return Y - np.exp(f)

    def curvature_rows(self, f: Array) -> Array:
        return np.exp(f / 2)[:, :, None] * np.eye(f.shape[1])

"""Draws of a regression, and what its rows have in common through the weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from balinp._types import Array
from balinp.estimators.base import BALIEstimator
from balinp.estimators.training import seeded
from balinp.validation import as_count


class WithFunctions(BALIEstimator):
    """An estimator of regression whose members can draw functions and targets.

    Derivation: PR-6
    """

    _one_output: bool

    def sample_functions(self, X: Any, n_samples: int = 1, random_state: Any = 0) -> Array:
        """Functions drawn, without noise: (B, n_samples), or (B, n_outputs, n_samples).

        Each is one draw of all weights for all rows, of a member drawn for it (PR-6).

        Examples
        --------
        >>> from balinp import BALIRegressor
        >>> x = np.linspace(-1, 1, 40)[:, None]
        >>> y = 3 * x[:, 0] + 0.1 * np.cos(40 * x[:, 0])
        >>> model = BALIRegressor(hidden=(), random_state=0).fit(x, y)
        >>> model.sample_functions([[0.0], [1.0]], n_samples=5, random_state=0).shape
        (2, 5)
        """
        X = self._inputs(X)  # first: before `fit` there is no scale
        X = self._input_scale.to_standard(X)
        rng = np.random.default_rng(seeded(random_state).randint(2**31 - 1))
        chosen = rng.integers(len(self.members_), size=as_count(n_samples, "n_samples"))
        draws = np.stack([self.members_[m].sample_functions(X, rng) for m in chosen])
        draws = np.moveaxis(draws * self._target_scale.std + self._target_scale.mean, 0, 2)
        return draws[:, 0] if self._one_output else draws

    def sample_y(self, X: Any, n_samples: int = 1, random_state: Any = 0) -> Array:
        """Draws of y, noise included: (B, n_samples), or (B, n_outputs, n_samples).

        Rows are drawn independently; what they share through the weights is in
        `sample_functions` and `between_rows`.

        Examples
        --------
        >>> from balinp import BALIRegressor
        >>> x = np.linspace(-1, 1, 40)[:, None]
        >>> y = 3 * x[:, 0] + 0.1 * np.cos(40 * x[:, 0])
        >>> model = BALIRegressor(hidden=(), random_state=0).fit(x, y)
        >>> model.sample_y([[0.0], [1.0]], n_samples=5, random_state=0).shape
        (2, 5)
        """
        rng = np.random.default_rng(seeded(random_state).randint(2**31 - 1))
        count = as_count(n_samples, "n_samples")
        draws = self._in_pieces(X, lambda p: np.moveaxis(p.sample(rng, count), 0, 2))[0]
        return draws[:, 0] if self._one_output else draws

    def between_rows(self, X: Any) -> Array:
        """Covariance between all rows that uncertain weights cause, without noise.

        (B, B), or (B, n_outputs, B, n_outputs). Of several members that of their mixture, to which
        the differences between their means add.

        Derivation: PR-5, PR-6

        Raises
        ------
        ValueError
            If there are more rows times outputs than such a matrix can have.
        """
        X = self._inputs(X)
        X = self._input_scale.to_standard(X)
        covariance = np.mean([member.between_rows(X) for member in self.members_], axis=0)
        means = np.stack([member.predict(X).mean for member in self.members_])
        centred = means - means.mean(axis=0)
        covariance += np.einsum("mbk,mcl->bkcl", centred, centred) / len(centred)
        unit = self._target_scale.unit
        covariance *= unit[:, None, None] * unit
        return covariance[:, 0, :, 0] if self._one_output else covariance

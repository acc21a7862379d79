"""What the two scikit-learn estimators share: rows, units, members, and their training."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from balinp._types import Array
from balinp.bali import BALI
from balinp.data import SMALL_PIECE, pieces
from balinp.defaults import Training
from balinp.estimators import files
from balinp.estimators.files import Estimator
from balinp.kernels import amount
from balinp.predictive import Predictive
from balinp.standardise import Scale
from balinp.validation import LARGEST, as_choice, as_count, as_matrix, as_weights, refuse_masked

GRID = 2.0**20
"""Standardised values that training tells apart, per standard deviation."""

SMALLEST_SPREAD = 1e-150
"""Smallest standard deviation to divide by: the squares of smaller ones lose their digits."""


class BALIEstimator(BaseEstimator):
    """Base of `BALIRegressor` and `BALIClassifier`.

    A subclass names its `training` and turns targets into matrices; everything else is here.
    """

    training: ClassVar[Training]
    hidden: Sequence[int]
    activation: str | None
    forward: str | None
    prior: str
    prior_precision: float | None
    bias: bool
    standardize: bool
    epochs: int | str
    batch_size: int | str | None
    tolerance: float | None
    n_members: int
    n_jobs: int | None
    random_state: Any
    classes_: Any

    # -- training ------------------------------------------------------------------------------

    def _fit(self, X: Array, Y: Array, w: Array) -> None:
        """Train new members on present, merged rows."""
        members = self._start(X, Y, w)
        X, Y = self._input_scale.to_standard(X), self._target_scale.to_standard(Y)
        X_seen, Y_seen, w_seen = self._as_trained_on(X, Y, w, members[0])
        batch_size = self._batch_size(len(X))
        options = {
            "epochs": self._epochs(batch_size),
            "batch_size": batch_size,
            "tolerance": self.tolerance,
            "sample_weight": w_seen,
        }
        self.members_: list[BALI] = Parallel(n_jobs=self.n_jobs)(
            delayed(BALI.fit)(member, X_seen, Y_seen, **options) for member in members
        )
        self._data_seen: float = amount(X, w)
        evidences = [member.log_evidence(X, Y, sample_weight=w) for member in self.members_]
        log_scale = float(np.log(self._target_scale.std).sum())
        self.log_evidence_: float = float(np.mean(evidences)) - self._data_seen * log_scale

    def _partial_fit(self, X: Array, Y: Array, w: Array) -> None:
        """One step on each batch of new rows, which join those that were seen before."""
        if hasattr(self, "members_"):
            members, seen = self.members_, self._data_seen
        else:
            members, seen = self._start(X, Y, w), 0.0
        X, Y = self._input_scale.to_standard(X), self._target_scale.to_standard(Y)
        X_seen, Y_seen, w_seen = self._as_trained_on(X, Y, w, members[0])
        B = self._batch_size(len(X)) or len(X)
        self.members_ = Parallel(n_jobs=self.n_jobs)(
            delayed(_steps)(member, X_seen, Y_seen, w_seen, B, seen) for member in members
        )
        self._data_seen = seen + amount(X, w)
        if hasattr(self, "log_evidence_"):
            del self.log_evidence_  # of data that are no longer all the data

    def _start(self, X: Array, Y: Array, w: Array) -> list[BALI]:
        """Fix the units; return members that have learnt nothing."""
        standard = self.standardize
        self._input_scale = _scale(X, w, "X") if standard else Scale.identity(X.shape[1])
        rescales_targets = standard and self.training.model["likelihood"] == "gaussian"
        self._target_scale = _scale(Y, w, "y") if rescales_targets else Scale.identity(Y.shape[1])
        count = as_count(self.n_members, "n_members")
        seeds = check_random_state(self.random_state).randint(np.iinfo(np.int32).max, size=count)
        return [BALI(**self._model_options(), seed=int(seed)) for seed in seeds]

    def _as_trained_on(
        self, X: Array, Y: Array, w: Array, model: BALI
    ) -> tuple[Array, Array, Array | None]:
        """Data as training takes them: rounded, unless the regression is exact.

        Hundreds of steps of a network can blow up a difference in the sixteenth digit to a tenth
        of the predictive standard deviation. Other units, or the weight 1 as .3 + .7, make such
        differences. So standardised data are rounded to a millionth of a standard deviation, and
        weights to nine digits: what is the same data then trains to the same network.
        """
        if not model.targets_are_observations:
            w = rounded(w)
            if self.standardize:
                X, Y = np.round(X * GRID) / GRID, np.round(Y * GRID) / GRID
        return X, Y, None if (w == 1).all() else w

    def _model_options(self) -> dict[str, Any]:
        """Arguments of `BALI` in standardised units."""
        return {
            "likelihood": self.training.model["likelihood"],
            "hidden": self.hidden,
            "activation": self.activation,
            "forward": self.forward,
            "prior": self.prior,
            "prior_precision": self.prior_precision,
            "bias": self.bias,
        }

    def _batch_size(self, rows: int) -> int | None:
        if isinstance(self.batch_size, str):
            as_choice(self.batch_size, "batch_size", ("auto",))
            return self.training.batch_size_for(rows)
        return None if self.batch_size is None else as_count(self.batch_size, "batch_size")

    def _epochs(self, batch_size: int | None) -> int:
        if isinstance(self.epochs, str):
            as_choice(self.epochs, "epochs", ("auto",))
            return self.training.epochs_for(batch_size)
        return as_count(self.epochs, "epochs")

    # -- prediction ----------------------------------------------------------------------------

    def _inputs(self, X: Any) -> Array:
        """The rows X (B, n_features) of a prediction, checked."""
        check_is_fitted(self, "members_")
        refuse_text(X, "X")
        return as_matrix(
            validate_data(self, X, reset=False, dtype=np.float64), "X", largest=LARGEST
        )

    def _predictives(self, X: Array) -> list[Predictive]:
        """What each member predicts for checked rows, targets in standardised units."""
        X = self._input_scale.to_standard(X)
        return [member.predict(X) for member in self.members_]

    @abstractmethod
    def _distribution(self, X: Array) -> Any:
        """The predictive distribution of checked rows, in original units."""

    def _in_pieces(self, X: Any, *parts: Callable[[Any], Array]) -> list[Array]:
        """Parts of the predictive distribution, data first, that are never all there at once.

        Covariances of all outputs, for all rows, would be the largest array of a prediction.
        """
        X = self._inputs(X)
        n_in, K = X.shape[1], self.members_[0].network.widths[-1]
        found: list[list[Array]] = [[] for _ in parts]
        for rows in pieces(len(X), max(n_in, len(self.members_) * K**2), SMALL_PIECE):
            predictive = self._distribution(X[rows])
            for values, part in zip(found, parts, strict=True):
                values.append(part(predictive))
        return [np.concatenate(values) for values in found]

    # -- files ---------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to an .npz file, without pickle; see `load`."""
        check_is_fitted(self, "members_")
        files.save(self, path)

    @classmethod
    def load(cls: type[Estimator], path: str | os.PathLike[str]) -> Estimator:
        """Read an estimator that `save` has written; it predicts the same to the last bit."""
        return files.load(cls, path)


def refuse_text(value: Any, name: str) -> None:
    """Raise TypeError on what scikit-learn would read as numbers but is text, dates, or masked.

    Objects that are numbers pass, as scikit-learn's rules for estimators demand.
    """
    refuse_masked(value, name)
    try:
        raw = np.asarray(value)
    except (TypeError, ValueError):
        return  # no array: scikit-learn says so
    objects = raw.ravel() if raw.dtype.kind == "O" else ()
    text = next((entry for entry in objects if isinstance(entry, (str, bytes))), None)
    if raw.dtype.kind in "USMm" or text is not None:
        found = f"dtype {raw.dtype}" if text is None else f"the text {text!r}"
        raise TypeError(f"{name}: expected real numbers, got {found}")


def _scale(values: Array, w: Array, name: str) -> Scale:
    scale = Scale.of(values, w)
    if scale.std.min() < SMALLEST_SPREAD:
        raise ValueError(
            f"{name}: expected columns that are constant or have a standard deviation of at least "
            f"{SMALLEST_SPREAD:g}, got {scale.std.min():.3g} in column {scale.std.argmin()}"
        )
    return scale


def present(X: Array, y: Any, sample_weight: Any) -> tuple[Array, Any, Array]:
    """The rows of positive weight, and their weights; ones without weights."""
    w = as_weights(sample_weight, "sample_weight", len(X))
    if w is None:
        return X, y, np.ones(len(X))
    return X[w > 0], y[w > 0], w[w > 0]


def merged(X: Array, Y: Array, w: Array) -> tuple[Array, Array, Array]:
    """Rows (x, y) in lexicographic order, equal ones merged and their weights added.

    By LR-6 nothing else has to be done for weights to be repetitions. And since the order does
    not depend on how the rows came, neither do rounding errors, batches and sampled passes: equal
    rows are ordered by weight, so that even the sum of their weights is the same to the last bit.

    Derivation: LR-6

    Examples
    --------
    >>> X, Y = np.array([[2.0], [1.0], [2.0]]), np.array([[0.0], [5.0], [0.0]])
    >>> merged(X, Y, np.array([1.0, 1.0, 0.5]))
    (array([[1.],
           [2.]]), array([[5.],
           [0.]]), array([1. , 1.5]))
    """
    rows = np.hstack([X, Y])
    order = np.lexsort(np.vstack([w, rows.T[::-1]]))  # the last key is the first to sort by
    rows = rows[order]
    is_new = np.append(True, (rows[1:] != rows[:-1]).any(axis=1))
    first = np.flatnonzero(is_new)
    w = np.add.reduceat(w[order], first)
    kept = order[first]
    return X[kept], Y[kept], w


def rounded(values: Array) -> Array:
    """Numbers rounded to 30 binary digits: relatively, to 5e-10.

    Examples
    --------
    >>> rounded(np.array([0.1 + 0.2 + 0.7, 3.0]))
    array([1., 3.])
    """
    digits, exponents = np.frexp(values)
    return np.asarray(np.ldexp(np.round(digits * 2.0**30) / 2.0**30, exponents))


def _steps(model: BALI, X: Array, Y: Array, w: Array | None, B: int, seen: float) -> BALI:
    """Take one step on each batch of new data; `seen` data came before them.

    With one Gaussian layer every datum ever seen has the same weight (NP-3).
    """
    order = np.arange(len(X)) if B >= len(X) else model.rng.permutation(len(X))
    for start in range(0, len(X), B):
        batch = order[start : start + B]
        w_batch = None if w is None else w[batch]
        new = amount(X[batch], w_batch)
        seen += new
        rate = new / seen if model.targets_are_observations else None
        model.step(X[batch], Y[batch], n_data=seen, rate=rate, sample_weight=w_batch)
    return model

"""What the two scikit-learn estimators share: rows, units, members, and their training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from balinp._types import Array
from balinp.bali import BALI
from balinp.data import SMALL_PIECE, merged, pieces
from balinp.defaults import Training
from balinp.estimators.documented import Documented
from balinp.estimators.files import Stored
from balinp.estimators.refused import found_in, refuse_text, refuse_vector
from balinp.estimators.rows import (
    SPARSE,
    Rows,
    dense,
    finite,
    held_out,
    joined,
    one_row,
    rounded,
)
from balinp.estimators.training import (
    Callback,
    HeldOut,
    Trained,
    copied,
    learnt_from,
    refuse_changes,
    seeded,
    trained,
)
from balinp.history import History
from balinp.kernels import amount
from balinp.predictive import Predictive
from balinp.standardise import Scale
from balinp.units import restate
from balinp.validation import as_callback, as_choice, as_count, as_flag

INPUT_SCALES = ("column", "common")

GRID = 2.0**20
"""Standardised values that training tells apart, per standard deviation."""

FIRST_ROWS = 10
"""Rows with which a stream begins."""

FIRST_BATCHES = 32
"""Most rows in each of a stream's first steps, where batches have no size that was asked for."""

SMALLEST_SPREAD = 1e-150
"""Smallest standard deviation to divide by: the squares of smaller ones lose their digits."""


class BALIEstimator(Documented, Stored, BaseEstimator):
    """Base of `BALIRegressor` and `BALIClassifier`.

    A subclass names its `training` and turns targets into matrices; everything else is here.
    """

    training: ClassVar[Training]
    hidden: int | Sequence[int]
    activation: str | None
    forward: str | None
    prior: str
    prior_precision: float | None
    bias: bool
    standardize: bool
    input_scale: str
    epochs: int | str
    batch_size: int | str | None
    tolerance: float | None
    warm_start: bool
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    verbose: bool
    n_members: int
    n_jobs: int | None
    random_state: Any
    classes_: Any
    _first_rows: Rows | None

    # -- training ------------------------------------------------------------------------------

    def _fit(
        self,
        X: Array,
        Y: Array,
        w: Array,
        resolution: float,
        callback: Callback | None = None,
    ) -> None:
        """Train members on present, merged rows: new ones, or those of before for `warm_start`."""
        rng, callback = seeded(self.random_state), as_callback(callback)
        goes_on = as_flag(self.warm_start, "warm_start") and hasattr(self, "members_")
        seeds = None if goes_on else self._seeds(rng)
        train, held = np.arange(len(X)), np.arange(0)
        if as_flag(self.early_stopping, "early_stopping"):
            train, held = held_out(len(X), self.validation_fraction, rng, self._strata(Y))
        X_held, Y_held, w_held = X[held], Y[held], w[held]
        X, Y, w = X[train], Y[train], w[train]
        self._first_rows = one_row(X, Y, w)
        members = (
            self._start(X, Y, w, resolution, seeds)
            if seeds is not None
            else self._going_on(X, Y, w, resolution)
        )
        X, Y = self._input_scale.to_standard(X), self._target_scale.to_standard(Y)
        stop_by = None
        if len(held):
            patience = as_count(self.n_iter_no_change, "n_iter_no_change")
            X_held = self._input_scale.to_standard(X_held)
            stop_by = HeldOut(X_held, self._target_scale.to_standard(Y_held), w_held, patience)
        self._train(members, X, Y, w, stop_by, callback)
        self._data_seen: float = amount(X, w)
        evidences = [member.log_evidence(X, Y, sample_weight=w) for member in self.members_]
        log_scale = float(np.log(self._target_scale.unit).sum())
        self.log_evidence_: float = float(np.mean(evidences)) - self._data_seen * log_scale

    def _train(
        self,
        members: list[BALI],
        X: Array,
        Y: Array,
        w: Array,
        stop_by: HeldOut | None,
        callback: Callback | None,
    ) -> None:
        """Train the members on standardised data, and keep what is told of it."""
        X, Y, w_seen = self._as_trained_on(X, Y, w, members[0])
        batch_size = self._batch_size(len(X))
        options = {
            "epochs": self._epochs(len(X), batch_size),
            "batch_size": batch_size,
            "tolerance": self.tolerance,
            "sample_weight": w_seen,
        }
        known = [list(member.history) for member in members]
        done: list[Trained] = Parallel(n_jobs=as_jobs(self.n_jobs))(
            delayed(trained)(
                member, X, Y, options=options, held_out=stop_by, callback=callback, title=title
            )
            for member, title in zip(members, self._titles(len(members)), strict=True)
        )
        self.members_: list[BALI] = [
            one.put_together(before) for one, before in zip(done, known, strict=True)
        ]
        self.n_iter_: int = max(one.passes for one in done)
        self.validation_scores_: Array | None = None
        if stop_by is not None:
            passes = [one.scores + [np.nan] * (self.n_iter_ - one.passes) for one in done]
            self.validation_scores_ = np.array(passes if len(done) > 1 else passes[0])

    def _titles(self, count: int) -> list[str | None]:
        """Of the members' progress bars, if any are shown."""
        shown = self.verbose
        if not (shown if isinstance(shown, bool) else as_count(shown, "verbose", minimum=0)):
            return [None] * count
        numbers = [f", member {i + 1} of {count}" for i in range(count)] if count > 1 else [""]
        return [type(self).__name__ + number for number in numbers]

    @property
    def histories_(self) -> list[History]:
        """Of each member a `balinp.history.Record` of each step, the newest last.

        `balinp.plot.convergence` draws them.
        """
        check_is_fitted(self, "members_")
        return [member.history for member in self.members_]

    @property
    def history_(self) -> History:
        """The history of the only member; several have `histories_`.

        Raises
        ------
        AttributeError
            If there are several.
        """
        first, *others = self.histories_
        if others:
            raise AttributeError(
                f"history_: expected one member, got {1 + len(others)}, each with a history of its "
                "own: see histories_"
            )
        return first

    def _strata(self, Y: Array) -> Any:
        """Labels (N,) of which equal shares are held out, or None."""
        return None

    def _partial_fit(self, X: Array, Y: Array, w: Array, resolution: float) -> None:
        """One step on each batch of new rows, which join those that were seen before.

        Its first rows, however they come, are one batch: from one or two no unit can be told. Until
        they are there, or while all are the same, a stream begins anew in each call.
        """
        begun = hasattr(self, "members_")
        if begun and self._first_rows is None:
            self._refuse_changes("partial_fit")
            members, seen = self.members_, self._data_seen
            self._restate(*self._scales(X, Y, w, resolution, seen))
        else:
            rows = joined(self._first_rows if begun else None, (X, Y, w))
            X, Y, w = merged(*rows)
            self._first_rows = rows if len(rows[0]) < FIRST_ROWS else one_row(X, Y, w)
            seeds = self._seeds(seeded(self.random_state))
            members, seen = self._start(X, Y, w, resolution, seeds), 0.0
        X, Y = self._input_scale.to_standard(X), self._target_scale.to_standard(Y)
        X_seen, Y_seen, w_seen = self._as_trained_on(X, Y, w, members[0])
        B = self._batch_size(len(X)) or len(X)
        first = FIRST_BATCHES if self.batch_size == "auto" else None
        self.members_ = Parallel(n_jobs=as_jobs(self.n_jobs))(
            delayed(learnt_from)(member, X_seen, Y_seen, w_seen, B, seen, first)
            for member in members
        )
        self._data_seen = seen + amount(X, w)
        if hasattr(self, "log_evidence_"):
            del self.log_evidence_  # of data that are no longer all the data

    def _seeds(self, rng: np.random.RandomState) -> list[int]:
        """A seed for each member."""
        count = as_count(self.n_members, "n_members")
        return [int(seed) for seed in rng.randint(np.iinfo(np.int32).max, size=count)]

    def _start(
        self, X: Array, Y: Array, w: Array, resolution: float, seeds: list[int]
    ) -> list[BALI]:
        """Take the units of the data; return members that have learnt nothing."""
        self._input_scale, self._target_scale = self._scales(X, Y, w, resolution)
        return [BALI(**self._model_options(), seed=seed) for seed in seeds]

    def _going_on(self, X: Array, Y: Array, w: Array, resolution: float) -> list[BALI]:
        """The members as they are, in the units of these data."""
        expected = len(self._input_scale.mean), len(self._target_scale.mean)
        if expected != (X.shape[1], Y.shape[1]):
            raise ValueError(
                f"X, y: expected {expected} columns as before, since warm_start goes on, "
                f"got {X.shape[1], Y.shape[1]}"
            )
        self._refuse_changes("warm_start")
        self.members_ = [copied(member) for member in self.members_]
        self._restate(*self._scales(X, Y, w, resolution))
        return self.members_

    def _refuse_changes(self, what: str) -> None:
        refuse_changes(self.members_, BALI(**self._model_options()), self.n_members, what)

    def _scales(
        self, X: Array, Y: Array, w: Array, resolution: float, seen: float = 0.0
    ) -> tuple[Scale, Scale]:
        """Of inputs and targets, together with `seen` data before them; labels have no units.

        Derivation: NP-8
        """
        common = as_choice(self.input_scale, "input_scale", INPUT_SCALES) == "common"
        inputs, targets = Scale.identity(X.shape[1]), Scale.identity(Y.shape[1])
        rescales_targets = self.training.model["likelihood"] == "gaussian"
        if as_flag(self.standardize, "standardize"):
            inputs = Scale.of(X, w, resolution, common=common)
            targets = Scale.of(Y, w, resolution) if rescales_targets else targets
            if seen:
                new = amount(X, w)
                inputs = self._input_scale.joined(seen, inputs, new, resolution)
                targets = self._target_scale.joined(seen, targets, new, resolution)
        names = getattr(self, "feature_names_in_", None)
        return _divisible(inputs, "X", names), _divisible(targets, "y", None)

    def _restate(self, inputs: Scale, targets: Scale) -> None:
        """Say in new units, that new rows have moved, what the members have learnt.

        Derivation: NP-8
        """
        old_inputs, old_targets = self._input_scale, self._target_scale
        self._input_scale, self._target_scale = inputs, targets
        noise = self._given_noise()
        for member in self.members_:
            restate(
                member,
                old_inputs.units_in(inputs),
                old_targets.units_in(targets, constant_has_unit=noise is not None),
                noise,
            )

    def _given_noise(self) -> Array | None:
        """The noise covariance in standardised units, if it is given."""
        return None

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

    def _epochs(self, rows: int, batch_size: int | None) -> int:
        if isinstance(self.epochs, str):
            as_choice(self.epochs, "epochs", ("auto",))
            return self.training.epochs_for(rows, batch_size)
        return as_count(self.epochs, "epochs")

    # -- prediction ----------------------------------------------------------------------------

    def _inputs(self, X: Any) -> Array:
        """The rows X (B, n_features) of a prediction, checked."""
        check_is_fitted(self, "members_")
        refuse_text(X, "X")
        refuse_vector(X, self.n_features_in_)
        found = validate_data(
            self, X, reset=False, dtype=np.float64, accept_sparse=SPARSE, ensure_all_finite=False
        )
        return finite(dense(found), "X", X, getattr(self, "feature_names_in_", None))

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


def as_jobs(n_jobs: Any) -> Any:
    """Return `n_jobs` if joblib has a meaning for it."""
    if n_jobs is not None and not (isinstance(n_jobs, (int, np.integer)) and n_jobs):
        raise ValueError(f"n_jobs: expected None or a whole number other than 0, got {n_jobs!r}")
    return n_jobs


def _divisible(scale: Scale, name: str, names: Any) -> Scale:
    if scale.unit.min() < SMALLEST_SPREAD:
        column = found_in(None, int(scale.unit.argmin()), names)
        raise ValueError(
            f"{name}: expected columns that are constant or have a standard deviation of at least "
            f"{SMALLEST_SPREAD:g}, got {scale.unit.min():.3g}{column}"
        )
    return scale

"""The estimator for regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, cast, overload

import numpy as np
from sklearn.base import RegressorMixin

from balinp._types import Activation, Array, Covariance, Noise, Pass, Prior
from balinp.data import merged
from balinp.defaults import REGRESSION_TRAINING, Training
from balinp.estimators.functions import WithFunctions
from balinp.estimators.refused import FOR_CLASSES, refuse_missing, refuse_text
from balinp.estimators.rows import dense, finite, present, read, resolution, rounded
from balinp.estimators.training import Callback
from balinp.likelihood import Gaussian
from balinp.predictive import GaussianPredictive, equal_mixture
from balinp.undone import unless_it_fails
from balinp.validation import as_flag, as_level, as_widths, dimensions


class BALIRegressor(RegressorMixin, WithFunctions):
    """Regression by a Bayesian neural network, with the noise and the prior learnt.

    Parameters
    ----------
    hidden : int or sequence of int, optional
        Widths of the hidden layers; a number is one layer, ``()`` Bayesian linear regression.
    activation, forward, prior, bias
        As in `BALI`.
    prior_precision : float, optional
        lam of all layers, in the units that the network sees: standardised ones unless
        ``standardize=False``. None learns it.
    noise_variance : float or array_like, optional
        A number, one for each output, or a covariance, in units of y squared, whether or not
        targets are standardised. None learns a covariance. (The `alpha` of
        `GaussianProcessRegressor(normalize_y=True)` is in units of the standardised targets.)
    covariance, noise : Covariance and Noise
        As in `BALI`: by default the covariance of all layers together, and Student tails, where
        data or weights are not too many and the prior of hidden layers is isotropic.
    standardize : bool, default True
        Whether inputs and targets are brought to (weighted) mean 0 and standard deviation 1 first;
        a constant column becomes 0. Predictions are in original units always.
    input_scale : {"column", "common"}, default "column"
        What standardised inputs are divided by. ``"column"``: each column by its own standard
        deviation; ``"common"``: all by one number, for inputs of one unit such as pixels or spectra
        (see `balinp.standardise.Scale`).
    epochs : int or {"auto"}, default "auto"
        Passes over the data in `fit`. ``"auto"``: 400; of more than 10,000 rows fewer, 4,000,000 /
        rows, but at least 10 (`balinp.defaults.Training`).
    batch_size : int or {"auto"} or None, default "auto"
        Rows a step; None is all. ``"auto"``: all up to 25,000 rows, and beyond batches of equal
        size, as few as can be of at most 1,024. So it depends on the number of rows alone.
    tolerance : float, optional
        Stop where the log joint does, see `BALI.fit`.
    warm_start : bool, default False
        Whether another call of `fit` goes on from the weights, the noise and the prior that the
        last one has learnt; the posterior is then that of the new call's data alone. The settings
        of the network must be the same, the units follow the data.
    early_stopping : bool, default False
        Whether to hold rows out, to score them after each pass by their mean log predictive
        density, and to end when that has not risen for `n_iter_no_change` passes. The model of the
        best pass is restored: it is that of a fit to the other rows which ends there. The rows held
        out have no say in it otherwise, nor in units and evidence.
    validation_fraction : float, default 0.1
        Share of the rows (of different rows, where some are repeated) that `early_stopping` holds
        out, drawn with `random_state`.
    n_iter_no_change : int, default 10
        Passes to wait for a better score, the patience of `early_stopping`.
    verbose : bool, default False
        Whether to show a progress bar for each member, with tqdm where it is installed.
    n_members : int, default 1
        Number of networks, trained from independent starts; predictions are those of their equal
        mixture (PR-5).
    n_jobs : int, optional
        Members trained at once, as in joblib.
    random_state : int or RandomState, optional
        Seed, RandomState, or None. As everywhere in scikit-learn, None draws from NumPy's global
        state, so two fits differ; an integer makes them the same.

    Attributes
    ----------
    members_ : list of BALI
        The fitted `BALI` models, in standardised units.
    log_evidence_ : float
        Laplace-type log evidence (EV-5) of the data of `fit`, of the targets in original units, in
        nats, constants included; the mean over members. Not there after `partial_fit`.
    history_, histories_
        A `balinp.history.Record` of each step, also of earlier calls that this one went on from;
        pickles and files keep fewer, or none. Several members have no `history_`, but a list of
        histories, one each.
    n_iter_
        Passes over the data that the last `fit` made; of several members, the most.
    validation_scores_ : array
        (n_iter_,) array, with `early_stopping` the score of the rows held out after each pass, in
        standardised units; else None. Of several members (n_members, n_iter_), NaN in the passes
        that a member has not made.
    n_features_in_, feature_names_in_ : int and array of str
        As in scikit-learn.

    Notes
    -----
    With tanh units, far from all data the uncertainty tends to a constant; with relu it grows as
    the distance does.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (80, 1))
    >>> y = 100 * np.sin(2 * X[:, 0]) + 10 * rng.standard_normal(80)
    >>> model = BALIRegressor(random_state=0).fit(X, y)
    >>> low, high = model.predict_interval([[0.8], [9.0]], level=0.95)
    >>> bool(low[0] < 100 * np.sin(1.6) < high[0])
    True
    """

    training: ClassVar[Training] = REGRESSION_TRAINING

    def __init__(
        self,
        hidden: int | Sequence[int] = REGRESSION_TRAINING.model["hidden"],
        *,
        activation: Activation | None = None,
        forward: Pass | None = None,
        prior: Prior = "isotropic",
        prior_precision: float | None = None,
        noise_variance: Any = None,
        bias: bool = True,
        covariance: Covariance = REGRESSION_TRAINING.model["covariance"],
        noise: Noise = REGRESSION_TRAINING.model["noise"],
        standardize: bool = True,
        input_scale: Literal["column", "common"] = "column",
        epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] | None = "auto",
        tolerance: float | None = None,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        verbose: bool = False,
        n_members: int = 1,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.forward = forward
        self.prior = prior
        self.prior_precision = prior_precision
        self.noise_variance = noise_variance
        self.bias = bias
        self.covariance = covariance
        self.noise = noise
        self.standardize = standardize
        self.input_scale = input_scale
        self.epochs = epochs
        self.batch_size = batch_size
        self.tolerance = tolerance
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.verbose = verbose
        self.n_members = n_members
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """Scikit-learn's description of what the estimator can do."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.sparse = True
        return tags

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, callback: Callback | None = None
    ) -> BALIRegressor:
        """Train on X (N, n_features) and y (N,) or (N, n_outputs), from the start or `warm_start`.

        Parameters
        ----------
        X : array_like
            Array, frame, or sparse matrix; of the last a dense copy is made.
        sample_weight : array_like, optional
            (N,) weights: 2 is the row twice, 0 is no row. They are counts: weights that sum to 1
            amount to a single row. (`BALIClassifier` takes those for shares; `BayesianRidge`, up to
            scikit-learn 1.6, takes all weights for precisions, so that 2 for each row doubles the
            noise variance that it learns; NGBoost starts from rows of weight 0, too.)
        callback : Callback, optional
            Called with each member, a `BALI`, after each pass over the data; its training ends
            where that returns True. With several jobs it is called in their processes.

        Notes
        -----
        Rows that a bootstrap has repeated, as in `BaggingRegressor` and `AdaBoostRegressor`, count
        as data of their own whose errors agree. A network that learns its noise takes that for
        little noise, and over-fits: give `noise_variance`, or draw with ``bootstrap=False``.

        Examples
        --------
        >>> x = np.linspace(-1, 1, 40)[:, None]
        >>> model = BALIRegressor(hidden=(), random_state=0).fit(x, 3 * x[:, 0] + 1)
        >>> model.predict([[2.0]]).round(2)
        array([7.])
        """
        with unless_it_fails(self):
            self._fit(*self._data(X, y, sample_weight, first=True), callback)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> BALIRegressor:
        """Learn from new data, after those of `fit` or of earlier calls: one step a batch.

        Every call is taken to bring rows that were not seen before; giving the same ones again
        counts them again. The first ten are one batch, however they come. Units are those of all
        rows so far: new rows move them, and what was learnt is said in the new ones. With
        ``hidden=()`` and given `prior_precision` and `noise_variance` the result is that of `fit`
        on all data together, to rounding, from whatever row the stream starts. Learnt ones move by
        one damped step a batch, and in networks with hidden layers old data are slowly forgotten.
        Such networks take at most 32 rows a step until they have made 100 steps, unless
        `batch_size` says how many.

        The rows of such a network's stream should come in random order, and not in few pieces. Of
        2,000 rows of a curve, in pieces of 10 to 500, it reaches an R^2 of .97 to .98 (`fit`: .98);
        sorted by input or by target, mostly one below 0, since it forgets what it does not see
        again. One call takes its rows in any order. Large pieces are few steps: of 40,000 rows of
        five inputs .97 in pieces of 20,000 and .99 in pieces of 200.

        Derivation: NP-3, NP-8

        Examples
        --------
        >>> x = np.linspace(-1, 1, 40)[:, None]
        >>> model = BALIRegressor(hidden=(), random_state=0)
        >>> for rows in (slice(0, 20), slice(20, 40)):
        ...     model = model.partial_fit(x[rows], 3 * x[rows, 0] + 1)
        >>> model.predict([[2.0]]).round(1)
        array([7.])
        """
        first = not hasattr(self, "members_")
        self._partial_fit(*self._data(X, y, sample_weight, first=first))
        return self

    def _data(
        self, X: Any, y: Any, sample_weight: Any, *, first: bool
    ) -> tuple[Array, Array, Array, float]:
        refuse_text(X, "X")
        refuse_missing(y, "y")
        refuse_text(y, "y", FOR_CLASSES)
        if dimensions(y) == 2 and np.asarray(y).dtype.kind == "f":
            finite(np.asarray(y), "y", y)
        found, targets = read(self, X, y, first=first, multi_output=True, y_numeric=True)
        eps = max(resolution(found), resolution(targets))
        names = getattr(self, "feature_names_in_", None)
        X = finite(dense(found), "X", X, names)
        Y = finite(targets.astype(np.float64).reshape(len(targets), -1), "y", y)
        if first:
            self._one_output = targets.ndim == 1
        elif Y.shape[1] != len(self._target_scale.mean):
            raise ValueError(
                f"y: expected {len(self._target_scale.mean)} outputs as before, got {Y.shape[1]}"
            )
        return *merged(*present(X, Y, sample_weight)), eps

    def _model_options(self) -> dict[str, Any]:
        return {
            **super()._model_options(),
            "noise_variance": self._given_noise(),
            "covariance": self.covariance,
            "noise": self.noise,
        }

    def _given_noise(self) -> Array | None:
        if self.noise_variance is None:
            return None
        V = Gaussian(self.noise_variance).covariance(len(self._target_scale.mean))
        V = V / self._target_scale.squares
        return rounded(V) if as_widths(self.hidden, "hidden") else V

    def predict_distribution(self, X: Any) -> GaussianPredictive:
        """Predictive distribution of each row of X, in original units.

        A `StudentPredictive`, or a `GaussianPredictive` where no tails were fitted, or a mixture of
        such, for three scales of the prior and for several members: mean, epistemic and aleatoric
        covariance apart, intervals, densities, samples; outputs always a matrix.

        Examples
        --------
        >>> x = np.linspace(-1, 1, 40)[:, None]
        >>> y = 3 * x[:, 0] + 0.1 * np.cos(40 * x[:, 0])
        >>> model = BALIRegressor(hidden=(), random_state=0).fit(x, y)
        >>> model.predict_distribution([[1.0]]).mean.round(1)
        array([[3.]])
        """
        return self._distribution(self._inputs(X))

    def _distribution(self, X: Array) -> GaussianPredictive:
        members = cast(list[GaussianPredictive], self._predictives(X))
        return self._target_scale.to_original(equal_mixture(members))

    @overload
    def predict(self, X: Any) -> Array: ...

    @overload
    def predict(self, X: Any, return_std: Literal[True]) -> tuple[Array, Array]: ...

    @overload
    def predict(self, X: Any, *, return_cov: Literal[True]) -> tuple[Array, Array]: ...

    @overload
    def predict(self, X: Any, *, return_interval: float) -> tuple[Array, Array, Array]: ...

    def predict(
        self,
        X: Any,
        return_std: bool = False,
        return_cov: bool = False,
        return_interval: float | None = None,
    ) -> Array | tuple[Array, ...]:
        """Predictive mean (B,) or (B, n_outputs), by itself or with what is asked for.

        Parameters
        ----------
        return_std : bool, default False
            Also return standard deviations, noise included, in the shape of the mean. (Those of
            `GaussianProcessRegressor` have the noise of its kernel, not its `alpha`.)
        return_cov : bool, default False
            Also return the (B, n_outputs, n_outputs) covariance of each row's outputs, noise
            included. (`GaussianProcessRegressor` means the covariance between rows.)
        return_interval : float, optional
            A probability such as .95: also return the ends of the central intervals, as
            `predict_interval` does. The `predict` of a pipeline hands it on; `cross_val_predict`
            and `TransformedTargetRegressor` have no way for it.

        Returns
        -------
        array or tuple of array
            ``mean``; or ``mean, std``; ``mean, covariance``; ``mean, low, high``.

        Raises
        ------
        ValueError
            If more than one thing is asked for, or a probability is not between 0 and 1.

        Examples
        --------
        >>> X = np.linspace(-1, 1, 30)[:, None]
        >>> model = BALIRegressor(hidden=(), random_state=0).fit(X, 2 * X[:, 0])
        >>> mean, low, high = model.predict(X, return_interval=0.5)
        >>> bool((low <= mean).all() and (mean <= high).all())
        True
        """
        with_std, with_cov = as_flag(return_std, "return_std"), as_flag(return_cov, "return_cov")
        if with_std + with_cov + (return_interval is not None) > 1:
            raise ValueError(
                "predict: expected one of return_std, return_cov and return_interval, got several"
            )
        if with_cov:
            mean, covariance = self._in_pieces(X, lambda p: p.mean, lambda p: p.covariance)
            return self._shaped(mean), covariance
        if with_std:
            mean, std = self._in_pieces(X, lambda p: p.mean, lambda p: p.std)
            return self._shaped(mean), self._shaped(std)
        if return_interval is not None:
            level = as_level(return_interval, "return_interval")
            parts = self._in_pieces(X, lambda p: p.mean, lambda p: np.stack(p.interval(level), 1))
            return tuple(map(self._shaped, (parts[0], parts[1][:, 0], parts[1][:, 1])))
        return self._shaped(self._in_pieces(X, lambda p: p.mean)[0])

    def predict_interval(self, X: Any, level: float = 0.95) -> tuple[Array, Array]:
        """Ends of the central interval of each output, noise included, in the mean's shape.

        Examples
        --------
        >>> x = np.linspace(-1, 1, 40)[:, None]
        >>> y = 3 * x[:, 0] + 0.1 * np.cos(40 * x[:, 0])
        >>> model = BALIRegressor(hidden=(), random_state=0).fit(x, y)
        >>> low, high = model.predict_interval([[1.0]], level=0.5)
        >>> bool(low[0] < 3 < high[0])
        True
        """
        ends = self._in_pieces(X, lambda p: np.stack(p.interval(level), axis=1))[0]
        return self._shaped(ends[:, 0]), self._shaped(ends[:, 1])

    def _shaped(self, matrix: Array) -> Array:
        return matrix[:, 0] if self._one_output else matrix

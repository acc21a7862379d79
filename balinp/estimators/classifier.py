"""The estimator for classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from balinp._types import Activation, Array, Pass, Prior
from balinp.data import merged
from balinp.defaults import CLASSIFICATION_TRAINING, Training
from balinp.estimators.base import BALIEstimator
from balinp.estimators.labels import as_labels, distinct
from balinp.estimators.refused import refuse_text
from balinp.estimators.rows import counted, dense, finite, present, read, resolution
from balinp.estimators.training import Callback
from balinp.predictive import BernoulliPredictive, CategoricalPredictive
from balinp.undone import unless_it_fails
from balinp.validation import as_weights, dimensions


class BALIClassifier(ClassifierMixin, BALIEstimator):
    """Classification by a Bayesian neural network: probabilities that know what is not known.

    A row has one label of several, or, where y is a matrix of zeros and ones, any number of them:
    each column is then an answer of its own, yes or no (`balinp.likelihood.Bernoulli`).

    Parameters
    ----------
    hidden, activation, forward, prior, prior_precision, bias
        As in `BALI`.
    standardize, input_scale, tolerance, warm_start, n_iter_no_change, verbose, n_members, n_jobs, \
random_state
        As in `BALIRegressor`; there are no targets to standardise.
    epochs, batch_size
        Likewise. ``"auto"``: 200 passes, of more than 500 rows 100,000 / rows, but at least 10;
        all rows a step up to 400, and beyond batches of equal size, at most 256.
    early_stopping, validation_fraction
        Likewise; of each class the same share is held out.
    class_weight : dict or {"balanced"}, optional
        Weights of the classes, {label: weight}, which multiply those of their rows; a class that is
        not named has weight 1. ``"balanced"`` gives all classes that have weight the same total.
        None is ones. For one label a row.

    Attributes
    ----------
    classes_ : array
        Sorted class labels; columns of probabilities are in this order. Of several labels a row,
        the numbers of the columns of y.
    members_, log_evidence_, history_, n_iter_, validation_scores_, n_features_in_, \
feature_names_in_
        As in `BALIRegressor`.

    Examples
    --------
    >>> X = np.array([[-2.0], [-1.0], [-1.5], [1.0], [2.0], [1.5]])
    >>> y = ["no", "no", "no", "yes", "yes", "yes"]
    >>> model = BALIClassifier(random_state=0).fit(X, y)
    >>> model.predict([[-1.2], [1.2]])
    array(['no', 'yes'], dtype='<U3')
    """

    training: ClassVar[Training] = CLASSIFICATION_TRAINING

    def __init__(
        self,
        hidden: int | Sequence[int] = CLASSIFICATION_TRAINING.model["hidden"],
        *,
        activation: Activation | None = None,
        forward: Pass | None = None,
        prior: Prior = "isotropic",
        prior_precision: float | None = None,
        bias: bool = True,
        standardize: bool = True,
        input_scale: Literal["column", "common"] = "column",
        epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] | None = "auto",
        tolerance: float | None = None,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
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
        self.bias = bias
        self.standardize = standardize
        self.input_scale = input_scale
        self.epochs = epochs
        self.batch_size = batch_size
        self.tolerance = tolerance
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.verbose = verbose
        self.n_members = n_members
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """Scikit-learn's description of what the estimator can do."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.input_tags.sparse = True
        return tags

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, callback: Callback | None = None
    ) -> BALIClassifier:
        """Train on X (N, n_features) and labels y of two classes or more.

        Parameters
        ----------
        X : array_like
            Array, frame, or sparse matrix; of the last a dense copy is made.
        y : array_like
            (N,) labels; or (N, n_labels) zeros and ones, any number of ones a row.
        sample_weight : array_like, optional
            (N,) weights: 2 is the row twice, 0 is no row. Its label is still one of `classes_`; a
            class without any weight gets what probability the prior leaves it. Weights that sum to
            1, as boosting hands them on, are shares of all rows that have weight: as counts they
            would amount to a single row.
        callback : Callback, optional
            As in `BALIRegressor.fit`.

        Raises
        ------
        ValueError
            If y names one class only. `partial_fit` can be told of others.

        Examples
        --------
        >>> X, y = np.array([[-2.0], [-1.0], [1.0], [2.0]]), ["no", "no", "yes", "yes"]
        >>> model = BALIClassifier(random_state=0).fit(X, y)
        >>> model.classes_.tolist()
        ['no', 'yes']
        """
        with unless_it_fails(self):
            self._fit_labels(X, y, sample_weight, callback)
        return self

    def _fit_labels(self, X: Any, y: Any, sample_weight: Any, callback: Callback | None) -> None:
        goes_on = self.warm_start and hasattr(self, "members_")
        X, y = self._data(X, y, first=True)
        classes = np.arange(y.shape[1]) if y.ndim == 2 else np.unique(y)
        if not goes_on:
            self._set_classes(classes, y.ndim == 2)
        elif self._is_multilabel != (y.ndim == 2) or not self._has(classes):
            raise ValueError(
                f"y: expected classes {self.classes_} as before, since warm_start goes on, "
                f"got {classes}"
            )
        self._fit(*self._rows(X, y, counted(sample_weight, len(X))), callback)

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> BALIClassifier:
        """Learn from new data, after those of `fit` or of earlier calls: one step a batch.

        Parameters
        ----------
        classes : optional
            All labels that will ever come; needed in the first call unless `fit` came before, and
            if given again it must be the same. The columns of several labels a row need no names.

        Notes
        -----
        Every call is taken to bring rows that were not seen before; the first ten are one batch,
        however they come. Units are those of all rows so far: new rows move them, and what was
        learnt is said in the new ones. Old data are gradually forgotten. The first 100 steps take
        at most 32 rows each, unless `batch_size` says how many. Rows should come in random order,
        and not in few pieces, as in `BALIRegressor.partial_fit`.

        Examples
        --------
        >>> X, y = np.array([[-2.0], [-1.0], [1.0], [2.0]]), ["no", "no", "yes", "yes"]
        >>> model = BALIClassifier(hidden=(), random_state=0)
        >>> for _ in range(20):
        ...     model = model.partial_fit(X, y, classes=["no", "yes"])
        >>> model.predict(X).tolist()
        ['no', 'no', 'yes', 'yes']
        """
        first = not hasattr(self, "members_")
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight: expected weights in partial_fit, where no batch knows how many rows "
                "of each class there will be, got 'balanced'"
            )
        X, y = self._data(X, y, first=first)
        if classes is None and y.ndim == 2:
            classes = np.arange(y.shape[1]) if first else self.classes_
        if first and classes is None:
            raise ValueError("classes: expected all class labels in the first call, got None")
        if first:
            self._set_classes(distinct(classes), y.ndim == 2)
        elif classes is not None and not self._has(distinct(classes)):
            raise ValueError(f"classes: expected {self.classes_} as before, got {classes}")
        self._partial_fit(*self._rows(X, y, sample_weight))
        return self

    def _data(self, X: Any, y: Any, *, first: bool) -> tuple[Array, Any]:
        refuse_text(X, "X")
        y = as_labels(y)
        several = dimensions(y) == 2 and type_of_target(y, input_name="y") == "multilabel-indicator"
        found, y = read(self, X, y, first=first, multi_output=several)
        check_classification_targets(y)
        found = dense(found)
        finite(found, "X", X, getattr(self, "feature_names_in_", None))
        return found, dense(y)

    def _rows(self, X: Array, y: Any, w: Array | None) -> tuple[Array, Array, Array, float]:
        """Inputs, targets and weights of the rows that have weight, equal ones merged."""
        Y = y.astype(np.float64) if self._is_multilabel else self._one_hot(y)
        if Y.shape[1] != len(self.classes_):
            raise ValueError(f"y: expected {len(self.classes_)} labels a row, got {Y.shape[1]}")
        eps = resolution(X)
        X, Y, w = present(X.astype(np.float64), Y, w)
        if self.class_weight is not None:
            X, Y, w = present(X, Y, w * self._class_weights(Y, w))
        return *merged(X, Y, w), eps

    def _class_weights(self, Y: Array, w: Array) -> Array:
        """The weight (N,) of each row's class, for targets Y (N, K) of weights w (N,)."""
        if self._is_multilabel:
            raise ValueError(
                "class_weight: expected None for several labels a row, of which each has two "
                f"classes, got {self.class_weight!r}"
            )
        amounts = w @ Y
        if self.class_weight == "balanced":
            there = amounts > 0
            shares = w.sum() / (there.sum() * np.where(there, amounts, 1.0))
            return Y @ shares
        if not isinstance(self.class_weight, Mapping):
            raise ValueError(
                "class_weight: expected None, 'balanced' or weights by label, "
                f"got {self.class_weight!r}"
            )
        unknown = [label for label in self.class_weight if label not in self.classes_.tolist()]
        if unknown:
            raise ValueError(
                f"class_weight: expected weights of the classes {self.classes_}, got {unknown}"
            )
        weights = [self.class_weight.get(label, 1.0) for label in self.classes_]
        return Y @ cast(Array, as_weights(weights, "class_weight", len(weights)))

    def _strata(self, Y: Array) -> Any:
        return None if self._is_multilabel else Y.argmax(axis=1)

    def _model_options(self) -> dict[str, Any]:
        options = super()._model_options()
        return options | {"likelihood": "bernoulli"} if self._is_multilabel else options

    def _set_classes(self, classes: Any, several: bool) -> None:
        if len(classes) < 2 and not several:
            raise ValueError(
                f"y: expected at least two classes, got one class, {classes.tolist()[0]!r}; a "
                "class that the data do not contain can be named in partial_fit(classes=...)"
            )
        self.classes_, self._is_multilabel = classes, several

    def _has(self, classes: Any) -> bool:
        """Whether sorted labels are those of before; as lists, since text is no number's equal."""
        return bool(classes.tolist() == self.classes_.tolist())

    def _one_hot(self, y: Any) -> Array:
        if y.ndim != 1:
            raise ValueError(f"y: expected one label a row, as before, got shape {y.shape}")
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y: expected classes {self.classes_}, got {unknown}")
        return np.eye(len(self.classes_))[np.searchsorted(self.classes_, y)]

    def predict_distribution(self, X: Any) -> CategoricalPredictive | BernoulliPredictive:
        """Predictive distribution of each row of X: probabilities and where they are uncertain.

        `epistemic` is the covariance of the class probabilities over networks, `aleatoric` the
        covariance of the label that remains given a network. For several labels a row, a
        `BernoulliPredictive`.

        Examples
        --------
        >>> X, y = np.array([[-2.0], [-1.0], [1.0], [2.0]]), ["no", "no", "yes", "yes"]
        >>> model = BALIClassifier(random_state=0).fit(X, y)
        >>> model.predict_distribution([[1.5]]).epistemic.shape
        (1, 2, 2)
        """
        return self._distribution(self._inputs(X))

    def _distribution(self, X: Array) -> CategoricalPredictive | BernoulliPredictive:
        members: list[Any] = [*self._predictives(X)]
        if len(members) == 1:
            return members[0]
        if self._is_multilabel:
            return BernoulliPredictive.of(members)
        return CategoricalPredictive.of(members)

    def predict_proba(self, X: Any) -> Array:
        """Class probabilities (B, n_classes), columns in the order of `classes_`.

        For several labels a row, the probability of each, in the order of the columns of y: (B,
        n_labels), which do not sum to 1.

        Examples
        --------
        >>> X, y = np.array([[-2.0], [-1.0], [1.0], [2.0]]), ["no", "no", "yes", "yes"]
        >>> model = BALIClassifier(random_state=0).fit(X, y)
        >>> p = model.predict_proba([[1.5]])
        >>> bool(p[0, 1] > 0.8), float(p.sum().round(6))
        (True, 1.0)
        """
        return self._in_pieces(X, lambda predictive: predictive.probabilities)[0]

    def predict_log_proba(self, X: Any) -> Array:
        """Logarithms of `predict_proba`, in nats; of a probability that underflows, -inf."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> Any:
        """The most probable class of each row, shape (B,).

        For several labels a row, (B, n_labels) ones where a label is more probable than not.

        Examples
        --------
        >>> X, y = np.array([[-2.0], [-1.0], [1.0], [2.0]]), ["no", "no", "yes", "yes"]
        >>> model = BALIClassifier(random_state=0).fit(X, y)
        >>> model.predict([[-1.5], [1.5]]).tolist()
        ['no', 'yes']
        """
        probabilities = self.predict_proba(X)
        if self._is_multilabel:
            return (probabilities > 0.5).astype(int)
        return self.classes_[probabilities.argmax(axis=1)]

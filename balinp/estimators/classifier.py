"""The estimator for classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from balinp._types import Array
from balinp.defaults import CLASSIFICATION_TRAINING, Training
from balinp.estimators.base import BALIEstimator
from balinp.estimators.rows import FLOATS, counted, merged, present, refuse_text, resolution
from balinp.predictive import CategoricalPredictive
from balinp.validation import LARGEST, as_matrix, refuse_masked


class BALIClassifier(ClassifierMixin, BALIEstimator):
    """Classification by a Bayesian neural network: probabilities that know what is not known.

    Parameters
    ----------
    hidden, activation, forward, prior, prior_precision, bias : as in `BALI`.
    standardize, input_scale, epochs, batch_size, tolerance, n_members, n_jobs, random_state : as in
        `BALIRegressor`; there are no targets to standardise.

    Attributes
    ----------
    classes_ : sorted class labels; columns of probabilities are in this order.
    members_, log_evidence_, n_features_in_, feature_names_in_ : as in `BALIRegressor`.

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
        hidden: Sequence[int] = CLASSIFICATION_TRAINING.model["hidden"],
        *,
        activation: str | None = None,
        forward: str | None = None,
        prior: str = "isotropic",
        prior_precision: float | None = None,
        bias: bool = True,
        standardize: bool = True,
        input_scale: str = "column",
        epochs: int | str = "auto",
        batch_size: int | str | None = "auto",
        tolerance: float | None = None,
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
        self.n_members = n_members
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> BALIClassifier:
        """Train from the start on X (N, n_features) and labels y (N,) of two classes or more.

        Parameters
        ----------
        sample_weight : (N,) weights: 2 is the row twice, 0 is no row. Its label is still one of
            `classes_`; a class without any weight gets what probability the prior leaves it.
            Weights that sum to 1, as boosting hands them on, are shares of all rows that have
            weight: as counts they would amount to a single row.

        Raises
        ------
        ValueError
            If y names one class only. `partial_fit` can be told of others.
        """
        X, y = self._data(X, y, first=True)
        self._set_classes(np.unique(y))
        self._fit(*self._rows(X, y, counted(sample_weight, len(X))))
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> BALIClassifier:
        """Learn from new data, after those of `fit` or of earlier calls: one step a batch.

        Parameters
        ----------
        classes : all labels that will ever come; needed in the first call unless `fit` came
            before, and if given again it must be the same.

        Notes
        -----
        Every call is taken to bring rows that were not seen before. Units are those of all rows
        so far: new rows move them, and what was learnt is said in the new ones. Old data are
        gradually forgotten.
        """
        first = not hasattr(self, "members_")
        if first and classes is None:
            raise ValueError("classes: expected all class labels in the first call, got None")
        X, y = self._data(X, y, first=first)
        if first:
            self._set_classes(np.unique(classes))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes: expected {self.classes_} as before, got {classes}")
        self._partial_fit(*self._rows(X, y, sample_weight))
        return self

    def _data(self, X: Any, y: Any, *, first: bool) -> tuple[Array, Any]:
        refuse_text(X, "X")
        refuse_masked(y, "y")  # labels may be text
        X, y = validate_data(self, X, y, reset=first, dtype=FLOATS)
        check_classification_targets(y)
        return X, y

    def _rows(self, X: Array, y: Any, w: Array | None) -> tuple[Array, Array, Array, float]:
        """Inputs, targets and weights of the rows that have weight, equal ones merged."""
        X, eps = as_matrix(X, "X", largest=LARGEST), resolution(X)
        return *merged(*present(X, self._one_hot(y), w)), eps

    def _set_classes(self, classes: Any) -> None:
        if len(classes) < 2:
            raise ValueError(
                f"y: expected at least two classes, got one class, {classes[0]!r}; a class that "
                "the data do not contain can be named in partial_fit(classes=...)"
            )
        self.classes_ = classes

    def _one_hot(self, y: Any) -> Array:
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y: expected classes {self.classes_}, got {unknown}")
        return np.eye(len(self.classes_))[np.searchsorted(self.classes_, y)]

    def predict_distribution(self, X: Any) -> CategoricalPredictive:
        """Predictive distribution of each row of X: probabilities and where they are uncertain.

        `epistemic` is the covariance of the class probabilities over networks, `aleatoric` the
        covariance of the label that remains given a network.
        """
        return self._distribution(self._inputs(X))

    def _distribution(self, X: Array) -> CategoricalPredictive:
        members = cast(list[CategoricalPredictive], self._predictives(X))
        return members[0] if len(members) == 1 else CategoricalPredictive.of(members)

    def predict_proba(self, X: Any) -> Array:
        """Class probabilities (B, n_classes), columns in the order of `classes_`."""
        return self._in_pieces(X, lambda predictive: predictive.probabilities)[0]

    def predict(self, X: Any) -> Any:
        """The most probable class of each row, shape (B,)."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

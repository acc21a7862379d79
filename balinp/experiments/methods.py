"""The methods that are compared, all behind one interface.

A method is a function of standardised training data, standardised test inputs and a seed; the
class `Method` does the standardising and maps predictions back. Settings are the same for every
data set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from balinp._types import Array
from balinp.bali import BALI
from balinp.experiments import CLASSIFICATION, REGRESSION, UserError
from balinp.experiments.standardise import Scale
from balinp.predictive import CategoricalPredictive, GaussianPredictive, Predictive

REFERENCE = "BALI (isotropic)"
"""The method that the others are compared with, split by split."""


@dataclass(frozen=True)
class Training:
    """How BALI is set up and trained.

    Attributes
    ----------
    model : arguments of `BALI`, the likelihood first.
    fit : arguments of `BALI.fit`.
    batch_size : size of batches where there are more than `full_batch_up_to` data.
    """

    model: Mapping[str, Any]
    fit: Mapping[str, Any]
    batch_size: int = 256
    full_batch_up_to: float = np.inf

    def run(self, X: Array, Y: Array, X_test: Array, seed: int, **changes: Any) -> Predictive:
        """Train with `changes` of the model's arguments, and predict."""
        batch_size = None if len(X) <= self.full_batch_up_to else self.batch_size
        model = BALI(**{**self.model, **changes}, seed=seed)
        return model.fit(X, Y, batch_size=batch_size, **self.fit).predict(X_test)


REGRESSION_TRAINING = Training({"likelihood": "gaussian", "hidden": (50,)}, {"epochs": 200})
CLASSIFICATION_TRAINING = Training(
    {"likelihood": "categorical", "hidden": (50,)},
    {"epochs": 100},
    full_batch_up_to=2000,
)
LINEAR_TRAINING = Training(
    {"likelihood": "gaussian", "hidden": ()}, {"epochs": 2000, "tolerance": 1e-8}
)


@dataclass(frozen=True)
class Method:
    """A named way from training data to predictions.

    Attributes
    ----------
    name : as in tables and after ``--methods``.
    kind : ``"regression"`` or ``"classification"``.
    run : maps standardised (X, Y, X_test) and a seed to a predictive in standardised units.
    """

    name: str
    kind: str
    run: Callable[[Array, Array, Array, int], Predictive]

    def fit_predict(self, X: Array, Y: Array, X_test: Array, seed: int) -> Predictive:
        """Train on X (N, n_in) and Y (N, K), predict at X_test, all in original units."""
        inputs = Scale.of(X)
        X, X_test = inputs.to_standard(X), inputs.to_standard(X_test)
        if self.kind == CLASSIFICATION:
            return self.run(X, Y, X_test, seed)
        targets = Scale.of(Y)
        predictive = self.run(X, targets.to_standard(Y), X_test, seed)
        assert isinstance(predictive, GaussianPredictive)
        return targets.to_original(predictive)


# -- methods of scikit-learn ----------------------------------------------------------------------


def _bayesian_ridge(X: Array, Y: Array, X_test: Array, seed: int) -> GaussianPredictive:
    """One BayesianRidge an output; what it reports is split into weights' share and noise."""
    from sklearn.linear_model import BayesianRidge

    models = [BayesianRidge().fit(X, y) for y in Y.T]
    mean = np.stack([model.predict(X_test) for model in models], axis=1)
    variances = [((X_test @ model.sigma_) * X_test).sum(axis=1) for model in models]
    epistemic = np.stack(variances, axis=1)[:, :, None] * np.eye(len(models))
    return GaussianPredictive(mean, epistemic, np.diag([1.0 / model.alpha_ for model in models]))


def _logistic_regression(X: Array, Y: Array, X_test: Array, seed: int) -> CategoricalPredictive:
    from sklearn.linear_model import LogisticRegression

    return _probabilities(LogisticRegression(max_iter=1000), X, Y, X_test)


def _mlp(X: Array, Y: Array, X_test: Array, seed: int) -> CategoricalPredictive:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(hidden_layer_sizes=(50,), max_iter=10_000, random_state=seed)
    return _probabilities(model, X, Y, X_test)


def _probabilities(classifier: Any, X: Array, Y: Array, X_test: Array) -> CategoricalPredictive:
    """Class probabilities of a single network; a class without training data gets zero."""
    classifier.fit(X, Y.argmax(axis=1))
    probabilities = np.zeros((len(X_test), Y.shape[1]))
    probabilities[:, classifier.classes_] = classifier.predict_proba(X_test)
    return CategoricalPredictive(probabilities[None])


# -- the registry ---------------------------------------------------------------------------------

METHODS = (
    Method(REFERENCE, REGRESSION, partial(REGRESSION_TRAINING.run, prior="isotropic")),
    Method("BALI (conjugate)", REGRESSION, partial(REGRESSION_TRAINING.run, prior="conjugate")),
    Method("Bayesian linear regression", REGRESSION, LINEAR_TRAINING.run),
    Method("BayesianRidge", REGRESSION, _bayesian_ridge),
    Method(REFERENCE, CLASSIFICATION, partial(CLASSIFICATION_TRAINING.run, prior="isotropic")),
    Method(
        "BALI (conjugate)",
        CLASSIFICATION,
        partial(CLASSIFICATION_TRAINING.run, prior="conjugate"),
    ),
    Method("logistic regression", CLASSIFICATION, _logistic_regression),
    Method("MLP", CLASSIFICATION, _mlp),
)


def warm_up() -> None:
    """Import and compile what the methods need, so that neither counts as their time."""
    import sklearn.linear_model
    import sklearn.neural_network  # noqa: F401

    tiny = np.array([[0.0], [1.0]])
    BALI(hidden=(1,)).fit(tiny, tiny, epochs=1).predict(tiny)


def select(kind: str, names: Sequence[str] | None = None) -> list[Method]:
    """Methods of a kind by name, in the order asked for; all of them by default.

    Raises
    ------
    UserError
        If a name is not that of a method of this kind, or comes twice.
    """
    known = {method.name: method for method in METHODS if method.kind == kind}
    if names is None:
        return list(known.values())
    for name in names:
        if name not in known:
            raise UserError(f"unknown method {name!r}; for {kind}: {', '.join(known)}")
    if len(set(names)) < len(names):
        raise UserError("--methods: a method is named twice")
    return [known[name] for name in names]

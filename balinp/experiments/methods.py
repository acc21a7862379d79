"""The methods that are compared, all behind one interface.

A method trains on standardised data with a seed and returns a function that predicts; the class
`Method` does the standardising and maps predictions back. Settings are the same for every data
set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from balinp._types import Array
from balinp.bali import BALI
from balinp.experiments import CLASSIFICATION, REGRESSION, UserError
from balinp.predictive import CategoricalPredictive, GaussianPredictive, Predictive
from balinp.standardise import Scale
from balinp.training import CLASSIFICATION_TRAINING, REGRESSION_TRAINING, Training

REFERENCE = "BALI (isotropic)"
"""The method that the others are compared with, split by split."""

LINEAR_TRAINING = Training(
    {"likelihood": "gaussian", "hidden": ()}, {"epochs": 2000, "tolerance": 1e-8}
)

Predictor: TypeAlias = Callable[[Array], Predictive]
"""Maps inputs (B, n_in) to the predictive distribution there."""


@dataclass(frozen=True)
class Method:
    """A named way from training data to predictions.

    Attributes
    ----------
    name : as in tables and after ``--methods``.
    kind : ``"regression"`` or ``"classification"``.
    train : maps standardised (X, Y) and a seed to a predictor in standardised units.
    """

    name: str
    kind: str
    train: Callable[[Array, Array, int], Predictor]

    def fit(
        self, X: Array, Y: Array, seed: int, input_scale: Callable[[Array], Scale] = Scale.of
    ) -> Predictor:
        """Train on X (N, n_in) and Y (N, K); the predictor, too, is in original units.

        Parameters
        ----------
        X, Y : training data in original units.
        seed : of everything random.
        input_scale : maps X to the scale in which the method sees inputs. Targets of a regression
            are always standardised column by column.
        """
        inputs = input_scale(X)
        if self.kind == CLASSIFICATION:
            predictor = self.train(inputs.to_standard(X), Y, seed)
            return lambda X_new: predictor(inputs.to_standard(X_new))
        targets = Scale.of(Y)
        predictor = self.train(inputs.to_standard(X), targets.to_standard(Y), seed)

        def predict(X_new: Array) -> Predictive:
            predictive = predictor(inputs.to_standard(X_new))
            assert isinstance(predictive, GaussianPredictive)
            return targets.to_original(predictive)

        return predict

    @property
    def settings(self) -> str:
        """What the method is, in words that change when its settings do."""
        return str(getattr(self.train, "__qualname__", self.train))


@dataclass(frozen=True)
class Network:
    """BALI with a training and a prior, as the `train` of a `Method`."""

    training: Training
    prior: str = "isotropic"

    def __call__(self, X: Array, Y: Array, seed: int) -> Predictor:
        """Train on standardised data."""
        return self.training.trained(X, Y, seed, prior=self.prior).predict


# -- methods of scikit-learn ----------------------------------------------------------------------


def _bayesian_ridge(X: Array, Y: Array, seed: int) -> Predictor:
    """One BayesianRidge an output; what it reports is split into weights' share and noise."""
    from sklearn.linear_model import BayesianRidge

    models = [BayesianRidge().fit(X, y) for y in Y.T]
    noise = np.diag([1.0 / model.alpha_ for model in models])

    def predict(X_new: Array) -> GaussianPredictive:
        mean = np.stack([model.predict(X_new) for model in models], axis=1)
        variances = [((X_new @ model.sigma_) * X_new).sum(axis=1) for model in models]
        epistemic = np.stack(variances, axis=1)[:, :, None] * np.eye(len(models))
        return GaussianPredictive(mean, epistemic, noise)

    return predict


def _logistic_regression(X: Array, Y: Array, seed: int) -> Predictor:
    from sklearn.linear_model import LogisticRegression

    return _classifier(LogisticRegression(max_iter=1000), X, Y)


def _mlp(X: Array, Y: Array, seed: int) -> Predictor:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(hidden_layer_sizes=(50,), max_iter=10_000, random_state=seed)
    return _classifier(model, X, Y)


def _classifier(classifier: Any, X: Array, Y: Array) -> Predictor:
    """Class probabilities of a single network; a class without training data gets zero."""
    classifier.fit(X, Y.argmax(axis=1))

    def predict(X_new: Array) -> CategoricalPredictive:
        probabilities = np.zeros((len(X_new), Y.shape[1]))
        probabilities[:, classifier.classes_] = classifier.predict_proba(X_new)
        return CategoricalPredictive(probabilities[None])

    return predict


# -- the registry ---------------------------------------------------------------------------------

METHODS = (
    Method(REFERENCE, REGRESSION, Network(REGRESSION_TRAINING)),
    Method("BALI (conjugate)", REGRESSION, Network(REGRESSION_TRAINING, "conjugate")),
    Method("Bayesian linear regression", REGRESSION, Network(LINEAR_TRAINING)),
    Method("BayesianRidge", REGRESSION, _bayesian_ridge),
    Method(REFERENCE, CLASSIFICATION, Network(CLASSIFICATION_TRAINING)),
    Method("BALI (conjugate)", CLASSIFICATION, Network(CLASSIFICATION_TRAINING, "conjugate")),
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

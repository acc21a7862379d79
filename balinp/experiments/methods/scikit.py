"""Methods of scikit-learn, imported when they are run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from balinp._types import Array
from balinp.experiments.methods.method import (
    HIDDEN,
    Predictor,
    best_held_out,
    held_out,
    with_residual_noise,
)
from balinp.predictive import CategoricalPredictive, GaussianPredictive


@dataclass(frozen=True)
class BayesianRidge:
    """One BayesianRidge an output, at scikit-learn's defaults.

    The variance that it reports is split into the weights' share and the noise. Standardised data
    matter here: its hyper-priors have a unit, that of the target, and up to scikit-learn 1.8 its
    standard deviations depend on the origin of the inputs.

    Source: MacKay (1992), Bayesian interpolation; scikit-learn's BayesianRidge.
    """

    def __call__(self, X: Array, Y: Array, seed: int) -> Predictor:
        """Train on standardised data; nothing is random."""
        from sklearn.linear_model import BayesianRidge

        models = [BayesianRidge().fit(X, y) for y in Y.T]
        noise = np.diag([1.0 / model.alpha_ for model in models])

        def predict(X_new: Array) -> GaussianPredictive:
            mean = np.stack([model.predict(X_new) for model in models], axis=1)
            variances = [((X_new @ model.sigma_) * X_new).sum(axis=1) for model in models]
            epistemic = np.stack(variances, axis=1)[:, :, None] * np.eye(len(models))
            return GaussianPredictive(mean, epistemic, noise)

        return predict


@dataclass(frozen=True)
class GaussianProcess:
    """One Gaussian process an output: squared exponential kernel, a length scale for each input.

    Signal variance, length scales and noise variance maximise the evidence, of a random choice of
    `evidence_rows` data where there are more; the posterior given them is of all data. Length
    scales start at sqrt(n_in), about the distance between two standardised inputs.

    Source: Rasmussen and Williams (2006), Gaussian processes for machine learning, chapters 2
    and 5; scikit-learn's GaussianProcessRegressor.
    """

    evidence_rows: int = 500

    def __call__(self, X: Array, Y: Array, seed: int) -> Predictor:
        """Train on standardised data."""
        from sklearn.gaussian_process import GaussianProcessRegressor

        rows = np.random.default_rng(seed).permutation(len(X))[: self.evidence_rows]
        models = []
        for y in Y.T:
            kernel = self._maximum(X[rows], y[rows])
            models.append(GaussianProcessRegressor(kernel, optimizer=None).fit(X, y))
        noise = np.diag([model.kernel_.k2.noise_level for model in models])

        def predict(X_new: Array) -> GaussianPredictive:
            pairs = [model.predict(X_new, return_std=True) for model in models]
            mean = np.stack([mean for mean, _ in pairs], axis=1)
            variance = np.stack([std**2 for _, std in pairs], axis=1)
            epistemic = (variance - np.diag(noise))[:, :, None] * np.eye(len(models))
            return GaussianPredictive(mean, epistemic, noise)

        return predict

    @staticmethod
    def _maximum(X: Array, y: Array) -> Any:
        """The kernel that maximises the evidence of X (N, n_in) and y (N,)."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        scales = np.full(X.shape[1], np.sqrt(X.shape[1]))
        kernel = ConstantKernel() * RBF(scales, (1e-2, 1e4)) + WhiteKernel(0.1, (1e-6, 1e1))
        with warnings.catch_warnings():
            # An input that does not matter sends its length scale to the bound: no failure.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return GaussianProcessRegressor(kernel).fit(X, y).kernel_


@dataclass(frozen=True)
class MLPRegression:
    """A network fitted by Adam to the mean squared error, with a constant noise variance.

    scikit-learn's MLPRegressor at its defaults (relu, weight decay .0001, learning rate .001,
    batches of 200), one epoch a time. A tenth of the data is held out: training ends where
    their error is smallest, and their residuals give the noise variance. With training residuals
    instead it would be far too sure of itself.
    """

    held_out: float = 0.1
    patience: int = 50
    epochs: int = 2000

    def __call__(self, X: Array, Y: Array, seed: int) -> Predictor:
        """Train on nine tenths of the standardised data."""
        from sklearn.neural_network import MLPRegressor

        train, held = held_out(len(X), seed, self.held_out)
        model = MLPRegressor(
            hidden_layer_sizes=(HIDDEN,), random_state=seed, batch_size=min(200, len(train))
        )

        targets = Y[train] if Y.shape[1] > 1 else Y[train, 0]

        def mean(X_new: Array) -> Array:
            return model.predict(X_new).reshape(len(X_new), -1)

        def states() -> Iterator[tuple[float, tuple[list[Array], list[Array]]]]:
            for _ in range(self.epochs):
                model.partial_fit(X[train], targets)
                weights = [W.copy() for W in model.coefs_], [b.copy() for b in model.intercepts_]
                yield float(((Y[held] - mean(X[held])) ** 2).mean()), weights

        model.coefs_, model.intercepts_ = best_held_out(states(), self.patience)
        return with_residual_noise(mean, X[held], Y[held])


@dataclass(frozen=True)
class LogisticRegression:
    """Softmax regression with scikit-learn's default penalty, |W|^2 / 2."""

    iterations: int = 1000

    def __call__(self, X: Array, Y: Array, seed: int) -> Predictor:
        """Train on standardised inputs; nothing is random."""
        from sklearn.linear_model import LogisticRegression

        return class_probabilities(LogisticRegression(max_iter=self.iterations), X, Y)


@dataclass(frozen=True)
class MLPClassification:
    """scikit-learn's MLPClassifier at its defaults, trained until its loss stops falling."""

    epochs: int = 10_000

    def __call__(self, X: Array, Y: Array, seed: int) -> Predictor:
        """Train on standardised inputs."""
        from sklearn.neural_network import MLPClassifier

        model = MLPClassifier(hidden_layer_sizes=(HIDDEN,), max_iter=self.epochs, random_state=seed)
        return class_probabilities(model, X, Y)


def class_probabilities(classifier: Any, X: Array, Y: Array) -> Predictor:
    """Class probabilities of one classifier; a class without training data gets zero."""
    classifier.fit(X, Y.argmax(axis=1))

    def predict(X_new: Array) -> CategoricalPredictive:
        found, labels = np.asarray(classifier.predict_proba(X_new)), classifier.classes_
        if found.shape != (len(X_new), len(labels)):
            raise ValueError(
                f"expected probabilities {(len(X_new), len(labels))}, got shape {found.shape}"
            )
        probabilities = np.zeros((len(X_new), Y.shape[1]))
        probabilities[:, labels] = found
        return CategoricalPredictive(probabilities[None])

    return predict

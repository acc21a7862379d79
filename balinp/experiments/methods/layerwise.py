"""Methods made of this package's own parts: BALI, and what remains when parts are left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from balinp._types import Array
from balinp.defaults import Training
from balinp.experiments.methods.method import (
    HIDDEN,
    Predictor,
    best_held_out,
    held_out,
    with_residual_noise,
)
from balinp.kernels import gram
from balinp.mlp import MLP

LINEAR_TRAINING = Training(
    {"likelihood": "gaussian", "hidden": ()}, {"epochs": 2000, "tolerance": 1e-8}
)


@dataclass(frozen=True)
class Network:
    """BALI with a training and a prior, as the `train` of a `Method`."""

    training: Training
    prior: str = "isotropic"

    def __call__(self, X: Array, Y: Array, seed: int) -> Predictor:
        """Train on standardised data."""
        return self.training.trained(X, Y, seed, prior=self.prior).predict


@dataclass(frozen=True)
class NeuralLinear:
    """Exact Bayesian linear regression on the last hidden layer of a trained network.

    The network is trained as BALI (isotropic) is, and of it nothing is kept but the means of its
    hidden layers: they map inputs to features. The weights from the features to the outputs are
    learnt anew, by the method Bayesian linear regression: their posterior is exact, and prior
    precision and noise covariance maximise the exact evidence of the training data. So the last
    layer is as Bayesian as it can be, and the hidden one is taken to be known.

    Source: the idea in Snoek et al. (2015), Scalable Bayesian optimization using deep neural
    networks; Ober and Rasmussen (2019), Benchmarking the neural linear model for regression.
    """

    features: Training
    regression: Training

    def __call__(self, X: Array, Y: Array, seed: int) -> Predictor:
        """Train the network, then the regression on its features."""
        model = self.features.trained(X, Y, seed)

        def features(X: Array) -> Array:
            return model.network.forward(model.weights, X).inputs[-1]

        regression = self.regression.trained(features(X), Y, seed)
        return lambda X_new: regression.predict(features(X_new))


@dataclass(frozen=True)
class FOOF:
    """The mean alone: steps preconditioned by the input factor of each layer, no posterior.

    A step minimises the mean squared error over all data. With X the inputs of a layer and their
    1, A = X^T X / N and E the derivatives of the squared error / 2 with respect to the layer's
    outputs, the change of its weights is

        -rate (A + damping tr(A) / D I)^{-1} X^T E / N  +  momentum (previous change):

    the ridge regression of the outputs' own gradient steps on the inputs. It is BALI's step with
    the output factor left out. A tenth of the data is held out: training ends where their error
    is smallest, and their residuals give the noise variance.

    Source: Benzing (2022), Gradient descent on neurons and its link to approximate second-order
    optimization. Rate, damping and momentum were chosen on parts of training data, see
    balinp/experiments/results/README.md.
    """

    rate: float = 0.1
    damping: float = 1.0
    momentum: float = 0.9
    steps: int = 2000
    patience: int = 100
    held_out: float = 0.1

    def __call__(self, X: Array, Y: Array, seed: int) -> Predictor:
        """Train on nine tenths of the data."""
        train, held = held_out(len(X), seed, self.held_out)
        network = MLP([X.shape[1], HIDDEN, Y.shape[1]], "tanh")
        weights = best_held_out(
            self._states(network, X[train], Y[train], X[held], Y[held], seed), self.patience
        )

        def mean(X_new: Array) -> Array:
            return network.forward(weights, X_new).outputs[-1]

        return with_residual_noise(mean, X[held], Y[held])

    def _states(
        self, network: MLP, X: Array, Y: Array, X_held: Array, Y_held: Array, seed: int
    ) -> Iterator[tuple[float, list[Array]]]:
        """Held-out error and weights after each step, the start included."""
        weights = network.initial_weights(np.random.default_rng(seed))
        changes = [np.zeros_like(W) for W in weights]
        for _ in range(self.steps):
            error = Y_held - network.forward(weights, X_held).outputs[-1]
            yield float((error**2).mean()), weights
            forward = network.forward(weights, X)
            rows = network.backward(weights, forward, (forward.outputs[-1] - Y)[:, None, :])
            changes = [
                self.momentum * change - self.rate * self._ridge(inputs, E[:, 0, :])
                for change, inputs, E in zip(changes, forward.inputs, rows, strict=True)
            ]
            weights = [W + change for W, change in zip(weights, changes, strict=True)]

    def _ridge(self, inputs: Array, targets: Array) -> Array:
        X = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
        A, D = gram(X) / len(X), X.shape[1]
        damped = A + self.damping * np.trace(A) / D * np.eye(D)
        return np.linalg.solve(damped, X.T @ targets / len(X))

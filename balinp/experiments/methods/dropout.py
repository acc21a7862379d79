"""Monte Carlo dropout (extra ``peers``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from balinp._types import Array
from balinp.experiments import CLASSIFICATION, REGRESSION
from balinp.experiments.methods.method import HIDDEN, Predictor
from balinp.experiments.methods.torch_tools import peers
from balinp.predictive import CategoricalPredictive, MixturePredictive, Predictive

NOISE_VARIANCES = (
    0.0001, 0.0001333521432163324, 0.00017782794100389227, 0.0002371373705661655,
    0.00031622776601683794, 0.00042169650342858224, 0.0005623413251903491,
    0.0007498942093324559, 0.001, 0.001333521432163324, 0.0017782794100389228,
    0.0023713737056616554, 0.0031622776601683794, 0.004216965034285822, 0.005623413251903491,
    0.007498942093324558, 0.01, 0.01333521432163324, 0.01778279410038923, 0.023713737056616554,
    0.03162277660168379, 0.042169650342858224, 0.056234132519034905, 0.07498942093324558, 0.1,
    0.1333521432163324, 0.1778279410038923, 0.23713737056616552, 0.31622776601683794,
    0.4216965034285822, 0.5623413251903491, 0.7498942093324558, 1.0,
)  # fmt: skip
"""1 / tau in units of the targets' variance; neighbours differ by a third.

They are `np.geomspace(1e-4, 1, 33)`, whose last digits are not the same in all versions of NumPy;
records have a digest of them.
"""


@dataclass(frozen=True)
class MCDropout:
    """A network whose units are dropped in training and in prediction alike.

    At the settings of the authors' UCI experiments: relu, inputs and hidden units dropped, mean
    squared error, Adam with rate .001, batches of 128, 4000 epochs; dropout rate and noise
    precision tau by the log-likelihood of the last fifth of the training data; then a network
    trained anew on all of them; prediction by the mixture of sampled networks. What differs:

    - at most `steps` steps; theirs has 16,000 on boston and 48,000 on wine.
    - tau from one grid for all data sets, in standardised units, instead of three values for each
      set. Their weight decay, 1e-4 (1 - rate) / (2 N tau), is the only way in which tau enters
      the training; it is below 1e-6 and left out. So one network serves all values of tau.
    - the fifth is drawn at random, since rows need not be in random order.
    - `samples` networks for the prediction; theirs are 10,000.

    For classes: cross-entropy, larger dropout rates, and of the noise nothing.

    Source: Gal and Ghahramani (2016), Dropout as a Bayesian approximation; settings of
    yaringal/DropoutUncertaintyExps on GitHub, one hidden layer, 100 x 40 epochs.
    """

    kind: str
    rates: tuple[float, ...]
    steps: int
    noise_variances: tuple[float, ...] = NOISE_VARIANCES
    epochs: int = 4000
    batch: int = 128
    learning_rate: float = 1e-3
    samples: int = 500

    def __call__(self, X: Array, Y: Array, seed: int) -> Predictor:
        """Choose on a fifth of the data, train on all of them."""
        order = np.random.default_rng(seed).permutation(len(X))
        held, train = order[: len(X) // 5], order[len(X) // 5 :]
        tried = Networks(self, self.rates, X[train], Y[train], seed)
        choices = [
            (*self._best_noise(outputs, Y[held]), rate)
            for outputs, rate in zip(tried.outputs(X[held]), self.rates, strict=True)
        ]
        _, variance, rate = max(choices)
        final = Networks(self, (rate,), X, Y, seed)

        def predict(X_new: Array) -> Predictive:
            return self._predictive(final.outputs(X_new)[0], variance)

        return predict

    def _best_noise(self, outputs: Array, Y: Array) -> tuple[float, float]:
        """The best mean log-likelihood of Y under outputs (S, B, K), and its noise variance."""
        variances = (0.0,) if self.kind == CLASSIFICATION else self.noise_variances
        return max(
            (float(self._predictive(outputs, variance).logpdf(Y).mean()), variance)
            for variance in variances
        )

    def _predictive(self, outputs: Array, variance: float) -> Predictive:
        if self.kind == CLASSIFICATION:
            return CategoricalPredictive.from_samples(outputs)
        return MixturePredictive(outputs, variance * np.eye(outputs.shape[2]))


class Networks:
    """Networks with different dropout rates, trained side by side on the same batches.

    Weights of all G networks are stacked, (G, D, K); a step costs little more than for one.
    Everything random comes from one generator of this object's own.
    """

    def __init__(
        self, setting: MCDropout, rates: tuple[float, ...], X: Array, Y: Array, seed: int
    ) -> None:
        (torch,) = peers("torch")
        self.torch, self.setting = torch, setting
        self.generator = torch.Generator().manual_seed(seed)
        self.keep = 1 - torch.tensor(rates)[:, None, None]
        self.weights = [
            self._initial(len(rates), *shape)
            for shape in ((X.shape[1], HIDDEN), (HIDDEN, Y.shape[1]))
        ]
        self._train(torch.tensor(X, dtype=torch.float32), torch.tensor(Y, dtype=torch.float32))

    def _initial(self, networks: int, n_in: int, n_out: int) -> Any:
        """Weights uniform within sqrt(6 / (n_in + n_out)), as Keras has them; the bias is zero."""
        torch, bound = self.torch, np.sqrt(6 / (n_in + n_out))
        weights = torch.rand(1, n_in, n_out, generator=self.generator) * 2 * bound - bound
        bias = torch.zeros(1, 1, n_out)
        stacked = torch.cat([weights, bias], dim=1).repeat(networks, 1, 1)
        return stacked.requires_grad_()

    def _train(self, X: Any, Y: Any) -> None:
        torch, setting = self.torch, self.setting
        adam = torch.optim.Adam(self.weights, lr=setting.learning_rate)
        batches = -(-len(X) // setting.batch)
        epochs = min(setting.epochs, -(-setting.steps // batches))
        for _ in range(epochs):
            order = torch.randperm(len(X), generator=self.generator)
            for rows in order.split(setting.batch):
                adam.zero_grad()
                self._loss(self._drawn(X[rows]), Y[rows]).backward()
                adam.step()

    def _loss(self, outputs: Any, Y: Any) -> Any:
        """Sum over networks of the mean loss of each, which keeps their gradients apart."""
        if self.setting.kind == REGRESSION:
            losses = (outputs - Y) ** 2
        else:
            losses = -(Y * self.torch.log_softmax(outputs, dim=2)).sum(dim=2)
        return losses.flatten(1).mean(dim=1).sum()

    def _drawn(self, X: Any) -> Any:
        """Outputs (G, B, K) of networks from which units were dropped, at X (B, n_in)."""
        hidden, output = self.weights
        z = self._layer(X.expand(len(self.keep), *X.shape), hidden)
        return self._layer(self.torch.relu(z), output)

    def _layer(self, inputs: Any, W: Any) -> Any:
        uniform = self.torch.rand(inputs.shape, generator=self.generator)
        kept = inputs * (uniform < self.keep) / self.keep
        return self.torch.baddbmm(W[:, -1:], kept, W[:, :-1])

    def outputs(self, X: Array) -> Array:
        """Sampled outputs (G, samples, B, K) at inputs X (B, n_in), the same at every call."""
        torch = self.torch
        state = self.generator.get_state()
        inputs = torch.tensor(X, dtype=torch.float32)
        with torch.no_grad():
            draws = [self._drawn(inputs) for _ in range(self.setting.samples)]
        self.generator.set_state(state)
        return torch.stack(draws, dim=1).numpy().astype(np.float64)

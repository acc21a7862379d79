"""Laplace approximations of laplace-torch, around a network trained by Adam (extra ``peers``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from balinp._types import Array
from balinp.experiments import CLASSIFICATION, REGRESSION
from balinp.experiments.methods.method import HIDDEN, Predictor, held_out
from balinp.experiments.methods.torch_tools import initial, peers, quiet, rows_at_once
from balinp.predictive import CategoricalPredictive, GaussianPredictive, Predictive


@dataclass(frozen=True)
class Laplace:
    """A Gaussian around the weights that Adam finds, with a generalised Gauss-Newton precision.

    Network and training are those of the regression example of laplace-torch: tanh, full batch,
    1000 steps of Adam with rate .01 on the mean squared error (cross-entropy for classes). Its
    weight decay, .0005, over-fits other data than the example's: here it is chosen by the loss on
    a fifth of the training data, and the network is then trained anew on all of them. Then, with
    the weights fixed, prior precision and noise variance maximise Laplace's evidence: the
    example's 1000 steps of Adam with rate .1; for classes `optimize_prior_precision` with its
    method "marglik". Predictions are those of the network linearised in its weights; for classes
    with the package's default, the probit approximation. Outputs share one noise variance in
    standardised units. The package factors weights and biases apart, as if they were independent,
    so that even for a straight line its Kronecker factors are not exact.

    Source: Daxberger et al. (2021), Laplace redux; Ritter, Botev and Barber (2018) for Kronecker
    factors; Immer, Korzepa and Bauer (2021) for the prediction.

    Attributes
    ----------
    kind : str
        ``"regression"`` or ``"classification"``.
    subset : str
        ``"all"`` weights, or the ``"last_layer"``.
    structure : str
        ``"kron"`` or ``"full"``, of the precision.
    """

    kind: str
    subset: str
    structure: str
    steps: int = 1000
    rate: float = 0.01
    weight_decays: tuple[float, ...] = (5e-5, 5e-4, 5e-3, 5e-2)
    held_out: float = 0.2
    evidence_steps: int = 1000
    evidence_rate: float = 0.1

    def __call__(self, X: Array, Y: Array, seed: int) -> Predictor:
        """Train on standardised data, then approximate the posterior."""
        torch, laplace = peers("torch", "laplace")
        inputs = torch.as_tensor(X)
        targets = torch.as_tensor(Y if self.kind == REGRESSION else Y.argmax(axis=1))
        model = self._chosen(inputs, targets, Y.shape[1], seed)
        data = torch.utils.data.TensorDataset(inputs, targets)
        own = torch.Generator()  # a loader moves one even if it does not shuffle
        loader = torch.utils.data.DataLoader(data, batch_size=len(X), generator=own)
        approximation = laplace.Laplace(
            model, self.kind, subset_of_weights=self.subset, hessian_structure=self.structure
        )
        with quiet():
            approximation.fit(loader)
            if self.kind == CLASSIFICATION:
                approximation.optimize_prior_precision(method="marglik")
            else:
                self._maximise_evidence(approximation)
        weights = sum(W.numel() for W in model.parameters())
        chunk = rows_at_once(weights * Y.shape[1])

        def predict(X_new: Array) -> Predictive:
            parts = torch.as_tensor(X_new).split(chunk)
            with quiet():
                found = [approximation(part) for part in parts]
            if self.kind == CLASSIFICATION:
                p = np.concatenate([probabilities.numpy(force=True) for probabilities in found])
                return CategoricalPredictive(p[None])
            mean, epistemic = (
                np.concatenate([moments[i].numpy(force=True) for moments in found]) for i in (0, 1)
            )
            variance = float(approximation.sigma_noise.detach()) ** 2
            return GaussianPredictive(mean, epistemic, variance * np.eye(mean.shape[1]))

        return predict

    def _chosen(self, X: Any, Y: Any, outputs: int, seed: int) -> Any:
        """The network of the weight decay that is best on held-out data, trained on all."""
        train, held = held_out(len(X), seed, self.held_out)

        def loss(weight_decay: float) -> float:
            model = self._network(X[train], Y[train], outputs, seed, weight_decay)
            return float(self._loss()(model(X[held]), Y[held]).detach())

        return self._network(X, Y, outputs, seed, min(self.weight_decays, key=loss))

    def _loss(self) -> Any:
        (torch,) = peers("torch")
        return torch.nn.MSELoss() if self.kind == REGRESSION else torch.nn.CrossEntropyLoss()

    def _network(self, X: Any, Y: Any, outputs: int, seed: int, weight_decay: float) -> Any:
        """A network at the weights that Adam ends at."""
        (torch,) = peers("torch")
        rng = np.random.default_rng(seed)
        model = torch.nn.Sequential(
            initial(X.shape[1], HIDDEN, rng), torch.nn.Tanh(), initial(HIDDEN, outputs, rng)
        )
        loss = self._loss()
        adam = torch.optim.Adam(model.parameters(), lr=self.rate, weight_decay=weight_decay)
        for _ in range(self.steps):
            adam.zero_grad()
            loss(model(X), Y).backward()
            adam.step()
        return model

    def _maximise_evidence(self, approximation: Any) -> None:
        """Move prior precision and noise to the maximum of Laplace's evidence."""
        (torch,) = peers("torch")
        log_precision, log_noise = (
            torch.ones(1, dtype=torch.float64, requires_grad=True) for _ in range(2)
        )
        adam = torch.optim.Adam([log_precision, log_noise], lr=self.evidence_rate)
        for _ in range(self.evidence_steps):
            adam.zero_grad()
            evidence = approximation.log_marginal_likelihood(log_precision.exp(), log_noise.exp())
            (-evidence).backward()
            adam.step()

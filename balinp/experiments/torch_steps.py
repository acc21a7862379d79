"""What a training step and a posterior are held against in the benchmark (extra ``peers``).

Adam, and a Kronecker-factored Laplace fit, both in PyTorch's default precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

from balinp._types import Array
from balinp.experiments import CLASSIFICATION, REGRESSION
from balinp.experiments.methods.torch_tools import initial, peers, quiet
from balinp.mlp import MLP


def available(*modules: str) -> bool:
    """Whether modules of the extra ``peers`` are there; does not import them."""
    return all(find_spec(module) is not None for module in modules)


class Adam:
    """A network that PyTorch's Adam trains by maximum likelihood, float32, without weight decay.

    A regression has a noise variance that is learnt with the weights and starts from 1; classes
    have the softmax.

    Parameters
    ----------
    network : MLP
        Network of a model; initial weights are PyTorch's usual ones.
    kind : str
        ``"regression"`` or ``"classification"``.
    learning_rate : float, default 0.001
        The default is PyTorch's.
    """

    def __init__(self, network: MLP, kind: str, learning_rate: float = 1e-3) -> None:
        (self.torch,) = peers("torch")
        self.kind = kind
        self.model = _sequential(network).float()
        self.log_sigma = self.torch.zeros((), requires_grad=True)
        self.adam = self.torch.optim.Adam(
            [*self.model.parameters(), self.log_sigma], lr=learning_rate
        )

    def tensors(self, X: Array, Y: Array) -> tuple[Any, Any]:
        """Inputs (B, n_in) and targets (B, K), one-hot for classes, as `step` takes them."""
        return _tensors(X, Y, self.kind)

    def step(self, inputs: Any, targets: Any) -> Any:
        """Forward pass, backward pass, change; returns the loss before, a tensor."""
        self.adam.zero_grad()
        loss = self._loss(inputs, targets)
        loss.backward()
        self.adam.step()
        return loss.detach()

    def log_likelihood(self, inputs: Any, targets: Any) -> float:
        """Mean log-likelihood of data, in nats."""
        with self.torch.no_grad():
            return -float(self._loss(inputs, targets))

    def _loss(self, inputs: Any, targets: Any) -> Any:
        """Mean negative log-likelihood."""
        outputs = self.model(inputs)
        if self.kind == CLASSIFICATION:
            return self.torch.nn.functional.cross_entropy(outputs, targets)
        squares = ((targets - outputs) * (-self.log_sigma).exp()) ** 2
        each = self.log_sigma + 0.5 * np.log(2 * np.pi) + 0.5 * squares
        return each.sum(dim=1).mean()


def adam_step(network: MLP, X: Array, Y: Array, kind: str) -> Callable[[], Any]:
    """One step of Adam on a batch, to be called as often as is wanted; returns the loss before."""
    adam = Adam(network, kind)
    return partial(adam.step, *adam.tensors(X, Y))


def kronecker_fit(
    network: MLP, weights: Sequence[Array], X: Array, Y: Array, kind: str
) -> Callable[[], Any]:
    """A fit of laplace-torch to a trained network, all weights, Kronecker factors, float32.

    Calling it fits anew and returns the approximation.

    Parameters
    ----------
    network, weights : MLP and sequence of array
        Of a BALI model.
    X, Y : array
        (N, n_in) and (N, K), one-hot for classes; all data are one batch.
    kind : str
        ``"regression"`` or ``"classification"``.
    """
    torch, laplace = peers("torch", "laplace")
    model = _sequential(network)
    linear = [module for module in model if isinstance(module, torch.nn.Linear)]
    with torch.no_grad():
        for module, W in zip(linear, weights, strict=True):
            module.weight.copy_(torch.as_tensor(W[:-1].T.copy()))
            module.bias.copy_(torch.as_tensor(W[-1].copy()))
    model = model.float()
    data = torch.utils.data.TensorDataset(*_tensors(X, Y, kind))
    own = torch.Generator()  # a loader moves one even if it does not shuffle
    loader = torch.utils.data.DataLoader(data, batch_size=len(X), generator=own)

    def fit() -> Any:
        approximation = laplace.Laplace(
            model, kind, subset_of_weights="all", hessian_structure="kron"
        )
        with quiet():
            approximation.fit(loader)
        return approximation

    return fit


def _sequential(network: MLP) -> Any:
    """The network as a PyTorch module, with initial weights of its own."""
    (torch,) = peers("torch")
    rng = np.random.default_rng(0)
    activation = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "identity": torch.nn.Identity}
    modules = []
    for n_in, n_out in pairwise(network.widths):
        modules += [initial(n_in, n_out, rng), activation[network.activation]()]
    return torch.nn.Sequential(*modules[:-1])


def _tensors(X: Array, Y: Array, kind: str) -> tuple[Any, Any]:
    """Inputs, and targets as numbers or as labels."""
    (torch,) = peers("torch")
    inputs = torch.as_tensor(X.astype(np.float32))
    if kind == REGRESSION:
        return inputs, torch.as_tensor(Y.astype(np.float32))
    assert kind == CLASSIFICATION
    return inputs, torch.as_tensor(Y.argmax(axis=1))

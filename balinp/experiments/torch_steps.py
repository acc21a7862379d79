"""What a training step and a posterior are held against in the benchmark (extra ``peers``).

One step of Adam, and a Kronecker-factored Laplace fit, both in PyTorch's default precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def adam_step(network: MLP, X: Array, Y: Array, kind: str) -> Callable[[], Any]:
    """One step of PyTorch's Adam on a batch, float32, to be called as often as is wanted.

    Forward pass, squared error or cross-entropy, backward pass, change. A call returns the loss
    before the change, a tensor.

    Parameters
    ----------
    network : of the model.
    X, Y : the batch, (B, n_in) and (B, K), one-hot for classes.
    kind : ``"regression"`` or ``"classification"``.
    """
    (torch,) = peers("torch")
    model = _sequential(network).float()
    loss, inputs, targets = _loss_and_data(X, Y, kind)
    adam = torch.optim.Adam(model.parameters())

    def step() -> Any:
        adam.zero_grad()
        before = loss(model(inputs), targets)
        before.backward()
        adam.step()
        return before.detach()

    return step


def kronecker_fit(
    network: MLP, weights: Sequence[Array], X: Array, Y: Array, kind: str
) -> Callable[[], Any]:
    """A fit of laplace-torch to a trained network, all weights, Kronecker factors, float32.

    Calling it fits anew and returns the approximation.

    Parameters
    ----------
    network, weights : of a BALI model.
    X, Y, kind : as for `adam_step`; all data are one batch.
    """
    torch, laplace = peers("torch", "laplace")
    model = _sequential(network)
    linear = [module for module in model if isinstance(module, torch.nn.Linear)]
    with torch.no_grad():
        for module, W in zip(linear, weights, strict=True):
            module.weight.copy_(torch.as_tensor(W[:-1].T.copy()))
            module.bias.copy_(torch.as_tensor(W[-1].copy()))
    model = model.float()
    _, inputs, targets = _loss_and_data(X, Y, kind)
    data = torch.utils.data.TensorDataset(inputs, targets)
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


def _loss_and_data(X: Array, Y: Array, kind: str) -> tuple[Any, Any, Any]:
    (torch,) = peers("torch")
    inputs = torch.as_tensor(X.astype(np.float32))
    if kind == REGRESSION:
        return torch.nn.MSELoss(), inputs, torch.as_tensor(Y.astype(np.float32))
    assert kind == CLASSIFICATION
    return torch.nn.CrossEntropyLoss(), inputs, torch.as_tensor(Y.argmax(axis=1))

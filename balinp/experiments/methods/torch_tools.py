"""What the methods with PyTorch share: imports, one thread, and initial weights from a seed."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

LARGEST_JACOBIAN = 2**24
"""Numbers in the Jacobian of the outputs, of as many data as are predicted at once."""


def peers(*modules: str) -> list[Any]:
    """Import modules of the extra ``peers``, and hold PyTorch to one thread.

    Runs of different methods on several processes must not compete for cores, and roundings must
    not depend on how many there are.
    """
    with quiet():
        imported = [importlib.import_module(module) for module in modules]
    importlib.import_module("torch").set_num_threads(1)
    return imported


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore what these packages warn of: parts of each other that are deprecated, and defaults."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning, UserWarning):
            warnings.simplefilter("ignore", category)
        yield


def initial(n_in: int, n_out: int, rng: np.random.Generator) -> Any:
    """A linear layer with PyTorch's usual distribution of initial weights, from our generator.

    Weights and biases are uniform within 1 / sqrt(n_in). PyTorch's own generator, which all
    threads share, is neither used nor moved.
    """
    (torch,) = peers("torch")
    layer = torch.nn.utils.skip_init(torch.nn.Linear, n_in, n_out, dtype=torch.float64)
    bound = 1 / np.sqrt(n_in)
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(rng.uniform(-bound, bound, (n_out, n_in))))
        layer.bias.copy_(torch.as_tensor(rng.uniform(-bound, bound, n_out)))
    return layer


def rows_at_once(numbers: int) -> int:
    """How many data to predict at once if each needs so many numbers."""
    return max(1, LARGEST_JACOBIAN // numbers)

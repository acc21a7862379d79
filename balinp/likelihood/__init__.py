"""Likelihoods of one datum given the network's outputs f, and the names they are asked for by.

What a likelihood is asked is in `balinp.likelihood.protocol`.
"""

from __future__ import annotations

from typing import Any

from balinp.likelihood.classes import Bernoulli, Categorical
from balinp.likelihood.gaussian import Gaussian
from balinp.likelihood.protocol import DatumLikelihood, Likelihood
from balinp.validation import as_choice

__all__ = ["Bernoulli", "Categorical", "DatumLikelihood", "Gaussian", "Likelihood", "as_likelihood"]

LIKELIHOODS: dict[str, type[Likelihood]] = {
    "gaussian": Gaussian,
    "categorical": Categorical,
    "bernoulli": Bernoulli,
}
"""What a name stands for."""


def as_likelihood(likelihood: str | Likelihood, noise_variance: Any) -> Likelihood:
    """The likelihood that a name, or an object with the methods of `Likelihood`, stands for."""
    if isinstance(likelihood, str):
        as_choice(likelihood, "likelihood", tuple(LIKELIHOODS))
        if likelihood == "gaussian":
            return Gaussian(noise_variance)
    if noise_variance is not None:
        raise ValueError("noise_variance: expected None unless likelihood is 'gaussian'")
    if isinstance(likelihood, str):
        return LIKELIHOODS[likelihood]()
    methods = {**vars(DatumLikelihood), **vars(Likelihood)}
    needed = [name for name in methods if not name.startswith("_")]
    missing = [name for name in needed if not callable(getattr(likelihood, name, None))]
    if missing:
        raise TypeError(
            f"likelihood: expected one of {', '.join(LIKELIHOODS)}, or an object with the methods "
            f"of Likelihood, got {likelihood!r} without {', '.join(missing)}"
        )
    return likelihood

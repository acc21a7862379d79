"""Predictive distributions, with what the weights do not know kept apart from the noise.

`GaussianPredictive`, `StudentPredictive` and mixtures of them for regression,
`CategoricalPredictive` for classes, `BernoulliPredictive` for several answers, yes or no, and
`OutputPredictive` for a likelihood that says no more of its targets than their density.
"""

from __future__ import annotations

from typing import TypeAlias

from balinp.predictive.bernoulli import BernoulliPredictive
from balinp.predictive.categorical import CategoricalPredictive
from balinp.predictive.gaussian import GaussianPredictive
from balinp.predictive.mixture import MixturePredictive
from balinp.predictive.outputs import OutputPredictive
from balinp.predictive.student import StudentMixture, StudentPredictive, equal_mixture

Predictive: TypeAlias = GaussianPredictive | MixturePredictive | CategoricalPredictive
"""What `BALI.predict` returns: a Gaussian or a mixture for regression, else categorical."""

__all__ = [
    "BernoulliPredictive",
    "CategoricalPredictive",
    "GaussianPredictive",
    "MixturePredictive",
    "OutputPredictive",
    "Predictive",
    "StudentMixture",
    "StudentPredictive",
    "equal_mixture",
]

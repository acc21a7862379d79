"""What the experiments on digits train: the same methods on the same splits, once in a process."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from balinp._types import Array
from balinp.experiments.datasets import load
from balinp.experiments.methods import Method, Predictor, select
from balinp.predictive import CategoricalPredictive

WHITEST = 16.0
"""The largest value of a pixel; an image is 8 by 8."""

SIDE = 8

METHODS = (
    "BALI (isotropic)",
    "BALI (ensemble of 5)",
    "logistic regression",
    "MLP",
    "MLP (ensemble of 5)",
    "MC dropout",
)
"""Those of `balinp evaluate` that are compared, the last where the extra ``peers`` is there."""


class Trained(NamedTuple):
    """A method trained on a split of digits.

    Attributes
    ----------
    predict : Predictor
        Maps images (B, 64) to class probabilities.
    X, Y : array
        Test images (B, 64) and one-hot classes (B, 10).
    """

    predict: Predictor
    X: Array
    Y: Array

    def probabilities(self, images: Array) -> CategoricalPredictive:
        """What the method says of images (B, 64)."""
        predictive = self.predict(images)
        assert isinstance(predictive, CategoricalPredictive)
        return predictive


def methods(names: tuple[str, ...] = METHODS) -> list[Method]:
    """Those methods that can be run here."""
    return [method for method in select("classification") if method.name in names]


@cache
def trained(split: int, name: str) -> Trained:
    """The method of a name, trained on a split with its number as the seed."""
    digits = load("digits")
    (method,) = select("classification", [name])
    train, test = digits.split(split)
    predict = method.fit(digits.X[train], digits.Y[train], split, digits.input_scale)
    return Trained(predict, digits.X[test], digits.Y[test])


def clipped(images: Array) -> Array:
    """Images (B, 64) with pixels between 0 and `WHITEST`."""
    return np.clip(images, 0.0, WHITEST)

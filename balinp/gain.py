"""What the data say for a network, against one without weights; and under which lam most.

The gain in evidence tells how far the prior may be weakened. Where labels follow the inputs it
grows as lam falls; where they do not, there is none to be had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from balinp._types import Array
from balinp.data import Batch
from balinp.kernels import weighted_sum
from balinp.likelihood import Likelihood
from balinp.pseudo_targets import Trace
from balinp.sums import Said

LOST_SHARE = 0.3
"""Share of the best gain that may be lost again while lam is learnt."""

UNDECIDED = 3.0
"""Difference of evidence, in nats of all data together, that decides nothing."""

NOISE_THRESHOLD = 0.85
"""First lam of classes, in units of that below which labels of no pattern move a linear network."""

OF_NOISE_RATIO = 0.35
"""Part of it for labels that are half noise, times the root of the number of classes."""

LEAST_NOISE_RATIO = 0.2
"""Ratio that a smaller one is taken for: weaker starts let few data with noise be followed."""


@dataclass(frozen=True)
class Gain:
    """Gain in evidence over a network without weights, in nats a datum, averaged over steps.

    Before it is known, nothing is against learning lam.

    Derivation: GA-1

    Attributes
    ----------
    value : float
        The gain, a bound on it, as it is now.
    best : float
        The largest that it has been.
    best_precision : float
        lam of the first layer when it was largest.

    Examples
    --------
    >>> gain = Gain().after(0.5, rate=1.0, precision=3.0).after(0.3, rate=0.5, precision=2.0)
    >>> gain.value, gain.best, gain.best_precision
    (0.4, 0.5, 3.0)
    >>> gain.is_kept(n_data=1000), gain.after(0.2, rate=1.0, precision=1.0).is_kept(n_data=1000)
    (True, False)
    """

    value: float = -np.inf
    best: float = -np.inf
    best_precision: float = np.nan

    def after(self, gain: float, rate: float, precision: float) -> Gain:
        """The gain after a step.

        Parameters
        ----------
        gain : float
            Gain of the step by itself, in nats a datum.
        rate : float
            Its weight in the average.
        precision : float
            lam of the first layer in this step.
        """
        value = gain if np.isinf(self.value) else (1 - rate) * self.value + rate * gain
        if value > self.best:
            return Gain(value, value, precision)
        return Gain(value, self.best, self.best_precision)

    def anew(self, precision: float) -> Gain:
        """The gain that it is now is the best: what was before is no guide (GA-4)."""
        return Gain(self.value, self.value, precision)

    def is_kept(self, n_data: float) -> bool:
        """Whether no more of the best gain has been lost again than may be, as far as is known."""
        may_be_lost = max(LOST_SHARE * self.best, UNDECIDED / n_data)
        return bool(np.isinf(self.value)) or self.value >= self.best - may_be_lost


def mean_density_without_weights(batch: Batch, said: Said, likelihood: Likelihood) -> float:
    """Mean log density of a batch's targets at outputs of zero, in nats a datum.

    These are the outputs of a network without weights, and its evidence is this for each datum.

    Derivation: GA-1, LR-6

    Parameters
    ----------
    batch : Batch
        Rows, with their weights.
    said : Said
        What they have said, which holds the targets if they are one piece.
    likelihood : Likelihood
        Likelihood of the targets.
    """
    if isinstance(said, Trace):
        rows = None, said.targets, said.sample_weight
        (total,) = _density_without_weights(*rows, likelihood)
    else:
        (total,) = batch.total(1, _density_without_weights, likelihood)
    return float(total / batch.amount)


def _density_without_weights(
    X: Array | None, Y: Array, w: Array | None, likelihood: Likelihood
) -> tuple[float]:
    return (weighted_sum(likelihood.log_density(Y, np.zeros(Y.shape)), w),)


def first_precision(n_data: float, widths: Sequence[int], noise_ratio: float = np.inf) -> float:
    """Relative precision lam / n_1 that classes start with.

    With N data, K classes and n_2 units of the first hidden layer, labels without a pattern move
    the network below .85 sqrt(N (1 - 1/K) / n_2). The start is min(1, .35 r / sqrt(K)) of this,
    with r the ratio of noise to signal in the labels, or .2 if that is more.

    Derivation: GA-2, GA-3

    Parameters
    ----------
    n_data : float
        N.
    widths : sequence of int
        Numbers of inputs, hidden units, and outputs, with at least one hidden layer.
    noise_ratio : float, optional
        r, as `balinp.label_noise.noise_ratio` finds it; infinite for labels without a pattern.

    Examples
    --------
    >>> first_precision(400, [30, 50, 2])
    1.7
    >>> round(first_precision(400, [30, 50, 2], noise_ratio=1.0), 3)
    0.421
    """
    n_2, K = widths[1], widths[-1]
    threshold = NOISE_THRESHOLD * np.sqrt(n_data * (1 - 1 / K) / n_2)
    ratio = max(noise_ratio, LEAST_NOISE_RATIO)
    return float(min(1.0, OF_NOISE_RATIO * ratio / np.sqrt(K)) * threshold)

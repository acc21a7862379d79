"""The prior precisions and the noise of a network: where they start, and how they are learnt.

What the evidence asks for is in `balinp.evidence`; here is how far training follows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import exp, log
from typing import Any

import numpy as np

from balinp._types import Array
from balinp.counted import Counted
from balinp.data import Batch, Data
from balinp.evidence import (
    HyperPrior,
    effective_parameters,
    evidence_bound,
    less_correlated,
    noise_target,
    prior_precision_target,
)
from balinp.gain import Gain, first_precision, mean_density_without_weights
from balinp.joint_step import Outcome
from balinp.label_noise import noise_ratio_of
from balinp.labels_left_out import BEHIND_SHARE, Fit, fit_at_means
from balinp.layer import MatrixNormalLayer
from balinp.learnt_noise import learnt_noise, target_squares
from balinp.likelihood import Categorical, Gaussian, Likelihood
from balinp.moments import Moments
from balinp.noise_ceiling import held, noise_ceiling_of
from balinp.passes import Present
from balinp.spectral import CURVATURE_FLOOR, SMALLEST_SCALE, geometric_mean, raised
from balinp.step import Way
from balinp.sums import Said
from balinp.validation import as_positive

WEAK = HyperPrior()
LARGEST_SHAPE, SHAPE_SHARE = 200.0, 0.1
"""Shape of the Gamma prior on a learnt lam of networks with hidden layers: at most this, and at
most this share of the number of data, so that few data have as much of a say as many."""

PRECISION_SHARE = 0.05
"""Share of the way, in logarithms, that the prior precision goes to its target in a step."""

FIRST_NOISE, FIRST_NOISE_OF_FEW = 0.01, 0.3
"""What a network with hidden layers takes for noise before it has learnt, as a share of the mean
squares of the targets: 1 / (N - 1)^2, but no less and no more than these. A first datum by itself,
as of a stream, says nothing of it."""

NOISE_SHARE, NOISE_RISE, NOISE_FALL = 0.06, 0.05, 0.3
"""Share of the way, in logarithms, that the noise goes in a step: with all data the first where it
falls (stored records depend on its name), and the second where it rises. In a batch it rises
by the second and falls by the third, times the batch's rate, to the average of what batches ask
for: in a pass about as far as the layers go, whatever the size of batches. What rises before hidden
units have bent takes the signal for noise; falling late only costs passes."""

LARGEST_RISE, ARRIVED = 0.1, 4.0
"""But in batches the noise rises by no less than `ARRIVED` over the number of steps, so that few of
them end with the noise that is there, if that is at most `LARGEST_RISE`; and by the latter where
nobody knows how many steps there will be, but for steps of a few data (`least_rise`)."""

HELD_SHARE = 0.5
"""Share of the steps of a fit in which the noise does not rise above its ceiling: then layers have
fitted what they can, and what they cannot is noise to them."""

NO_FIT = {"counted": Counted(), "expected_steps": 0.0, "ceiling": None, "held_steps": 0}
NO_FIT["fit"] = Fit()
"""What is known during a fit alone, as it is between them."""


class HyperParameters:
    """lam of every layer and the noise covariance, each given or learnt.

    Parameters
    ----------
    likelihood : Likelihood
        The likelihood; the noise of a Gaussian one is learnt if it has none.
    prior_precision : float or None
        lam of all layers, or None to learn it.
    precision_prior, noise_prior : HyperPrior or None
        Gamma priors, None for the defaults.

    Attributes
    ----------
    given_precision, learns_noise
        lam if it is given, and whether the noise is learnt.
    given_priors
        Gamma priors as they were given.
    precision_prior, noise_prior : HyperPrior or None
        Gamma priors on lam and on the noise precision as they are.
    mean_precisions : list of float
        For each layer lam, times the mean output precision of the output layer for the conjugate
        prior (EV-4).
    noise_units : array
        (K,) array, what a rate of 1 of the noise prior means for each output: 1 if the prior is
        given, else the mean square of the first targets (EV-10).
    unsettled
        How far the last step was from what the evidence asks for, in logarithms.
    noise_asked : array or None
        (K, K) array, the noise covariance that the posteriors of the last steps ask for, averaged
        with the weights of their batches; None before the first step.
    gain
        Gain in evidence over a network without weights (GA-1).
    parameters : list of float
        Gamma of each layer after the last step, which lam is learnt from.
    counted : Counted
        What part of it all the data at one set of weights determine (EV-12); all of it unless
        `BALI.fit` goes through its data in batches.
    expected_steps : float
        Number of steps that there will be; 0 if nobody knows.
    ceiling, held_steps : array or None, and int
        (K,) array, variances above which the noise does not rise (EV-13), and in how many steps to
        come; None and 0 if there are none.
    fit
        How well labels are fitted, beside how well they can be told (GA-4).
    """

    def __init__(
        self,
        likelihood: Likelihood,
        prior_precision: float | None,
        precision_prior: HyperPrior | None,
        noise_prior: HyperPrior | None,
    ) -> None:
        self.given_precision = (
            None if prior_precision is None else as_positive(prior_precision, "prior_precision")
        )
        self.given_priors = precision_prior, noise_prior
        self.precision_prior = precision_prior
        self.noise_prior = WEAK if noise_prior is None else noise_prior
        self.noise_units = np.ones(0)
        self.noise_asked: Array | None = None
        self.is_of_classes = isinstance(likelihood, Categorical)
        self.learns_noise = isinstance(likelihood, Gaussian) and likelihood.noise_variance is None
        self.mean_precisions: list[float] = []
        self.unsettled = 0.0
        self.gain = Gain()
        self.parameters: list[float] = []
        self.counted = Counted()
        self.expected_steps, self.held_steps = 0.0, 0
        self.ceiling: Array | None = None
        self.fit = Fit()

    @property
    def learns_precision(self) -> bool:
        """Whether lam is learnt."""
        return self.given_precision is None

    # -- where they start ------------------------------------------------------------------------

    @contextmanager
    def expecting(self, steps: float, features_of: Batch | None = None) -> Iterator[None]:
        """Get ready for so many steps, 0 if nobody knows how many there will be; here alone.

        `features_of` are all the data, if hidden layers are to learn from them, and they are known.

        Derivation: EV-8, EV-12, EV-13, GA-4
        """
        try:
            self.expected_steps, self.held_steps = steps, int(HELD_SHARE * steps)
            if features_of is not None and self.learns_noise and self.held_steps:
                self.ceiling = noise_ceiling_of(features_of)
            if features_of is not None and self.learns_precision and self.is_of_classes:
                self.fit = Fit.of(features_of, steps, self.mean_precisions)
            yield
        finally:
            vars(self).update(NO_FIT)

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles, as in a callback: what the fit expects is not theirs."""
        return vars(self) | NO_FIT

    def start(
        self,
        widths: Sequence[int],
        n_data: float,
        likelihood: Likelihood,
        batch: Batch,
        is_all: bool,
    ) -> None:
        """Prior precisions of layers of these widths, for so many data.

        A precision in proportion to n_in gives the outputs the same prior variance whatever the
        width, 1 for inputs of unit size where it is n_in itself. Learnt ones start there, and those
        of classes where labels of no pattern only just move hidden units, or below, as far as a
        batch's labels have a pattern. If these are all data, lam stays there until the evidence is
        for the network.

        Derivation: EV-2, GA-1, GA-2, GA-3
        """
        of_classes = self.is_of_classes and len(widths) > 2 and widths[-1] > 1
        if self.given_precision is not None:
            self.mean_precisions = [self.given_precision] * (len(widths) - 1)
        else:
            relative = first_precision(n_data, widths, noise_ratio_of(batch)) if of_classes else 1.0
            self.mean_precisions = [relative * n_in for n_in in widths[:-1]]
        if of_classes and is_all:
            self.gain = Gain(best=0.0, best_precision=self.mean_precisions[0])
        if self.precision_prior is None:
            deep = len(widths) > 2 and isinstance(likelihood, Gaussian)
            shape = min(LARGEST_SHAPE, SHAPE_SHARE * n_data)
            self.precision_prior = HyperPrior(shape, shape / widths[0]) if deep else WEAK

    def begin_again(self, steps: float) -> list[float]:
        """Prior precisions of the layers for another beginning, so many steps to come (GA-4)."""
        self.fit = self.fit.again(steps)
        self.mean_precisions = list(self.fit.precisions)
        self.gain = Gain(best=0.0, best_precision=self.mean_precisions[0])
        return self.mean_precisions

    def first_noise(self, data: Data) -> Gaussian:
        """The noise that a network with hidden layers starts with.

        Derivation: EV-8, EV-10
        """
        numbers = max(data.X.shape[1], data.Y.shape[1])
        (squares,) = data.whole.total(numbers, target_squares)
        return learnt_noise(np.diag(self.first_variances(squares / data.amount, data.amount)))

    def first_variances(self, mean_squares: Array, n_data: float) -> Array:
        """Noise variances (K,) to start with, for n_data targets of these mean squares (K,).

        They are a small part of the mean squares, which become the units of the noise: with all of
        them the prior would be worth more than the data before any feature has been learnt, and the
        network would stay constant. But of ten data or fewer, which any network interpolates, up to
        .3 is taken for noise.

        Derivation: EV-8, EV-10
        """
        few = 1 / (n_data - 1) ** 2 if n_data > 1 else 3 * FIRST_NOISE
        first = float(np.clip(few, FIRST_NOISE, FIRST_NOISE_OF_FEW))
        return first * self._units(mean_squares)

    def restarted(self, likelihood: Gaussian, moments: Moments) -> Gaussian:
        """Let a single layer learn from nothing but all its data; return the noise it starts with.

        That is all of the targets' mean squares; lam gives the outputs the variance that the
        targets have. So neither depends on units, nor on the order of the data.

        Derivation: EX-3, EV-10
        """
        units = self._units((moments.targets**2).sum(axis=0))
        if self.learns_precision:
            variance = float(units.mean())
            self.mean_precisions = [moments.n_in / variance]
            self.precision_prior = self.given_priors[0] or HyperPrior(
                WEAK.shape, WEAK.rate * variance
            )
        return learnt_noise(np.diag(units)) if self.learns_noise else likelihood

    def _units(self, mean_squares: Array) -> Array:
        """Mean squares (K,) of the targets, units of the noise; 1 for those without digits."""
        mean_squares = np.where(mean_squares > SMALLEST_SCALE, mean_squares, 1.0)
        given = self.given_priors[1] is not None
        self.noise_units = np.ones_like(mean_squares) if given else mean_squares
        return mean_squares

    # -- how they are learnt ---------------------------------------------------------------------

    def least_rise(self, amount: float) -> float:
        """Least share of the way, in logarithms, that a batch lets the noise rise.

        In a stream layers need steps to learn, and the noise data to be seen: a batch of fewer than
        five, which teaches the layers as much as a larger one, counts for as much of it as it has.

        Derivation: EV-8
        """
        if self.expected_steps:
            return min(LARGEST_RISE, ARRIVED / self.expected_steps)
        return LARGEST_RISE * min(1.0, amount / 5)

    def learn(
        self, now: Present, outcome: Outcome, batch: Batch, said: Said, way: Way
    ) -> Likelihood:
        """Move lam and V towards what the layers' new posteriors ask for; return the likelihood.

        Parameters
        ----------
        now, outcome, batch, said, way
            Network, outcome and data of the step that was taken, what they had said, and its way.
        """
        N, layers, likelihood = now.n_data, now.layers, now.likelihood
        counted = self.counted.parameters
        self.parameters = [counted * effective_parameters(layer) for layer in layers]
        if way.forward.has_bound:
            gain = evidence_bound(outcome.log_joint, layers) / N
            gain -= mean_density_without_weights(batch, said, likelihood)
            self.gain = self.gain.after(gain, way.rate, self.mean_precisions[0])
        if self.fit.is_asked:
            self.fit = self.fit.after(*fit_at_means(batch, said, likelihood), way.rate)
            if self.fit.has_caught_up:
                self.gain = self.gain.anew(self.mean_precisions[0])
        # What the noise is learnt from is averaged as the layers are, but over batches alone.
        share = 1.0 if batch.is_all else way.rate
        self.learn_precision(layers, N, share)
        if self.learns_noise:
            likelihood = self.learn_noise(
                now, said, outcome.residual_squares, share, self.least_rise(batch.amount)
            )
        self.set_priors(layers, layers[-1].state.observed.H)  # the scale of EV-4 follows H
        return likelihood

    def learn_precision(
        self, layers: Sequence[MatrixNormalLayer], n_data: float, share: float
    ) -> None:
        """Move lam to what the layers' new posteriors ask for, or back to where the gain was best.

        The target of EV-2 believes in the layers' effective parameters, of which they have too
        many: where classes overlap it would weaken the prior while the bound on the evidence falls
        and falls. Where labels are fitted worse than they can be told, it is weakened in any case.

        Derivation: EV-2, EV-4, EV-12, GA-1, GA-4
        """
        self.unsettled = 0.0
        if not self.learns_precision:
            return
        share, first = min(PRECISION_SHARE, share), self.mean_precisions[0]
        if self.fit.is_behind:
            change = max(-BEHIND_SHARE * share, min(0.0, log(self.fit.least / first)))
            self.unsettled = abs(change)
        elif self.gain.is_kept(n_data):
            away = log(self._precision_target(layers) / first)
            change, self.unsettled = share * away, abs(away)
        else:
            change = max(-share, min(log(self.gain.best_precision / first), share))
        self._multiply_precisions(exp(change))

    def replace_precision(self, layers: Sequence[MatrixNormalLayer]) -> float:
        """Move lam all the way to its target; return how far that was, in logarithms.

        Derivation: EX-3
        """
        factor = self._precision_target(layers) / self.mean_precisions[0]
        self._multiply_precisions(factor)
        return abs(float(np.log(factor)))

    def _precision_target(self, layers: Sequence[MatrixNormalLayer]) -> float:
        assert self.precision_prior is not None
        first, counted = self.mean_precisions[0], self.counted.parameters
        return prior_precision_target(layers, first, self.precision_prior, counted)

    def _multiply_precisions(self, factor: float) -> None:
        self.mean_precisions = [factor * precision for precision in self.mean_precisions]

    def learn_noise(
        self,
        now: Present,
        said: Said,
        residual_squares: Array,
        share: float,
        least_rise: float = LARGEST_RISE,
    ) -> Gaussian:
        """The likelihood with V moved towards what the layers' new posteriors ask for.

        A batch asks for the noise of its own few residuals, whose logarithm is too small in the
        mean, and far too small where single data are far off. So batches are averaged before.

        Derivation: EV-3, EV-4, EV-8, EV-9, EV-12, EV-13
        """
        assert isinstance(now.likelihood, Gaussian)
        N, V = now.n_data, now.likelihood.covariance(now.network.widths[-1])
        asked = noise_target(
            now.layers, said, residual_squares, V, N, self.noise_prior, self.noise_units,
            self.counted.leverages,
        )  # fmt: skip
        asked = less_correlated(asked, N)
        before = asked if self.noise_asked is None else self.noise_asked
        self.noise_asked = (1 - share) * before + share * asked
        away = abs(np.log(self.noise_asked.diagonal() / V.diagonal())).max()
        self.unsettled = max(self.unsettled, float(away))
        rise, fall = NOISE_RISE, NOISE_SHARE
        if share < 1:
            rise = max(NOISE_RISE * share, least_rise)
            fall = max(NOISE_FALL * share, rise)
        moved = geometric_mean(V, self.noise_asked, rise, falling=fall)
        if self.ceiling is not None and self.held_steps > 0:
            moved = held(moved, V, self.ceiling)
            self.held_steps -= 1
        return learnt_noise(moved)

    def set_priors(self, layers: Sequence[MatrixNormalLayer], H: Array) -> None:
        """Give every layer the lam that its mean prior precision amounts to.

        The isotropic prior has the precision lam in all directions. The conjugate one follows
        the noise: the output layer's has lam h_j, with h_j the eigenvalues of its output
        precision H. Unless lam was given, it is set such that lam tr(H) / K stays what it was
        when H moves; otherwise the prior would tighten, or vanish, before lam could follow.

        Derivation: EV-4
        """
        coupled = layers[0].state.prior.follows_noise and self.given_precision is None
        scale = float(raised(H.diagonal(), CURVATURE_FLOOR, H).mean()) if coupled else 1.0
        for layer, precision in zip(layers, self.mean_precisions, strict=True):
            layer.state = layer.state.with_prior_precision(precision / scale)

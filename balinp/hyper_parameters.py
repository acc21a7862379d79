"""The prior precisions and the noise of a network: where they start, and how they are learnt.

What the evidence asks for is in `balinp.evidence`; here is how far training follows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from balinp._types import Array
from balinp.data import Data, pieces
from balinp.evidence import HyperPrior, evidence_bound, noise_target, prior_precision_target
from balinp.joint_step import Outcome
from balinp.kernels import gram, root_weighted
from balinp.layer import MatrixNormalLayer
from balinp.likelihood import Gaussian, Likelihood
from balinp.passes import Present
from balinp.pseudo_targets import Trace
from balinp.spectral import CURVATURE_FLOOR, raised
from balinp.step import Pieces
from balinp.validation import as_positive
from balinp.way import Way

LOGIT_VARIANCE = 5.0
"""Prior variance of logits, for inputs of unit size, that a learnt precision starts from."""

WEAK = HyperPrior()
DEEP_PRECISION_SHAPE = 50.0
"""Shape of the Gamma prior on a learnt lam of networks with hidden layers."""

PRECISION_SHARE = 0.05
"""Share of the way, in logarithms, that the prior precision goes to its target in a step."""

NOISE_SHARE = 0.5
"""Share of the way that the noise covariance goes to its target in a step."""

LARGEST_LOSS = 0.3
"""Fall of the bound on the evidence, in nats a datum, at which lam is not learnt any further."""


class HyperParameters:
    """lam of every layer and the noise covariance, each given or learnt.

    Parameters
    ----------
    likelihood : the likelihood; the noise of a Gaussian one is learnt if it has none.
    prior_precision : lam of all layers, or None to learn it.
    precision_prior, noise_prior : Gamma priors, None for the defaults.

    Attributes
    ----------
    given_precision, learns_noise : lam if it is given, and whether the noise is learnt.
    mean_precisions : for each layer lam, times the mean output precision of the output layer for
        the conjugate prior (EV-4).
    bound, best_bound : on the evidence, in nats a datum, averaged over steps (EV-7).
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
        self.precision_prior = precision_prior
        self.noise_prior = WEAK if noise_prior is None else noise_prior
        self.is_gaussian = isinstance(likelihood, Gaussian)
        self.learns_noise = isinstance(likelihood, Gaussian) and likelihood.noise_variance is None
        self.mean_precisions: list[float] = []
        self.bound, self.best_bound = -np.inf, -np.inf

    # -- where they start ------------------------------------------------------------------------

    def start(self, widths: Sequence[int]) -> None:
        """Prior precisions of layers of these widths.

        A precision in proportion to n_in gives the outputs the same prior variance whatever the
        width, 1 for inputs of unit size where it is n_in itself. Learnt ones start there.

        Derivation: EV-2
        """
        if self.given_precision is not None:
            self.mean_precisions = [self.given_precision] * (len(widths) - 1)
        else:
            variance = 1.0 if self.is_gaussian else LOGIT_VARIANCE
            self.mean_precisions = [n_in / variance for n_in in widths[:-1]]
        if self.precision_prior is None:
            deep, shape = len(widths) > 2 and self.is_gaussian, DEEP_PRECISION_SHAPE
            self.precision_prior = HyperPrior(shape, shape / widths[0]) if deep else WEAK

    def first_noise(self, data: Data) -> Gaussian:
        """The noise that training starts with: the mean squares of the targets."""
        n_in, K = data.X.shape[1], data.Y.shape[1]
        squares = 2 * self.noise_prior.rate * np.eye(K)
        for part in pieces(len(data.whole), max(n_in, K)):
            _, Y, w = data.whole.take(part)
            squares += gram(root_weighted(Y, w))
        return learnt_noise(squares / (data.amount + 2 * self.noise_prior.shape))

    # -- how they are learnt ---------------------------------------------------------------------

    def learn(
        self, now: Present, outcome: Outcome, said: Pieces, way: Way, share: float
    ) -> Likelihood:
        """Move lam and V towards what the layers' new posteriors ask for; return the likelihood.

        Parameters
        ----------
        now, outcome, said, way : network, outcome, traces and way of the step that was taken.
        share : largest share of the way to go.
        """
        N, layers, likelihood = now.n_data, now.layers, now.likelihood
        if way.forward.has_bound:
            self.follow_bound(evidence_bound(outcome.log_joint, layers) / N, way.rate)
        self.learn_precision(layers, share)
        if self.learns_noise and isinstance(likelihood, Gaussian):
            V, squares = likelihood.covariance(layers[-1].n_out), outcome.residual_squares
            likelihood = self.learn_noise(V, layers, said, squares, N, share)
        self.set_priors(layers, layers[-1].state.observed.H)  # the scale of EV-4 follows H
        return likelihood

    def follow_bound(self, bound: float, rate: float) -> None:
        """Average the bound on the evidence, a datum, over steps, and remember its best.

        The update of lam believes in the layers' effective parameters, of which they have too
        many. Where classes overlap, it can go on to weaken the prior while the bound, which pays
        for every parameter, falls and falls.

        Derivation: EV-7
        """
        first = np.isinf(self.bound)
        self.bound = bound if first else (1 - rate) * self.bound + rate * bound
        self.best_bound = max(self.best_bound, self.bound)

    def learn_precision(self, layers: Sequence[MatrixNormalLayer], share: float) -> None:
        """Move lam towards what the layers' new posteriors ask for, as long as the bound bears it.

        Derivation: EV-2, EV-4, EV-7
        """
        if self.given_precision is not None or self.bound < self.best_bound - LARGEST_LOSS:
            return
        assert self.precision_prior is not None
        share = min(PRECISION_SHARE, share)
        first = self.mean_precisions[0]
        target = prior_precision_target(layers, first, self.precision_prior)
        factor = (target / first) ** share
        self.mean_precisions = [factor * precision for precision in self.mean_precisions]

    def learn_noise(
        self,
        V: Array,
        layers: Sequence[MatrixNormalLayer],
        said: Iterable[Trace],
        residual_squares: Array,
        N: float,
        share: float,
    ) -> Gaussian:
        """The likelihood with V moved towards what the layers' new posteriors ask for.

        Derivation: EV-3, EV-4
        """
        share = min(NOISE_SHARE, share)
        target = noise_target(layers, said, residual_squares, V, N, self.noise_prior)
        return learnt_noise((1 - share) * V + share * target)

    def set_priors(self, layers: Sequence[MatrixNormalLayer], H: Array) -> None:
        """Give every layer the lam that its mean prior precision amounts to.

        The isotropic prior has the precision lam in all directions. The conjugate one follows
        the noise: the output layer's has lam h_j, with h_j the eigenvalues of its output
        precision H. Unless lam was given, it is set such that lam tr(H) / K stays what it was
        when H moves; otherwise the prior would tighten, or vanish, before lam could follow.

        Derivation: EV-4
        """
        coupled = layers[0].state.prior.follows_noise and self.given_precision is None
        scale = float(raised(np.diag(H), CURVATURE_FLOOR, H).mean()) if coupled else 1.0
        for layer, precision in zip(layers, self.mean_precisions, strict=True):
            layer.prior_precision = precision / scale


def learnt_noise(V: Array) -> Gaussian:
    """The likelihood with a noise covariance that the data ask for; they are at fault if it fails.

    Outputs whose errors are in proportion, and larger than the noise by eight orders of magnitude,
    have a covariance that is singular to rounding.
    """
    try:
        return Gaussian(V)
    except ValueError as error:
        raise ValueError(
            "X, Y: expected numbers from which a noise covariance can be learnt, such as "
            f"standardised ones of outputs that are not in proportion, got {error}"
        ) from error

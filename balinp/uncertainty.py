"""With what a network predicts: the covariance of its weights, and the tails of its noise.

Training works with the layers' own posteriors. At the end of `fit` one more pass over the data can
say more, for Gaussian likelihoods: how the weights of all layers vary together, and, from each
datum left out, how large the noise is and which tails it has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

from balinp._types import Array
from balinp.data import Data
from balinp.functions import LayerwisePosterior, MixedPosterior, WeightPosterior
from balinp.hyper_parameters import HyperParameters
from balinp.joint_posterior import LARGEST_FACTOR, JointPosterior, sizes
from balinp.layer import MatrixNormalLayer
from balinp.leave_one_out import Tails, fitted_tails, leave_one_out
from balinp.likelihood import Gaussian, Likelihood
from balinp.mlp import MLP
from balinp.prediction import linearised_outputs
from balinp.predictive import GaussianPredictive, StudentPredictive, equal_mixture
from balinp.streams import Stream
from balinp.validation import as_choice

COVARIANCES = ("layerwise", "joint", "auto")
NOISES = ("gaussian", "student")

LARGEST_AUTO = 2048
"""Weights, or data times outputs where these are fewer, up to which a pass is made unasked."""

DOUBTS = (1 / 8, 8.0)
"""Factors of a learnt prior's scale, each as probable as 1: data tell the scale of weights that
they see, and little of the others."""

MOST_BROUGHT = 2**22
"""Data times outputs, in other processes, whose residuals are brought here for the tails: of each
two numbers, and one of each datum, 100 MB in all."""


class Trained(Protocol):
    """What is needed of a model: of `balinp.model.Model`.

    Attributes
    ----------
    likelihood : Likelihood
        With its noise.
    layers : list of MatrixNormalLayer
        The layers.
    hyper : HyperParameters
        What is given and what is learnt.
    """

    likelihood: Likelihood
    layers: list[MatrixNormalLayer]
    hyper: HyperParameters

    @property
    def network(self) -> MLP:
        """The network."""


@dataclass(frozen=True)
class Uncertainty:
    """What was asked for, and what the last pass over the data has found.

    Attributes
    ----------
    covariance : str
        ``"layerwise"``, ``"joint"`` or ``"auto"``.
    noise : str
        ``"gaussian"`` or ``"student"``.
    joint : JointPosterior or None
        Posterior of all weights together, or None where the layers' own are used.
    others : tuple of JointPosterior
        With Student tails, posteriors for other scales of a learnt prior, as probable as `joint`.
    tails : Tails or None
        Tails of the noise, or None for a Gaussian.
    """

    covariance: str
    noise: str
    joint: JointPosterior | None = None
    others: tuple[JointPosterior, ...] = ()
    tails: Tails | None = None

    @classmethod
    def asked(cls, covariance: str, noise: str, likelihood: Likelihood) -> Uncertainty:
        """Nothing found yet.

        Raises
        ------
        ValueError
            If a name is unknown, or asks for what is for Gaussian likelihoods alone.
        """
        as_choice(covariance, "covariance", COVARIANCES)
        as_choice(noise, "noise", NOISES)
        if not isinstance(likelihood, Gaussian):
            for name, value, expected in (
                ("covariance", covariance, ("layerwise", "auto")),
                ("noise", noise, ("gaussian",)),
            ):
                if value not in expected:
                    raise ValueError(
                        f"{name}: expected {' or '.join(map(repr, expected))} with a likelihood "
                        f"that is not Gaussian, got {value!r}"
                    )
        return cls(covariance, noise)

    def __str__(self) -> str:
        """What was asked for; and what it has come to, where that differs."""
        shown = []
        for name, asked, used in (
            ("covariance", self.covariance, "layerwise" if self.joint is None else "joint"),
            ("noise", self.noise, "gaussian" if self.tails is None else "student"),
        ):
            shown.append(f"{name}={asked!r}" + (f" ({used})" if used != asked else ""))
        return ", ".join(shown)

    def forgotten(self) -> Uncertainty:
        """What was asked for: the weights have moved on."""
        if self.joint is self.tails is None:
            return self
        return Uncertainty(self.covariance, self.noise)

    def check(self, network: MLP, data: Data | Stream) -> None:
        """Raise ValueError if a joint covariance is asked for that these data cannot give."""
        if self.covariance != "joint":
            return
        if _ends(data):
            raise ValueError(
                "covariance: expected 'layerwise' or 'auto', since X is an iterator, which cannot "
                "be gone through once more, got 'joint'"
            )
        size = min(sizes(network, data))
        if size > LARGEST_FACTOR:
            raise ValueError(
                f"covariance: expected 'layerwise' or 'auto' for more than {LARGEST_FACTOR} "
                f"weights, and as many data times outputs, got 'joint' for {size:.0f}"
            )

    def after(self, model: Trained, data: Data | Stream) -> Uncertainty:
        """What the data of a training that has ended say, in one more pass.

        The prior's scale follows the number of parameters that all weights together have, unless
        the prior was given, or there is one layer, whose own count is exact. Tails are fitted to
        noise that is learnt, and taken for Gaussian where data or weights are too many, data too
        few, or too many residuals elsewhere. With them a scale that was found is in doubt. A
        conjugate prior of a network runs away where the data see nothing (EV-4), and its residuals
        left out with it: there are no tails, and a joint covariance only if it is asked for.

        Derivation: EV-4, JP-1, JP-4, JP-5, JP-6
        """
        gaussian = isinstance(model.likelihood, Gaussian)
        largest = LARGEST_FACTOR if self.covariance == "joint" else LARGEST_AUTO
        fits = not _ends(data) and min(sizes(model.network, data)) <= largest
        deep = model.network.depth > 1
        runs_away = deep and model.layers[0].state.prior.follows_noise
        unasked = self.covariance == "auto" and not runs_away
        wants_joint = deep and (unasked or self.covariance == "joint")  # one layer's own is of all
        stays = data.is_elsewhere and data.rows * model.network.widths[-1] > MOST_BROUGHT
        wants_tails = self.noise == "student" and model.hyper.learns_noise
        wants_tails = wants_tails and not (stays or runs_away)
        if not (gaussian and fits and (wants_joint or wants_tails)):
            return self.forgotten()
        learnt = deep and model.hyper.given_precision is None
        joint, *others = JointPosterior.at_scales(
            model.network,
            [layer.mean for layer in model.layers],
            [layer.state.prior_output_precision for layer in model.layers],
            noise_covariance(model),
            data,
            (1.0, *DOUBTS) if learnt and wants_joint and wants_tails else (1.0,),
            prior_scale=None if learnt else 1.0,
        )
        tails = fitted_tails(leave_one_out(joint, data)) if wants_tails else None
        return replace(
            self,
            joint=joint if wants_joint else None,
            others=() if tails is None else tuple(others),
            tails=tails,
        )

    @property
    def scales(self) -> list[JointPosterior]:
        """Posteriors of all weights together, `joint` first, one for each scale of the prior."""
        return [] if self.joint is None else [self.joint, *self.others]

    def weight_posterior(self, model: Trained) -> WeightPosterior:
        """The posterior of all weights that predictions are made with."""
        if self.joint is not None:
            return MixedPosterior(self.scales) if self.others else self.joint
        return LayerwisePosterior(model.network, [layer.posterior for layer in model.layers])

    def predictive(self, model: Trained, X: Array) -> Any:
        """Predictive distribution at X (B, n_in), of the network linearised about its means."""
        if self.joint is None:
            R = model.likelihood.combinations(model.network.widths[-1])
            outputs = linearised_outputs(model.network, model.layers, X, combinations=R.T @ R)
            return self._with_tails(model.likelihood.predictive(*outputs))
        outputs_at_scales = (part.outputs(X) for part in self.scales)
        return equal_mixture(
            [self._with_tails(model.likelihood.predictive(*found)) for found in outputs_at_scales]
        )

    def _with_tails(self, predictive: Any) -> Any:
        if self.tails is None:
            return predictive
        assert isinstance(predictive, GaussianPredictive)
        return StudentPredictive(
            predictive.mean,
            predictive.epistemic,
            self.tails.noise_factor * predictive.noise_covariance,
            self.tails.freedom,
        )


def noise_covariance(model: Trained) -> Array:
    """The noise covariance (K, K) of a Gaussian likelihood."""
    assert isinstance(model.likelihood, Gaussian)
    return model.likelihood.covariance(model.network.widths[-1])


def _ends(data: Data | Stream) -> bool:
    return isinstance(data, Stream) and data.is_iterator

"""What training did, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from balinp._types import Array
from balinp.evidence import effective_parameters
from balinp.joint_step import Outcome
from balinp.layer import MatrixNormalLayer
from balinp.likelihood import Gaussian, Likelihood


@dataclass(frozen=True)
class Record:
    """What one training step did; `BALI.history` is a list of these.

    Attributes
    ----------
    log_joint : log p(Y, W) after the step, the batch standing for all data, in nats.
    step, momentum : factors of the layers' proposals and of their previous changes.
    gain_ratio : actual over predicted change of the log joint.
    rate : weight of the batch in the layers' moving averages.
    prior_precision : lam after the step; of the first layer, where it is learnt (EV-2).
    noise_covariance : (K, K) array V after the step; None for a categorical likelihood.
    effective_parameters : gamma of each layer.
    """

    log_joint: float
    step: float
    momentum: float
    gain_ratio: float
    rate: float
    prior_precision: float
    noise_covariance: Array | None
    effective_parameters: tuple[float, ...]

    @classmethod
    def of(
        cls,
        outcome: Outcome,
        rate: float,
        layers: Sequence[MatrixNormalLayer],
        likelihood: Likelihood,
    ) -> Record:
        """What a step did, from its outcome and the model after it."""
        K = layers[-1].n_out
        return cls(
            log_joint=outcome.log_joint,
            step=outcome.step.factor,
            momentum=outcome.step.momentum,
            gain_ratio=outcome.gain_ratio,
            rate=rate,
            prior_precision=layers[0].prior_precision,
            noise_covariance=likelihood.covariance(K) if isinstance(likelihood, Gaussian) else None,
            effective_parameters=tuple(effective_parameters(layer) for layer in layers),
        )

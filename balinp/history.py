"""What training did, step by step, as far back as is remembered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from balinp._types import Array
from balinp.joint_step import Outcome
from balinp.layer import MatrixNormalLayer
from balinp.likelihood import Gaussian, Likelihood

REMEMBERED, COPIED = 10_000, 10
"""Records that a history keeps, and that a pickle or another copy of it keeps: the last ones."""


@dataclass(frozen=True)
class Record:
    """What one training step did; `BALI.history` is a list of these.

    Attributes
    ----------
    log_joint : float
        Log p(Y, W) after the step, the batch standing for all data, in nats.
    step, momentum : float
        Factors of the layers' proposals and of their previous changes.
    gain_ratio : float
        Actual over predicted change of the log joint.
    rate : float
        Weight of the batch in the layers' moving averages.
    prior_precision : float
        lam after the step; of the first layer, where it is learnt (EV-2).
    noise_variances : array or None
        (K,) array, the diagonal of V after the step; None for a likelihood that is not Gaussian.
        The last V is `model.likelihood.covariance(K)`.
    effective_parameters : tuple of float
        Gamma of each layer, before its prior precision was learnt.
    unsettled : float
        How far lam or a noise variance was from what the evidence asked for, the larger of the two
        in logarithms; 0 if both are given. A fit whose last step is far from 0 was too short for
        them.
    """

    log_joint: float
    step: float
    momentum: float
    gain_ratio: float
    rate: float
    prior_precision: float
    noise_variances: Array | None
    effective_parameters: tuple[float, ...]
    unsettled: float = 0.0

    @classmethod
    def of(
        cls,
        outcome: Outcome,
        rate: float,
        layers: Sequence[MatrixNormalLayer],
        likelihood: Likelihood,
        unsettled: float,
        parameters: Sequence[float],
    ) -> Record:
        """What a step did, from its outcome and the model after it.

        Parameters
        ----------
        outcome, rate, layers, likelihood, unsettled
            Attributes are made of these.
        parameters : sequence of float
            Gamma of each layer.
        """
        variances = None
        if isinstance(likelihood, Gaussian):
            variances = likelihood.covariance(layers[-1].n_out).diagonal().copy()
        return cls(
            log_joint=outcome.log_joint,
            step=outcome.step.factor,
            momentum=outcome.step.momentum,
            gain_ratio=outcome.gain_ratio,
            rate=rate,
            prior_precision=layers[0].prior_precision,
            noise_variances=variances,
            effective_parameters=tuple(parameters),
            unsettled=unsettled,
        )


class History(list[Record]):
    """Records of the last steps, the newest last.

    What a model takes on disk, or between processes, does not grow with the number of its steps.

    Examples
    --------
    >>> import pickle
    >>> record = Record(-1.0, 1.0, 0.0, 1.0, 0.5, 1.0, None, (2.0,))
    >>> history = History([record] * 500)
    >>> len(history), len(pickle.loads(pickle.dumps(history)))
    (500, 10)
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        super().__init__(records)

    def append(self, record: Record) -> None:
        """Add the record of a step; the oldest beyond `REMEMBERED` is forgotten."""
        super().append(record)
        del self[:-REMEMBERED]

    def __reduce__(self) -> tuple[Any, ...]:
        return History, (list(self[-COPIED:]),)

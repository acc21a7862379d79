"""What averages over batches count too much of, by a look at all the data at one set of weights.

In batches, what the layers know is averaged over weights that have moved meanwhile. Such averages
are more spread out than those of any one network, and the effective number of parameters is a
concave function of them: it comes out too large, and with it the noise. So once a pass it is
counted again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from balinp.direct_solves import Direct
from balinp.layer import MatrixNormalLayer
from balinp.leverages import exact_leverages
from balinp.natural_parameters import Factors, averages
from balinp.passes import Present
from balinp.sums import Said, summed


class Counted(NamedTuple):
    """What part of the effective parameters counts that averages over batches have.

    Attributes
    ----------
    parameters : float
        Of those that lam is learnt from (EV-1).
    leverages : float
        Of those that the noise is learnt from (EV-3, EV-11).
    """

    parameters: float = 1.0
    leverages: float = 1.0


def counted(now: Present, said: Said) -> Counted:
    """Count what all the data determine at the present weights, and what the averages say of it.

    Derivation: EV-12

    Parameters
    ----------
    now : Present
        The network, whose layers have learnt in batches; with isotropic priors.
    said : Said
        What all its data say at these weights.
    """
    averaged = once = 0.0
    for layer, sums in zip(now.layers, summed(said), strict=True):
        averaged += _parameters(layer.state.observed, layer)
        once += _parameters(averages(None, sums, now.n_data, 1.0), layer)
    if averaged == 0:
        return Counted()
    together = exact_leverages(now.layers, said, now.n_data)
    leverages = once if together is None else float(np.trace(together))
    return Counted(min(1.0, once / averaged), min(1.0, leverages / averaged))


def _parameters(factors: Factors, layer: MatrixNormalLayer) -> float:
    """Gamma of a layer that had seen what these factors say."""
    prior = layer.state.prior
    _, factors = Direct(0.0).solved(np.zeros(layer.mean.shape), factors, prior)
    return factors.parameters(prior)

"""Array aliases used in type hints."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
"""A float64 array; shapes are stated in docstrings."""

LikelihoodName: TypeAlias = Literal["gaussian", "categorical", "bernoulli"]
Activation: TypeAlias = Literal["relu", "tanh", "identity"]
Pass: TypeAlias = Literal["mean", "linearised"]
Prior: TypeAlias = Literal["isotropic", "conjugate"]
Covariance: TypeAlias = Literal["layerwise", "joint", "auto"]
Noise: TypeAlias = Literal["gaussian", "student"]
"""Options that are chosen by name; see `balinp.BALI`."""

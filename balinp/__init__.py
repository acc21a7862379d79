"""BALI in NumPy: Bayesian neural networks trained by layerwise exact inference.

A network is a stack of multivariate Bayesian linear regressions. Each layer is given
pseudo-targets, its forward outputs moved along the back-propagated gradient, and its posterior
over weights is then exact. See `BALI` for the model and `MatrixNormalLayer` for its core.
"""

from balinp import dense
from balinp.bali import BALI
from balinp.layer import MatrixNormalLayer
from balinp.likelihood import Categorical, Gaussian
from balinp.matrix_normal import KroneckerGaussian, MatrixNormal
from balinp.mlp import MLP

__version__ = "0.1.0"

__all__ = [
    "BALI",
    "MLP",
    "Categorical",
    "Gaussian",
    "KroneckerGaussian",
    "MatrixNormal",
    "MatrixNormalLayer",
    "dense",
]

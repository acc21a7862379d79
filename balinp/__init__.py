"""BALI in NumPy: Bayesian neural networks trained by layerwise exact inference.

A network is a stack of multivariate Bayesian linear regressions. Each layer is given
pseudo-targets, its forward outputs moved along the back-propagated gradient, and its posterior
over weights is then exact. See `BALI` for the model and `MatrixNormalLayer` for its core.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from balinp import dense
from balinp.bali import BALI
from balinp.evidence import HyperPrior
from balinp.layer import MatrixNormalLayer
from balinp.likelihood import Categorical, Gaussian, Likelihood
from balinp.matrix_normal import KroneckerGaussian, MatrixNormal
from balinp.mlp import MLP

if TYPE_CHECKING:
    from balinp.estimators import BALIClassifier, BALIRegressor  # noqa: F401

__version__ = "0.1.0"

__all__ = [
    "BALI",
    "MLP",
    "Categorical",
    "Gaussian",
    "HyperPrior",
    "KroneckerGaussian",
    "Likelihood",
    "MatrixNormal",
    "MatrixNormalLayer",
    "dense",
]


def __getattr__(name: str) -> Any:
    """Import `balinp.plain`, `plot`, `diagnostics` or the estimators when first asked for."""
    if name in ("plain", "plot", "diagnostics"):
        return import_module(f"balinp.{name}")
    if name in ("BALIRegressor", "BALIClassifier"):
        try:
            return getattr(import_module("balinp.estimators"), name)
        except ModuleNotFoundError as error:
            if str(error.name).split(".")[0] not in ("sklearn", "joblib"):
                raise
            raise ImportError(
                f"balinp.{name}: expected scikit-learn, which is not installed: "
                "pip install 'balinp[sklearn]'"
            ) from error
    raise AttributeError(f"module 'balinp' has no attribute {name!r}")

"""BALI in NumPy: Bayesian neural networks trained by layerwise exact inference.

A network is a stack of multivariate Bayesian linear regressions. Each layer is given
pseudo-targets, its forward outputs moved along the back-propagated gradient, and its posterior
over weights is then exact. See `BALI` for the model and `MatrixNormalLayer` for its core.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from balinp import dense
from balinp.bali import BALI
from balinp.evidence import HyperPrior
from balinp.layer import MatrixNormalLayer
from balinp.likelihood import Bernoulli, Categorical, Gaussian, Likelihood
from balinp.matrix_normal import KroneckerGaussian, MatrixNormal
from balinp.mlp import MLP

if TYPE_CHECKING:  # under their own names: so a type checker takes them for public
    from balinp import diagnostics as diagnostics
    from balinp import metrics as metrics
    from balinp import plain as plain
    from balinp import plot as plot
    from balinp.estimators import BALIClassifier as BALIClassifier
    from balinp.estimators import BALIRegressor as BALIRegressor

__version__ = "0.1.0"

__all__ = [
    "BALI",
    "MLP",
    "Bernoulli",
    "Categorical",
    "Gaussian",
    "HyperPrior",
    "KroneckerGaussian",
    "Likelihood",
    "MatrixNormal",
    "MatrixNormalLayer",
    "dense",
    "diagnostics",
    "metrics",
    "plain",
    "plot",
]

_ESTIMATORS = ["BALIClassifier", "BALIRegressor"]
_MODULES = ["diagnostics", "metrics", "plain", "plot"]

if find_spec("sklearn") and find_spec("joblib"):  # `from balinp import *` works without, too
    __all__ += _ESTIMATORS


def __dir__() -> list[str]:
    """All names, also of what is imported when it is first asked for."""
    return sorted({*globals(), *_ESTIMATORS, *_MODULES})


if not TYPE_CHECKING:  # to a type checker, an unknown name is unknown

    def __getattr__(name: str) -> Any:
        """Import a module or an estimator when it is first asked for."""
        if name in _MODULES:
            return import_module(f"balinp.{name}")
        if name in _ESTIMATORS:
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

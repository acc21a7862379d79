"""BALI in NumPy: Bayesian neural networks trained by layerwise exact inference.

A network is a stack of multivariate Bayesian linear regressions. Each layer is given
pseudo-targets, its forward outputs moved along the back-propagated gradient, and its posterior
over weights is then exact. See `BALI` for the model and `MatrixNormalLayer` for its core.

What is asked of this package is imported when it is asked for the first time.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # under their own names: so a type checker takes them for public
    from balinp import dense as dense
    from balinp import diagnostics as diagnostics
    from balinp import metrics as metrics
    from balinp import plain as plain
    from balinp import plot as plot
    from balinp.bali import BALI as BALI
    from balinp.estimators import BALIClassifier as BALIClassifier
    from balinp.estimators import BALIRegressor as BALIRegressor
    from balinp.evidence import HyperPrior as HyperPrior
    from balinp.layer import MatrixNormalLayer as MatrixNormalLayer
    from balinp.likelihood import Bernoulli as Bernoulli
    from balinp.likelihood import Categorical as Categorical
    from balinp.likelihood import Gaussian as Gaussian
    from balinp.likelihood import Likelihood as Likelihood
    from balinp.matrix_normal import KroneckerGaussian as KroneckerGaussian
    from balinp.matrix_normal import MatrixNormal as MatrixNormal
    from balinp.mlp import MLP as MLP

__version__ = "0.1.0"

_HOMES = {
    "BALI": "bali",
    "MLP": "mlp",
    "Bernoulli": "likelihood",
    "Categorical": "likelihood",
    "Gaussian": "likelihood",
    "HyperPrior": "evidence",
    "KroneckerGaussian": "matrix_normal",
    "Likelihood": "likelihood",
    "MatrixNormal": "matrix_normal",
    "MatrixNormalLayer": "layer",
    "BALIClassifier": "estimators",
    "BALIRegressor": "estimators",
}
"""Modules in which names are."""

_MODULES = ["dense", "diagnostics", "metrics", "plain", "plot"]

__all__ = [*_HOMES, *_MODULES]

if not (find_spec("sklearn") and find_spec("joblib")):  # `from balinp import *` works without, too
    __all__ = [name for name in __all__ if _HOMES.get(name) != "estimators"]


def __dir__() -> list[str]:
    """All names, also of what has not been asked for."""
    return sorted({*globals(), *_HOMES, *_MODULES})


if not TYPE_CHECKING:  # to a type checker, an unknown name is unknown

    def __getattr__(name: str) -> Any:
        """Import a name, or a module, when it is first asked for."""
        home = _HOMES.get(name, name)
        if name.startswith("_") or find_spec(f"balinp.{home}") is None:
            raise AttributeError(f"module 'balinp' has no attribute {name!r}")
        try:
            module = import_module(f"balinp.{home}")
        except ModuleNotFoundError as error:
            if home != "estimators" or str(error.name).split(".")[0] not in ("sklearn", "joblib"):
                raise
            raise ImportError(
                f"balinp.{name}: expected scikit-learn, which is not installed: "
                "pip install 'balinp[sklearn]'"
            ) from error
        return getattr(module, name) if name in _HOMES else module

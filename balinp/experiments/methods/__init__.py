"""The methods that are compared, all behind one interface.

A method trains on standardised data with a seed and returns a function that predicts; the class
`Method` does the standardising and maps predictions back. Settings are the same for every data
set. What a method chooses by data, it chooses by parts of its training data.

`layerwise` has BALI and what is left when parts of it are left out; `scikit`, `laplace` and
`dropout` have the methods of others; `estimator` makes one of any estimator; `method` has what
they share, and `settings` says what their outcomes depend on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from balinp.bali import BALI
from balinp.defaults import CLASSIFICATION_TRAINING, REGRESSION_TRAINING
from balinp.experiments import CLASSIFICATION, REGRESSION, UserError
from balinp.experiments.methods import scikit
from balinp.experiments.methods.dropout import MCDropout
from balinp.experiments.methods.estimator import from_estimator, imported
from balinp.experiments.methods.laplace import Laplace
from balinp.experiments.methods.layerwise import FOOF, LINEAR_TRAINING, Network, NeuralLinear
from balinp.experiments.methods.method import Ensemble, Method, Predictor
from balinp.experiments.methods.torch_tools import peers
from balinp.experiments.names import find

__all__ = [
    "ENSEMBLE",
    "METHODS",
    "REFERENCE",
    "SINGLE_NETWORKS",
    "Method",
    "Network",
    "Predictor",
    "added",
    "from_estimator",
    "imported",
    "select",
    "too_many",
    "warm_up",
]

REFERENCE = "BALI (isotropic)"
"""The method that the others are compared with, split by split."""

ENSEMBLE = "BALI (ensemble of 5)"

SINGLE_NETWORKS = (
    "neural linear",
    "FOOF",
    "MLP",
    "Adam + Kronecker Laplace",
    "last-layer Laplace",
    "MC dropout",
)
"""Other methods that train one network."""

LAPLACE = ("torch", "laplace")
"""Modules of the extra ``peers`` for Laplace approximations."""

DROPOUT = ("torch",)
"""Modules of the extra ``peers`` for dropout."""

METHODS = (
    Method(REFERENCE, REGRESSION, Network(REGRESSION_TRAINING)),
    Method("BALI (conjugate)", REGRESSION, Network(REGRESSION_TRAINING, "conjugate")),
    Method(ENSEMBLE, REGRESSION, Ensemble(Network(REGRESSION_TRAINING))),
    Method("Bayesian linear regression", REGRESSION, Network(LINEAR_TRAINING)),
    Method("BayesianRidge", REGRESSION, scikit.BayesianRidge()),
    Method("neural linear", REGRESSION, NeuralLinear(REGRESSION_TRAINING, LINEAR_TRAINING)),
    Method("FOOF", REGRESSION, FOOF()),
    Method("Gaussian process", REGRESSION, scikit.GaussianProcess(), most_data=2000),
    Method("MLP", REGRESSION, scikit.MLPRegression()),
    Method("MLP (ensemble of 5)", REGRESSION, Ensemble(scikit.MLPRegression())),
    Method("Adam + Kronecker Laplace", REGRESSION, Laplace(REGRESSION, "all", "kron"), LAPLACE),
    Method("last-layer Laplace", REGRESSION, Laplace(REGRESSION, "last_layer", "full"), LAPLACE),
    Method(
        "MC dropout", REGRESSION, MCDropout(REGRESSION, (0.005, 0.01, 0.05, 0.1), 8000), DROPOUT
    ),
    Method(REFERENCE, CLASSIFICATION, Network(CLASSIFICATION_TRAINING)),
    Method("BALI (conjugate)", CLASSIFICATION, Network(CLASSIFICATION_TRAINING, "conjugate")),
    Method(ENSEMBLE, CLASSIFICATION, Ensemble(Network(CLASSIFICATION_TRAINING))),
    Method("logistic regression", CLASSIFICATION, scikit.LogisticRegression()),
    Method("MLP", CLASSIFICATION, scikit.MLPClassification()),
    Method("MLP (ensemble of 5)", CLASSIFICATION, Ensemble(scikit.MLPClassification())),
    Method(
        "Adam + Kronecker Laplace", CLASSIFICATION, Laplace(CLASSIFICATION, "all", "kron"), LAPLACE
    ),
    Method(
        "last-layer Laplace", CLASSIFICATION, Laplace(CLASSIFICATION, "last_layer", "full"), LAPLACE
    ),
    Method(
        "MC dropout",
        CLASSIFICATION,
        MCDropout(CLASSIFICATION, (0.05, 0.1, 0.25, 0.5), 4000),
        DROPOUT,
    ),
)


def warm_up(modules: Sequence[str] = ()) -> None:
    """Import and compile what methods need, so that neither counts as their time.

    Parameters
    ----------
    modules : sequence of str, default ()
        Those of the extra ``peers`` that are needed.
    """
    import sklearn.gaussian_process
    import sklearn.linear_model
    import sklearn.neural_network  # noqa: F401

    if modules:
        peers(*modules)
    tiny = np.array([[0.0], [1.0]])
    BALI(hidden=(1,)).fit(tiny, tiny, epochs=1).predict(tiny)


def select(kind: str, names: Sequence[str] | None = None, n_data: int = 0) -> list[Method]:
    """Methods of a kind by name, in any case, in the order asked for.

    Parameters
    ----------
    kind : str
        ``"regression"`` or ``"classification"``.
    names : sequence of str, optional
        Names of methods; None is all those that can be run here on so many data.
    n_data : int, default 0
        Number of data.

    Raises
    ------
    UserError
        If a name is not that of a method of this kind, comes twice, or is that of a method which
        cannot be run: it needs the extra ``peers``, or takes fewer data.
    """
    known = {method.name: method for method in METHODS if method.kind == kind}
    if names is None:
        return [method for method in known.values() if method.obstacle(n_data) is None]
    chosen = [known[find(name, known, "method", f"for {kind}")] for name in names]
    for method in chosen:
        obstacle = method.obstacle(n_data)
        if obstacle is not None:
            raise UserError(f"{method.name}: {obstacle}")
    if len({method.name for method in chosen}) < len(chosen):
        raise UserError("--methods: a method is named twice")
    return chosen


def too_many(kind: str, n_data: int) -> str:
    """A line for each method of a kind that takes fewer data than there are.

    Examples
    --------
    >>> print(too_many("regression", 8192), end="")
    Left out: Gaussian process, which takes at most 2000 data.
    """
    return "".join(
        f"Left out: {method.name}, which takes at most {method.most_data} data.\n"
        for method in METHODS
        if method.kind == kind and n_data > method.most_data
    )


def added(kind: str, estimators: Sequence[Any], taken: Sequence[str] = ()) -> list[Method]:
    """Methods made of estimators of a kind, or of the places where these can be imported.

    Parameters
    ----------
    kind : str
        ``"regression"`` or ``"classification"``.
    estimators : sequence
        Each a `Method`, ``"MODULE:OBJECT"`` or an estimator.
    taken : sequence of str, default ()
        Names of other methods. What is imported goes by its place if OBJECT is among them or is the
        name of a method of this package.

    Raises
    ------
    UserError
        If one cannot be imported, is no estimator of the kind, or has a name that is taken.
    """
    own = {method.name for method in METHODS}
    chosen: list[Method] = []
    for given in estimators:
        names = {*taken, *(method.name for method in chosen)}
        if isinstance(given, str):
            short = given.partition(":")[2]
            method = imported(given, kind, given if short in names | own else short)
        else:
            method = given if isinstance(given, Method) else from_estimator(given, kind=kind)
        if method.name in names:
            raise UserError(f"{method.name}: a method of this name is there already")
        if method.kind != kind:
            raise UserError(f"{method.name}: expected a method for {kind}, got {method.kind}")
        chosen.append(method)
    return chosen

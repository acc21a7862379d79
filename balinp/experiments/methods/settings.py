"""What the outcomes of a method depend on, in words and as a digest.

Records carry the digest. An outcome whose digest is another one than that of its method now is of
an earlier state: `balinp.experiments.journal` does not go on from it, and a test asks for stored
records to be made again. For methods that train `BALI` the words have its defaults besides their
own settings, and no others have, so that a change of either leaves the records of the other valid.
What no setting says, such as a formula, is not in the words: there the commit counts.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

import balinp
from balinp import predictive
from balinp.bali import BALI
from balinp.defaults import Training

DIGITS = 12
"""Hexadecimal digits of a digest that are kept."""

ELSEWHERE = (
    "cluster",
    "coordinates",
    "data",
    "demo",
    "history",
    "normals",
    "pages",
    "persistence",
    "plain",
    "threads",
    "validation",
)
"""Modules whose constants say where and in which pieces numbers are worked out, and not which."""

OF_ESTIMATORS = ("standardize", "input_scale", "n_members")
"""Arguments of the estimators that change what is trained and are none of `BALI` or its `fit`."""


def digest(words: str) -> str:
    """The first digits of the SHA-256 of a text.

    Examples
    --------
    >>> digest("MLP"), digest("MLP.")
    ('10e9c505be93', '78aebbcaf277')
    """
    return hashlib.sha256(words.encode()).hexdigest()[:DIGITS]


def words(train: Any) -> str:
    """The settings of what a method trains by, and BALI's defaults if it trains BALI."""
    own = str(getattr(train, "__qualname__", train))
    return f"{own}; {defaults()}" if trains_bali(train) else own


def trains_bali(train: Any) -> bool:
    """Whether a `Training`, or an estimator of this package, is in what a method trains by.

    Examples
    --------
    >>> from balinp.experiments.methods import METHODS
    >>> [method.name for method in METHODS if trains_bali(method.train)][2:5]
    ['BALI (ensemble of 5)', 'Bayesian linear regression', 'neural linear']
    """
    if isinstance(train, Training) or type(train).__module__.startswith("balinp.estimators"):
        return True
    if dataclasses.is_dataclass(train):
        return any(trains_bali(getattr(train, field.name)) for field in dataclasses.fields(train))
    if hasattr(train, "get_params") and not inspect.isclass(train):
        return any(trains_bali(value) for value in train.get_params().values())
    return False


def defaults() -> str:
    """Default arguments of `BALI`, its `fit` and the estimators, and constants of its modules."""
    fit = inspect.signature(BALI.fit).parameters
    model = inspect.signature(BALI).parameters
    parts = [f"BALI({_arguments(BALI)})", f"fit({_arguments(BALI.fit)})"]
    shared = {*model, *fit, *OF_ESTIMATORS}
    parts += [f"{kind.__name__}({_arguments(kind, shared)})" for kind in _estimators()]
    return "; ".join([*parts, _constants()])


def _arguments(function: Callable[..., Any], names: Any = None) -> str:
    """Arguments that have defaults, of these names or of any."""
    return ", ".join(
        f"{name}={one.default!r}"
        for name, one in inspect.signature(function).parameters.items()
        if one.default is not one.empty and (names is None or name in names)
    )


def _estimators() -> list[Any]:
    from balinp.estimators import BALIClassifier, BALIRegressor

    return [BALIRegressor, BALIClassifier]


def _constants() -> str:
    """Numbers in capitals of the modules of the network and of its predictions, each once."""
    modules = {name.rpartition(".")[2]: vars(importlib.import_module(name)) for name in _modules()}
    elsewhere = {name for module in ELSEWHERE for name in modules.pop(module)}
    found = {
        f"{name}={_shown(value)}"
        for names in modules.values()
        for name, value in names.items()
        if name not in elsewhere and _is_constant(name, value)
    }
    return ", ".join(sorted(found))


@cache
def _modules() -> tuple[str, ...]:
    """Modules directly in the package and those of predictions, without packages of other kinds."""
    return tuple(
        info.name
        for package in (balinp, predictive)
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        if not info.ispkg and not info.name.endswith("__main__")
    )


def _is_constant(name: str, value: Any) -> bool:
    values = value if type(value) is tuple else (value,)
    return name.isupper() and all(type(one) in (int, float, np.float64) for one in values)


def _shown(value: Any) -> str:
    """The same for NumPy's numbers, which its versions show in different ways."""
    return str([float(one) for one in value] if type(value) is tuple else float(value))

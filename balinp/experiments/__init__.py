"""What is behind ``balinp evaluate``, ``convergence``, ``truths`` and ``benchmark``.

`datasets` finds data by name (`dataset` says what they are, `splits` how they are cut, `idx` reads
images), `methods` holds every method behind one interface, `scores` turns a prediction into
numbers, `runner` runs methods on splits, `journal` keeps what is finished, `table` and `figures`
show what came out; `evaluate`, `convergence`, `truths` (which needs `exact_posterior`) and
`benchmark` (which needs `step_parts`, `limits` and others) are the commands, and `results` keeps
the records behind published tables. Importing any of them needs no optional dependency; running
needs the extra ``experiments``.
"""

from __future__ import annotations

import importlib

REGRESSION = "regression"
CLASSIFICATION = "classification"
KINDS = (REGRESSION, CLASSIFICATION)


class UserError(Exception):
    """What the user asked for cannot be done; the message is one line that says why."""


def require_extras(*others: str) -> None:
    """Check that the optional dependencies of the experiments can be imported.

    Parameters
    ----------
    *others : str
        Packages that are needed besides, and are called what their modules are.

    Raises
    ------
    UserError
        If one is missing; the message says how to install it.
    """
    usual = [("scikit-learn", "sklearn"), ("joblib", "joblib"), ("tqdm", "tqdm")]
    for package, module in [*usual, *((name, name) for name in others)]:
        try:
            importlib.import_module(module)
        except ImportError:
            raise UserError(
                f"{package} is not installed; experiments need it: "
                "pip install 'balinp[experiments]'"
            ) from None

"""Records behind the published tables, as JSON files beside this one, and the tables.

`store` reads and writes the files, `state` says which of their records are of settings that have
changed since, `tables` renders them between markers in the documents, and ``python -m
balinp.experiments.results`` makes records again by their commands. `RUNS` says which files there
are.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

SMALL = ("diabetes", "digits", "wine", "breast_cancer")
UCI = ("boston", "concrete", "energy", "wine", "yacht")
GROUPED = ("boston", "concrete", "energy", "wine", "yacht")
LARGE = ("kin8nm", "naval", "power", "protein")
CONVERGENCE = ("energy", "yacht", "concrete", "boston")

SPLITS = 20
"""Splits of the five small sets of UCI: all that are published."""

SPLITS_WITH_GROUPS = 10
SPLITS_OF_LARGE = 1


def _quoted(names: Sequence[str]) -> str:
    return " ".join(shlex.quote(name) for name in names)


GAP_METHODS = (
    "BALI (isotropic)",
    "BALI (ensemble of 5)",
    "Bayesian linear regression",
    "Gaussian process",
    "MLP (ensemble of 5)",
    "Adam + Kronecker Laplace",
)
"""One of each kind: there are 46 gaps, and all methods on all of them would take hours."""

GROUP_METHODS = (
    "BALI (isotropic)",
    "BALI (ensemble of 5)",
    "BayesianRidge",
    "FOOF",
    "Gaussian process",
    "MLP",
    "Adam + Kronecker Laplace",
    "MC dropout",
)
LARGE_METHODS = tuple(name for name in GROUP_METHODS if name != "Gaussian process")
"""Without a Gaussian process, which takes at most 2,000 data."""

PROTEIN_METHODS = tuple(name for name in LARGE_METHODS if name != "MC dropout")
"""Of 45,730 rows MC dropout takes minutes a split; it is left out."""

RUNS = {
    **{name: f"balinp evaluate {name}" for name in SMALL},
    **{f"convergence_{name}": f"balinp convergence uci:uci/{name}" for name in CONVERGENCE},
    "truths": "balinp truths",
    "mnist": "balinp evaluate mnist:mnist-t10k --ood notmnist-t10k",
    **{
        f"published_gap_{name}": (
            f"balinp evaluate uci:uci/{name} --published-gap --methods {_quoted(GAP_METHODS)}"
        )
        for name in UCI
    },
    **{f"uci_{name}": f"balinp evaluate uci:uci/{name} --splits {SPLITS}" for name in UCI},
    **{
        f"groups_{name}": (
            f"balinp evaluate uci:uci/{name} --groups --splits {SPLITS_WITH_GROUPS} "
            f"--methods {_quoted(GROUP_METHODS)}"
        )
        for name in GROUPED
    },
    **{
        f"uci_{name}": (
            f"balinp evaluate uci:uci/{name} --splits {SPLITS_OF_LARGE} "
            f"--methods {_quoted(PROTEIN_METHODS if name == 'protein' else LARGE_METHODS)}"
        )
        for name in LARGE
    },
}
"""Command by the name of the file, the quick ones first."""

EARLIER: frozenset[str] = frozenset()
"""Runs some of whose records are of settings or defaults that have changed since; tables say so."""

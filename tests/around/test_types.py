"""A user's program under ``mypy --strict``, and the names that `balinp` says it has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import python

import balinp

BESIDE = Path(balinp.__file__).parent.parent

ACCEPTED = """
import numpy as np

import balinp
from balinp import (
    BALI, BALIClassifier, BALIRegressor, HyperPrior, Likelihood, dense, diagnostics, metrics, plot,
)
from balinp.predictive import GaussianPredictive

X = np.linspace(-1.0, 1.0, 40)[:, None]
Y = np.sin(3 * X)
model: BALI = BALI(hidden=5, activation="tanh", precision_prior=HyperPrior(1.0, 1.0))
model = model.fit(X, Y, epochs=2)
likelihood: Likelihood = model.likelihood

regressor: BALIRegressor = BALIRegressor(hidden=5, noise="student", epochs="auto").fit(X, Y[:, 0])
total: float = float(regressor.predict(X).sum())
mean, std = regressor.predict(X, return_std=True)
mean, covariance = regressor.predict(X, return_cov=True)
mean, low, high = regressor.predict(X, return_interval=0.95)
width: float = float((high - low).max())
predictive: GaussianPredictive = regressor.predict_distribution(X)
steps: int = len(regressor.history_) + regressor.n_iter_ + len(regressor.histories_[0])
again: BALIRegressor = BALIRegressor.load("regressor.npz")

classifier = BALIClassifier(epochs=2, class_weight="balanced").fit(X, Y[:, 0] > 0)
first: float = float(classifier.predict_proba(X)[0, 0])

axes = plot.coverage(predictive, Y)
print(diagnostics.diagnose(predictive, Y), metrics.rmse(Y, predictive.mean), dense.posterior)
print(balinp.plot.spectra, balinp.__version__)
"""

REFUSED = """
from balinp import BALI, BALIRegressor, BALITransformer

BALI(hidden=5, activation="sigmoid")
BALIRegressor(covariance="full")
BALIRegressor().predict([[1.0]], return_std=True).sum()
BALIRegressor(hiden=5)
"""


def mypy(program: str, directory: Path) -> tuple[int, list[str]]:
    """What ``mypy --strict`` says of a program: its exit status, and a line an error.

    Errors within the package, which a type checker does not report of what is installed, are not
    reported either.
    """
    (directory / "program.py").write_text(program)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "program.py"]
    done = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | {"MYPYPATH": str(BESIDE)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, [line for line in done.stdout.splitlines() if ": error: " in line]


def test_a_users_program_is_accepted(tmp_path: Path) -> None:
    assert mypy(ACCEPTED, tmp_path) == (0, [])
    status, errors = mypy(REFUSED, tmp_path)
    assert status == 1
    assert [int(line.split(":")[1]) for line in errors] == [2, 4, 5, 6, 7], errors


def test_the_program_runs() -> None:
    """Up to where it would write: what is typed is there."""
    program = ACCEPTED.replace('again: BALIRegressor = BALIRegressor.load("regressor.npz")\n', "")
    done = python("-c", program, cwd=BESIDE)
    assert done.returncode == 0, done.stderr


def test_all_names_are_told() -> None:
    names = {"BALIRegressor", "BALIClassifier", "HyperPrior", "Likelihood", "plot", "diagnostics"}
    assert names <= set(balinp.__all__) <= set(dir(balinp))
    for name in dir(balinp):
        getattr(balinp, name)
    assert balinp.predictive.GaussianPredictive  # a module that is no name of the package's
    with pytest.raises(AttributeError, match="^module 'balinp' has no attribute 'nothing'$"):
        _ = balinp.nothing


@pytest.mark.parametrize("hidden", [None, "sklearn"])
def test_a_star_import_brings_what_can_be_had(hidden: str | None) -> None:
    hide = "" if hidden is None else f"sys.modules['{hidden}'] = None; "
    code = f"import sys; {hide}from balinp import *; print('BALIRegressor' in globals(), BALI)"
    done = python("-c", code, cwd=BESIDE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(hidden is None))


def test_importing_balinp_imports_little() -> None:
    code = (
        "import sys, balinp, balinp.cli; dir(balinp); balinp.plot; balinp.metrics; balinp.BALI;"
        "print({'matplotlib', 'numba', 'sklearn', 'joblib', 'pandas', 'tqdm'} & {*sys.modules})"
    )
    done = python("-c", code, cwd=BESIDE)
    assert done.stdout == "set()\n", done.stderr

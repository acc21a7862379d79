"""What a model lacks, read off its predictions of data that it was not trained on.

`diagnose` holds the targets against the predictive distribution by a dozen tests, and says in
words which of them fail. What the model cannot represent, and what to do about it, is in
derivations/13_what_is_not_modelled.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from balinp.asking import as_labels, column, inputs_of, predictive_of
from balinp.diagnostics import fit_tests
from balinp.diagnostics.residuals import as_output, as_regression, standardised_residuals
from balinp.predictive import CategoricalPredictive
from balinp.validation import as_count, as_matrix, as_rate

FEWEST = 20
"""Fewer data than this say too little, and the tests of the shape are then not accurate."""

LARGEST_RESIDUAL = 1e60
"""In predicted std; the fourth powers of larger ones, of which the tests take sums, overflow."""


@dataclass(frozen=True)
class Finding:
    """What one test says.

    Attributes
    ----------
    name : str
        Name of the test.
    statistic : float
        What it measures; the verdict says in words what that is.
    p_value : float
        How often a right model gives a statistic as extreme.
    found : bool
        Whether the p-value is below the level of the whole report over its number of tests.
    verdict : str
        In plain words.
    """

    name: str
    statistic: float
    p_value: float
    found: bool
    verdict: str

    def __str__(self) -> str:
        mark = "!" if self.found else " "
        return f"{mark} {self.name:<13} p = {self.p_value:<8.2g} {self.verdict}"


@dataclass(frozen=True)
class Diagnosis:
    """The findings of `diagnose`; printed, a report in words.

    Attributes
    ----------
    findings : tuple of Finding
        Findings of all tests that were made, in the order of the report.
    n_data : int
        Number of data.
    level : float
        Largest chance that anything is found where nothing is wrong.
    """

    findings: tuple[Finding, ...]
    n_data: int
    level: float

    @property
    def found(self) -> tuple[Finding, ...]:
        """The findings whose tests failed."""
        return tuple(finding for finding in self.findings if finding.found)

    def __getitem__(self, name: str) -> Finding:
        """The finding of a name; KeyError names those there are."""
        named = {finding.name: finding for finding in self.findings}
        if name not in named:
            raise KeyError(f"{name!r}; there are {', '.join(named)}")
        return named[name]

    def __str__(self) -> str:
        count = len(self.findings)
        head = f"{self.n_data} data, {count} tests, {len(self.found)} failed (marked !)"
        foot = (
            f"A test fails below p = {self.level:g} / {count}: a right model fails any in at most "
            f"{100 * self.level:g} % of reports.\n"
            "The data must be new to the model, and independent of each other given the inputs."
        )
        return "\n".join([head, *map(str, self.findings), foot])


def diagnose(
    predictive: Any,
    Y: Any,
    X: Any = None,
    *,
    output: int | None = None,
    level: float = 0.05,
    seed: int = 0,
) -> Diagnosis:
    """Test what a model's predictions of new data lack.

    Regression, on standardised residuals z:

    - ``bias``: their mean. ``scale``: their size, over- or under-confident.
    - ``skewness``, ``tails``, and ``shape``: Kolmogorov-Smirnov against the standard normal.
    - ``outlier``: the largest.
    - ``coverage low``, ``coverage high``: of 95 % intervals, in the lower and the upper half of
      the predicted means.
    - ``trend``, ``spread``: whether z, and |z|, go with predicted mean and std and the inputs.
    - ``order``, ``neighbours``: whether data that follow each other, or of near inputs, agree.

    Classes: ``calibration`` (the expected calibration error against what chance makes of it),
    ``confidence`` (accuracy against stated probability), ``surprise`` (negative log probability
    of the labels against the stated entropy) and ``classes`` (how often each occurs).

    Derivation: DG-1, DG-2, DG-3, DG-4

    Parameters
    ----------
    predictive
        What `BALI.predict`, or `predict_distribution` of an estimator, returned for N inputs that
        the model was not trained on; or the model itself, also a pipeline, with X.
    Y : array_like
        (N, K) targets, of one output (N,); one-hot or labels for classes; at least 20 rows.
    X : array_like, optional
        (N, n_in) inputs; None leaves out what needs them. Columns of a frame, and inputs that an
        estimator was fitted on, are called by their names. Classes need it for a model alone. The
        pictures of `balinp.plot` take model, targets and inputs in the same order; ``X=`` will do
        everywhere.
    output : int, optional
        Which of K outputs of a regression; None where there is one.
    level : float, default 0.05
        Chance that a right model fails any test; shared out equally (Bonferroni).
    seed : int, default 0
        Seed of the permutations and draws.

    Returns
    -------
    Diagnosis
        A `Diagnosis`; print it.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the form above, or the residuals are all equal or too large.

    Notes
    -----
    One defect may fail several tests: noise that varies also has heavy tails. On data that the
    model was trained on residuals are too small. Weights that are uncertain move neighbouring
    predictions together, so where the epistemic std is not small beside the noise, ``bias``,
    ``trend``, ``order`` and ``neighbours`` fail too often (DG-4).

    Examples
    --------
    >>> from balinp.predictive import GaussianPredictive
    >>> rng = np.random.default_rng(0)
    >>> p = GaussianPredictive(np.zeros((100, 1)), np.zeros((100, 1, 1)), np.eye(1))
    >>> diagnosis = diagnose(p, 2 * rng.standard_normal((100, 1)))
    >>> diagnosis["scale"].verdict
    'errors are 1.93 times as large as predicted: over-confident'
    """
    level, seed = as_rate(level, "level"), as_count(seed, "seed", minimum=0)
    rng = np.random.default_rng(seed)
    model, predictive = predictive, predictive_of(predictive, X)
    if isinstance(predictive, CategoricalPredictive):
        if output is not None or (X is not None and predictive is model):
            raise ValueError("X, output: expected None for classes")
        classes = getattr(model, "classes_", None)
        rows, columns = predictive.probabilities.shape
        labels = as_labels(Y, "Y", rows=_enough(rows), columns=columns, classes=classes)
        results = list(fit_tests.of_classes(predictive, np.eye(columns)[labels], rng, classes))
    else:
        predictive = as_regression(predictive)
        rows = _enough(len(predictive.mean))
        z = standardised_residuals(predictive, Y, output=output)
        if not (np.abs(z) < LARGEST_RESIDUAL).all():
            raise ValueError(
                f"Y: expected targets within {LARGEST_RESIDUAL:g} predicted std of what is "
                f"predicted, got one that is further off"
            )
        if np.ptp(z) == 0:
            raise ValueError("Y: expected residuals that differ, got equal ones")
        names: list[str] = []
        if X is not None:
            X, known = inputs_of(model, X)
            X = as_matrix(column(X), "X", rows=rows)
            names = known or [f"input {j}" for j in range(X.shape[1])]
        k = as_output(output, predictive.mean.shape[1])
        results = [
            *fit_tests.of_distribution(z),
            *fit_tests.of_dependence(z, predictive, k, X, names, rng),
        ]
    return Diagnosis(_findings(results, level), rows, level)


def _findings(results: Sequence[fit_tests.Result], level: float) -> tuple[Finding, ...]:
    bound = level / len(results)
    return tuple(
        Finding(name, float(statistic), float(p), bool(p < bound), bad if p < bound else good)
        for name, statistic, p, bad, good in results
    )


def _enough(rows: int) -> int:
    if rows < FEWEST:
        raise ValueError(f"predictive: expected at least {FEWEST} data, got {rows}")
    return rows

"""What predictions, the evidence and kept models take of memory and of the disk."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from likelihoods import Poisson
from processes import python

from balinp import BALI, BALIClassifier, BALIRegressor
from balinp.diagnostics import diagnose
from balinp.history import COPIED, REMEMBERED, History, Record

ROWS = 10_000
RNG = np.random.default_rng(0)
X, Z = RNG.standard_normal((300, 5)), RNG.standard_normal((ROWS, 5))
LABELS, TARGETS = np.arange(300) % 10, RNG.standard_normal((300, 60))


def peak(work: Callable[[], Any]) -> tuple[Any, int]:
    """What comes out, and the most bytes that were held at once meanwhile."""
    tracemalloc.start()
    try:
        out = work()
        return out, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def size(out: Any) -> int:
    parts = out if isinstance(out, tuple) else (out,)
    return sum(part.nbytes for part in parts if isinstance(part, np.ndarray))


@pytest.fixture(scope="module")
def classifier() -> BALIClassifier:
    return BALIClassifier((8,), random_state=0, epochs=2, n_members=2).fit(X, LABELS)


@pytest.fixture(scope="module")
def regressor() -> BALIRegressor:
    options = {"random_state": 0, "epochs": 2, "noise_variance": 1.0, "n_members": 2}
    return BALIRegressor((8,), **options).fit(X, TARGETS)


@pytest.mark.parametrize(
    "ask",
    [
        lambda c, r: c.predict(Z),
        lambda c, r: c.predict_proba(Z),
        lambda c, r: r.predict(Z),
        lambda c, r: r.predict(Z, return_std=True),
        lambda c, r: r.predict_interval(Z[:500]),
        lambda c, r: r.sample_y(Z, 2),
    ],
    ids=["classes", "probabilities", "means", "stds", "intervals", "samples"],
)
def test_estimators_predict_in_pieces(ask: Any, classifier: Any, regressor: Any) -> None:
    """At most 2 kB a row beyond the result, and the rows in standardised units."""
    ask(classifier, regressor)
    out, most = peak(lambda: ask(classifier, regressor))
    assert most - size(out) < 2_000 * ROWS


def test_pieces_are_the_whole(classifier: Any, regressor: Any) -> None:
    rows = np.concatenate([Z[:2000]] * 2)
    p = classifier.predict_proba(rows)
    np.testing.assert_allclose(p, classifier.predict_distribution(rows).probabilities, rtol=1e-12)
    np.testing.assert_allclose(p[:2000], p[2000:], rtol=1e-12)
    mean, std = regressor.predict(rows[:200], return_std=True)
    _, covariance = regressor.predict(rows[:200], return_cov=True)
    whole = regressor.predict_distribution(rows[:200])
    for found, expected in ((mean, whole.mean), (std, whole.std), (covariance, whole.covariance)):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    low, high = regressor.predict_interval(rows[:200], 0.9)
    np.testing.assert_allclose([low, high], whole.interval(0.9), rtol=1e-12)


@pytest.mark.parametrize("classes", [3, 40])
def test_what_a_model_predicts_of_classes_is_worked_out_in_pieces(classes: int) -> None:
    """Logit covariances are part of the prediction; draws of them are not."""
    model = BALI((6,), "categorical").fit(X, np.eye(classes)[np.arange(300) % classes], epochs=1)
    rows = min(ROWS, 100_000 // classes**2)
    predictive, most = peak(lambda: model.predict(Z[:rows]))
    held = rows * (2 * classes + classes**2) * 8
    assert most - held < 2_000 * rows + 2e7
    for ask in (
        lambda: predictive.epistemic,
        lambda: predictive.interval(),
        lambda: predictive.quantile(0.3),
        lambda: diagnose(predictive, np.eye(classes)[np.arange(rows) % classes]),
    ):
        out, most = peak(ask)
        assert most - size(out) < 2_000 * rows + 2e7 + 8 * rows * classes**2


def test_densities_of_an_own_likelihood_are_averaged_in_pieces() -> None:
    model = BALI((6,), Poisson()).fit(X, RNG.poisson(1.0, (300, 2)), epochs=1)
    predictive = model.predict(Z)
    out, most = peak(lambda: predictive.logpdf(np.ones((ROWS, 2))))
    assert most - size(out) < 2_000 * ROWS
    whole = np.concatenate([model.predict(Z[i : i + 100]).logpdf(np.ones((100, 2)))
                            for i in range(0, 1000, 100)])  # fmt: skip
    np.testing.assert_allclose(out[:1000], whole, rtol=1e-11)


# The evidence -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("likelihood", "hidden"), [("categorical", (100,)), ("gaussian", (60, 60)), ("gaussian", ())]
)
def test_the_evidence_passes_over_the_data_in_pieces(
    likelihood: str, hidden: tuple[int, ...]
) -> None:
    Y = np.eye(10)[np.arange(ROWS) % 10] if likelihood == "categorical" else Z @ np.ones((5, 4))
    model = BALI(hidden, likelihood).fit(Z[:500], Y[:500], epochs=2)
    value, most = peak(lambda: model.log_evidence(Z, Y))
    assert most < 2_000 * ROWS
    few = [model.log_evidence(Z[i::10], Y[i::10]) for i in range(2)]
    assert np.isfinite([value, *few]).all()


@pytest.mark.parametrize("kind", ["classes", "regression"])
def test_a_fit_in_batches_holds_batches(kind: str) -> None:
    wide = {"random_state": 0, "epochs": 1, "batch_size": 256}
    if kind == "classes":
        model, y = BALIClassifier((100,), **wide), np.arange(ROWS) % 10
    else:
        # What predictions add after it are matrices of all weights, whatever the number of rows.
        layerwise = {"covariance": "layerwise", "noise": "gaussian"}
        model, y = BALIRegressor((100,), **layerwise, **wide), RNG.standard_normal((ROWS, 8))
    _, most = peak(lambda: model.fit(Z, y))
    assert most < 4_000 * ROWS  # the data twice over and merged, and 20 MB of a batch and pieces


# Histories --------------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [1, 30])
def test_a_pickle_does_not_grow_with_the_steps(outputs: int) -> None:
    model = BALI((4,), seed=1)
    sizes = []
    for _ in range(3):
        for _ in range(40):
            model.step(X[:8], X[:8, :1] @ np.ones((1, outputs)) + TARGETS[:8, :outputs])
        sizes.append(len(pickle.dumps(model)))
    assert max(sizes) < 1.02 * sizes[0]
    assert len(pickle.dumps(model.history)) < 0.5 * sizes[0]
    again = pickle.loads(pickle.dumps(model))
    assert len(model.history) == 120
    assert len(again.history) == len(copy.deepcopy(model).history) == COPIED
    assert again.history[-1].log_joint == model.history[-1].log_joint
    np.testing.assert_array_equal(again.predict(Z[:3]).mean, model.predict(Z[:3]).mean)


def test_files_and_pickles_of_estimators_do_not_grow(tmp_path: Any) -> None:
    model = BALIClassifier((3,), random_state=0)
    sizes = []
    for call in range(61):
        model.partial_fit(X[:20], LABELS[:20] % 2, classes=[0, 1])
        if call % 30 == 10:
            model.save(tmp_path / "model.npz")
            sizes.append([(tmp_path / "model.npz").stat().st_size, len(pickle.dumps(model))])
    assert (np.ptp(sizes, axis=0) < 0.02 * np.array(sizes[0])).all()


def test_a_history_forgets_what_lies_far_back() -> None:
    history = History()
    for step in range(REMEMBERED + 5):
        history.append(Record(float(step), 1.0, 0.0, 1.0, 0.5, 1.0, None, (2.0,)))
    assert len(history) == REMEMBERED
    assert history[0].log_joint == 5.0
    assert history[-1].log_joint == REMEMBERED + 4.0


FAULTS = """
import resource
import numpy as np
from balinp.pages import keep_freed_pages

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(300_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
keep_freed_pages()
faults()
print(before, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_pages_are_kept_where_dask_asks_for_them() -> None:
    """Its workers have a threshold set, from which on glibc does not learn another."""
    asked = os.environ | {"MALLOC_TRIM_THRESHOLD_": "65536"}
    before, after = map(int, python("-c", FAULTS, env=asked).stdout.split())
    assert before > 5000  # 20 arrays of 586 pages
    assert after < 100

"""Class probabilities and their logarithms, beside those of SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from balinp import Categorical
from balinp.softmax import Softmax

pytestmark = pytest.mark.equation("BP-4")

SHAPES = [(1, 1), (5, 2), (4, 7), (3, 4, 7), (2, 3, 2, 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4])
def test_probabilities_and_log_densities_are_scipys(
    shape: tuple[int, ...], scale: float, rng: np.random.Generator
) -> None:
    """At outputs of which some are farther apart than exp can tell, too."""
    f = rng.standard_normal(shape) * scale + 7 * scale
    before = f.copy()
    softmax = Softmax(f)
    p = special.softmax(f, axis=-1)
    np.testing.assert_allclose(softmax.probabilities, p, rtol=1e-12, atol=1e-300)
    np.testing.assert_array_equal(softmax.first, np.moveaxis(softmax.probabilities, -1, 0))
    assert softmax.probabilities.shape == shape
    B, K = shape[-2:]
    labels = np.eye(K)[rng.integers(K, size=B)]
    targets = rng.dirichlet(np.ones(K), size=B)
    for Y in (labels, targets):
        expected = (Y * special.log_softmax(f, axis=-1)).sum(axis=-1)
        found = softmax.log_density(Y)
        assert found.shape == shape[:-1]
        # a difference of outputs: rounding is that of the largest
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14 * scale)
    np.testing.assert_array_equal(f, before)


def test_a_shift_common_to_all_outputs_overflows_nowhere() -> None:
    f = np.array([[1e300, 1e300], [-1e300, -1e300], [800.0, -800.0]])
    np.testing.assert_array_equal(Softmax(f).probabilities[:2], 0.5)
    Y = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(Softmax(f).log_density(Y), [-np.log(2), -np.log(2), -1600])


def test_the_likelihood_of_classes_is_made_of_them(rng: np.random.Generator) -> None:
    f, Y = 3 * rng.standard_normal((6, 4)), np.eye(4)[rng.integers(4, size=6)]
    p = special.softmax(f, axis=1)
    np.testing.assert_allclose(Categorical().gradient(Y, f), Y - p, rtol=1e-12, atol=1e-15)
    rows = Categorical().curvature_rows(f)
    expected = [np.diag(q) - np.outer(q, q) for q in p]
    np.testing.assert_allclose(np.swapaxes(rows, 1, 2) @ rows, expected, rtol=1e-10, atol=1e-15)

"""How far class probabilities are off: of 512 draws, and of the race, against very many draws.

    python -m balinp.experiments.class_probabilities

Random logits: means of standard deviation 1, covariances of four kinds and three sizes. Printed are
the KL divergence of what is computed from the reference, averaged, and the largest error of any
probability. The reference has 400,000 mirrored draws, and errors of some 1e-3 / K of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import process_time

import numpy as np
from scipy.special import rel_entr, softmax

from balinp._types import Array
from balinp.predictive import CategoricalPredictive
from balinp.predictive.expected_softmax import expected_softmax
from balinp.softmax import contrasts
from balinp.spectral import root

CLASSES = (2, 3, 10, 50, 100)
SCALES = (0.5, 2.0, 8.0)
REPETITIONS = 4
DRAWS, PIECE = 200_000, 10_000


def kinds(K: int, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    """Covariances (K, K) of logits, of size 1."""
    F = rng.standard_normal((K, 2 * K))
    one_in_three = np.eye(3)[rng.integers(3, size=K)]
    two = rng.standard_normal((K, 2))
    yield "independent, of different variance", np.diag(rng.exponential(size=K))
    yield "random correlations", F @ F.T / (2 * K)
    yield "three groups", 0.8 * one_in_three @ one_in_three.T + 0.2 * np.eye(K)
    yield "two directions", two @ two.T / 2


def reference(m: Array, E: Array, rng: np.random.Generator) -> Array:
    """Average softmax (K,) of plain mirrored draws."""
    contrast = contrasts(len(m))
    F = root(contrast @ E @ contrast, np.abs(E).max())
    total = np.zeros(len(m))
    for _ in range(DRAWS // PIECE):
        deviations = rng.standard_normal((PIECE, len(m))) @ F
        total += softmax(m + deviations, axis=1).sum(axis=0)
        total += softmax(m - deviations, axis=1).sum(axis=0)
    return np.asarray(total / total.sum())


def errors(K: int, seed: int) -> dict[str, Array]:
    """For each kind (cases, 4): KL of draws and race, largest error of draws and race."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[list[float]]] = {}
    for _ in range(REPETITIONS):
        for name, size_one in kinds(K, rng):
            for scale in SCALES:
                m, E = rng.standard_normal(K), scale**2 * size_one
                p = reference(m, E, rng)
                predictive = CategoricalPredictive.from_gaussian(m[None], E[None])
                drawn = predictive.weights @ predictive.probability_draws[:, 0]
                both = [drawn, predictive.probabilities[0]]
                divergences = [float(rel_entr(p, q).sum()) for q in both]
                largest = [float(np.abs(p - q).max()) for q in both]
                found.setdefault(name, []).append(divergences + largest)
    return {name: np.array(rows) for name, rows in found.items()}


def microseconds(K: int) -> tuple[float, float]:
    """Processor time a row: of making and averaging 512 draws, and of the race."""
    rng, rows = np.random.default_rng(K), 5 + 20_000 // K**2
    F = rng.standard_normal((rows, K, K))
    m, E = rng.standard_normal((rows, K)), F @ np.swapaxes(F, 1, 2) / K
    predictive, times = CategoricalPredictive.from_gaussian(m, E), np.full((5, 2), np.inf)
    for row in times:
        start = process_time()
        np.tensordot(predictive.weights, predictive.probability_draws, axes=1)
        middle = process_time()
        expected_softmax(m, E)
        row[:] = middle - start, process_time() - middle
    drawn, race = 1e6 * times.min(axis=0) / rows
    return float(drawn), float(race)


def main() -> None:
    """Print the tables."""
    print("| covariance | classes | 512 draws | race | largest error: draws, race |")
    print("| --- | --- | --- | --- | --- |")
    tables = {K: errors(K, seed=K) for K in CLASSES}
    for name in tables[CLASSES[0]]:
        for K, table in tables.items():
            drawn, race = table[name][:, :2].mean(axis=0)
            worst = table[name][:, 2:].max(axis=0)
            print(f"| {name} | {K} | {drawn:.1e} | {race:.1e} | {worst[0]:.4f}, {worst[1]:.4f} |")

    print("\n| classes | " + " | ".join(map(str, CLASSES)) + " |")
    print("| --- " * (1 + len(CLASSES)) + "|")
    for name, row in zip(
        ("draws", "race"), zip(*map(microseconds, CLASSES), strict=True), strict=True
    ):
        print(f"| {name}, us a row | " + " | ".join(f"{t:.0f}" for t in row) + " |")


if __name__ == "__main__":
    main()

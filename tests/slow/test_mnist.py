"""MNIST's t10k file with a network of 784-100-10, and letters to be told from digits.

``pytest -m stress tests/slow/test_mnist.py -s`` prints the figures that the page of results quotes.
"""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from balinp import BALI, metrics
from balinp.experiments.datasets import load

EPOCHS, BATCH_SIZE = 10, 256


@pytest.mark.stress
@pytest.mark.skipif("BALINP_DATA" not in os.environ, reason="needs BALINP_DATA with mnist-t10k")
def test_digits_are_read_and_letters_noticed() -> None:
    digits, letters = load("mnist:mnist-t10k"), load("mnist:notmnist-t10k")
    train, test = digits.split(0)
    assert (len(train), len(test)) == (8000, 2000)
    scale = np.sqrt((digits.X[train] ** 2).mean())
    X, Y, strange = digits.X / scale, digits.Y, letters.X / scale

    start = time.perf_counter()
    model = BALI((100,), "categorical", seed=0)
    model.fit(X[train], Y[train], epochs=EPOCHS, batch_size=BATCH_SIZE)
    seconds = time.perf_counter() - start
    known, unknown = model.predict(X[test]), model.predict(strange)

    p = known.probabilities
    accuracy = float((p.argmax(axis=1) == Y[test].argmax(axis=1)).mean())
    nll = -float(known.logpdf(Y[test]).mean())
    auroc = metrics.auroc(_entropy(p), _entropy(unknown.probabilities))
    print(f"accuracy {accuracy:.3f}, NLL {nll:.3f}, AUROC {auroc:.3f}, {seconds:.0f} s")
    assert accuracy >= 0.955
    assert nll <= 0.17
    assert auroc >= 0.985


def _entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1)

#!/bin/sh
# skpro 2.16.0, Python 3.11: the CRPS of a Beta distribution falls below zero, and is best for the worst
# observations.
#
# Expected: the CRPS is an integral of a square. For an observation y beyond 1 it is E|X - y| - E|X - X'| / 2, with
# E|X - y| = y - E X, and grows with y. (Targets scaled to [0, 1] by the training data leave it at test time.)
#
# What happens: Beta.energy(y), which is E|X - y|, subtracts y once too often where y > 1: for the Beta(1.5, 2.1),
# energy(2.0) is -.417 in place of 1.583. An expected distance is negative, and the CRPS falls without a bound as y
# moves away: -1.51 for the Beta(2, 3) at y = 3. Below 0 and within [0, 1] it is right.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 pandas==2.3.3 scikit-learn==1.6.1 skpro==2.16.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import pandas as pd
from scipy import stats
from skpro.distributions import Beta
from skpro.metrics import CRPS

quantiles = stats.beta(1.5, 2.1).ppf((np.arange(100_000) + 0.5) / 100_000)
distribution = Beta(alpha=1.5, beta=2.1)
for y, right in ((-1.0, True), (0.3, True), (0.9, True), (1.2, False), (2.0, False)):
    distance, expected = float(distribution.energy(y)), np.abs(quantiles - y).mean()
    print(f"E|X - {y:4.1f}|: skpro {distance:7.4f}, by its quantiles {expected:.4f}")
    assert np.isclose(distance, expected, atol=1e-4) == right
assert float(distribution.energy(2.0)) < -0.4

row = pd.Index([0])
forecast = Beta(alpha=2, beta=3, index=row, columns=["y"])
scores = [float(CRPS()(pd.DataFrame({"y": [y]}, index=row), forecast)) for y in (0.5, 1.5, 3.0)]
print("CRPS of the Beta(2, 3) at .5, 1.5, 3:", np.round(scores, 4))
assert scores[0] > 0 > scores[1] > scores[2]
PYTHON

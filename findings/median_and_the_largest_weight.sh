#!/bin/sh
# corner 2.3.0 and dynesty 3.1.0, Python 3.11: the weight of the largest draw does not count in weighted quantiles.
#
# Expected: of the draws 0, 1, 2 with weights .01, .01, .98 the median is 2, or close to it: no more than 2 %
# of the probability is below. Mirrored, it is mirrored.
#
# What happens: the median is 1, and so it is if the largest weighs a million times as much as the others: the
# cumulative weights leave out the last and are then divided by their own sum. -2, -1, 0 with weights .98, .01, .01
# have the median -1.49. Nested sampling with thousands of points does not notice; a few draws with weights, as from
# importance sampling or of models that are averaged, do. Means and covariances of dynesty use all weights.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 matplotlib==3.11.2 corner==2.3.0 dynesty==3.1.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import corner
import numpy as np
from dynesty import utils

x, w = np.array([0.0, 1.0, 2.0]), np.array([0.01, 0.01, 0.98])
for name, quantile in (("corner", corner.quantile), ("dynesty", utils.quantile)):
    medians = [quantile(x, [0.5], weights=w)[0]]
    medians.append(quantile(x, [0.5], weights=np.array([1.0, 1.0, 1e6]))[0])
    medians.append(-quantile(-x, [0.5], weights=w)[0])
    print(f"{name}: median {medians[0]:.2f}, with a weight of a million {medians[1]:.2f}, mirrored twice "
          f"{medians[2]:.2f}")
    assert np.allclose(medians[:2], 1.0)
    assert medians[2] > 1.4
    assert np.isclose(quantile(x, [0.5], weights=np.ones(3))[0], np.median(x))
mean, covariance = utils.mean_and_cov(x[:, None], w)
print("dynesty's weighted mean:", mean)
assert np.isclose(mean[0], w @ x)
PYTHON

#!/bin/sh
# scipy 1.17.1, Python 3.11: three discrete distributions have no step function as their distribution
# function.
#
# Expected: Pr(X <= 2.5) is Pr(X <= 2) for whole-numbered X, and cdf + sf = 1. So it is for the other discrete
# distributions, and whoever integrates (F(x) - 1[y <= x])^2 on a grid to get a CRPS, or evaluates a probability
# integral transform at a count plus a half, relies on it.
#
# What happens: hypergeom.cdf(2.5) is NaN where cdf(2) and cdf(3) are right. yulesimon.cdf(1.5) is .969, between
# cdf(1) = .917 and cdf(2): no error, a wrong number. logser.sf(1.5) is not 1 - cdf(1.5): the two add up to .878.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from scipy import stats

steps = [stats.binom(7, 0.3), stats.poisson(2.3), stats.nbinom(4, 0.4), stats.geom(0.2),
         stats.randint(0, 9), stats.betabinom(7, 2, 3), stats.boltzmann(0.3, 9), stats.zipf(3.0)]
for distribution in steps:
    assert np.isclose(distribution.cdf(2.5), distribution.cdf(2), rtol=1e-12)
    assert np.isclose(distribution.cdf(2.5) + distribution.sf(2.5), 1, rtol=1e-12)
print(f"{len(steps)} distributions are step functions")

drawn = stats.hypergeom(16, 7, 5)
print("hypergeom  cdf at 2, 2.5, 3:", drawn.cdf([2, 2.5, 3]), " sf(2.5):", drawn.sf(2.5))
assert np.isnan(drawn.cdf(2.5)) and np.isnan(drawn.sf(2.5))
assert np.isfinite(drawn.cdf([2, 3])).all()

yule = stats.yulesimon(11.0)
print("yulesimon  cdf at 1, 1.5, 2:", yule.cdf([1, 1.5, 2]))
assert yule.cdf(1) + 0.05 < yule.cdf(1.5) < yule.cdf(2) - 0.01

series = stats.logser(0.6)
print("logser     cdf(1.5), sf(1.5):", series.cdf(1.5), series.sf(1.5))
assert np.isclose(series.cdf(1.5), series.cdf(1), rtol=1e-12)
assert abs(series.cdf(1.5) + series.sf(1.5) - 0.8779) < 1e-3
PYTHON

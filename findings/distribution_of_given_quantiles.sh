#!/bin/sh
# skpro 2.16.0, Python 3.11: the J-QPD-U distribution that is made of three quantiles has a density
# that does not integrate to one, and, where the quantiles are symmetric, other quantiles.
#
# Expected: QPD_U(alpha=.2, qv_low=.2, qv_median=.5, qv_high=.8) has its 20 % quantile at .2, which is what it is
# made of; and pdf is the derivative of cdf.
#
# What happens: ppf(.2) is .147 in place of .2 and ppf(.8) is .853. With quantiles .2, .5, .9, which are not symmetric,
# they are met. In both cases the density is 1.19 times the derivative of the distribution function, so that log
# scores are .17 nats too good. QPD_B, of the same family but bounded, is right in both respects.
# QPD_Johnson is the same as QPD_U.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 pandas==2.3.3 scikit-learn==1.6.1 skpro==2.16.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from skpro.distributions import QPD_B, QPD_U, QPD_Johnson


def slope(distribution, x, h=1e-5):
    return (float(distribution.cdf(x + h)) - float(distribution.cdf(x - h))) / (2 * h)


for made in (QPD_U, QPD_Johnson):
    for high, met in ((0.8, False), (0.9, True)):
        distribution = made(alpha=0.2, qv_low=0.2, qv_median=0.5, qv_high=high)
        quantiles = [float(distribution.ppf(p)) for p in (0.2, 0.5, 0.8)]
        ratio = float(distribution.pdf(0.6)) / slope(distribution, 0.6)
        print(f"{made.__name__}: given .2, .5, {high}, has {np.round(quantiles, 3)}; "
              f"density over slope of the distribution function {ratio:.4f}")
        assert np.allclose(quantiles, [0.2, 0.5, high], atol=1e-6) == met
        assert 1.17 < ratio < 1.20
        x = np.linspace(-20, 21, 1641)
        mass = sum(float(distribution.pdf(point)) for point in x) * (x[1] - x[0])
        assert 1.15 < mass < 1.20, mass
bounded = QPD_B(alpha=0.2, qv_low=0.2, qv_median=0.5, qv_high=0.8, lower=0, upper=1)
print("QPD_B:", np.round([float(bounded.ppf(p)) for p in (0.2, 0.8)], 3))
assert np.isclose(float(bounded.ppf(0.2)), 0.2, atol=1e-6)
assert np.isclose(float(bounded.pdf(0.6)), slope(bounded, 0.6), rtol=1e-5)
PYTHON

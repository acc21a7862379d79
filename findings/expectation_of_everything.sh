#!/bin/sh
# sympy 1.14.0, Python 3.11: the expectation of any function of a log-logistic variable is the mean of the variable,
# and a Kumaraswamy variable on [0, 1] has an infinite mean.
#
# Expected: E(X), E(X**2) and E(3) differ, and the variance is E(X**2) - E(X)**2.
#
# What happens: of LogLogistic("X", 1, 6) E(X), E(X**2), E(1/X), E(3*X) and variance(X) are all pi/3 = 1.047; the right
# variance is .113, which the density of the same variable has. Kumaraswamy(2, 3) has a distribution function that is
# right and a density that goes on beyond 1: E(X) is infinite in place of 16/35 = .457.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 sympy==1.14.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from scipy.integrate import quad
from sympy import N, Symbol, lambdify, oo, pi
from sympy.stats import E, Kumaraswamy, LogLogistic, cdf, density, variance

z = Symbol("z", positive=True)
X = LogLogistic("X", 1, 6)
pdf = lambdify(z, density(X)(z))
functions = {"X": (X, lambda x: x), "X**2": (X**2, lambda x: x**2), "1/X": (1 / X, lambda x: 1 / x),
             "3*X": (3 * X, lambda x: 3 * x)}
for name, (symbol, function) in functions.items():
    found, right = E(symbol), quad(lambda x: function(x) * pdf(x), 0, np.inf)[0]
    print(f"E({name}): sympy {found} = {float(N(found)):.3f}, by its density {right:.3f}")
    assert found == pi / 3
    assert np.isclose(float(N(found)), right, rtol=1e-3) == (name in ("X", "1/X"))
spread = quad(lambda x: (x - np.pi / 3) ** 2 * pdf(x), 0, np.inf)[0]
print(f"variance: sympy {variance(X)}, by its density {spread:.3f}")
assert variance(X) == pi / 3 and abs(spread - 0.113) < 0.001

K = Kumaraswamy("K", 2, 3)
right = quad(lambdify(z, z * density(K)(z)), 0, 1)[0]
print(f"Kumaraswamy: cdf(1) {cdf(K)(1)}, E {E(K)}, by its density on [0, 1] {right:.3f}")
assert cdf(K)(1) == 1 and E(K) == oo
assert np.isclose(right, 16 / 35)
PYTHON

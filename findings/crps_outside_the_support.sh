#!/bin/sh
# scoringrules 0.10.0, Python 3.11: the CRPS of an observation outside the support is a number for some
# distributions and NaN for others.
#
# Expected: the integral of (F(x) - 1[y <= x])^2 exists wherever y lies, which is a reason to prefer this score to the
# logarithmic one. For y below a support on the positive numbers it is (0 - y) + CRPS at 0.
#
# What happens: gamma, exponential, uniform, truncated normal, generalised Pareto and Poisson follow this; lognormal, log-logistic,
# log-Laplace and beta give NaN, and with one such row so is every mean score of a data set.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scoringrules==0.10.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import scoringrules as sr

numbers = {
    "gamma": lambda y: sr.crps_gamma(y, 2.3, 1.2),
    "exponential": lambda y: sr.crps_exponential(y, 1.7),
    "uniform": lambda y: sr.crps_uniform(y, 0.0, 2.0),
    "truncated normal": lambda y: sr.crps_tnormal(y, 0.2, 1.3, 0.0, 1.5),
    "generalised Pareto": lambda y: sr.crps_gpd(y, 0.2, 0.0, 1.1),
    "Poisson": lambda y: sr.crps_poisson(y, 2.3),
}
none = {
    "lognormal": lambda y: sr.crps_lognormal(y, 0.1, 0.4),
    "log-logistic": lambda y: sr.crps_loglogistic(y, 0.1, 0.3),
    "log-Laplace": lambda y: sr.crps_loglaplace(y, 0.1, 0.3),
    "beta": lambda y: sr.crps_beta(y, 1.5, 2.1),
}
with np.errstate(all="ignore"):
    for name, score in numbers.items():
        outside, edge = float(score(-1.0)), float(score(0.0))
        print(f"{name:18} at -1: {outside:.4f}, at 0: {edge:.4f}")
        assert np.isclose(outside, 1.0 + edge, rtol=1e-6), name
    for name, score in none.items():
        print(f"{name:18} at -1: {float(score(-1.0))}, at .5: {float(score(0.5)):.4f}")
        assert np.isnan(float(score(-1.0)))
        assert np.isfinite(float(score(0.5)))
PYTHON

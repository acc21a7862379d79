#!/bin/sh
# statsmodels 0.15.0, Python 3.11: prediction intervals of GLS depend on the unit in which the covariance of the
# errors is given.
#
# Expected: GLS learns the scale of the covariance, so sigma=S and sigma=100 S are the same model. Coefficients, their
# standard errors, the log-likelihood and the standard error of the mean indeed agree.
#
# What happens: the variance of a new observation is taken to be var(mean) + scale, as if sigma had ones on its
# diagonal. With 100 S the scale is a hundredth and the interval, of 1.14 noise standard deviations with S, is .51
# wide. For the training rows themselves, whose variances are known to be scale times the diagonal of sigma, it is
# the same; WLS, the case of a diagonal sigma, does multiply by them there.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 statsmodels==0.15.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import statsmodels.api as sm

rng = np.random.default_rng(0)
n = 60
X = np.column_stack([np.ones(n), rng.normal(size=n)])
S = 0.9 ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
y = X @ [1, 2] + np.linalg.cholesky(S) @ rng.normal(size=n)

one, hundred = (sm.GLS(y, X, sigma=unit * S).fit() for unit in (1, 100))
assert np.allclose(one.params, hundred.params, rtol=1e-8)
assert np.allclose(one.bse, hundred.bse, rtol=1e-8)
assert np.isclose(one.llf, hundred.llf, rtol=1e-8)
for unit, fit in ((1, one), (100, hundred)):
    new, own = fit.get_prediction(X[:1]), fit.get_prediction()
    error = np.sqrt(fit.scale * unit)
    print(f"sigma = {unit:3} S: se of the mean {new.se_mean[0]:.4f}, se of an observation "
          f"{new.se_obs[0]:.4f} (training row {own.se_obs[0]:.4f}), std of errors {error:.4f}")
    assert np.isclose(new.se_obs[0], own.se_obs[0], rtol=1e-12)
    assert np.isclose(new.se_obs[0], np.hypot(new.se_mean[0], np.sqrt(fit.scale)), rtol=1e-10)
assert one.get_prediction(X[:1]).se_obs[0] > 2 * hundred.get_prediction(X[:1]).se_obs[0]

weights = np.linspace(1, 5, n)
fits = [sm.WLS(y, X, weights=unit * weights).fit() for unit in (1, 100)]
assert np.allclose(*(fit.get_prediction().se_obs for fit in fits), rtol=1e-10)
print("WLS, training rows: the same whatever the unit of the weights")
PYTHON

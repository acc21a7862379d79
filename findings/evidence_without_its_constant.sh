#!/bin/sh
# inference-tools 0.15.1, simdkalman 1.0.4, pykalman 0.11.2, scikit-learn 1.9.1, Python 3.11: log-likelihoods of one
# Gaussian model of the same data differ by .919 for each datum from package to package.
#
# Expected: a log marginal likelihood is the logarithm of the Gaussian density of the data, all of it: models are
# compared by it across packages, in nats or by AIC.
#
# What happens: GpRegressor.marginal_likelihood of inference-tools, by the docstring the log marginal likelihood of
# Rasmussen and Williams (5.8), and loo_likelihood, (5.12), leave N log(2 pi) / 2 out; so does simdkalman, whose docs
# call it the log-likelihood. pykalman and scikit-learn have it. With 40 data it is 36.8 nats. With observations
# missing the constant varies with their number, so that not even two series of the same length compare.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 inference-tools==0.15.1 simdkalman==1.0.4 pykalman==0.11.2
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import pykalman
import simdkalman
from inference.gp import ConstantMean, GpRegressor, SquaredExponential
from scipy import stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

rng = np.random.default_rng(0)
x, constant = np.linspace(0, 10, 40), 40 * np.log(2 * np.pi) / 2
y = np.sin(x) + 0.3 * rng.normal(size=40)

S = np.exp(-0.5 * (x[:, None] - x) ** 2) + 0.09 * np.eye(40)
density = stats.multivariate_normal(np.zeros(40), S).logpdf(y)
sklearn = GaussianProcessRegressor(RBF(1.0), alpha=0.09, optimizer=None).fit(x[:, None], y)
process = GpRegressor(x, y, y_err=np.full(40, 0.3), kernel=SquaredExponential(), mean=ConstantMean(),
                      hyperpars=np.zeros(3))
P = np.linalg.inv(S)
left_out = stats.norm(y - P @ y / np.diag(P), np.diag(P) ** -0.5).logpdf(y).sum()
found = process.marginal_likelihood(np.zeros(3)), process.loo_likelihood(np.zeros(3))
print(f"process: density {density:.3f}, scikit-learn {sklearn.log_marginal_likelihood_value_:.3f}, "
      f"inference-tools {found[0]:.3f}; each left out: density {left_out:.3f}, inference-tools {found[1]:.3f}")
assert np.isclose(sklearn.log_marginal_likelihood_value_, density)
assert np.isclose(found[0], density + constant, rtol=1e-6)
assert np.isclose(found[1], left_out + constant, rtol=1e-6)

by_all = pykalman.KalmanFilter([[1.0]], [[1.0]], [[0.25]], [[1.0]], initial_state_mean=[0.0],
                               initial_state_covariance=[[1.0]])
fast = simdkalman.KalmanFilter([[1.0]], [[0.25]], [[1.0]], 1.0)
start = {"initial_value": [0.0], "initial_covariance": [[1.0]]}
walk = 1 + 0.25 * np.minimum.outer(np.arange(40), np.arange(40)) + np.eye(40)
for missing in (0, 10, 20):
    seen = np.arange(40) >= missing
    right = stats.multivariate_normal(np.zeros(40 - missing), walk[np.ix_(seen, seen)]).logpdf(y[seen])
    pykalmans = by_all.loglikelihood(np.ma.array(y[:, None], mask=~seen[:, None]))
    simdkalmans = fast.compute(np.where(seen, y, np.nan), 0, log_likelihood=True, **start).log_likelihood.item()
    print(f"walk, {missing} missing: density {right:.3f}, pykalman {pykalmans:.3f}, simdkalman {simdkalmans:.3f}")
    assert np.isclose(pykalmans, right)
    assert np.isclose(simdkalmans, right + (40 - missing) * np.log(2 * np.pi) / 2)
PYTHON

#!/bin/sh
# bilby 2.8.2, Python 3.11: a Gaussian mixture prior draws by its weights, and has a density without them.
#
# Expected: MultivariateGaussianDist with two modes of weights .9 and .1 has the density .9 N1 + .1 N2, and its draws
# are of that.
#
# What happens: draws are: 90 % are from the first mode. The density is N1 + N2: its mass is 2, and each mode has half.
# A sampler that draws from the prior (nested sampling) and one that evaluates it (MCMC) have different posteriors;
# evidence by importance sampling is too large by log 2, or by whatever the number of modes is.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.2.6 scipy==1.17.1 bilby==2.8.2
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import bilby
import numpy as np
from bilby.core.prior import MultivariateGaussian, MultivariateGaussianDist, PriorDict
from scipy import stats

bilby.core.utils.random.seed(0)
means, covariances, weights = [[-5, 0], [5, 0]], [np.eye(2), np.diag([1.0, 0.5])], [0.9, 0.1]
mixture = MultivariateGaussianDist(["a", "b"], nmodes=2, mus=means, covs=covariances, weights=weights)
prior = PriorDict({name: MultivariateGaussian(mixture, name) for name in ("a", "b")})
modes = [stats.multivariate_normal(m, S) for m, S in zip(means, covariances)]

draws = prior.sample(20_000)
share = np.mean(draws["a"] < 0)
axis = np.linspace(-12, 12, 121)
points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
density = np.exp(prior.ln_prob({"a": points[:, 0], "b": points[:, 1]}, axis=0))
cell = (axis[1] - axis[0]) ** 2
left, mass = density[points[:, 0] < 0].sum() * cell, density.sum() * cell
print(f"share of draws in the first mode {share:.3f}, of the density's mass {left / mass:.3f}; mass {mass:.3f}")
assert abs(share - 0.9) < 0.01
assert abs(left / mass - 0.5) < 0.01
assert abs(mass - 2) < 0.01
for x in ([-4.5, 0.3], [5.5, -0.3]):
    plain = sum(mode.pdf(x) for mode in modes)
    right = sum(w * mode.pdf(x) for w, mode in zip(weights, modes))
    found = float(prior.prob({"a": x[0], "b": x[1]}))
    print(f"at {x}: bilby {found:.4f}, mixture {right:.4f}, sum of the modes {plain:.4f}")
    assert np.isclose(found, plain) and not np.isclose(found, right, rtol=0.05)
PYTHON

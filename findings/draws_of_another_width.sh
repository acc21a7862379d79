#!/bin/sh
# pomegranate 1.1.2, PyTorch 2.13.0, Python 3.11: diagonal Gaussians are drawn with their variance for a standard
# deviation, and the density of log-normal variables is that of their logarithms.
#
# Expected: Normal(covs=v, covariance_type="diag") has the variance v, "and not the standard deviation", as its
# docstring says, in densities and draws. A log-normal density has the factor 1/x and integrates to one.
#
# What happens: the density is that of variance v; draws for v = 100 have a standard deviation of 100 in place of 10,
# those of a mixture with diagonal covariances likewise. With covariance_type="full" both are right. A LogNormal has a
# density of mass exp(m + v/2), which is its mean: 1.20 for m = .1, v = .16; its log-likelihoods are in
# another unit than those of a Gamma or an Exponential that it is compared with.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 torch==2.13.0 pomegranate==1.1.2
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import torch
from pomegranate.distributions import Gamma, LogNormal, Normal
from pomegranate.gmm import GeneralMixtureModel
from scipy import stats

torch.manual_seed(0)


def density(distribution, x):
    return np.exp(distribution.log_probability(torch.tensor(x[:, None], dtype=torch.float32)).numpy())


for kind, covs, drawn in (("full", [[100.0]], 10.0), ("diag", [100.0], 100.0)):
    normal = Normal([0.0], covs, covariance_type=kind)
    mixture = GeneralMixtureModel([normal, Normal([0.0], covs, covariance_type=kind)])
    stds = [float(model.sample(20_000).std()) for model in (normal, mixture)]
    x = np.array([-3.0, 0.0, 12.0])
    assert np.allclose(density(normal, x), stats.norm(0, 10).pdf(x), rtol=1e-4)
    print(f"{kind}: density of standard deviation 10, draws of {stds[0]:.1f}, of a mixture {stds[1]:.1f}")
    assert np.allclose(stds, drawn, rtol=0.03)

x = np.linspace(0.005, 60, 12_000)
for name, distribution, right in (("Gamma", Gamma([2.0], [3.0]), stats.gamma(2, scale=1 / 3)),
                                  ("LogNormal", LogNormal([0.1], [[0.16]]), stats.lognorm(0.4, scale=np.exp(0.1))),
                                  ("LogNormal", LogNormal([2.0], [[0.16]]), stats.lognorm(0.4, scale=np.exp(2)))):
    mass = density(distribution, x).sum() * (x[1] - x[0])
    print(f"{name} of mean {right.mean():.3f}: mass {mass:.3f}, mean of draws "
          f"{float(distribution.sample(20_000).mean()):.3f}")
    by = x if name == "LogNormal" else 1
    assert np.allclose(density(distribution, x) / by, right.pdf(x), atol=1e-5)
    assert abs(mass / (right.mean() if name == "LogNormal" else 1) - 1) < 0.01
PYTHON

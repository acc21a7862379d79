#!/bin/sh
# bayesian-torch 0.5.0, PyTorch 2.13.0, Python 3.11: the Kullback-Leibler divergence of a layer of 10,000 weights is
# that of two of them, and prior_variance is a standard deviation.
#
# Expected: posterior and prior are independent over weights, so their divergence is a sum over weights: of a layer with
# 100 inputs and outputs some hundred times that of one with 10 of either kind. It is what the evidence lower bound
# takes off the log-likelihood of the data.
#
# What happens: it is the mean over the weights plus the mean over the biases, so 5.1 for either, in place of 25,569
# and 279. get_kl_loss adds this up over layers. Beside a log-likelihood that is summed over data the prior of the
# wide layer counts a 5,000th. With prior_variance=4, which the docstring calls the variance of the prior, the
# divergence is that of a prior with standard deviation 4.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0 bayesian-torch==0.5.0
# Required, but not by what is used here, and not always built for the same PyTorch.
"$folder/venv/bin/python" -m pip uninstall --quiet --yes torchvision
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch
from bayesian_torch.layers import LinearReparameterization
from bayesian_torch.models.dnn_to_bnn import get_kl_loss
from torch.distributions import Normal, kl_divergence

torch.manual_seed(0)


def divergences(layer, scale):
    """Of weights and of biases, each."""
    with torch.no_grad():
        return [kl_divergence(Normal(mean, torch.nn.functional.softplus(rho)), Normal(0.0, scale))
                for mean, rho in ((layer.mu_weight, layer.rho_weight), (layer.mu_bias, layer.rho_bias))]


for width in (1, 10, 100):
    layer = LinearReparameterization(width, width, prior_mean=0, prior_variance=1)
    each = divergences(layer, 1.0)
    right = sum(float(part.sum()) for part in each)
    means = sum(float(part.mean()) for part in each)
    found = float(get_kl_loss(torch.nn.Sequential(layer)))
    print(f"{width:3} inputs and outputs: divergence by bayesian-torch {found:.2f}, summed {right:.2f}")
    assert abs(found / means - 1) < 1e-5
    assert (abs(found / right - 1) < 1e-5) == (width == 1)
assert right > 4000 * found

wide = LinearReparameterization(10, 10, prior_mean=0, prior_variance=4.0)
found = float(wide.kl_loss())
for scale in (2.0, 4.0):
    means = sum(float(part.mean()) for part in divergences(wide, scale))
    print(f"prior_variance 4: {found:.3f}, of a prior with standard deviation {scale:g} {means:.3f}")
    assert (abs(found / means - 1) < 1e-5) == (scale == 4.0)
PYTHON

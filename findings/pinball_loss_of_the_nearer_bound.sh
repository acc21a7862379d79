#!/bin/sh
# netcal 1.4.0, Python 3.11: the pinball loss at the median is not half the absolute error, and depends on the
# standard deviation.
#
# Expected: the formula in the docstring, (y - Q) tau above the tau-quantile Q and (Q - y) (1 - tau) below it. At
# tau = .5 the quantile of a Gaussian forecast is its mean, so that its width does not matter.
#
# What happens: Q is the bound of the central interval of probability tau that is nearer to the observation, and the
# weight 1 - tau within the interval, tau outside. Standard normal observations have .236 at tau = .5 in place of
# .399 if the standard deviation is right, and .367 if it is a tenth. At tau = .05 the loss is .038 in place of .104,
# and the same to 4 % for standard deviations of a tenth and of twice the right one.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 torch==2.13.0 netcal==1.4.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from netcal.metrics import PinballLoss
from scipy import stats

y = np.random.default_rng(0).normal(size=100_000)


def losses(tau, std):
    """By netcal, by the formula, and by the nearer bound of the central interval."""
    found = float(PinballLoss().measure((np.zeros_like(y), np.full_like(y, std)), y, np.array([tau])))
    above = y - stats.norm(0, std).ppf(tau)
    bound = stats.norm(0, std).ppf(0.5 + tau / 2)
    nearer = np.abs(np.abs(y) - bound) * np.where(np.abs(y) <= bound, 1 - tau, tau)
    return found, np.mean(np.where(above >= 0, above * tau, -above * (1 - tau))), nearer.mean()


for tau in (0.05, 0.5, 0.95):
    table = np.array([losses(tau, std) for std in (0.1, 1.0, 2.0)])
    print(f"tau {tau}, std .1, 1, 2: netcal {np.round(table[:, 0], 3)}, formula {np.round(table[:, 1], 3)}")
    assert np.allclose(table[:, 0], table[:, 2], rtol=1e-6)
    assert not np.isclose(table[:, 0], table[:, 1], rtol=0.01).any()
    if tau == 0.5:
        assert np.allclose(table[:, 1], np.abs(y).mean() / 2)
        assert np.ptp(table[:, 0]) > 0.1
    if tau == 0.05:
        assert np.ptp(table[:, 0]) < 0.04 * table[1, 0] < 0.5 * np.ptp(table[:, 1])
PYTHON

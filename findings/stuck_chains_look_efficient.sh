#!/bin/sh
# ArviZ 0.23.4, Python 3.11: chains that never move do not lower the effective sample size, and halve the standard
# error.
#
# Expected: of four chains of 1000 draws, three have been stuck at one place from the start. What is known of the
# posterior is what one chain says: an effective sample size of some 1000 or less, or none.
#
# What happens: the bulk effective sample size is 4030 of 4000, with two stuck chains 3850, with one or none 3920, since
# constant chains have no autocovariance and their mean is right. The standard error of the mean is half of that with
# four good chains. Split R-hat is 1.000. The rank-normalised R-hat, which also compares how far draws lie from the
# median, is 3.2, and alone gives the alarm. If all four are stuck, the size is 4000 of 4000 and R-hat NaN.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 arviz==0.23.4
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import arviz as az
import numpy as np

draws = np.random.default_rng(0).normal(size=(4, 1000))
whole = {}
for stuck in range(4):
    chains = draws.copy()
    chains[:stuck] = 0.0
    size, split = float(az.ess(chains)), float(az.rhat(chains, method="split"))
    rank, error = float(az.rhat(chains)), float(az.mcse(chains))
    whole[stuck] = size, split, rank, error
    print(f"{stuck} stuck: bulk size {size:6.0f}, split R-hat {split:.4f}, rank R-hat {rank:.3f}, "
          f"standard error {error:.4f}")
assert all(size > 3700 for size, _, _, _ in whole.values())
assert all(abs(split - 1) < 0.002 for _, split, _, _ in whole.values())
assert whole[0][2] < 1.01 < 1.4 < whole[1][2] < whole[2][2] < whole[3][2]
assert whole[3][3] < 0.65 * whole[0][3]
constant = np.zeros((4, 1000))
print("all stuck: bulk size", float(az.ess(constant)), " R-hat", float(az.rhat(constant)))
assert float(az.ess(constant)) == 4000
assert np.isnan(float(az.rhat(constant)))
PYTHON

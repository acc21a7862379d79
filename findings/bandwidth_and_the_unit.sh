#!/bin/sh
# KDEpy 1.1.12, Python 3.11: the Improved Sheather-Jones bandwidth depends on the unit of the data.
#
# Expected: data times 1000 have a bandwidth times 1000; so it is with the rules of Silverman and Scott in the same
# package, and with the method as published.
#
# What happens: for 200 standard normal draws the bandwidth is .117. In thousandths of the unit it is .218 (in the old
# unit), and in thousands .0012, a hundredth: the density falls into single spikes. The grid on which the data are binned goes
# beyond them by at least 6, in whatever unit, and the bandwidth is then taken to be a share of the data's range alone.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 KDEpy==1.1.12
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from KDEpy import FFTKDE

x = np.random.default_rng(0).normal(size=200)


def bandwidth(rule, factor):
    estimate = FFTKDE(kernel="gaussian", bw=rule).fit(x * factor)
    estimate.evaluate(1024)
    return float(estimate.bw) / factor


factors = (0.001, 0.1, 1.0, 1000.0)
for rule in ("silverman", "scott", "ISJ"):
    found = np.array([bandwidth(rule, factor) for factor in factors])
    print(f"{rule:9} data times {factors}: {np.round(found, 5)}")
    if rule != "ISJ":
        assert np.allclose(found, found[0], rtol=1e-9)
assert found[0] < 0.02 * found[2]
assert found[3] > 1.5 * found[2]
PYTHON

#!/bin/sh
# scoringrules 0.10.0, Python 3.11: two estimators of the CRPS that are one number for an ensemble are two for
# an ensemble with weights, and one of them is negative.
#
# Expected: estimator="pwm" (by probability-weighted moments) and estimator="fair" are algebraically
# the same without weights: .333 for the members 1, 2, 4, 7 at 2.5. With ens_w they should be so, too, as "qd", "nrg" and
# "int", the other family that agrees, are with each other.
#
# What happens: with weights .4, .3, .2, .1 "fair" gives .171, which is sum_i w_i |x_i - y| less half the weighted
# mean distance of two different members, and "pwm" gives -.086. Equal weights give what no weights give.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scoringrules==0.10.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import scoringrules as sr

members, y = np.array([1.0, 2.0, 4.0, 7.0]), 2.5
weights = np.array([0.4, 0.3, 0.2, 0.1])


def score(estimator, w=None):
    return float(sr.crps_ensemble(y, members, ens_w=w, estimator=estimator))


for family in (("fair", "pwm"), ("qd", "nrg", "int")):
    plain = [score(estimator) for estimator in family]
    equal = [score(estimator, np.full(4, 0.25)) for estimator in family]
    weighted = [score(estimator, weights) for estimator in family]
    print(family, "no weights", np.round(plain, 4), "equal", np.round(equal, 4),
          "weights", np.round(weighted, 4))
    assert np.allclose(plain, plain[0], rtol=1e-9)
    assert np.allclose(equal, plain[0], rtol=1e-9)
    assert np.allclose(weighted, weighted[0], rtol=1e-9) == (family[0] == "qd")

distances = weights @ np.abs(members[:, None] - members) @ weights
fair = weights @ np.abs(members - y) - distances / 2 / (1 - weights @ weights)
assert np.isclose(score("fair", weights), fair, rtol=1e-9)
assert score("pwm", weights) < -0.08
PYTHON

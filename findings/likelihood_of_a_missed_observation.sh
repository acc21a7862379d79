#!/bin/sh
# filterpy 2.0.0, Python 3.11: an observation that is missing adds the highest density that there is to the
# likelihood, and the information filter's likelihood is that of another covariance.
#
# Expected: update(None) says that nothing was observed, and adds nothing. The Kalman and the information filter are two
# forms of one, and so are the likelihoods by which noise variances are chosen.
#
# What happens: after update(None) log_likelihood is the density of a residual of 0 under the residual variance of the
# last step that had data. Of a random walk with noise variance 2, of which one observation in four was made, the
# likelihood summed over all steps is highest at a noise variance of .2, over the steps with data at 2.
# InformationFilter has the same means and covariances as KalmanFilter, but takes the posterior precision of the
# state for the covariance of the residual: of 300 data the log-likelihood is -645 in place of -605.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 filterpy==2.0.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from filterpy.kalman import InformationFilter, KalmanFilter

rng = np.random.default_rng(0)
walk = np.cumsum(0.5 * rng.normal(size=1200))
data = walk + np.sqrt(2.0) * rng.normal(size=1200)


def log_likelihoods(noise, observed):
    """By filterpy summed over all steps, over steps with data, and by hand."""
    model = KalmanFilter(dim_x=1, dim_z=1)
    model.F, model.H = np.eye(1), np.eye(1)
    model.Q, model.R, model.P = np.eye(1) * 0.25, np.eye(1) * noise, np.eye(1)
    every = seen = by_hand = mean = 0.0
    variance = 1.0
    for z in observed:
        model.predict()
        model.update(z)
        every += model.log_likelihood
        variance += 0.25
        if z is not None:
            seen += model.log_likelihood
            total = variance + noise
            by_hand -= 0.5 * (np.log(2 * np.pi * total) + (z - mean) ** 2 / total)
            mean, variance = mean + variance / total * (z - mean), variance * noise / total
    assert np.isclose(float(model.x[0, 0]), mean) and np.isclose(float(model.P[0, 0]), variance)
    return every, seen, by_hand


observed = [z if k % 4 == 0 else None for k, z in enumerate(data)]
grid = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
found = np.array([log_likelihoods(noise, observed) for noise in grid])
assert np.allclose(found[:, 1], found[:, 2], rtol=1e-9)
for noise, (every, seen, _) in zip(grid, found):
    print(f"noise variance {noise}: all steps {every:.1f}, steps with data {seen:.1f}")
best = [grid[k] for k in found.argmax(axis=0)]
print("best:", best)
assert best[1] == 2.0 and best[0] < 0.5

kalman, information = KalmanFilter(dim_x=1, dim_z=1), InformationFilter(dim_x=1, dim_z=1)
for model in (kalman, information):
    model.F, model.H, model.Q = np.eye(1), np.eye(1), np.eye(1) * 0.25
kalman.R, kalman.P, information.R_inv, information.P_inv = np.eye(1) * 2, np.eye(1), np.eye(1) / 2, np.eye(1)
sums = np.zeros(2)
for z in data[:300]:
    for k, model in enumerate((kalman, information)):
        model.predict()
        model.update(z)
        sums[k] += model.log_likelihood
    residual = float(information.y[0, 0])
    taken = float(information.P_inv[0, 0])
    other = -0.5 * (np.log(2 * np.pi * taken) + residual**2 / taken)
    assert np.allclose(kalman.x, information.x) and np.allclose(kalman.P * information.P_inv, 1)
    assert np.isclose(information.log_likelihood, other)
print("300 data: log-likelihood by KalmanFilter, by InformationFilter", np.round(sums, 1))
assert np.isclose(sums[0], log_likelihoods(2.0, data[:300])[2])
assert abs(sums[0] - sums[1]) > 10
PYTHON

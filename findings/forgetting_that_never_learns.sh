#!/bin/sh
# river 0.26.1, Python 3.11: a Bayesian linear regression that forgets a hundredth a row never knows more than one row.
#
# Expected: with a smoothing of .99 old rows fade as .99^age, as in recursive least squares with forgetting. Some
# hundred rows count in the end, and after 500 rows of y = x1 + 2 x2 the weights have a tenth of the uncertainty of one
# row's.
#
# What happens: the precision is smoothing * old + (1 - smoothing) * that of the new row: an average over rows in place
# of a sum. All rows together count as one, for ever. After 50 rows without noise the prediction at (1, 1) is .88 in
# place of 3, since the prior still has more weight than the data; after 500 rows its standard deviation is 1.8, of
# which the noise is 1 by definition. Without smoothing it is exact: 2.99, 1.002.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 river==0.26.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from river.linear_model import BayesianLinearRegression

X = np.random.default_rng(0).normal(size=(500, 2))
y = X @ [1.0, 2.0]
x_new = np.ones(2)


def at_new(smoothing, rows):
    model = BayesianLinearRegression(smoothing=smoothing)
    for x, target in zip(X[:rows], y[:rows]):
        model.learn_one({"a": x[0], "b": x[1]}, target)
    found = model.predict_one({"a": 1.0, "b": 1.0}, with_dist=True)
    return found.mu, found.sigma


def expected(memory, rows):
    ages = memory ** np.arange(rows)[::-1]
    P = memory**rows * np.eye(2) + (ages[:, None] * X[:rows]).T @ X[:rows]
    w = np.linalg.solve(P, (ages[:, None] * X[:rows]).T @ y[:rows])
    return x_new @ w, np.sqrt(1 + x_new @ np.linalg.solve(P, x_new))


for smoothing, rows in ((None, 500), (0.99, 50), (0.99, 500)):
    found, right = at_new(smoothing, rows), expected(smoothing or 1.0, rows)
    print(f"smoothing {smoothing}, {rows} rows: river {found[0]:.3f}, {found[1]:.3f}; "
          f"least squares that forget {right[0]:.3f}, {right[1]:.3f}")
    assert np.allclose(found, right, rtol=1e-6) == (smoothing is None)
assert at_new(0.99, 50)[0] < 1.5 < 2.9 < expected(0.99, 50)[0]
assert at_new(0.99, 500)[1] > 1.5 > 1.02 > expected(0.99, 500)[1]
PYTHON

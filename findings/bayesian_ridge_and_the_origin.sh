#!/bin/sh
# scikit-learn 1.8.0 (likewise 1.6.1), Python 3.11: the predictive standard deviation of BayesianRidge and
# ARDRegression depends on where the inputs have their origin. In 1.9.1 it does not. And from 1.6.1 to 1.8.0 the weights
# of BayesianRidge changed their meaning.
#
# Expected: the model has an intercept, so a constant added to an input, in training and at prediction, changes
# nothing. Coefficients, means and the learnt noise indeed stay as they are.
#
# What happens in 1.8.0: fit() subtracts the means of the inputs and learns a covariance of the weights about them;
# predict(return_std=True) multiplies this covariance by the inputs as they come, means and all. With inputs about 0
# the standard deviation is .287 (noise .287), about 10 it is .62, about 1000 it is 55. So columns such as a year or a
# temperature in kelvin, unscaled, make intervals a hundred times too wide; and a table of such intervals changes with
# the version, though no estimate does.
#
# Weights: with 2 for each row, the learnt noise variance is twice that without weights in 1.6.1 (a weight is a
# precision), and that of the rows given twice in 1.8.0 and 1.9.1 (a weight is a count).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
for version in 1.6.1 1.8.0 1.9.1; do
    "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.17.1 "scikit-learn==$version"
    "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import sklearn
from sklearn.linear_model import ARDRegression, BayesianRidge

rng = np.random.default_rng(0)
X = rng.normal(size=(50, 2))
y = X @ [1.0, 2.0] + 0.3 * rng.normal(size=50)
X_new = rng.normal(size=(5, 2))

for estimator in (BayesianRidge, ARDRegression):
    means, stds, noises = [], [], []
    for origin in (0.0, 10.0, 1000.0):
        model = estimator(tol=1e-8, max_iter=1000).fit(X + origin, y)
        mean, std = model.predict(X_new + origin, return_std=True)
        means.append(mean)
        stds.append(std[0])
        noises.append(model.alpha_**-0.5)
    print(sklearn.__version__, estimator.__name__, "std about 0, 10, 1000:", np.round(stds, 3),
          "noise:", np.round(noises, 5))
    assert np.allclose(means, means[0], rtol=1e-5)
    assert np.allclose(noises, noises[0], rtol=1e-5)
    assert 0.28 < stds[0] < 0.30
    if sklearn.__version__ == "1.9.1":
        assert np.allclose(stds, stds[0], rtol=1e-5)
    else:
        assert 0.55 < stds[1] < 0.70
        assert 50 < stds[2] < 60

options = {"tol": 1e-10, "max_iter": 5000}
plain = 1 / BayesianRidge(**options).fit(X, y).alpha_
weighted = 1 / BayesianRidge(**options).fit(X, y, sample_weight=np.full(50, 2.0)).alpha_
repeated = 1 / BayesianRidge(**options).fit(np.vstack([X, X]), np.append(y, y)).alpha_
print(sklearn.__version__, f"noise variance: {plain:.5f}, rows twice {repeated:.5f}, "
      f"weights of 2 {weighted:.5f}")
expected = 2 * plain if sklearn.__version__ == "1.6.1" else repeated
assert np.isclose(weighted, expected, rtol=1e-4)
PYTHON
done

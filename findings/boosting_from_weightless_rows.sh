#!/bin/sh
# ngboost 0.6.0, Python 3.11: rows of weight 0 set where natural gradient boosting starts, and how wide it is.
#
# Expected: fit(X, y, sample_weight=w) with zeros in w is the fit without these rows.
#
# What happens: the constant distribution with which boosting begins is fitted to all targets alike; only the
# gradients have weights. With 50 rows of target 100 and weight 0 beside 200 rows of a sine, the start is mean 20 and
# standard deviation 40 in place of 0 and .7. After 100 trees the mean is wrong by up to 2.8 and the standard
# deviation is 16.2 in place of .48; after 500 trees, the default, the mean is still wrong by up to .18.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scikit-learn==1.6.1 ngboost==0.6.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from ngboost import NGBRegressor

rng = np.random.default_rng(0)
X = rng.uniform(-2, 2, (200, 1))
y = np.sin(2 * X[:, 0]) + 0.2 * rng.normal(size=200)
X_more = np.vstack([X, rng.uniform(-2, 2, (50, 1))])
y_more = np.append(y, np.full(50, 100.0))
weights = np.append(np.ones(200), np.zeros(50))

for trees in (100, 500):
    options = {"n_estimators": trees, "random_state": 0, "verbose": False}
    without = NGBRegressor(**options).fit(X, y)
    weightless = NGBRegressor(**options).fit(X_more, y_more, sample_weight=weights)
    doubled = NGBRegressor(**options).fit(X, y, sample_weight=np.full(200, 2.0))
    right, found, same = (model.pred_dist(X) for model in (without, weightless, doubled))
    error = np.abs(found.loc - right.loc).max()
    starts = [(model.init_params[0], np.exp(model.init_params[1])) for model in (without, weightless)]
    print(f"{trees} trees: start {np.round(starts[1], 2)} (without the rows {np.round(starts[0], 2)}), mean "
          f"wrong by {error:.2f}, std {found.scale.mean():.2f} (without the rows {right.scale.mean():.2f})")
    assert np.allclose(starts[1], [y_more.mean(), y_more.std()], rtol=1e-6)
    assert np.allclose(starts[0], [y.mean(), y.std()], rtol=1e-6)
    assert np.allclose(same.loc, right.loc) and np.allclose(same.scale, right.scale)
    assert error > 0.1
    assert (found.scale.mean() > 10 * right.scale.mean()) == (trees == 100)
PYTHON

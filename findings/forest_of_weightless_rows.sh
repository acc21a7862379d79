#!/bin/sh
# quantile-forest 1.4.2, scikit-learn 1.9.1, Python 3.11: which rows a quantile forest leaves out for their weight depends on the order of
# the rows, and may be the others.
#
# Expected: rows of weight 0 have no part in the quantiles, as the package's page on sample weights says. With a
# constant feature every tree is a single leaf, and the quantiles are those of the targets that have weight.
#
# What happens: targets are 0 to 1, those below a half have weight 1 and the rest 0. With ExtraTreesQuantileRegressor, or
# with bootstrap=False, the median is .25, as it should be, if rows are sorted by target; in reverse order it is .75, that
# of the rows of weight 0; shuffled .5, that of all. Weights are sorted as the targets are, but looked up by the rows'
# places before this. With bootstrap=True it is right, since scikit-learn draws rows of weight 0 no more.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 quantile-forest==1.4.2
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from quantile_forest import ExtraTreesQuantileRegressor, RandomForestQuantileRegressor

y = np.arange(500) / 500
weights = (y < 0.5).astype(float)
X = np.zeros((500, 1))
shuffled = np.random.default_rng(0).permutation(500)
orders = {"sorted": np.arange(500), "reversed": np.arange(500)[::-1], "shuffled": shuffled}
right = np.median(y[weights > 0])
assert abs(right - 0.25) < 0.01

for made, options, expected in (
    (ExtraTreesQuantileRegressor, {}, (0.25, 0.75, 0.5)),
    (RandomForestQuantileRegressor, {"bootstrap": False}, (0.25, 0.75, 0.5)),
    (RandomForestQuantileRegressor, {}, (0.25, 0.25, 0.25)),
):
    for (name, order), median in zip(orders.items(), expected):
        forest = made(n_estimators=50, max_samples_leaf=None, random_state=0, **options)
        forest.fit(X[order], y[order], sample_weight=weights[order])
        found = float(forest.predict([[0.0]], quantiles=[0.5]).item())
        print(f"{made.__name__}({options}), rows {name}: median {found:.3f}, of the rows with weight {right:.3f}")
        assert abs(found - median) < 0.03
        assert forest.estimators_[0].tree_.node_count == 1
PYTHON

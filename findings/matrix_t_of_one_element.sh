#!/bin/sh
# scipy 1.17.1, Python 3.11: a matrix t of one element is not Student's t, and its freedom is not that of a row.
#
# Expected: matrix_t(df=nu) with unit spreads, of a matrix with a single element, is Student's t with nu degrees of
# freedom, as multivariate_t(df=nu) with a unit shape is; so is matrix_normal the normal. The posterior of weights and
# noise in a Bayesian regression is such a matrix, and its row is what is drawn or put in a table.
#
# What happens: the spreads are not divided by the degrees of freedom. The element is Student's t divided by sqrt(nu):
# with nu = 10 its standard deviation is .354 in place of 1.118. One row of K elements is multivariate_t with the
# spread divided by nu. Draws and densities agree with each other, so that nothing looks wrong.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from scipy import stats

nu, x = 10.0, 0.7
matrix = float(stats.matrix_t(df=nu).logpdf([[x]]))
vector = float(stats.multivariate_t(shape=[[1.0]], df=nu).logpdf([x]))
print("log density at .7: matrix_t", round(matrix, 4), "multivariate_t", round(vector, 4),
      "t", round(float(stats.t(nu).logpdf(x)), 4))
assert np.isclose(vector, stats.t(nu).logpdf(x))
assert abs(matrix - vector) > 0.7
assert np.isclose(matrix, stats.t(nu, scale=nu**-0.5).logpdf(x))

draws = stats.matrix_t(df=nu).rvs(size=200_000, random_state=0).ravel()
print("std of draws", round(draws.std(), 3), "of t", round(float(stats.t(nu).std()), 3))
assert abs(draws.std() - stats.t(nu).std() / nu**0.5) < 0.01

S = np.array([[2.0, 0.5], [0.5, 1.0]])
row = np.array([[0.3, -0.4]])
of_matrix = float(stats.matrix_t(mean=np.zeros((1, 2)), col_spread=S, df=nu).logpdf(row))
assert np.isclose(of_matrix, stats.multivariate_t(shape=S / nu, df=nu).logpdf(row[0]))
assert not np.isclose(of_matrix, stats.multivariate_t(shape=S, df=nu).logpdf(row[0]), atol=0.5)
assert np.isclose(stats.matrix_normal(colcov=S, mean=np.zeros((1, 2))).logpdf(row),
                  stats.multivariate_normal(cov=S).logpdf(row[0]))
PYTHON

#!/bin/sh
# GPy 1.15.0, Python 3.11: with normalizer=True, predict_jacobian answers in standardised targets, and so do the
# leave-one-out densities; predict and predictive_gradients answer in the targets as they came.
#
# Expected: the posterior mean of the derivative is the derivative of the posterior mean, and
# predict_jacobian gives the former.
#
# What happens: with targets of standard deviation 134 the two differ by just this factor: -261.7 by
# predictive_gradients, which a difference quotient of predict confirms, -1.945 by predict_jacobian. Its
# covariance is of that unit, too. Log densities that inference_method.LOO gives are higher than those of the data by
# log 134 = 4.9 nats each, while log_predictive_density takes the unit into account.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 GPy==1.15.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import GPy
import numpy as np

rng = np.random.default_rng(0)
X = rng.uniform(-2, 2, (40, 1))
Y = 1000 + 200 * np.sin(2 * X) + 10 * rng.standard_normal((40, 1))
X_new = np.linspace(-2, 2, 7)[:, None]


def fitted(**options):
    model = GPy.models.GPRegression(X, Y, GPy.kern.RBF(1), **options)
    model.optimize()
    return model


model = fitted(normalizer=True)
h = 1e-4
quotient = (model.predict(X_new + h)[0] - model.predict(X_new - h)[0]).ravel() / (2 * h)
gradients = model.predictive_gradients(X_new)[0].ravel()
jacobian = model.predict_jacobian(X_new)[0].ravel()
print("difference quotient   ", np.round(quotient[:3], 3))
print("predictive_gradients  ", np.round(gradients[:3], 3))
print("predict_jacobian      ", np.round(jacobian[:3], 3), " std of targets", round(Y.std(), 2))
assert np.allclose(gradients, quotient, rtol=1e-4)
assert np.allclose(jacobian * Y.std(), gradients, rtol=1e-6)
assert Y.std() > 100

left_out = model.inference_method.LOO(model.kern, model.X, model.Y_normalized, model.likelihood,
                                      model.posterior).ravel()
inside = model.log_predictive_density(X, Y).ravel()
print("mean log density: left out", left_out.mean().round(3), " not left out", inside.mean().round(3))
assert abs((inside - left_out).mean() + np.log(Y.std())) < 0.5
PYTHON

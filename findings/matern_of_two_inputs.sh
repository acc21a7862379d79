#!/bin/sh
# tinygp 0.3.1, JAX 0.10.2, Python 3.11: the Matern kernels are no covariances as soon as there are two inputs.
#
# Expected: kernels.Matern32(2.0) of points in the plane is a covariance, as it is of points on a line: no negative
# eigenvalues, and every linear combination of function values has a variance of at least 0.
#
# What happens: the distance is by default the sum of absolute differences, as the docs say, and of that the Matern
# kernels are positive definite on a line alone. On a grid of 21 x 21 points the smallest eigenvalue is -.26 for a
# kernel of variance 1, and the log density of smooth data is minus infinity, without an error, for all a noise
# variance of .1. RationalQuadratic likewise; Exp, which is the Matern-1/2, and ExpSquared, which has another distance,
# are covariances. With distance=L2Distance() all is right.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 jax==0.10.2 jaxlib==0.10.2 tinygp==0.3.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import jax
import numpy as np
from tinygp import GaussianProcess, kernels
from tinygp.kernels.distance import L2Distance

jax.config.update("jax_enable_x64", True)
axis = np.linspace(0, 10, 21)
X = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
y = np.sin(X[:, 0])
sums = np.abs(X[:, None] - X).sum(axis=-1)

cases = {
    "Exp": (kernels.Exp(2.0), True),
    "Matern32": (kernels.Matern32(2.0), False),
    "Matern52": (kernels.Matern52(2.0), False),
    "RationalQuadratic": (kernels.RationalQuadratic(scale=2.0, alpha=1.0), False),
    "ExpSquared": (kernels.ExpSquared(2.0), True),
    "Matern32, L2Distance()": (kernels.Matern32(2.0, distance=L2Distance()), True),
}
for name, (kernel, right) in cases.items():
    K = np.asarray(kernel(X, X))
    values, vectors = np.linalg.eigh(K)
    density = float(GaussianProcess(kernel, X, diag=0.1).log_probability(y))
    on_a_line = np.linalg.eigvalsh(np.asarray(kernel(axis, axis)))[0]
    print(f"{name}: variance {K[0, 0]:g}, smallest eigenvalue {values[0]:.3f} (on a line {on_a_line:.3f}), "
          f"log density {density:.1f}")
    assert on_a_line > -1e-10
    assert (values[0] > -1e-10) == right
    assert np.isfinite(density) == right
    if name == "Matern32":
        r = np.sqrt(3) * sums / 2
        assert np.allclose(K, (1 + r) * np.exp(-r))
        assert vectors[:, 0] @ K @ vectors[:, 0] < -0.2
PYTHON

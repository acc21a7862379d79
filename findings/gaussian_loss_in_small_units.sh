#!/bin/sh
# PyTorch 2.13.0, Python 3.11: GaussianNLLLoss does not see standard deviations below a thousandth.
#
# Expected: in other units of the target a negative log density changes by a constant, log(unit). Which of two
# forecasts is better does not change.
#
# What happens: variances are clamped from below at eps = 1e-6, in units of the target squared, without a warning. For
# targets of standard deviation 1e-4 (metres for a tenth of a millimetre) forecasts of half, once and twice the right
# standard deviation all have the same loss, 2.31 after the constant is taken off, in place of 1.28, .49 and .82. A
# network that predicts the variance gets the gradient at the clamp: the same for all three, towards smaller variances.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import math

import torch

z = torch.randn(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
loss, found = torch.nn.GaussianNLLLoss(), {}
for unit in (1.0, 1e-2, 1e-4):
    values, gradients = [], []
    for factor in (0.5, 1.0, 2.0):
        variance = torch.full((1000,), (factor * unit) ** 2, dtype=torch.float64, requires_grad=True)
        value = loss(torch.zeros(1000, dtype=torch.float64), unit * z, variance)
        value.backward()
        values.append(float(value) - math.log(unit))
        gradients.append(float(variance.grad.sum()) * unit**2)
    print(f"unit {unit:g}: losses", [round(v, 3) for v in values],
          "gradients", [round(g, 3) for g in gradients])
    found[unit] = values, gradients
assert all(abs(a - b) < 1e-6 for a, b in zip(found[1.0][0], found[1e-2][0]))
assert found[1.0][0][1] < found[1.0][0][2] < found[1.0][0][0]
small = found[1e-4][0]
assert max(small) - min(small) < 1e-9
assert min(small) > found[1.0][0][1] + 1.5
pulls = found[1e-4][1]
assert max(pulls) - min(pulls) < 1e-9 and min(pulls) > 0
assert found[1.0][1][0] < 0 < found[1.0][1][2]
PYTHON

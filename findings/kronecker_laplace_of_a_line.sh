#!/bin/sh
# laplace-torch 0.3, PyTorch 2.13.0, Python 3.11: the Kronecker Laplace approximation of a straight line is not exact.
#
# Expected: for one linear layer with Gaussian noise the Hessian of the loss is a Kronecker product, so that the
# Kronecker-factored posterior is that of Bayesian linear regression, intercept included; the full one is.
#
# What happens: weight and bias are factored apart, and so taken to be independent. With inputs about 10 the standard
# deviation of the function at their centre is .199 in place of .141, three away from it .231 in place of .295, and the
# log marginal likelihood, by which the prior precision is chosen, is 1.7 nats too low. With one input "kron" is no
# better than "diag". About 0 it is nearly right: so predictions depend on the origin of the inputs, and of what each
# hidden layer hands on.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0 laplace-torch==0.3
# Required, imported by torchmetrics where it is there, not needed, and not always built for the same PyTorch.
"$folder/venv/bin/python" -m pip uninstall --quiet --yes torchvision
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch
from laplace import Laplace
from torch.utils.data import DataLoader, TensorDataset

torch.set_default_dtype(torch.float64)
found = {}
for origin in (0.0, 10.0):
    draws = torch.Generator().manual_seed(0)
    X = torch.randn(50, 1, generator=draws) + origin
    Y = 2 * (X - origin) + torch.randn(50, 1, generator=draws)
    A = torch.cat([X, torch.ones(50, 1)], 1)
    P = torch.eye(2) + A.T @ A  # noise variance 1 and prior precision 1, the package's defaults
    line = torch.nn.Linear(1, 1)
    with torch.no_grad():
        weight, bias = torch.linalg.solve(P, A.T @ Y)
        line.weight.copy_(weight[None])
        line.bias.copy_(bias)
    x = torch.tensor([[origin], [origin + 3.0]])
    B = torch.cat([x, torch.ones(2, 1)], 1)
    exact = ((B @ torch.linalg.inv(P)) * B).sum(1).sqrt()
    for structure in ("full", "kron", "diag"):
        model = Laplace(torch.nn.Sequential(line), "regression", subset_of_weights="all",
                        hessian_structure=structure)
        model.fit(DataLoader(TensorDataset(X, Y), batch_size=50))
        std, evidence = model(x)[1].flatten().sqrt(), float(model.log_marginal_likelihood())
        found[origin, structure] = std, evidence
        print(f"inputs about {origin:g}, {structure}: std {std[0]:.4f}, {std[1]:.4f} "
              f"(exact {exact[0]:.4f}, {exact[1]:.4f}), log marginal likelihood {evidence:.2f}")
    assert torch.allclose(found[origin, "full"][0], exact)
    assert torch.allclose(found[origin, "kron"][0], found[origin, "diag"][0])
    assert torch.allclose(found[origin, "kron"][0], exact, rtol=0.01) == (origin == 0)
assert found[10.0, "kron"][0][0] > 1.3 * found[10.0, "full"][0][0]
assert found[10.0, "kron"][0][1] < 0.8 * found[10.0, "full"][0][1]
assert found[10.0, "full"][1] - found[10.0, "kron"][1] > 1.5
PYTHON

#!/bin/sh
# linear_operator 0.6.1, PyTorch 2.13.0, Python 3.11: an operator that is given by an upper Cholesky factor is two
# matrices.
#
# Expected: CholLinearOperator(R, upper=True) is R'R, as its docstring says. So is its product with a vector, its
# diagonal, its solve and its determinant.
#
# What happens: to_dense(), solve(), inv_quad() and logdet() are those of R'R; products, the diagonal, rows and what is
# made of these, as twice the operator, are those of RR'. A solve followed by a product does not give the vector
# back, and variances read off the diagonal are another covariance's. With the lower factor all is one matrix.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 torch==2.13.0 linear_operator==0.6.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch
from linear_operator import to_linear_operator
from linear_operator.operators import CholLinearOperator

torch.set_default_dtype(torch.float64)
A = torch.tensor([[4.0, 2.0, 0.0], [2.0, 3.0, 1.0], [0.0, 1.0, 1.0]])
v = torch.tensor([[1.0], [2.0], [3.0]])
for upper in (False, True):
    factor = to_linear_operator(A).cholesky(upper=upper)
    F = factor.to_dense()
    same, other = (F.mT @ F, F @ F.mT) if upper else (F @ F.mT, F.mT @ F)
    assert torch.allclose(same, A) and not torch.allclose(other, A, atol=0.1)
    operator = CholLinearOperator(factor, upper=upper)
    print(f"upper={upper}: diagonal {operator.diagonal().tolist()}, of the dense form "
          f"{operator.to_dense().diagonal().tolist()}")
    assert torch.allclose(operator.to_dense(), A)
    assert torch.allclose(operator.solve(v), torch.linalg.solve(A, v))
    assert torch.allclose(operator.inv_quad(v), (v.mT @ torch.linalg.solve(A, v)).squeeze())
    assert torch.allclose(operator.logdet(), torch.logdet(A))
    taken = other if upper else A
    assert torch.allclose(operator @ v, taken @ v)
    assert torch.allclose(operator.diagonal(), taken.diagonal())
    assert torch.allclose((2 * operator).to_dense(), 2 * taken)
    back = (operator @ operator.solve(v)).flatten()
    print(f"upper={upper}: product of the solve of {v.flatten().tolist()}: {back.tolist()}")
    assert torch.allclose(back, v.flatten()) == (not upper)
PYTHON

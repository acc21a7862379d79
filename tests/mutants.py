"""Mistakes made on purpose: does a test notice when the mathematics is wrong in one place?

Each mutant below changes one place of one module, as a slip in a derivation or in its coding
would: a sign, a transpose, a forgotten N/B, a missing prior term. It names the equation that it
breaks. First the tests marked with that equation are run against it, then all tests of the
module. A mutant that survives both shows that a test is missing.

    python tests/mutants.py                 # all of them, some minutes
    python tests/mutants.py --only JS-4     # those of one equation
    python tests/mutants.py --check         # only whether each still applies to the code

The exit status is 1 if a mutant survives or does not apply to exactly one place.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

Result = TypeVar("Result")

REPOSITORY = Path(__file__).resolve().parent.parent
COPIED = ("balinp", "tests", "derivations", "setup.cfg")
TIME_LIMIT = 120  # seconds for one run of pytest, many times what any needs

TESTS = {
    "matrix_normal": "matrix_normal nearest layer",
    "nearest": "nearest",
    "spectral": "spectral matrix_normal pseudo_targets predictive",
    "factors": "kernels weights natural_parameters layer",
    "natural_parameters": "natural_parameters layer kept_bases weights pseudo_targets data bali",
    "layer": "layer weights natural_parameters kept_bases pseudo_targets joint_step evidence bali",
    "mlp": "mlp pseudo_targets joint_step bali",
    "expected": "passes bali",
    "likelihood": "likelihood own_likelihood pseudo_targets bali predictive",
    "predictive.outputs": "own_likelihood",
    "softmax": "predictive likelihood",
    "pseudo_targets": "pseudo_targets evidence bali",
    "batch": "data weights",
    "joint_step": "joint_step weights data bali",
    "evidence": "evidence weights data bali",
    "prediction": "predictive bali passes",
    "predictive.gaussian": "predictive bali",
    "predictive.student": "student leave_one_out",
    "features": "joint_posterior functions",
    "precision_forms": "joint_posterior leave_one_out",
    "joint_posterior": "joint_posterior leave_one_out",
    "leave_one_out": "leave_one_out",
    "functions": "functions",
    "predictive.categorical": "predictive bali",
    "bali": "bali weights passes kept_bases data",
    "dense": "dense",
    "metrics": "metrics",
    "metrics.calibration": "calibration metrics",
    "diagnostics.residuals": "diagnostics",
    "diagnostics.fit_tests": "diagnostics",
}
"""For each module, the test files that are about it; those that need no training come first."""

MUTANTS = """
matrix_normal KR-1: row basis not transposed
- return self.row_basis.T @ W
+ return self.row_basis @ W

matrix_normal KR-1: column basis transposed
- return self.row_basis @ W @ self.column_basis.T
+ return self.row_basis @ W @ self.column_basis

matrix_normal KR-1: factors of the Kronecker product swapped
- np.kron(self.column_basis, self.row_basis)
+ np.kron(self.row_basis, self.column_basis)

matrix_normal KR-1: vec stacks rows
- self.precisions.ravel(order="F")
+ self.precisions.ravel()

matrix_normal KR-2: L = u v for 1 / (u v)
- precisions = 1.0 / np.outer(rows.values, columns.values)
+ precisions = np.outer(rows.values, columns.values)

spectral KR-2: eigenvalues scale the rows of Q
- return (self.vectors * self.values) @ self.vectors.T
+ return (self.vectors.T * self.values).T @ self.vectors.T

spectral KR-2: inverse of the inverse
- ((rows @ self.vectors) / self.values)
+ ((rows @ self.vectors) * self.values)

matrix_normal KR-3: L for 1 / L
- self._to_basis(R) / self.precisions
+ self._to_basis(R) * self.precisions

matrix_normal KR-3: square root of L
- self._to_basis(R) / self.precisions
+ self._to_basis(R) / np.sqrt(self.precisions)

spectral KR-4: sign of a small eigenvalue lost
- return np.maximum(values, 0.0)
+ return np.abs(values)

spectral KR-4: rounding errors refused
- if values[0] < -rounding(
+ if values[0] < -1e-30 * rounding(

spectral KR-4: absolute bound
- np.finfo(np.float64).eps * largest
+ np.finfo(np.float64).eps

spectral KR-4: number of rows ignored
- RANK_TOLERANCE * size *
+ RANK_TOLERANCE *

matrix_normal MN-1: sign of the distance
- np.log(2 * np.pi) - distance)
+ np.log(2 * np.pi) + distance)

matrix_normal MN-1: covariance's determinant for the precision's
- return 0.5 * (self.log_det_precision - D * K
+ return 0.5 * (-self.log_det_precision - D * K

matrix_normal MN-1: constant of one column only
- (self.log_det_precision - D * K *
+ (self.log_det_precision - D *

matrix_normal MN-2: precisions for variances
- return self.row_basis**2 @ (1.0 / self.precisions)
+ return self.row_basis**2 @ self.precisions

matrix_normal MN-2: row basis transposed
- return self.row_basis**2 @
+ return self.row_basis.T**2 @

matrix_normal MN-2: row kron column covariance
- np.kron(self.column_covariance, self.row_covariance)
+ np.kron(self.row_covariance, self.column_covariance)

matrix_normal MN-3: missing square root
- self._from_basis(noise / np.sqrt(self.precisions))
+ self._from_basis(noise / self.precisions)

matrix_normal MN-3: precision for covariance
- self._from_basis(noise / np.sqrt(self.precisions))
+ self._from_basis(noise * np.sqrt(self.precisions))

matrix_normal MN-3: missing mean
- return self.mean + self._from_basis(noise
+ return self._from_basis(noise

matrix_normal MN-4: missing D K / 2
- (1 + np.log(2 * np.pi)) - self.log_det_precision
+ np.log(2 * np.pi) - self.log_det_precision

matrix_normal MN-4: sign of the log determinant
- (1 + np.log(2 * np.pi)) - self.log_det_precision
+ (1 + np.log(2 * np.pi)) + self.log_det_precision

matrix_normal MN-5: overlap of the row bases transposed
- (other.row_basis.T @ self.row_basis) ** 2
+ (self.row_basis.T @ other.row_basis) ** 2

matrix_normal MN-5: overlap of the column bases not squared
- (other.column_basis.T @ self.column_basis) ** 2
+ (other.column_basis.T @ self.column_basis)

matrix_normal MN-5: distance in the wrong precision
- (other.precisions * shift**2).sum()
+ (self.precisions * shift**2).sum()

matrix_normal MN-5: sign of the log determinants
- self.log_det_precision - other.log_det_precision
+ other.log_det_precision - self.log_det_precision

matrix_normal MN-6: row basis transposed
- rotated = X @ self.row_basis
+ rotated = X @ self.row_basis.T

matrix_normal MN-6: precisions for variances
- self.input_squares(X) @ (1.0 / self.precisions)
+ self.input_squares(X) @ self.precisions

matrix_normal MN-6: column basis transposed
- return scaled @ self.column_basis.T
+ return scaled @ self.column_basis

matrix_normal MN-7: only proportions of the first row compared
- np.outer(self.precisions[:, 0], self.precisions[0]) /
+ np.outer(self.precisions[:, 0] ** 0 * self.precisions[0, 0], self.precisions[0]) /

matrix_normal MN-7: common scale given to both factors
- self.column_basis, L[0, 0] / L[0]
+ self.column_basis, 1 / L[0]

matrix_normal MN-7: near enough is taken for rank one
- rtol=1e-12
+ rtol=1e-6

nearest MN-8: rows of sum one
- u = K / (L @ v)
+ u = 1 / (L @ v)

nearest MN-8: one step from the start
- if not np.abs(sums / D - 1).max() > BALANCED:
+ if not np.abs(sums / D - 1).max() > 10:

nearest MN-8: full steps from anywhere
- newton * np.log1p(reach) / reach
+ newton

nearest MN-8: precisions for variances
- p.row_basis, u, p.column_basis, v)
+ p.row_basis, 1 / u, p.column_basis, 1 / v)

matrix_normal MN-8: bases transposed
- q.row_covariance = _symmetric((row_basis * u) @ row_basis.T)
+ q.row_covariance = _symmetric((row_basis.T * u) @ row_basis)

natural_parameters LR-1: sum over data for their mean
- terms.inputs / terms.count, terms
+ terms.inputs, terms

natural_parameters LR-1: missing N
- self.n_data * np.outer(
+ np.outer(

layer LR-1: missing prior precision
- L = factors.likelihood_eigenvalues + p
+ L = factors.likelihood_eigenvalues + 1e-3 * p

layer LR-1: prior counted once for each datum
- L = factors.likelihood_eigenvalues + p
+ L = factors.likelihood_eigenvalues + p * factors.n_data

natural_parameters LR-2: conjugate prior without its H
- (h if prior == "conjugate" else np.ones_like(h))
+ np.ones_like(h)

natural_parameters LR-2: V for H in the conjugate prior
- (h if prior == "conjugate" else
+ (1 / h if prior == "conjugate" else

natural_parameters LR-2: prior's pull without the output precision
- prior_precision * (self.outputs.times_rows(W) if prior == "conjugate" else W)
+ prior_precision * W

layer LR-3: missing N/B
- (n_data / terms.count) * terms.pull
+ terms.pull

layer LR-3: N for N/B
- (n_data / terms.count) * terms.pull
+ n_data * terms.pull

layer LR-3: sign of the residuals
- (T - X @ self._mean) @ H_batch
+ (X @ self._mean - T) @ H_batch

layer LR-3: targets for residuals
- (T - X @ self._mean) @ H_batch
+ T @ H_batch

layer LR-3: missing H
- (T - X @ self._mean) @ H_batch
+ T - X @ self._mean

layer LR-3: missing prior mean
- prior_times(M - self.prior_mean, self.prior
+ prior_times(M, self.prior

layer LR-3: gradient without the prior
- gradient=likelihood_pull - prior_pull
+ gradient=likelihood_pull

layer LR-3: proposed mean not moved
- posterior.with_mean(M + change)
+ posterior.with_mean(M)

layer LR-4: missing N
- amount(X, w) * (np.linalg.slogdet(H)[1]
+ (np.linalg.slogdet(H)[1]

layer LR-4: V's determinant for H's
- (np.linalg.slogdet(H)[1] -
+ (-np.linalg.slogdet(H)[1] -

layer LR-4: constant of one output only
- self.n_out * np.log(2 * np.pi)
+ np.log(2 * np.pi)

layer LR-4: residuals without their precision
- (residual * (residual @ H)).sum()
+ (residual * residual).sum()

layer LR-4: missing prior term
- return 0.5 * float(log_ratio - (shift**2 @ p).sum())
+ return 0.5 * float(log_ratio)

layer LR-5: bias omitted
- np.ones((len(inputs), 1))
+ np.zeros((len(inputs), 1))

matrix_normal LR-5: missing square
- np.square(rotated, out=rotated)
+ np.abs(rotated)

layer LR-5: bias first
- [inputs, np.ones((len(inputs), 1))]
+ [np.ones((len(inputs), 1)), inputs]

factors LR-6: weights squared
- np.sqrt(weights).reshape(
+ weights.reshape(

factors LR-6: rows counted, not weights
- len(rows) if weights is None else float(weights.sum())
+ len(rows)

factors LR-6: weights missing in sums of log densities
- values.sum() if weights is None else weights @ values
+ values.sum()

factors LR-6: weights missing in the output factor
- np.swapaxes(root_weighted(root_rows, weights), 0, 1)
+ np.swapaxes(root_rows, 0, 1)

layer LR-6: weights missing in the gradient
- weighted.T @ root_weighted(pulls, w)
+ weighted.T @ pulls

layer LR-6: weights missing in the evidence
- residual = root_weighted(T - X @ self._mean, w)
+ residual = T - X @ self._mean

joint_step LR-6: weights missing in the curvature
- root_weighted(network.tangent(weights, trace.forward, d), trace.sample_weight)
+ network.tangent(weights, trace.forward, d)

bali LR-6: weights missing in the squares
- gram(root_weighted(piece.targets - outputs, w))
+ gram(piece.targets - outputs)

evidence LR-6: weights missing in the spread
- root_weighted(trace.curvature_rows[index], trace.sample_weight)
+ trace.curvature_rows[index]

bali LR-6: weights missing at the start of the noise
- squares += gram(root_weighted(Y, w))
+ squares += gram(Y)

natural_parameters LR-6: terms of earlier pieces left out
- self.pull + other.pull
+ other.pull

natural_parameters LR-6: terms of later pieces counted twice
- self.inputs + other.inputs
+ self.inputs + 2 * other.inputs

natural_parameters LR-6: data of earlier pieces not counted
- self.count + other.count
+ other.count

natural_parameters LR-6: squares of the last piece only
- squares = self.squares + other.squares
+ squares = other.squares

bali LR-6: terms of the last piece only
- totals = [a + b for a, b in zip(totals, terms, strict=True)] if totals else terms
+ totals = terms

joint_step LR-6: curvature of the last piece only
- curved += _products(white)
+ curved = _products(white)

joint_step LR-6: bound on a step by the last piece only
- capped += _products(rows)
+ capped = _products(rows)

evidence LR-6: spread of the last piece only
- spread += _spread(piece, index, squares)
+ spread = _spread(piece, index, squares)

bali LR-6: log joint of the last piece only
- log_likelihood += weighted_sum(densities, w)
+ log_likelihood = weighted_sum(densities, w)

bali LR-6: squares of the last piece for the noise
- squares += gram(root_weighted(piece
+ squares = gram(root_weighted(piece

bali LR-6: noise started from the last piece
- squares += gram(root_weighted(Y, w))
+ squares = gram(root_weighted(Y, w))

bali LR-6: pieces traced again at the moved weights
- self.network.forward(weights, X, noise)
+ self.network.forward(self.weights, X, noise)

batch LR-6: other draws in later passes
- self._rng.bit_generator.state = self._state
+ pass

batch LR-6: last piece left out
- for part in self._parts:
+ for part in self._parts[:-1]:

batch LR-6: rows of the pieces of a batch are those of the data
- chosen = self._rows[part]
+ chosen = part

batch LR-6: last row of each piece left out
- min(start + size, rows))
+ min(start + size, rows) - 1)

batch LR-6: rows of no weight are present
- if w is None or (w > 0).all() else
+ if w is None or (w >= 0).all() else

batch LR-6: rows of a batch counted, not their weights
- float(self._length) if w is None else float(w[rows].sum())
+ float(self._length)

factors NP-1: rate for 1 - rate
- before[i] + rate * (after[i] - before[i])
+ after[i] + rate * (before[i] - after[i])

factors NP-1: nothing forgotten
- before[i] + rate * (after[i] - before[i])
+ before[i] + rate * after[i]

natural_parameters NP-1: rate of the first batch ignored
- A = rate * A_batch
+ A = A_batch

natural_parameters NP-1: rate of the first batch in both factors
- A = rate * A_batch
+ A, H_batch = rate * A_batch, rate * H_batch

layer NP-2: batch without its rate
- rate * likelihood_pull - (1 - c)
+ likelihood_pull - (1 - c)

layer NP-2: prior inside the average
- rate * likelihood_pull - (1 - c) * prior_pull
+ rate * likelihood_pull - prior_pull

layer NP-2: missing prior term
- rate * likelihood_pull - (1 - c) * prior_pull
+ rate * likelihood_pull

layer NP-2: residuals times the averaged H
- (T - X @ self._mean) @ H_batch
+ (T - X @ self._mean) @ (self._factors.H if self._factors else H_batch)

natural_parameters NP-2: stale V: a known precision averaged
- H_batch if precision_is_known else forget(old.H
+ forget(old.H

bali NP-2: stale V: a known precision not passed on as known
- [False] * (len(terms) - 1) + [known]
+ [False] * len(terms)

natural_parameters NP-2: stale V: H of the first batch kept
- else forget(old.H, H_batch, rate)
+ else old.H

bali NP-3: share of all data for the share of data seen
- B / self.data_seen
+ B / N

factors NP-3: rate applied twice
- before[i] + rate * (after[i] - before[i])
+ before[i] + rate * (rate * after[i] - before[i])

natural_parameters NP-3: A of the last batch only
- A = forget(old.A, A_batch, rate)
+ A = A_batch

natural_parameters NP-4: the old batches get the rate
- forget(old.A, A_batch, rate)
+ forget(old.A, A_batch, 1 - rate)

layer NP-4: remembered share is the rate
- return 1 - rate
+ return rate

layer NP-4: memory of N before scaled the wrong way
- return (1 - rate) * (n_data / n_before)
+ return rate * (n_data / n_before)

bali NP-4: first batches of no more weight than later ones
- return max(floor, 1.0 / np.sqrt(self.steps))
+ return floor

bali NP-4: rate's floor does not know the batch
- max(LEAST_RATE, B / N)
+ LEAST_RATE

dense NP-4: precision without weights
- precision = precision + w_n *
+ precision = precision + 1.0 *

dense NP-4: targets without weights
- gradient = gradient + w_n *
+ gradient = gradient + 1.0 *

layer NP-5: new N ignored
- (n_data / n_before) * (precision_before
+ (precision_before

layer NP-5: ratio of the precisions inverted
- (precision_before / self.prior_precision)
+ (self.prior_precision / precision_before)

layer NP-5: new precision ignored
- * (precision_before / self.prior_precision)
+

layer NP-5: memory never rebalanced
- self._remembered = None
+ pass

bali NP-5: memory not rebalanced in a network
- layer.rebalance()
+ pass

natural_parameters NP-6: H not averaged
- else forget(old.H, H_batch, rate)
+ else H_batch

natural_parameters NP-6: H averaged with 1 - rate
- forget(old.H, H_batch, rate)
+ forget(old.H, H_batch, 1 - rate)

layer NP-7: refinement left out
- return change + correction, posterior, factors
+ return change, posterior, factors

layer NP-7: sign of the refinement
- return change + correction, posterior, factors
+ return change - correction, posterior, factors

layer NP-7: error not compared, bases never renewed
- if _inner(left, correction) > basis_tolerance**2 * _inner(pull, change):
+ if False:

layer NP-7: bases always renewed
- if _inner(left, correction) > basis_tolerance**2 * _inner(pull, change):
+ if True:

layer NP-7: squared error compared with the tolerance itself
- > basis_tolerance**2 *
+ > basis_tolerance *

layer NP-7: error compared with the change's own length
- basis_tolerance**2 * _inner(pull, change)
+ basis_tolerance**2 * _inner(change, change)

layer NP-7: basis of H kept under the conjugate prior
- keep_outputs=self.prior == "isotropic"
+ keep_outputs=True

layer NP-7: stale basis for the public posterior
- exact = self._factors.exact
+ exact = self._factors

layer NP-7: what was worked out in a stale basis taken for the posterior
- self.working_posterior
-                     if exact is self._factors
+ self.working_posterior
+                     if exact.A is self._factors.A

layer NP-7: squares without the weights
- squares.sum(axis=0) if w is None else w @ squares
+ squares.sum(axis=0)

natural_parameters NP-7: squares of the batch summed, not averaged
- terms.squares / terms.count, rate
+ terms.squares, rate

natural_parameters NP-7: squares of the last batch only
- squares = forget(old.inputs.values, terms.squares / terms.count, rate)
+ squares = terms.squares / terms.count

natural_parameters NP-7: squares of older batches only
- Spectrum(squares, old.inputs.vectors)
+ old.inputs

natural_parameters NP-7: curvature along the rows of the basis
- (H_batch @ Q * Q).sum(axis=0)
+ (H_batch @ Q * Q).sum(axis=1)

natural_parameters NP-7: curvature of the last batch only
- squares = forget(old.outputs.values, (H_batch @ Q * Q).sum(axis=0), rate)
+ squares = (H_batch @ Q * Q).sum(axis=0)

natural_parameters NP-7: error as the kept basis of H sees it
- else W @ self.H
+ else self.outputs.times_rows(W)

natural_parameters NP-7: error without the prior
- self.n_data * (self.A @ WH) + self.prior_times(W, prior, prior_precision)
+ self.n_data * (self.A @ WH)

natural_parameters NP-7: kept bases taken for spectra
- n_data, not keeps, floor)
+ n_data, True, floor)

natural_parameters NP-7: spectrum of a changed average kept
- unchanged = old.is_exact and np.array_equal(A, old.A)
+ unchanged = old.is_exact

bali NP-7: bases kept with all data at once
- and B < N
+ and B <= N

bali NP-7: bases kept in a single Gaussian layer
- and not self.targets_are_observations
+ and True

mlp BP-1: missing slope
- pulled *= self._slope(h)
+ pulled *= 1.0

mlp BP-1: bias taken for the first row
- linear = W[:-1] if self.bias else W
-             C, B, K
+ linear = W[1:] if self.bias else W
+             C, B, K

mlp BP-1: slope of tanh at h for z
- 1.0 - h * h
+ 1.0 - np.tanh(h) ** 2

mlp BP-1: slope of relu at its kink
- return (h > 0)
+ return (h >= 0)

mlp BP-2: slope squared
- pulled *= self._slope(h)
+ pulled *= self._slope(h) ** 2

pseudo_targets BP-2: curvature root of another row order
- rows[:, 1:, :] for rows
+ rows[:, 1:, ::-1] for rows

mlp BP-3: missing change of the upper layer
- dz = self._affine(h, D) + (self._slope(h) * dz) @ linear
+ dz = (self._slope(h) * dz) @ linear

mlp BP-3: missing change from below
- dz = self._affine(h, D) + (self._slope(h) * dz) @ linear
+ dz = self._affine(h, D)

mlp BP-3: missing slope
- (self._slope(h) * dz) @ linear
+ dz @ linear

mlp BP-3: change of the bias forgotten
- dz = self._affine(forward.inputs[0], changes[0])
+ dz = forward.inputs[0] @ changes[0][: forward.inputs[0].shape[1]]

expected BP-5: labels not averaged
- np.swapaxes(rows.reshape(L, B, K), 0, 1) / np.sqrt(L)
+ np.swapaxes(rows.reshape(L, B, K), 0, 1)

expected BP-5: the likeliest label
- (outputs + noise).argmax(axis=2)
+ outputs.argmax(axis=2)

bali BP-5: labels drawn with all data at once
- averages and wide and N > B
+ averages and wide

likelihood BP-4: sign of the Gaussian gradient
- return (Y - f) @ self.known_precision
+ return (f - Y) @ self.known_precision

likelihood BP-4: C for its inverse
- inverse, _ = dtrtri(C, lower=1)
+ inverse = C

likelihood BP-4: root on the wrong side
- = inverse_root.T @ inverse_root
+ = inverse_root @ inverse_root.T

likelihood BP-4: half the log determinant
- 2 * float(np.log(np.diag(C)).sum())
+ float(np.log(np.diag(C)).sum())

likelihood BP-4: sign of the softmax gradient
- return Y - softmax(f, axis=1)
+ return softmax(f, axis=1) - Y

likelihood BP-4: missing square root of p
- np.sqrt(p)[:, :, None] *
+ p[:, :, None] *

likelihood BP-4: curvature without its mean
- (np.eye(f.shape[1]) - p[:, None, :])
+ (np.eye(f.shape[1]) - 0 * p[:, None, :])

likelihood BP-4: softmax over data
- p = softmax(f, axis=1)
+ p = softmax(f, axis=0)

mlp FP-1: noise not passed on
- self._activate(outputs[-1])
+ self._activate(means[-1])

mlp FP-1: noise for mean and noise
- means[-1] if drawn is None else means[-1] + drawn
+ means[-1] if drawn is None else drawn

mlp FP-1: derivatives at the means
- forward.inputs[:0:-1]
+ [self._activate(z) for z in forward.means[-2::-1]]

prediction FP-1: missing square root
- @ Q) * np.sqrt(variances)) @ Q.T
+ @ Q) * variances) @ Q.T

prediction FP-1: drawn without the basis
- return ((rng.standard_normal(variances.shape) @ Q) * np.sqrt(variances)) @ Q.T
+ return rng.standard_normal(variances.shape) * np.sqrt(variances)

bali FP-1: Gaussian output layer drawn
- output_layer=categorical
+ output_layer=True

bali FP-1: drawn before the data were seen
- self.data_seen > N
+ self.data_seen > 0

expected FP-2: curvature not averaged
- stacked / len(self.deviations))
+ stacked)

expected FP-2: deviations left out
- return (f + self.deviations).reshape
+ return (f + 0 * self.deviations).reshape

expected FP-2: summed over draws
- *values.shape[1:]).mean(axis=0)
+ *values.shape[1:]).sum(axis=0)

prediction FP-2: root of another covariance
- half = covariance_root(covariance)
+ half = covariance_root(covariance**2)

likelihood FP-2: common shift of the logits drawn too
- return orthonormal_contrasts(K)
+ return np.eye(K)

prediction FP-2: draws not mirrored
- np.concatenate([half, -half], axis=2)
+ np.concatenate([half, half], axis=2)

bali FP-2: deviations of the first step's prior
- self.steps > 1 and not known
+ not known

pseudo_targets PT-1: sign of the gradient
- return mean_outputs + H.solve_rows(gradients)
+ return mean_outputs - H.solve_rows(gradients)

pseudo_targets PT-1: gradients for pseudo-targets
- return mean_outputs + H.solve_rows(gradients)
+ return gradients

pseudo_targets PT-1: missing V
- return mean_outputs + H.solve_rows(gradients)
+ return mean_outputs + gradients

pseudo_targets PT-1: H for V
- return mean_outputs + H.solve_rows(gradients)
+ return mean_outputs + gradients @ H.matrix()

pseudo_targets PT-1: targets about the drawn outputs
- pseudo_targets(self.forward.means[index]
+ pseudo_targets(self.forward.outputs[index]

bali PT-1: residuals about the drawn outputs
- - piece.forward.means[index]
+ - piece.forward.outputs[index]

pseudo_targets PT-2: precision of the first layer replaced by the known one
- precisions + ([self._known_spectrum] if self._known_spectrum else [])
+ ([self._known_spectrum] if self._known_spectrum else []) + precisions

pseudo_targets PT-2: only half the way to the observation
- mean_outputs + H.solve_rows(gradients)
+ mean_outputs + 0.5 * H.solve_rows(gradients)

pseudo_targets PT-3: regression without the floor of its targets
- [H.matrix() for H in self._precisions]
+ [total / amount(self.targets, self.sample_weight) for total in self.curvature_sums]

pseudo_targets PT-3: a curvature row for the gradient
- rows[:, 0, :] for rows
+ rows[:, 1, :] for rows

bali PT-3: weighed by another precision than the targets were written with
- H,
-                         piece.curvature_sums[index],
+ piece.precision(index, None),
+                         piece.curvature_sums[index],

layer PT-3: residuals not weighed
- pulls = precision.times_rows(residuals)
+ pulls = residuals

factors PT-4: divided by data and roots
- / amount(root_rows, weights)
+ / amount(root_rows, weights) / root_rows.shape[1]

pseudo_targets PT-4: gradient counted as curvature
- self.curvature_rows if self._known is None else self.curvature_rows[:-1]
+ self._rows if self._known is None else self._rows[:-1]

pseudo_targets PT-4: known precision not multiplied by the data
- amount(self.targets, w) * self._known
+ self._known

pseudo_targets LR-6: weights missing in the curvature
- curvature_sum(rows, w) for rows
+ curvature_sum(rows) for rows

pseudo_targets PT-5: hidden precision taken for known
- [False] * (len(weights) - 1)
+ [True] * (len(weights) - 1)

spectral PT-5: a ridge for a floor
- np.maximum(values, fraction * (mean if mean >= SMALLEST_SCALE else 1.0))
+ values + fraction * (mean if mean >= SMALLEST_SCALE else 1.0)

spectral PT-5: absolute floor
- np.maximum(values, fraction * (mean if mean >= SMALLEST_SCALE else 1.0))
+ np.maximum(values, fraction)

spectral PT-5: floor relative to the sum
- mean = float(np.trace(matrix)) / len(matrix)
+ mean = float(np.trace(matrix))

spectral PT-5: no floor for a zero matrix
- (mean if mean >= SMALLEST_SCALE else 1.0)
+ mean

pseudo_targets PT-5: known precision floored
- decompose(self._known, "output
+ floored(self._known, "output

bali PT-5: average of curvatures without a floor
- floor=CURVATURE_FLOOR if keeps_bases and not exact else 0.0
+ floor=0.0

bali PT-5: batch of curvatures without a floor
- batch if exact or keeps_bases else batch.floored()
+ batch

pseudo_targets PT-5: floor not passed on
- f"output precision of layer {index}", self._floor)
+ f"output precision of layer {index}")

joint_step JS-1: missing N/B
- (n_data / B) * curved
+ curved

joint_step JS-1: missing prior term
- curved + np.array(
+ curved + 0.0 * np.array(

joint_step JS-1: bound of one removed
- np.minimum(factors, 1.0)
+ factors

joint_step JS-1: slope of the proposals along themselves
- _inner([p.gradient for p in proposals], d)
+ _inner([p.change for p in proposals], d)

joint_step JS-1: outputs not whitened
- (trace.output_rows @ df[:, :, None])[:, :, 0] for df
+ df for df

layer JS-1: whole change taken
- self._last_change = step * proposal.change
+ self._last_change = proposal.change

layer JS-1: prior product without the prior
- return self.factors.prior_times(W, self.prior, self.prior_precision)
+ return W

joint_step JS-2: sign of the momentum
- float(factors[1])
+ -float(factors[1])

layer JS-2: sign of the momentum
- + momentum * self._last_change
+ - momentum * self._last_change

layer JS-2: momentum along the new change
- + momentum * self._last_change
+ + momentum * proposal.change

joint_step JS-2: directions taken for conjugate
- return flat @ flat.T
+ return np.diag((flat * flat).sum(axis=1))

joint_step JS-2: factors in units of length
- rcond=1e-10)[0] / unit
+ rcond=1e-10)[0]

joint_step JS-2: no step where nothing is proposed
- solution[0] = 1.0
+ solution[0] = 0.0

bali JS-2: momentum in the sample pass
- B == N and not samples and not loose
+ B == N and not loose

bali JS-2: momentum along the start
- [layer.last_change for layer
+ [layer.mean for layer

joint_step JS-3: ratio inverted
- ratio = gain(candidate) / candidate.predicted_gain
+ ratio = candidate.predicted_gain / gain(candidate)

joint_step JS-3: sign of the quadratic term
- return self.slope - 0.5 * self.bend
+ return self.slope + 0.5 * self.bend

joint_step JS-3: quadratic term of a shortened step
- factor**2 * self.bend
+ factor * self.bend

joint_step JS-3: failed step taken
- return step.scaled(0.0), 0.0
+ return step, 0.0

joint_step JS-3: any step taken
- if ratio >= LEAST_GAIN_RATIO
+ if ratio >= -1e300

layer JS-3: missing prior mean
- shift = mean - self.prior_mean
        p
+ shift = mean
        p

layer JS-3: constant of one row only
- 0.5 * len(self.change) * float(
+ 0.5 * float(

layer JS-3: sign of the prior's quadratic
- self._log_normaliser - 0.5
+ self._log_normaliser + 0.5

bali JS-3: gain of the batch for that of all data
- traces, proposals, N / B)
+ traces, proposals, 1.0)

bali JS-3: gain without the momentum
- + step.momentum * layer.last_change
+

bali JS-3: noise drawn for the proposal not held fixed
- forward.outputs[index] - forward.means[index]
+ None

joint_step JS-4: cap removed
- if half_square > trust:
+ if False:

joint_step JS-4: missing square root
- np.sqrt(trust / half_square)
+ (trust / half_square)

joint_step JS-4: missing half
- half_square = 0.5 * float(
+ half_square = float(

joint_step JS-4: sum over data for their mean
- capped @ factors) / B
+ capped @ factors)

bali JS-4: cap never passed on
- trust=TRUST if bounded else None
+ trust=None

bali JS-4: cap by the local curvature
- self.likelihood.largest_curvature_rows(K) if bounded else None
+ None

likelihood JS-4: bound of a quarter
- contrasts(K) / np.sqrt(2.0)
+ (np.eye(K) - 1.0 / K) / 2.0

evidence EV-1: complement of gamma
- layer.factors.likelihood_eigenvalues / precisions
+ 1 - layer.factors.likelihood_eigenvalues / precisions

evidence EV-1: ratio to the prior
- likelihood_eigenvalues / precisions
+ likelihood_eigenvalues / layer.prior_precision

evidence EV-2: number of parameters for gamma
- return (gamma + 2 * hyper.shape)
+ return (sum(layer.mean.size for layer in layers) + 2 * hyper.shape)

evidence EV-2: proportions of the layers ignored
- return layer.prior_precision * float((shift**2).sum())
+ return float((shift**2).sum())

evidence EV-2: hyper-prior's rate ignored
- (squares + 2 * hyper.rate)
+ squares

evidence EV-2: missing prior mean
- return layer.prior_precision * float((shift**2).sum())
+ return layer.prior_precision * float((layer.mean**2).sum())

bali EV-2: first precision does not know the width
- return n_in /
+ return 1.0 /

bali EV-2: update inverted
- (target / first) ** share
+ (first / target) ** share

evidence EV-3: missing uncertainty of the weights
- + C @ (spread / B) @ C.T
+

evidence EV-3: spread in whitened units
- + C @ (spread / B) @ C.T
+ + spread / B

evidence EV-3: root on the wrong side
- + C @ (spread / B) @ C.T
+ + C.T @ (spread / B) @ C

evidence EV-3: missing N/B
- squares = (n_data / B) *
+ squares =

evidence EV-3: missing N
- variances = N *
+ variances =

evidence EV-3: N - gamma in place of N
- / (n_data + 2 * hyper.shape)
+ / (n_data - sum(map(effective_parameters, layers)) / K + 2 * hyper.shape)

bali EV-3: noise not learnt
- (1 - share) * V + share * target_V
+ V

evidence EV-4: squares without H
- pull = layer.factors.prior_times(shift, layer.prior, layer.prior_precision)
+ pull = layer.prior_precision * shift

evidence EV-4: prior's pull missing in the noise
- return layer.prior_precision * shift.T @ shift
+ return 0 * shift.T @ shift

evidence EV-4: missing lam
- return layer.prior_precision * shift.T @ shift
+ return shift.T @ shift

bali EV-4: mean precision does not follow H
- scale = 1.0 if literal else
+ scale = 1.0 if H.size else

bali EV-4: a given precision not taken literally
- literal = self.prior == "isotropic" or self.given_precision is not None
+ literal = self.prior == "isotropic"

evidence EV-5: missing log-likelihood
- total = weighted_sum(trace.log_densities, trace.sample_weight)
+ total = 0.0

evidence EV-5: mean moved
- fresh.accept(step=0.0)
+ fresh.accept(step=1.0)

layer EV-5: missing prior mean
- shift = (layer.mean - layer.prior_mean) @ posterior
+ shift = layer.mean @ posterior

layer EV-5: ratio of precisions inverted
- (np.log(p) - np.log(posterior.precisions))
+ (np.log(posterior.precisions) - np.log(p))

evidence EV-6: uncertainty of drawn layers counted twice
- [len(layers) - 1] if sampled else range(len(layers))
+ range(len(layers))

evidence EV-6: last layer's uncertainty left out
- [len(layers) - 1] if sampled
+ [] if sampled

evidence EV-7: entropy left out
- bound += posterior.entropy() - 0.5 * float((p / posterior.precisions).sum())
+ bound -= 0.5 * float((p / posterior.precisions).sum())

evidence EV-7: prior at the mean alone
- posterior.entropy() - 0.5 * float((p / posterior.precisions).sum())
+ posterior.entropy()

bali EV-7: evidence believed to the end
- bears_out = self.bound >= self.best_bound - LARGEST_LOSS
+ bears_out = True

bali EV-7: best bound forgotten
- self.best_bound = max(self.best_bound, self.bound)
+ self.best_bound = self.bound

prediction PR-1: last layer only
- covariance += R
+ covariance = R

prediction PR-1: basis transposed
- (flat @ posterior.column_basis)
+ (flat @ posterior.column_basis.T)

prediction PR-1: standard deviations for variances
- posterior.output_variances(layer.design(inputs))
-             for
+ np.sqrt(posterior.output_variances(layer.design(inputs)))
+             for

predictive.gaussian PR-1: noise omitted
- return self.epistemic + self.noise_covariance
+ return self.epistemic + 0 * self.noise_covariance

predictive.categorical PR-2: contrasts of one side only
- contrast @ covariance @ contrast
+ contrast @ covariance

predictive.categorical PR-2: logits without their mean
- sampled = logits + np
+ sampled = 0 * logits + np

spectral PR-2: missing square root
- np.sqrt(np.maximum(values, 0.0))[..., None, :]
+ np.maximum(values, 0.0)[..., None, :]

predictive.categorical PR-2: common shift of the logits drawn too
- contrast = contrasts(logits.shape[1])
+ contrast = np.eye(logits.shape[1])

predictive.categorical PR-2: wide draws count fully
- weights = expit(-log_odds)
+ weights = np.ones(draws)

predictive.categorical PR-2: density in one dimension too many
- dimension = len(contrast) - 1
+ dimension = len(contrast)

predictive.categorical PR-2: softmax over data
- softmax(sampled, axis=2)
+ softmax(sampled, axis=1)

prediction PR-3: output layer not drawn
- posteriors, rng, output_layer=True
+ posteriors, rng, output_layer=False

predictive.outputs PR-3: sum for mean
- - np.log(len(self.draws))
+

predictive.outputs PR-3: covariance for its root
- @ root(covariance)
+ @ covariance

predictive.outputs PR-3: covariance about zero
- np.moveaxis(f - f.mean(axis=0), 0, 2)
+ np.moveaxis(f, 0, 2)

predictive.gaussian PR-3: covariance about zero
- centred = outputs - outputs.mean(axis=0)
+ centred = outputs

predictive.gaussian PR-3: noise of variance one
- noise = np.einsum("sbij,sbj->sbi", roots[chosen, data], noise)
+

softmax PR-3: aleatoric without its mean
- (others.sum(axis=-1)[..., None] * identity - others)
+ (others.sum(axis=-1)[..., None] * identity)

predictive.gaussian PR-4: mean of log densities
- logsumexp(log_densities, axis=0) - np.log(len(self.outputs))
+ log_densities.mean(axis=0)

predictive.gaussian PR-4: sum for mean
- logsumexp(log_densities, axis=0) - np.log(len(self.outputs))
+ logsumexp(log_densities, axis=0)

predictive.gaussian PR-5: spread of the members left out
- epistemic = epistemic + spread.mean(axis=0)
+ epistemic = epistemic

predictive.gaussian PR-5: spread of the members missing in densities and quantiles
- covariances = covariances + spread
+ covariances = covariances + 0 * spread

predictive.gaussian PR-5: noise of the first member for all
- np.stack([member.noise_covariance for member in members]),
+ members[0].noise_covariance,

predictive.categorical PR-5: draws of the first member only
- return cls(np.concatenate(draws), np.concatenate(weights))
+ return cls(draws[0], members[0].weights)

predictive.categorical PR-5: every draw of the same weight
- return cls(np.concatenate(draws), np.concatenate(weights))
+ return cls(np.concatenate(draws))

predictive.gaussian PR-4: sign of the log determinant
- + log_det + K * np.log(2 * np.pi)
+ - log_det + K * np.log(2 * np.pi)

metrics PR-4: sum for mean
- - np.log(len(centres))
+

metrics PR-4: mean of log densities
- np.mean(logsumexp(log_densities, axis=0)) - np.log(len(centres))
+ np.mean(log_densities)

functions PR-6: variances for precisions
- scaled = turned / np.sqrt(precisions)
+ scaled = turned * np.sqrt(precisions)

functions PR-6: row basis transposed
- turned, rows = x @ q.row_basis
+ turned, rows = x @ q.row_basis.T

functions PR-6: the last layer only
- total += (scaled @ scaled.T)
+ total = (scaled @ scaled.T)

functions PR-6: mean added twice
- q.with_mean(np.zeros_like(q.mean)).sample(rng)
+ q.sample(rng)

functions PR-6: Jacobian of another place
- network.tangent(posterior.weights, forward, posterior.draw(rng))
+ network.tangent([2 * W for W in posterior.weights], forward, posterior.draw(rng))

features JP-1: vec stacks rows
- (s[:, :, :, None] * x[:, None, None, :])
+ (s[:, :, None, :] * x[:, None, :, None])

features JP-1: inputs' product left out
- total += (x @ x2.T)[:, None, :, None] *
+ total += 1 + 0 *

features JP-1: roots of the prior left out
- rows = [s @ F for s, F
+ rows = [s for s, F

features JP-1: weights of data squared
- phi.scaled(np.sqrt(sample_weight))
+ phi.scaled(sample_weight)

joint_posterior JP-1: root of the prior transposed
- np.sqrt(scale) * _inverse_root(G).T for G
+ np.sqrt(scale) * _inverse_root(G) for G

precision_forms JP-1: prior twice
- matrix[np.diag_indices_from(matrix)] += 1.0
+ matrix[np.diag_indices_from(matrix)] += 2.0

precision_forms JP-1: what the data say added
- R = root(before - learnt,
+ R = root(before + learnt,

precision_forms JP-2: factor not transposed
- rng.standard_normal(len(self._matrix)), transposed=True)
+ rng.standard_normal(len(self._matrix)))

precision_forms JP-2: data without noise
- self._data.times(weights) + rng.standard_normal(len(self._matrix))
+ self._data.times(weights)

precision_forms JP-2: layers' weights stacked by rows
- w.reshape(K, D).T for w
+ w.reshape(D, K) for w

joint_posterior JP-2: root of the prior transposed
- return [W @ F.T for W, F
+ return [W @ F for W, F

joint_posterior JP-3: leverage not whitened from the right
- self._whitening @ self.epistemic(X) @ self._whitening.T
+ self._whitening @ self.epistemic(X) @ self._whitening

joint_posterior JP-3: residuals whitened by the transpose
- yield (Y - f) @ self._whitening.T
+ yield (Y - f) @ self._whitening

leave_one_out JP-3: all repetitions left out
- out = 1 / np.maximum(1.0, w)[:, None]
+ out = np.ones((len(w), 1))

precision_forms JP-3: blocks of the first data
- np.eye(n)[:, first * C : (first +
+ np.eye(n)[:, 0 * C : (0 +

leave_one_out JP-3: leverage not magnified
- return LeaveOneOut(turned / rest, leverages / rest, w)
+ return LeaveOneOut(turned / rest, leverages, w)

leave_one_out JP-3: residual not magnified
- return LeaveOneOut(turned / rest, leverages / rest, w)
+ return LeaveOneOut(turned, leverages / rest, w)

leave_one_out JP-3: axes transposed
- np.einsum("nij,ni->nj", axes, whitened)
+ np.einsum("nij,nj->ni", axes, whitened)

precision_forms JP-3: leverage for what remains
- np.eye(features.outputs) - self.variances(features)
+ self.variances(features)

leave_one_out JP-4: epistemic part scaled with the noise
- variances = c + left_out.variances
+ variances = c * (1 + left_out.variances)

leave_one_out JP-4: weights left out
- value = -w @ densities
+ value = -densities.sum()

leave_one_out JP-4: freedom's gradient of the wrong sign
- nu**2 * (w @ by_nu)
+ -(nu**2) * (w @ by_nu)

leave_one_out JP-4: no prior of the factor
- a = PRIOR_DATA
+ a = 0.0

predictive.student JP-4: scale for standard deviation
- return np.sqrt(1 - 2 / self.freedom) * self.std
+ return self.std

predictive.student JP-4: nu for nu - 2
- np.log1p(distances / (nu - 2))
+ np.log1p(distances / nu)

predictive.student JP-4: one output's exponent
- - 0.5 * (nu + K) *
+ - 0.5 * (nu + 1) *

predictive.student JP-4: a chi-square variable for each output
- rng.chisquare(self.freedom, (count, B, 1))
+ rng.chisquare(self.freedom, (count, B, K))

joint_posterior JP-5: prior narrower than training's
- or surplus(0.0) >= 0:
+ or False:

joint_posterior JP-5: size for its half
- - np.log(size)
+ - np.log(2 * size)

joint_posterior JP-5: variance of the prior scaled twice
- [np.sqrt(scale) * _inverse_root(G).T
+ [scale * _inverse_root(G).T

metrics SC-1: density counted once
- + 2 * density -
+ + density -

metrics SC-1: score in units of std
- np.mean(widths * score)
+ np.mean(score)

metrics SC-2: one tail for two
- -ndtri((1 - level) / 2)
+ -ndtri(1 - level)

metrics SC-2: width ignored
- <= quantile * widths
+ <= quantile

metrics.calibration SC-2: open on one side only
- (low <= Y) & (Y <= high)
+ Y <= high

metrics.calibration SC-3: bins closed on the left
- side="left"
+ side="right"

metrics.calibration SC-3: bins of equal weight
- np.sum(self.size * gaps) / np.sum(self.size)
+ np.mean(gaps)

metrics SC-4: missing square
- (p - one_hot) ** 2
+ np.abs(p - one_hot)

metrics SC-4: mean over classes
- np.sum((p - one_hot) ** 2, axis=1)
+ np.mean((p - one_hot) ** 2, axis=1)

metrics SC-5: wrong triangle
- n_out * (n_out + 1) / 2
+ n_out * (n_out - 1) / 2

metrics SC-5: quantile of the wrong sample
- threshold = np.sort(outside)[n_missed]
+ threshold = np.sort(inside)[n_missed % n_in]

metrics SC-5: ties not flagged
- np.mean(inside >= threshold)
+ np.mean(inside > threshold)

diagnostics.residuals DG-1: std of the mixture for that of its components
- predictive.outputs[:, :, k]) / np.sqrt(variance)
+ predictive.outputs[:, :, k]) / predictive.std[:, k]

diagnostics.residuals DG-1: upper tail taken for the lower
- np.where(below < above, ndtri_exp(below), -ndtri_exp(above))
+ ndtri_exp(below)

diagnostics.residuals DG-2: the observed one not counted
- float(1 + np.sum(chance >= observed - slack))
+ float(np.sum(chance >= observed - slack))

diagnostics.residuals DG-2: ties not counted
- chance >= observed - slack
+ chance > observed + slack

diagnostics.residuals DG-2: p-value of one feature for the strongest of many
- np.abs(rng.permutation(response) @ columns).max() / len(response)
+ np.abs(rng.permutation(response) @ columns)[best] / len(response)

diagnostics.residuals DG-4: noise std for noise and epistemic std
- (y[:, k] - predictive.mean[:, k]) / predictive.std[:, k]
+ (y[:, k] - predictive.mean[:, k]) / np.sqrt(predictive.noise_covariance[k, k])

diagnostics.residuals DG-4: epistemic std for noise and epistemic std
- (y[:, k] - predictive.mean[:, k]) / predictive.std[:, k]
+ (y[:, k] - predictive.mean[:, k]) / np.sqrt(predictive.epistemic[:, k, k])

diagnostics.fit_tests DG-1: about the mean of the residuals
- np.sqrt(np.mean(z**2))
+ z.std()

diagnostics.fit_tests DG-1: one tail of the bias
- 2 * ndtr(-np.sqrt(N) * abs(mean))
+ ndtr(-np.sqrt(N) * abs(mean))

diagnostics.fit_tests DG-1: an outlier in one direction only
- np.log1p(-2 * ndtr(-abs(z[worst])))
+ np.log1p(-ndtr(-abs(z[worst])))

diagnostics.fit_tests DG-2: signed errors for their size
- strongest_association(np.abs(z), features, rng)
+ strongest_association(z, features, rng)

diagnostics.fit_tests DG-2: neighbours include the datum itself
- other = first != second
+ other = first == first

diagnostics.fit_tests DG-3: variance of the classes not summed
- np.sqrt((p * (1 - p)).sum(axis=0))
+ np.sqrt((p * (1 - p)).mean(axis=0))

diagnostics.fit_tests DG-3: surprise in one direction only
- 2 * min(monte_carlo_p(surprise, surprises), monte_carlo_p(-surprise, -surprises))
+ 2 * monte_carlo_p(surprise, surprises)
"""


class Mutant(NamedTuple):
    """One change of one place: in the module balinp.<module>, `old` becomes `new`."""

    module: str
    tag: str
    mistake: str
    old: str
    new: str

    @property
    def path(self) -> str:
        """The changed file, relative to the repository."""
        name = self.module.replace(".", "/")
        is_package = (REPOSITORY / "balinp" / name).is_dir()
        return f"balinp/{name}/__init__.py" if is_package else f"balinp/{name}.py"

    def applied(self, repository: Path) -> str:
        """The file's text with the mistake; ValueError if there is not one place for it."""
        text = (repository / self.path).read_text("utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.old!r} occurs {text.count(self.old)} times in {self.path}")
        return text.replace(self.old, self.new)


class Verdict(NamedTuple):
    """The first failing test, or None; and whether it was one of the equation's own."""

    killer: str | None
    own: bool


def parse(text: str) -> list[Mutant]:
    """Read `MUTANTS`: a head line, lines `- old`, lines `+ new`, and an empty line."""
    found = []
    for block in text.strip().split("\n\n"):
        head, *lines = block.splitlines()
        module, tag, mistake = re.fullmatch(r"([\w.]+) ([A-Z]+-\d+): (.+)", head).groups()
        old, new = ("\n".join(x[2:] for x in lines if x[0] == sign) for sign in "-+")
        found.append(Mutant(module, tag, mistake, old, new))
    return found


def problems(mutants: list[Mutant], repository: Path = REPOSITORY) -> list[str]:
    """What keeps mutants from being applied: no place, several places, or no Python."""
    found = []
    for mutant in mutants:
        try:
            ast.parse(mutant.applied(repository))
        except (ValueError, SyntaxError) as error:
            found.append(f"{mutant.tag} {mutant.mistake}: {error}")
    names = Counter((mutant.tag, mutant.module, mutant.mistake) for mutant in mutants)
    return found + [f"{name} is listed {n} times" for name, n in names.items() if n > 1]


# Running the tests on a copy --------------------------------------------------------------------


def copied(source: Path, target: Path) -> Path:
    """A copy of what the tests need, without caches."""
    target.mkdir()
    for name in COPIED:
        if (source / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__", ".*_cache")
            shutil.copytree(source / name, target / name, ignore=ignore)
        else:
            shutil.copy(source / name, target / name)
    return target


def first_failure(repository: Path, files: list[str], tag: str | None = None) -> str | None:
    """Run test files up to the first failing test; return its name, or None if there is none."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
    command += [] if tag is None else ["--equation", tag]
    single = {"NUMBA_DISABLE_JIT": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = os.environ | single | {"PYTHONPATH": str(repository)}
    try:
        run = subprocess.run(
            [*command, *files],
            cwd=repository,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "time limit"
    if run.returncode in (0, 5):  # passed, or there are no such tests
        return None
    failed = re.search(r"^(?:FAILED|ERROR) (?:tests/)?([^\s\[]+)", run.stdout, re.MULTILINE)
    if failed is None:
        raise RuntimeError(f"pytest: {run.stdout}{run.stderr}")
    return failed[1]


def module_files(module: str) -> list[str]:
    """The test files of a module."""
    folders = {path.stem: path.parent.name for path in (REPOSITORY / "tests").glob("*/test_*.py")}
    stems = (f"test_{name}" for name in TESTS[module].split())
    return [f"tests/{folders[stem]}/{stem}.py" for stem in stems]


def own_files(mutant: Mutant, repository: Path) -> list[str]:
    """The files with tests marked with the mutant's equation, those of its module first."""
    first = module_files(mutant.module)
    others = {name for module in TESTS for name in module_files(module)} - {*first}
    marked = f'"{mutant.tag}"'
    return [
        name for name in first + sorted(others) if marked in (repository / name).read_text("utf-8")
    ]


def tried(mutant: Mutant, repository: Path) -> Verdict:
    """Apply a mutant to a copy, see which test fails first, and undo it."""
    path = repository / mutant.path
    bytecode = Path(importlib.util.cache_from_source(str(path)))
    correct, wrong = path.read_text("utf-8"), mutant.applied(repository)
    try:
        path.write_text(wrong, "utf-8")
        bytecode.unlink(missing_ok=True)  # it knows a source by size and second of writing only
        for file in own_files(mutant, repository):
            killer = first_failure(repository, [file], mutant.tag)
            if killer is not None:
                return Verdict(killer, own=True)
        return Verdict(first_failure(repository, module_files(mutant.module)), own=False)
    finally:
        path.write_text(correct, "utf-8")
        bytecode.unlink(missing_ok=True)


def report(mutants: list[Mutant], jobs: int) -> int:
    """Try all mutants on `jobs` copies, print the table; return the number of survivors."""
    width = max(len(mutant.mistake) for mutant in mutants)

    def show(tag: str, module: str, mistake: str, own: str, killer: str) -> None:
        print(f"{tag:<5} {module:<22} {mistake:<{width}} {own:<3} {killer}", flush=True)

    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(jobs) as pool:
        first = copied(REPOSITORY, Path(directory, "0"))  # all work on the same state
        free: SimpleQueue[Path] = SimpleQueue()
        for copy in [first, *(copied(first, Path(directory, str(i))) for i in range(1, jobs))]:
            free.put(copy)

        def on_a_copy(work: Callable[[Path], Result]) -> Result:
            copy = free.get()
            try:
                return work(copy)
            finally:
                free.put(copy)

        files = sorted({file for m in mutants for file in module_files(m.module)})
        unchanged = pool.map(lambda file: on_a_copy(lambda c: first_failure(c, [file])), files)
        failing = [name for name in unchanged if name is not None]
        if failing:
            raise SystemExit("these fail without any mistake: " + ", ".join(failing))

        killed = 0
        show("tag", "module", "mutant", "own", "killed by")
        verdicts = pool.map(lambda mutant: on_a_copy(lambda c: tried(mutant, c)), mutants)
        for mutant, (killer, own) in zip(mutants, verdicts, strict=True):
            killed += killer is not None
            yes, name = "yes" if own else "no", mutant.module
            show(mutant.tag, name, mutant.mistake, yes, killer or "SURVIVED")
    print(f"{len(mutants)} mutants, {killed} killed")
    return len(mutants) - killed


def main() -> int:
    """Parse the command line, and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="TAG", help="mutants of one equation, e.g. MN-3")
    parser.add_argument("--jobs", type=int, default=2, help="number of copies worked on at once")
    parser.add_argument("--check", action="store_true", help="only see whether mutants apply")
    options = parser.parse_args()
    mutants = [m for m in parse(MUTANTS) if options.only in (None, m.tag)]
    if not mutants:
        parser.error(f"--only: no mutant of {options.only}")
    found = problems(mutants)
    if options.check or found:
        print(*found, f"{len(mutants)} mutants, {len(found)} problems", sep="\n")
        return int(bool(found))
    start = time.perf_counter()
    survivors = report(mutants, options.jobs)
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())

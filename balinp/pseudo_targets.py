"""Pseudo-targets: what each layer's regression is given to explain.

If a layer's true target outputs were known, its posterior would be exact. Instead, the layer's
forward outputs are moved along the back-propagated gradient of the log-likelihood, by as much
as its curvature allows: t_n = M^T x_n + V g_n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from balinp._types import Array
from balinp.kernels import amount, curvature_sum, weighted_sum
from balinp.lazily import lazily
from balinp.likelihood import DatumLikelihood
from balinp.mlp import MLP, Forward
from balinp.natural_parameters import KnownFactor, Terms
from balinp.spectral import CURVATURE_FLOOR, Spectrum, decompose, floored


@dataclass(eq=False)
class Trace:
    """All that one batch says to each layer; lists run over layers, the first layer first.

    Made by `trace`. What takes more than the forward pass is worked out when it is first asked
    for, and then kept.

    Attributes
    ----------
    network, weights : MLP and sequence of array
        The model, at its posterior means (D, K).
    likelihood : DatumLikelihood
        Likelihood whose gradient and curvature these are.
    targets : array
        (B, K) array Y.
    forward : Forward
        The forward pass that all this was taken at.
    sample_weight : array or None
        (B,) array of the data's weights in every sum over the batch, or None.
    known_inputs : KnownFactor or None
        A of the first layer, where it is known (NP-9).
    first_changes : list of array or None
        (B, K) arrays, changes of the first layer's outputs along the directions of a step, once
        `balinp.joint_step` has worked them out.
    inputs : list of array
        (B, n_in) arrays, without the 1 of the bias.
    outputs : list of array
        (B, K) arrays of pre-activations.
    designs : list of array
        (B, D) arrays, the inputs with the 1 of the bias.
    gradients : list of array
        (B, K) arrays, g_n = d log p(y_n | f_n) / d z_n of each datum.
    curvature_roots : list of array
        (B, K, C) arrays S_n.
    known_precisions : list of array or None
        The likelihood's own (K, K) matrix H for the output layer, if it has one; None elsewhere.
    output_precisions : list of array
        (K, K) arrays H, known or the batch mean of S_n S_n^T, floored.
    pseudo_targets : list of array
        (B, K) arrays t_n = M^T x_n + H^{-1} g_n.
    amount : float
        Number of data B, with weights their sum.
    log_densities : array
        (B,) array, log p(y_n | f_n).
    """

    network: MLP
    likelihood: DatumLikelihood
    weights: Sequence[Array]
    targets: Array
    forward: Forward
    sample_weight: Array | None = None
    known_inputs: KnownFactor | None = None
    first_changes: list[Array] | None = None

    @property
    def inputs(self) -> list[Array]:
        return self.forward.inputs

    @property
    def outputs(self) -> list[Array]:
        return self.forward.outputs

    @lazily
    def amount(self) -> float:
        return amount(self.targets, self.sample_weight)

    # -- the two passes ------------------------------------------------------------------------

    @lazily
    def designs(self) -> list[Array]:
        return self.network.designs(self.forward)

    @lazily
    def log_densities(self) -> Array:
        return self.likelihood.log_density(self.targets, self.outputs[-1])

    def log_likelihood(self) -> tuple[float]:
        """Sum of the log densities, with the weights of the data."""
        return (weighted_sum(self.log_densities, self.sample_weight),)

    @lazily
    def output_rows(self) -> Array:
        """Rows S_n^T (B, C, K) at the network's outputs."""
        return self.likelihood.curvature_rows(self.outputs[-1])

    @lazily
    def _rows(self) -> list[Array]:
        """For each layer (B, 1 + C, K): the gradient, then the rows of S_n^T (BP-1, BP-2)."""
        gradient = self.likelihood.gradient(self.targets, self.outputs[-1])
        B, C, K = self.output_rows.shape
        rows = np.empty((1 + C, B, K)).swapaxes(0, 1)  # in memory as `backward` works with them
        rows[:, 0], rows[:, 1:] = gradient, self.output_rows
        return self.network.backward(self.weights, self.forward, rows)

    @lazily
    def gradients(self) -> list[Array]:
        return [rows[:, 0, :] for rows in self._rows]

    @property
    def curvature_rows(self) -> list[Array]:
        """Rows S_n^T (B, C, K) of each layer."""
        return [rows[:, 1:, :] for rows in self._rows]

    @property
    def curvature_roots(self) -> list[Array]:
        return [np.swapaxes(rows, 1, 2) for rows in self.curvature_rows]

    def first_outputs(self, *factors: float) -> Array | None:
        """The first layer's outputs after a step of these factors along the directions of the step.

        Known without a product, since they are linear in its weights; None before the directions.
        """
        if self.first_changes is None:
            return None
        outputs = self.outputs[0].copy()
        for s, change in zip(factors, self.first_changes, strict=False):
            if s:
                outputs += s * change
        return outputs

    # -- output precisions and pseudo-targets --------------------------------------------------

    @lazily
    def known_precisions(self) -> list[Array | None]:
        K = self.targets.shape[1]
        return [*[None] * (len(self.weights) - 1), self.likelihood.known_precision(K)]

    @property
    def precision_is_known(self) -> list[bool]:
        """Whether H is the likelihood's own, and not a mean over the batch."""
        return [H is not None for H in self.known_precisions]

    @lazily
    def curvature_sums(self) -> list[Array]:
        """B H of each layer, not floored: sum_n w_n S_n S_n^T, or B times the known precision.

        Derivation: PT-4, LR-6
        """
        w = self.sample_weight
        return [
            curvature_sum(rows[:, 1:, :], w) if H is None else self.amount * H
            for rows, H in zip(self._rows, self.known_precisions, strict=True)
        ]

    @lazily
    def precisions(self) -> list[Spectrum]:
        """Spectra of the H: means over the batch with a floor, or the likelihood's own.

        An exact output precision is never floored.

        Derivation: PT-4, PT-5
        """
        layers = enumerate(zip(self.curvature_sums, self.known_precisions, strict=True))
        return [
            floored(total / self.amount, f"output precision of layer {index}")
            if H is None
            else decompose(H, "output precision")
            for index, (total, H) in layers
        ]

    @property
    def output_precisions(self) -> list[Array]:
        return [H.matrix() for H in self.precisions]

    @lazily
    def pseudo_targets(self) -> list[Array]:
        """Pseudo-targets of each layer, under its H.

        Derivation: PT-1, PT-3
        """
        return list(map(pseudo_targets, self.outputs, self.gradients, self.precisions))

    def terms(self) -> list[Terms]:
        """What the pseudo-targets of each layer add to the natural parameters of its regression.

        Only (T - X M) H = G of them enters, under whatever H they are written: the gradients, so
        that neither H nor the pseudo-targets have to be worked out.

        Derivation: PT-1, PT-3, LR-1
        """
        return [
            Terms.of(
                self.designs[index],
                self.gradients[index],
                self.curvature_sums[index],
                self.sample_weight,
                precision_is_known=known,
                floor=0.0 if known else CURVATURE_FLOOR,
                known_inputs=self.known_inputs if index == 0 else None,
            )
            for index, known in enumerate(self.precision_is_known)
        ]


def trace(
    network: MLP,
    likelihood: DatumLikelihood,
    weights: Sequence[Array],
    X: Array,
    Y: Array,
    *,
    sample_weight: Array | None = None,
) -> Trace:
    """Forward pass, likelihood, backward pass, pseudo-targets: one batch from end to end.

    Gradients and curvature are taken at the outputs of the forward pass, and carried back through
    the posterior means `weights`. Weights of data enter the means H only; all else belongs to one
    datum.

    Derivation: BP-1, BP-2, BP-4, PT-1, PT-4, LR-6

    Parameters
    ----------
    network, likelihood : MLP and DatumLikelihood
        The model.
    weights : sequence of array
        Posterior means, a (D, K) array for each layer.
    X, Y : array
        (B, n_in) inputs and (B, K_out) targets.
    sample_weight : array, optional
        (B,) weights, or None for ones.

    Examples
    --------
    For a Gaussian output layer the pseudo-targets are the observations, from any weights:

    >>> from balinp.likelihood import Gaussian
    >>> X, Y = np.array([[1.0], [2.0]]), np.array([[3.0], [5.0]])
    >>> t = trace(MLP([1, 1]), Gaussian(0.5), [np.array([[9.0], [9.0]])], X, Y)
    >>> t.pseudo_targets[0]
    array([[3.],
           [5.]])
    """
    return Trace(network, likelihood, weights, Y, network.forward(weights, X), sample_weight)


def pseudo_targets(mean_outputs: Array, gradients: Array, H: Spectrum) -> Array:
    """t_n = M^T x_n + V g_n with V = H^{-1}, shape (B, K).

    With this V the layer's own log-likelihood of its targets, -1/2 (t - W^T x)^T H (t - W^T x),
    has at W = M the gradient of the network's log-likelihood, whatever H is.

    Derivation: PT-1, PT-2, PT-3
    """
    return mean_outputs + H.solve_rows(gradients)

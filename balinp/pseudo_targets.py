"""Pseudo-targets: what each layer's regression is given to explain.

If a layer's true target outputs were known, its posterior would be exact. Instead, the layer's
forward outputs are moved along the back-propagated gradient of the log-likelihood, by as much
as its curvature allows: t_n = M^T x_n + V g_n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from balinp._types import Array
from balinp.kernels import amount, curvature_sum, weighted_sum
from balinp.lazily import lazily
from balinp.likelihood import DatumLikelihood
from balinp.matrix_normal import KroneckerGaussian
from balinp.mlp import MLP, Forward
from balinp.natural_parameters import Factors, KnownFactor, Terms
from balinp.single import single_squares
from balinp.spectral import CURVATURE_FLOOR, Spectrum, decompose, floored


class Trace:
    """All that one batch says to each layer; lists run over layers, the first layer first.

    Made by `trace`. What takes more than the forward pass is worked out when it is first asked
    for, and then kept.

    Attributes
    ----------
    inputs : array
        (B, n_in) arrays, without the 1 of the bias.
    outputs : array
        (B, K) arrays of pre-activations.
    gradients : list of array
        (B, K) arrays, g_n = d log p(y_n | f_n) / d z_n of each datum.
    curvature_roots : list of array
        (B, K, C) arrays S_n.
    output_precisions : list of array
        (K, K) arrays H, the batch mean of S_n S_n^T, floored where hidden.
    precision_is_known
        Whether H is the likelihood's own precision and not such a mean.
    pseudo_targets : list of array
        (B, K) arrays t_n = M^T x_n + H^{-1} g_n.
    log_densities : array
        (B,) array, log p(y_n | f_n).
    targets : array
        (B, K) array Y.
    sample_weight : array or None
        (B,) array of the data's weights in every sum over the batch, or None.
    likelihood : DatumLikelihood
        Likelihood whose gradient and curvature these are.
    forward : Forward
        The forward pass that all this was taken at.
    designs : list of array
        (B, D) arrays, the inputs with the 1 of the bias.
    first_changes : list of array or None
        (B, K) arrays, changes of the first layer's outputs along the directions of a step, once
        `balinp.joint_step` has worked them out.
    input_squares : list of array
        (B, D) arrays (Q_A^T x_n)^2 in the bases of the posteriors, in single precision; in
        training alone.
    """

    def __init__(
        self,
        network: MLP,
        likelihood: DatumLikelihood,
        weights: Sequence[Array],
        Y: Array,
        forward: Forward,
        *,
        floor: float = CURVATURE_FLOOR,
        sample_weight: Array | None = None,
        posteriors: Callable[[], Sequence[KroneckerGaussian]] = tuple,
        known_inputs: KnownFactor | None = None,
    ) -> None:
        self.likelihood = likelihood
        self.targets = Y
        self.forward = forward
        self.sample_weight = sample_weight
        self.inputs = forward.inputs
        self.outputs = forward.outputs
        self.first_changes: list[Array] | None = None
        self._network, self._weights, self._floor = network, weights, floor
        self._posteriors, self._known_inputs = posteriors, known_inputs
        self._known = likelihood.known_precision(Y.shape[1])
        self.precision_is_known = [False] * (len(weights) - 1) + [self._known is not None]

    # -- the two passes ------------------------------------------------------------------------

    @lazily
    def designs(self) -> list[Array]:
        return self._network.designs(self.forward)

    @lazily
    def input_squares(self) -> list[Array]:
        return list(map(single_squares, self._posteriors(), self.designs))

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
        return self._network.backward(self._weights, self.forward, rows)

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
        pairs = zip(factors, self.first_changes, strict=False)
        return sum([s * change for s, change in pairs if s], start=self.outputs[0])

    # -- output precisions and pseudo-targets --------------------------------------------------

    @lazily
    def curvature_sums(self) -> list[Array]:
        """B H of each layer, not floored: sum_n w_n S_n S_n^T, or B times the known precision.

        Derivation: PT-4, LR-6
        """
        w = self.sample_weight
        hidden = self._rows if self._known is None else self._rows[:-1]
        sums = [curvature_sum(rows[:, 1:, :], w) for rows in hidden]
        return sums if self._known is None else [*sums, amount(self.targets, w) * self._known]

    @lazily
    def precisions(self) -> list[Spectrum]:
        """Spectra of the H: means over the batch with a floor, or the likelihood's own.

        An exact output precision is never floored.

        Derivation: PT-4, PT-5
        """
        B = amount(self.targets, self.sample_weight)
        means = self.curvature_sums if self._known is None else self.curvature_sums[:-1]
        precisions = [
            floored(total / B, f"output precision of layer {index}", self._floor)
            for index, total in enumerate(means)
        ]
        return precisions + ([] if self._known_spectrum is None else [self._known_spectrum])

    @lazily
    def _known_spectrum(self) -> Spectrum | None:
        return None if self._known is None else decompose(self._known, "output precision")

    @property
    def output_precisions(self) -> list[Array]:
        return [H.matrix() for H in self.precisions]

    @lazily
    def pseudo_targets(self) -> list[Array]:
        return [self.targets_under(index, H) for index, H in enumerate(self.precisions)]

    def targets_under(self, index: int, H: Spectrum) -> Array:
        """Pseudo-targets of one layer, under any output precision H.

        Derivation: PT-1, PT-3
        """
        return pseudo_targets(self.outputs[index], self.gradients[index], H)

    def all_terms(self, older: Sequence[Factors | None]) -> list[Terms]:
        """`terms` of every layer, each with the older factors of its own."""
        return list(map(self.terms, range(len(older)), older))

    def terms(self, index: int, older: Factors | None = None) -> Terms:
        """What the pseudo-targets of one layer add to the natural parameters of its regression.

        Only (T - X M) H = G of them enters, under whatever H they are written: the gradients, so
        that neither H nor the pseudo-targets have to be worked out.

        Derivation: PT-1, PT-3, LR-1

        Parameters
        ----------
        index : int
            Index of the layer.
        older : Factors, optional
            Factors of the layer in whose basis squares of the inputs are added up (NP-7), or None.
        """
        known, w, squares = self.precision_is_known[index], self.sample_weight, None
        known_inputs = self._known_inputs if index == 0 else None
        if older is not None and known_inputs is None:
            squares = self.input_squares[index]
            squares = squares.sum(axis=0, dtype=np.float64) if w is None else w @ squares
        return Terms.of(
            self.designs[index],
            self.gradients[index],
            self.curvature_sums[index],
            w,
            precision_is_known=known,
            floor=0.0 if known else self._floor,
            squares=squares,
            known_inputs=known_inputs,
        )


def trace(
    network: MLP,
    likelihood: DatumLikelihood,
    weights: Sequence[Array],
    X: Array,
    Y: Array,
    *,
    floor: float = CURVATURE_FLOOR,
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
    floor : float, optional
        Eigenvalue floor of hidden output precisions, a fraction of their mean.
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
    forward = network.forward(weights, X)
    return Trace(network, likelihood, weights, Y, forward, floor=floor, sample_weight=sample_weight)


def pseudo_targets(mean_outputs: Array, gradients: Array, H: Spectrum) -> Array:
    """t_n = M^T x_n + V g_n with V = H^{-1}, shape (B, K).

    With this V the layer's own log-likelihood of its targets, -1/2 (t - W^T x)^T H (t - W^T x),
    has at W = M the gradient of the network's log-likelihood, whatever H is.

    Derivation: PT-1, PT-2, PT-3
    """
    return mean_outputs + H.solve_rows(gradients)

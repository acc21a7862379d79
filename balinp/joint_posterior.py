"""The covariance of all weights of a network together, for Gaussian noise.

A layer's posterior knows nothing of the other layers', and its Kronecker factors forget which
input met which curvature. Both are left out for the sake of training, which needs a posterior in
every step. After training one pass over the data is enough for the whole Gauss-Newton precision.

With s_nc the rows of the Jacobian of the network's outputs by a layer's outputs, whitened by the
noise, and x_n the layer's inputs, a datum's features are phi_nc = s_nc kron x_n over all layers,

    Lambda = Lam0 + sum_n w_n sum_c phi_nc phi_nc^T.

In weights that are whitened by the prior this is I + Phi^T Phi, and what is needed of it can be had
from I + Phi Phi^T as well, a Gram matrix over data. The smaller of the two is factorised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from balinp._types import Array
from balinp.data import SMALL_PIECE, Data, pieces
from balinp.features import Features, features
from balinp.mlp import MLP
from balinp.precision_forms import Form, InData, InWeights, solve
from balinp.streams import Stream
from balinp.validation import LARGEST, as_matrix

LARGEST_FACTOR = 8192
"""Rows of the largest matrix that is factorised, or of a covariance between rows: 512 MiB."""


class JointPosterior:
    """Gaussian over all weights of a network with Gaussian noise, about given means.

    Made by `of`. It belongs to these means: of a network that goes on training it knows nothing.

    Derivation: JP-1

    Parameters
    ----------
    network : MLP
        The MLP.
    weights : sequence of array
        Means, a (D, K) array for each layer.
    roots : sequence of array
        For each layer (K, K) matrix F; the prior covariance of its weights is F F^T kron I.
    noise_covariance : array
        (K, K) array V.
    form : Form
        The factorised precision, in weights whitened by the prior.
    prior_scale : float
        Factor c of the prior's variance that the roots contain.

    Attributes
    ----------
    network : MLP
        The network.
    weights : sequence of array
        Means of the weights.
    noise_covariance : array
        (K, K) covariance V of the noise.
    form : Form
        The precision, in weights or in data.
    roots : sequence of array
        Roots of the layers' prior covariances.
    prior_scale : float
        Factor of the prior's variance that the roots contain.
    """

    def __init__(
        self,
        network: MLP,
        weights: Sequence[Array],
        roots: Sequence[Array],
        noise_covariance: Array,
        form: Form,
        prior_scale: float,
    ) -> None:
        self.network, self.weights, self.roots = network, list(weights), list(roots)
        self.noise_covariance, self.form, self.prior_scale = noise_covariance, form, prior_scale
        self._whitening = _inverse_root(noise_covariance)

    def __repr__(self) -> str:
        return f"JointPosterior({self.network!r}, by {self.form.name})"

    @classmethod
    def of(
        cls,
        network: MLP,
        weights: Sequence[Array],
        prior_precisions: Sequence[Array],
        noise_covariance: Array,
        data: Data | Stream,
        *,
        prior_scale: float | None = 1.0,
        form: str | None = None,
    ) -> JointPosterior:
        """The posterior after data; see `balinp.dense.ggn_posterior` for its twin.

        Parameters
        ----------
        network, weights, noise_covariance
            As above.
        prior_precisions : sequence of array
            For each layer the (K, K) matrix G of its prior precision G kron I: lam I for the
            isotropic prior, lam H for the conjugate one.
        data : Data or Stream
            Inputs and weights; targets do not enter a Gauss-Newton covariance.
        prior_scale : float or None, default 1.0
            Factor c of the prior's variance, as far as the covariance is concerned; None is the one
            that the evidence asks for, see `evidence_scale`.
        form : str, optional
            ``"weights"`` or ``"data"``: which matrix is factorised; None is the smaller.

        Raises
        ------
        ValueError
            If that matrix has more than `LARGEST_FACTOR` rows.

        Examples
        --------
        >>> data = Data(np.array([[1.0], [-1.0]]), np.zeros((2, 1)), None)
        >>> line = MLP([1, 1])
        >>> fit = JointPosterior.of(line, [np.zeros((2, 1))], [np.eye(1)], np.eye(1), data)
        >>> round(fit.epistemic([[2.0]]).item(), 12)  # (2^2 + 1) / 3
        1.666666666667
        """
        args = network, weights, prior_precisions, noise_covariance, data
        return cls.at_scales(*args, (1.0,), prior_scale=prior_scale, form=form)[0]

    @classmethod
    def at_scales(
        cls,
        network: MLP,
        weights: Sequence[Array],
        prior_precisions: Sequence[Array],
        noise_covariance: Array,
        data: Data | Stream,
        factors: Sequence[float],
        *,
        prior_scale: float | None = 1.0,
        form: str | None = None,
    ) -> list[JointPosterior]:
        """Posteriors as of `of` whose `prior_scale` is multiplied by each factor, from one pass.

        Derivation: JP-1, JP-6
        """
        P, rows = sizes(network, data)
        by_weights = P <= rows if form is None else form == "weights"
        if (P if by_weights else rows) > LARGEST_FACTOR:
            raise ValueError(
                f"covariance: expected at most {LARGEST_FACTOR} weights, or data times outputs, "
                f"for a joint one, got {P} weights and {rows} data times outputs"
            )
        roots = prior_roots(prior_precisions)
        whitening = _inverse_root(noise_covariance)
        numbers = len(whitening) * (P if by_weights else max(network.widths))
        there = network, weights, whitening, roots
        made: Form
        if by_weights and isinstance(data, Data) and data.is_elsewhere:
            (made,) = data.whole.total(numbers, _in_weights, *there)
        else:
            batches = (_features(X, w, *there) for X, _, w in data.parts(numbers))
            made = (InWeights if by_weights else InData)(batches, network.shapes)
        if prior_scale is None:
            pairs = zip(weights, prior_precisions, strict=True)
            size = sum(float((W * (W @ G)).sum()) for W, G in pairs)
            prior_scale = evidence_scale(made.spectrum(), size)
        return [
            cls(
                network, weights, prior_roots(prior_precisions, scale), noise_covariance,
                made.factorised(scale), scale,
            )
            for scale in (prior_scale * factor for factor in factors)
        ]  # fmt: skip

    def outputs(self, X: Array) -> tuple[Array, Array]:
        """Outputs (B, K) of the mean network at X (B, n_in), and their covariance (B, K, K).

        Rows of X, which is of any real dtype, become float64 in pieces, and must be finite.

        Derivation: JP-1
        """
        K = self.network.widths[-1]
        f, E = np.empty((len(X), K)), np.empty((len(X), K, K))
        for part in pieces(len(X), K * self.form.numbers, SMALL_PIECE):
            f[part], phi = self._features(as_matrix(X[part], "X", largest=LARGEST), np.eye(K))
            E[part] = self.form.variances(phi)
        return f, E

    def epistemic(self, X: Any) -> Array:
        """Covariance (B, K, K) of the linearised outputs at each row of X (B, n_in).

        Derivation: JP-1
        """
        return self.outputs(self._inputs(X))[1]

    def between_rows(self, X: Any) -> Array:
        """Covariance (B, K, B, K) of the linearised outputs at all rows of X (B, n_in).

        Derivation: JP-2

        Raises
        ------
        ValueError
            If there are more than `LARGEST_FACTOR` rows times outputs.
        """
        X = self._inputs(X)
        B, K = len(X), self.network.widths[-1]
        check_rows(B, K)
        _, phi = self._features(X, np.eye(K))
        return self.form.between(phi).reshape(B, K, B, K)

    def leverages(self, X: Any) -> Array:
        """S^T E(x) S (B, K, K) with S S^T = V^{-1}: covariances in units of the noise.

        Of a datum of weight 1 among the data, how far its target pulls its own prediction.

        Derivation: JP-3
        """
        return self._whitening @ self.epistemic(X) @ self._whitening.T

    def left_out(self, data: Data | Stream) -> Iterator[tuple[Array, Array, Array]]:
        """What JP-3 needs to know of the data that this was made of, in pieces.

        Derivation: JP-3

        Yields
        ------
        tuple of array
            Residuals S^T (y - f) (B, K) of the mean network, with S S^T = V^{-1}; I - w_n H_n (B,
            K, K), with H_n the leverages; and weights w (B,).
        """
        first = 0
        for X, Y, w in data.parts(len(self._whitening) * self.form.numbers):
            f, phi = features(self.network, self.weights, X, self._whitening, self.roots, w)
            complements = self.form.complements(phi, first)
            yield (Y - f) @ self._whitening.T, complements, np.ones(len(X)) if w is None else w
            first += len(X)

    def draw(self, rng: np.random.Generator) -> list[Array]:
        """A draw of all weights about their means: a change (D, K) for each layer.

        Derivation: JP-2
        """
        return [W @ F.T for W, F in zip(self.form.draw(rng), self.roots, strict=True)]

    def _features(self, X: Array, output_rows: Array) -> tuple[Array, Features]:
        return features(self.network, self.weights, X, output_rows, self.roots)

    def _inputs(self, X: Any) -> Array:
        return as_matrix(X, "X", columns=self.network.widths[0], largest=LARGEST)


def sizes(network: MLP, data: Data | Stream) -> tuple[int, float]:
    """Numbers of weights, and of data times outputs: rows of the two matrices to choose from."""
    return sum(D * K for D, K in network.shapes), data.rows * network.widths[-1]


def _features(
    X: Array,
    w: Array | None,
    network: MLP,
    weights: Sequence[Array],
    whitening: Array,
    roots: Sequence[Array],
) -> Features:
    return features(network, weights, X, whitening, roots, w)[1]


def _in_weights(X: Array, Y: Array, w: Array | None, network: MLP, *there: Any) -> tuple[InWeights]:
    return (InWeights([_features(X, w, network, *there)], network.shapes),)


def prior_roots(prior_precisions: Sequence[Array], scale: float = 1.0) -> list[Array]:
    """For each layer F with F F^T = scale G^{-1}, for its prior precision G kron I."""
    return [np.sqrt(scale) * _inverse_root(G).T for G in prior_precisions]


def evidence_scale(spectrum: Array, size: float) -> float:
    """Factor c >= 1 of the prior's variance that maximises the evidence about fixed means.

    With kappa the eigenvalues of Phi^T Phi and q the size |M|^2 of the means, both in weights
    whitened by the prior as it is,

        log evidence = -q / (2 c) - 1/2 sum log(1 + c kappa) + constant,

    which has one maximum, where q / c is the number of parameters sum c kappa / (1 + c kappa) that
    the data determine. Training counts them layer by layer and finds too many, so that its prior
    is too narrow: c is at least 1.

    Derivation: JP-5

    Parameters
    ----------
    spectrum : array
        (n,) array kappa, but for zeros.
    size : float
        Number q.

    Examples
    --------
    >>> round(evidence_scale(np.array([1.0, 1.0]), 4.5), 9)  # 4.5 / 3 = 3 / 4 + 3 / 4
    3.0
    """
    kappa = spectrum
    from scipy.optimize import brentq  # which takes as long to import as the package

    def surplus(log_scale: float) -> float:
        determined = np.exp(log_scale) * kappa / (1 + np.exp(log_scale) * kappa)
        return log_scale + float(np.log(determined.sum())) - np.log(size)

    if size <= 0 or kappa.sum() == 0 or surplus(0.0) >= 0:
        return 1.0
    return float(np.exp(brentq(surplus, 0.0, np.log(size / (kappa / (1 + kappa)).sum()))))


def check_rows(rows: int, outputs: int) -> None:
    """Raise ValueError if a covariance between so many rows would be too large."""
    if rows * outputs > LARGEST_FACTOR:
        raise ValueError(
            f"X: expected at most {LARGEST_FACTOR} rows times outputs for a covariance between "
            f"rows, got {rows} rows of {outputs} outputs"
        )


def _inverse_root(covariance: Array) -> Array:
    """C^{-1} of a positive definite matrix C C^T, lower triangular."""
    C = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    return solve(C, np.eye(len(C)))

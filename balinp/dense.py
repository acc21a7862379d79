"""Full-covariance reference: every quantity from its definition, with explicit matrices.

This module exists to be compared against. It shares no code with the rest of the package,
never diagonalises anything and works datum by datum: slow, but each line is a textbook line.
One convention is needed: ``vec`` stacks columns. The output of a linear layer is then
``W^T x = J vec(W)`` with ``J = kron(I_K, x^T)``. Every function raises TypeError on
what is not real numbers, ValueError on wrong shapes and on values that are not finite, and on what
else its docstring names.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Network(Protocol):
    """What the functions below need to know of a network; any object with these attributes.

    Attributes
    ----------
    weights : sequence of array
        (D, K) weights of each layer.
    activation : str
        Name of the activation.
    bias : bool
        Whether layers have biases.
    prior_precisions : sequence of array
        Prior precision of each layer's weights.
    """

    weights: list[Array]  # (D_l, K_l) each, the bias in the last row if there is one
    activation: str  # "relu", "tanh" or "identity", after every layer but the last
    bias: bool
    prior_precisions: list[Array]  # (D_l K_l, D_l K_l) each, in vec order

    def output_curvature(self, outputs: Array, /) -> Array:
        """(N, K, K) negative Hessians of the log-likelihood of each datum, at outputs (N, K)."""


def posterior(
    X: Array,
    T: Array,
    noise_covariance: Array,
    prior_mean: Array,
    prior_covariance: Array,
    *,
    weights: Array | None = None,
) -> tuple[Array, Array]:
    """Posterior mean (D, K) and covariance (DK, DK) of one Bayesian linear regression.

    The model is ``t_n = W^T x_n + e_n``, ``e_n ~ N(0, V)``, ``vec W ~ N(vec M0, C0)``. The
    precision is ``C0^{-1} + sum_n w_n J_n^T V^{-1} J_n``; the mean moves from ``vec M0`` by
    its inverse times ``sum_n w_n J_n^T V^{-1} (t_n - M0^T x_n)``. ``C0 = I / lam`` is the
    isotropic prior, ``C0 = kron(V, I / lam)`` the conjugate one; any other will do.

    Derivation: LR-1, LR-2, NP-4
    Source: Bishop (2006), Pattern Recognition and Machine Learning, sections 2.3.3, 3.3 and 3.5.

    Parameters
    ----------
    X, T : array
        (N, D) inputs with all their columns, a bias column included; (N, K) targets.
    noise_covariance, prior_mean, prior_covariance : array
        (K, K), (D, K), (DK, DK); ValueError unless the covariances are symmetric positive definite.
    weights : array, optional
        (N,) factors of each datum's log-likelihood, 1 by default; ValueError if negative.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> mean, covariance = posterior(one, 3 * one, one, one, one)
    >>> print(np.round([mean.item(), covariance.item()], 12))
    [2.  0.5]
    """
    X, T, V, M0, C0 = _regression(X, T, noise_covariance, prior_mean, prior_covariance)
    w = np.ones(len(X)) if weights is None else _array("weights", weights, len(X))
    if np.any(w < 0):
        raise ValueError(f"weights must not be negative, got a minimum of {w.min()}")
    H = _inverse("noise_covariance", V)
    precision = _inverse("prior_covariance", C0)
    gradient = np.zeros(len(C0))  # of the weighted log-likelihood, at the prior mean
    for x_n, t_n, w_n in zip(X, T, w, strict=True):
        J_n = _linear_jacobian(x_n, len(V))
        precision = precision + w_n * J_n.T @ H @ J_n
        gradient = gradient + w_n * J_n.T @ H @ (t_n - M0.T @ x_n)
    covariance = _inverse("posterior precision", precision)
    return M0 + (covariance @ gradient).reshape(M0.shape, order="F"), covariance


def log_evidence(
    X: Array, T: Array, noise_covariance: Array, prior_mean: Array, prior_covariance: Array
) -> float:
    """Log density, in nats, of all targets (N, K) with the weights integrated out.

    It is ``log N(vec T; vec(X M0), kron(V, I_N) + G C0 G^T)`` with ``G = kron(I_K, X)``, from
    the (NK, NK) covariance of the targets: no posterior involved. Arguments, errors and source
    as in `posterior`.

    Derivation: LR-4

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> print(round(log_evidence(one, 3 * one, one, one, one), 6))  # log N(3; 1, 2)
    -2.265512
    """
    X, T, V, M0, C0 = _regression(X, T, noise_covariance, prior_mean, prior_covariance)
    G = _kron(np.eye(len(V)), X)
    L = _cholesky("covariance of the targets", _kron(V, np.eye(len(X))) + G @ C0 @ G.T)
    white = np.linalg.solve(L, (T - X @ M0).ravel(order="F"))
    return float(-0.5 * white @ white - np.log(np.diag(L) * np.sqrt(2 * np.pi)).sum())


def predictive(
    X_new: Array, mean: Array, covariance: Array, noise_covariance: Array
) -> tuple[Array, Array]:
    """Mean ``M^T x`` (B, K) and covariance ``V + J C J^T`` (B, K, K) of new targets, with noise.

    Derivation: LR-5

    Parameters
    ----------
    X_new : array
        (B, D) inputs with all their columns.
    mean, covariance, noise_covariance : array
        (D, K) and (DK, DK), as from `posterior`; (K, K).

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> mean, covariance = predictive(3 * one, 2 * one, one / 2, one)
    >>> print(mean.item(), covariance.item())
    6.0 5.5
    """
    M = _array("mean", mean, "D", "K")
    D, K = M.shape
    X_new = _array("X_new", X_new, "B", D)
    C = _array("covariance", covariance, D * K, D * K)
    V = _array("noise_covariance", noise_covariance, K, K)
    J = np.array([_linear_jacobian(x, K) for x in X_new]).reshape(-1, K, D * K)
    return X_new @ M, V + J @ C @ J.transpose(0, 2, 1)


class GGNPosterior(NamedTuple):
    """Joint Gaussian over all P weights of a network, in the order of `jacobian`.

    Attributes
    ----------
    mean : array
        (P,) means of all weights.
    covariance : array
        (P, P) covariance of all weights.
    jacobian : array
        (N, K, P) Jacobian of the outputs at the data.
    network : Network
        The network itself, not a copy.
    """

    mean: Array  # (P,)
    covariance: Array  # (P, P)
    jacobian: Array  # (N, K, P), at the data
    network: Network  # not a copy

    def epistemic(self, X_new: Array) -> Array:
        """Covariance ``J C J^T`` (B, K, K) of the linearised outputs at X_new (B, n_in).

        Raises ValueError if the network's weights are no longer those of ``mean``.

        Derivation: PR-1

        Examples
        --------
        >>> from balinp import BALI
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> model = BALI(hidden=(), noise_variance=0.1, prior_precision=1.0)
        >>> model = model.fit(x, 2 * x, epochs=1)
        >>> ggn_posterior(model, x).epistemic(np.array([[1.0]])).round(3)
        array([[[0.032]]])
        """
        if not np.array_equal(_parameters(self.network), self.mean):
            raise ValueError("the network's weights have changed since the posterior was computed")
        J = jacobian(self.network, X_new)
        return J @ self.covariance @ J.transpose(0, 2, 1)


def ggn_posterior(network: Network, X: Array, *, n_data: int | None = None) -> GGNPosterior:
    """Laplace posterior of all layers jointly, with the generalised Gauss-Newton curvature.

    The mean is the network's own weights. The precision is the block-diagonal prior precision
    plus ``(n_data / N) sum_n J_n^T Lambda_n J_n``, ``Lambda_n`` the output curvature. It holds
    the correlations between layers, which a layerwise posterior leaves out.

    Derivation: PR-1
    Source: Immer, Korzepa, Bauer (2021), arXiv 2008.08400.

    Parameters
    ----------
    network, X : Network and array
        A `Network`; (N, n_in) inputs without a bias column, ValueError if N = 0.
    n_data : int, optional
        The number of data that the N rows stand for, N by default.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> line = SimpleNamespace(weights=[np.zeros((2, 1))], activation="identity", bias=True,
    ...     prior_precisions=[np.eye(2)], output_curvature=lambda f: np.ones((len(f), 1, 1)))
    >>> fit = ggn_posterior(line, np.array([[1.0], [-1.0]]))  # precision 3 I
    >>> print(round(fit.epistemic(np.array([[2.0]])).item(), 12))  # (2^2 + 1) / 3
    1.666666666667
    """
    outputs, J = _linearise(network, X)
    N, K, _ = J.shape
    n_data = N if n_data is None else n_data
    if N == 0 or n_data <= 0:
        raise ValueError(f"X must have rows and n_data be positive, got {N} rows, n_data {n_data}")
    curvature = _array("output_curvature(outputs)", network.output_curvature(outputs), N, K, K)
    precision = n_data / N * np.sum(J.transpose(0, 2, 1) @ curvature @ J, axis=0)
    if len(network.prior_precisions) != len(network.weights):
        raise ValueError(f"prior_precisions must be {len(network.weights)} matrices, one a layer")
    start = 0
    for i, (W, prior) in enumerate(zip(network.weights, network.prior_precisions, strict=True)):
        block = slice(start, start + W.size)
        precision[block, block] += _array(f"prior_precisions[{i}]", prior, W.size, W.size)
        start += W.size
    return GGNPosterior(_parameters(network), _inverse("precision", precision), J, network)


def jacobian(network: Network, X: Array) -> Array:
    """Derivative (N, K, P) of a network's outputs at X (N, n_in) with respect to all weights.

    The P columns run over the layers in order, each in vec order. With ``B_l`` the derivative
    of the outputs with respect to ``z_l = W_l^T x_l``, the block of layer l is
    ``B_l kron(I, x_l^T)``, and ``B_{l-1} = B_l W_l^T diag(phi'(z_{l-1}))`` with the bias row of
    ``W_l`` left out. The derivative of relu at zero is zero. ValueError for other activations.

    Derivation: PR-1

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> line = SimpleNamespace(weights=[np.zeros((2, 1))], activation="identity", bias=True)
    >>> print(jacobian(line, np.array([[5.0]])))
    [[[5. 1.]]]
    """
    return _linearise(network, X)[1]


def _linearise(network: Network, X: Array) -> tuple[Array, Array]:
    """Outputs (N, K) and their Jacobian (N, K, P)."""
    weights: list[Array] = []
    for i, W in enumerate(network.weights):
        rows = weights[-1].shape[1] + network.bias if weights else "D"
        weights.append(_array(f"weights[{i}]", W, rows, "K"))
    outputs, jacobians = [], []
    for x in _array("X", X, "N", len(weights[0]) - network.bias):
        inputs, slopes, h = [], [], x
        for W in weights:
            inputs.append(np.append(h, 1.0) if network.bias else h)
            z = W.T @ inputs[-1]
            h, slope = _activate(network.activation, z)  # not used after the last layer
            slopes.append(slope)
        outputs.append(z)
        B, blocks = np.eye(len(z)), [_linear_jacobian(inputs[-1], len(z))]
        for i in reversed(range(len(weights) - 1)):
            B = B @ weights[i + 1][: len(slopes[i])].T @ np.diag(slopes[i])
            blocks.insert(0, B @ _linear_jacobian(inputs[i], len(slopes[i])))
        jacobians.append(np.hstack(blocks))
    K, P = weights[-1].shape[1], len(_parameters(network))  # reshape: also right for no rows
    return np.array(outputs).reshape(-1, K), np.array(jacobians).reshape(-1, K, P)


def _activate(name: str, z: Array) -> tuple[Array, Array]:
    """Activation and its derivative."""
    if name == "identity":
        return z, np.ones_like(z)
    if name == "relu":
        return np.maximum(z, 0.0), np.where(z > 0, 1.0, 0.0)
    if name == "tanh":
        return np.tanh(z), 1 - np.tanh(z) ** 2
    raise ValueError(f"activation must be 'relu', 'tanh' or 'identity', got {name!r}")


def _parameters(network: Network) -> Array:
    return np.concatenate([np.ravel(W, order="F") for W in network.weights], dtype=np.float64)


def _linear_jacobian(x: Array, K: int) -> Array:
    """kron(I_K, x^T), of shape (K, DK)."""
    return _kron(np.eye(K), x[None, :])


def _kron(A: Array, B: Array) -> Array:
    return np.asarray(np.kron(A, B), dtype=np.float64)


def _regression(X: Array, T: Array, V: Array, M0: Array, C0: Array) -> tuple[Array, ...]:
    """The arguments of a regression, checked."""
    M0 = _array("prior_mean", M0, "D", "K")
    D, K = M0.shape
    X = _array("X", X, "N", D)
    V, C0 = _array("noise_covariance", V, K, K), _array("prior_covariance", C0, D * K, D * K)
    _cholesky("noise_covariance", V)
    _cholesky("prior_covariance", C0)
    return X, _array("T", T, len(X), K), V, M0, C0


def _array(name: str, value: Array, *shape: int | str) -> Array:
    """A finite float64 array of this shape; a letter stands for any length."""
    if np.ma.isMaskedArray(value):
        raise TypeError(f"{name} must not be a masked array")
    try:
        raw = np.asarray(value)
    except ValueError as error:  # ragged lists
        raise ValueError(f"{name} must be an array, got {error}") from None
    if raw.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be real numbers, got dtype {raw.dtype}")
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused
        array = raw.astype(np.float64, copy=False)
    pairs = zip(shape, array.shape, strict=False)
    if array.ndim != len(shape) or any(s != n for s, n in pairs if not isinstance(s, str)):
        raise ValueError(
            f"{name} must have shape ({', '.join(map(str, shape))}), got {array.shape}"
        )
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite")
    return array


def _cholesky(name: str, matrix: Array) -> Array:
    if np.abs(matrix - matrix.T).max(initial=0.0) > 1e-8 * np.abs(matrix).max(initial=0.0):
        raise ValueError(f"{name} must be symmetric")
    try:
        return np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"{name} must be positive definite") from error


def _inverse(name: str, matrix: Array) -> Array:
    """Inverse by Cholesky, its rows scaled to length 1: columns of X on any scale do no harm."""
    L = _cholesky(name, matrix)
    lengths = np.sqrt(np.diag(matrix))
    half = np.linalg.solve(L / lengths[:, None], np.diag(1 / lengths))
    return half.T @ half

"""Two ways to factorise I + Phi^T Phi: as it is, or through the Gram matrix of Phi's rows.

Phi holds the features of the data, whitened by the noise and by the prior, times the roots of the
data's weights. `InWeights` factorises P rows for P weights, `InData` N C rows for N data of C
outputs. Both answer the same questions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import ClassVar, TypeVar

import numpy as np
from scipy.linalg import solve_triangular

from balinp._types import Array
from balinp.features import Features
from balinp.spectral import eigenvalues, root
from balinp.validation import as_stored

AnyForm = TypeVar("AnyForm", bound="Form")


class Form(ABC):
    """I + c Phi^T Phi, factorised; the features asked about are whitened by the same prior."""

    name: ClassVar[str]
    _matrix: Array
    _shapes: Sequence[tuple[int, int]]

    @property
    def numbers(self) -> int:
        """Rows of the factor: numbers that each row of features is turned into."""
        return len(self._matrix)

    def spectrum(self) -> Array:
        """Eigenvalues of Phi^T Phi, but for zeros; before it is `factorised`."""
        return eigenvalues(self._matrix, "joint precision")

    def factorised(self: AnyForm, scale: float) -> AnyForm:
        """The form with the prior's variance multiplied by c, the scale, and factorised."""
        form = copy(self)
        matrix = scale * self._matrix
        matrix[np.diag_indices_from(matrix)] += 1.0
        form._matrix = np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)
        return form

    @abstractmethod
    def arrays(self) -> dict[str, Array]:
        """What `restored` makes it of again, once it is factorised."""

    @abstractmethod
    def variances(self, features: Features) -> Array:
        """Covariance (B, C, C) of each datum's outputs."""

    @abstractmethod
    def between(self, features: Features) -> Array:
        """Covariance (B C, B C) of the outputs of all data."""

    @abstractmethod
    def complements(self, features: Features, first: int) -> Array:
        """I - phi_n (I + Phi^T Phi)^{-1} phi_n^T (B, C, C), for rows phi_n of Phi.

        Parameters
        ----------
        features : Features
            phi_n of some data.
        first : int
            Place of the first of them among all data.
        """

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> list[Array]:
        """Whitened weights drawn from N(0, (I + Phi^T Phi)^{-1}), (D, K) for each layer."""


class InWeights(Form):
    """The precision of the weights themselves: P rows, whatever the number of data.

    Derivation: JP-1, JP-2

    Parameters
    ----------
    batches : iterable of Features
        Features of the data, in pieces.
    shapes : sequence of tuple of int
        (D, K) of each layer's weights.
    """

    name: ClassVar[str] = "weights"

    def __init__(self, batches: Iterable[Features], shapes: Sequence[tuple[int, int]]) -> None:
        self._shapes = shapes
        P = sum(D * K for D, K in shapes)
        self._matrix = np.zeros((P, P))
        for features in batches:
            phi = features.matrix()
            self._matrix += phi.T @ phi

    def __add__(self, other: InWeights) -> InWeights:
        """The form of the data of both, before it is `factorised`."""
        form = InWeights([], self._shapes)
        form._matrix = self._matrix + other._matrix
        return form

    @classmethod
    def restored(
        cls, arrays: Mapping[str, Array], shapes: Sequence[tuple[int, int]], outputs: int
    ) -> InWeights:
        """The factorised form that `arrays` was taken of; ValueError if none was."""
        P = sum(D * K for D, K in shapes)
        form = cls.__new__(cls)
        form._shapes, form._matrix = shapes, _stored(arrays, "factor", P, P)
        return form

    def arrays(self) -> dict[str, Array]:
        return {"factor": self._matrix}

    def _half(self, features: Features) -> Array:
        return solve(self._matrix, features.matrix().T)

    def variances(self, features: Features) -> Array:
        return _squares(self._half(features), features.outputs)

    def between(self, features: Features) -> Array:
        half = self._half(features)
        return half.T @ half

    def complements(self, features: Features, first: int) -> Array:
        return np.eye(features.outputs) - self.variances(features)

    def draw(self, rng: np.random.Generator) -> list[Array]:
        flat = solve(self._matrix, rng.standard_normal(len(self._matrix)), transposed=True)
        ends = np.cumsum([D * K for D, K in self._shapes])[:-1]
        parts = np.split(flat, ends)
        return [w.reshape(K, D).T for w, (D, K) in zip(parts, self._shapes, strict=True)]


class InData(Form):
    """The Gram matrix of the data's features: N C rows, whatever the number of weights.

    What the data say is subtracted from what the prior says, so that a covariance has rounding
    errors in proportion to the prior's. Where that makes it negative, it is zero.

    Derivation: JP-1, JP-2

    Parameters
    ----------
    batches, shapes : iterable of Features and sequence of tuple of int
        As for `InWeights`.
    """

    name: ClassVar[str] = "data"

    def __init__(self, batches: Iterable[Features], shapes: Sequence[tuple[int, int]]) -> None:
        self._data, self._shapes = Features.joined(batches), shapes
        self._matrix = self._data.products(self._data)

    @classmethod
    def restored(
        cls, arrays: Mapping[str, Array], shapes: Sequence[tuple[int, int]], outputs: int
    ) -> InData:
        """The factorised form that `arrays` was taken of; ValueError if none was."""
        N = len(arrays["designs0"])
        form = cls.__new__(cls)
        form._shapes, form._matrix = shapes, _stored(arrays, "factor", N * outputs, N * outputs)
        form._data = Features(
            [_stored(arrays, f"designs{i}", N, D) for i, (D, _) in enumerate(shapes)],
            [_stored(arrays, f"rows{i}", N, outputs, K) for i, (_, K) in enumerate(shapes)],
        )
        return form

    def arrays(self) -> dict[str, Array]:
        layers = range(len(self._shapes))
        return {
            "factor": self._matrix,
            **{f"designs{i}": self._data.designs[i] for i in layers},
            **{f"rows{i}": self._data.rows[i] for i in layers},
        }

    def factorised(self, scale: float) -> InData:
        form = super().factorised(scale)
        form._data = self._data.scaled(np.full(len(self._data.rows[0]), np.sqrt(scale)))
        return form

    def _half(self, features: Features) -> Array:
        return solve(self._matrix, self._data.products(features))

    def variances(self, features: Features) -> Array:
        before = features.squares()
        learnt = _squares(self._half(features), features.outputs)
        R = root(before - learnt, np.abs(before).max(axis=(1, 2)))
        return R @ R

    def between(self, features: Features) -> Array:
        half = self._half(features)
        return features.products(features) - half.T @ half

    def complements(self, features: Features, first: int) -> Array:
        # Blocks of the inverse Gram matrix: nothing is subtracted.
        C, n = features.outputs, len(self._matrix)
        columns = np.eye(n)[:, first * C : (first + len(features.rows[0])) * C]
        return _squares(solve(self._matrix, columns), C)

    def draw(self, rng: np.random.Generator) -> list[Array]:
        # Weights from the prior, and what data that they gave rise to would say of them.
        weights = [rng.standard_normal(shape) for shape in self._shapes]
        surprise = self._data.times(weights) + rng.standard_normal(len(self._matrix))
        values = solve(self._matrix, solve(self._matrix, surprise), transposed=True)
        learnt = self._data.transposed_times(values)
        return [W - change for W, change in zip(weights, learnt, strict=True)]


def solve(factor: Array, right: Array, *, transposed: bool = False) -> Array:
    """C^{-1} right, or C^{-T} right, for a lower triangular factor C."""
    trans = "T" if transposed else "N"
    return np.asarray(solve_triangular(factor, right, trans, lower=True, check_finite=False))


FORMS: dict[str, type[InWeights] | type[InData]] = {f.name: f for f in (InWeights, InData)}


def _stored(arrays: Mapping[str, Array], name: str, *shape: int) -> Array:
    return as_stored(arrays[name], name, shape)


def _squares(half: Array, outputs: int) -> Array:
    """A_n^T A_n (B, C, C), for each datum's C columns of a matrix A (n, B C)."""
    columns = np.moveaxis(half.reshape(len(half), -1, outputs), 0, 2)
    return columns @ np.swapaxes(columns, 1, 2)

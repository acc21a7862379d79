"""Data whose chunks are on the workers of a cluster: sums over them are made there.

A chunk of rows stays on the worker that has read it. For every pass of a step the network, or what
is asked of it, is sent out; each chunk adds up what it says, and the sums of chunks are added in
groups, on workers too, until one is left, which comes here. Of a layer that is D^2 + K^2 + D K
numbers a step, whatever the number of rows.

Chunks are added in their own order, wherever they are: the same chunks give the same model to the
last bit, on however many workers, and whether or not one of them is lost on the way. Nor do the
draws of a linearised pass depend on where it is made: each chunk starts from the state that the
generator has when its first row's turn comes. Up to four classes are drawn row by row, so that the
draws are those of any pieces in memory; with more they are those of pieces that are the chunks.

Derivation: LR-6
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from balinp import data, leverages, sums
from balinp._types import Array
from balinp.cluster import Workers
from balinp.data import EVERY_ROW, Batch, Check, Data, Part, Rows
from balinp.matrix_normal import KroneckerGaussian
from balinp.pages import keep_freed_pages
from balinp.passes import Mean, Present
from balinp.pseudo_targets import Trace
from balinp.step import Pieces, numbers_of_a_row, told
from balinp.sums import Elsewhere
from balinp.validation import as_weights

# -- opening ---------------------------------------------------------------------------------------


def spread(X: Any, Y: Any, sample_weight: Any, n_data: Any, batch_size: Any, check: Check) -> Data:
    """The data of `BALI.fit` for dask arrays, checked where they are.

    Those of so few rows that their leverages are exact (EV-11) are brought here.

    Parameters
    ----------
    X, Y, sample_weight, n_data, batch_size
        Arguments of `BALI.fit`.
    check : Check
        Checks a chunk.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not go together, or a chunk is not as expected.
    ConnectionError
        If there is no cluster, or it has no workers.
    ImportError
        If dask is there without distributed.
    """
    for name, value in (("batch_size", batch_size), ("n_data", n_data)):
        if value is not None:
            raise ValueError(
                f"{name}: expected None with dask arrays, all of whose rows make one step, "
                f"got {value!r}"
            )
    if Y is None:
        raise TypeError("Y: expected targets, got None")
    _check_rows(X, "X", 2)
    for array, name, ndim in ((Y, "Y", 2), (sample_weight, "sample_weight", 1)):
        if array is not None:
            _check_rows(array, name, ndim)
            _check_chunks(array, name, X)
    try:
        workers = Workers.found()
    except ModuleNotFoundError as error:
        raise ImportError(
            "X: expected the package distributed for dask arrays, which is not installed: "
            "pip install 'balinp[dask]'"
        ) from error
    batch = SpreadBatch.checked(workers, X, Y, sample_weight, check)
    if len(batch) > leverages.MOST_ROWS:
        return SpreadData(X, Y, sample_weight, batch)
    X, Y, w = zip(*batch.brought(), strict=True)
    weights = None if w[0] is None else np.concatenate(w)
    return Data(np.concatenate(X), np.concatenate(Y), weights)


def _check_rows(array: Any, name: str, ndim: int) -> None:
    """Raise if something is no dask array of numbers in chunks of whole rows of known sizes."""
    if not (hasattr(array, "__dask_graph__") and hasattr(array, "chunks")):
        raise TypeError(
            f"{name}: expected a dask array, as other arguments are, got "
            f"{type(array).__module__.split('.')[0]} {type(array).__name__}; "
            "see dask.array.from_array, or to_dask_array(lengths=True) of a frame"
        )
    if array.ndim != ndim:
        expected = "a matrix of shape (n, m)" if ndim == 2 else "shape (n,)"
        raise ValueError(f"{name}: expected {expected}, got shape {array.shape}")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if np.isnan(sum(map(sum, array.chunks))):
        raise ValueError(
            f"{name}: expected chunks of known sizes, got unknown ones; "
            f"call {name}.compute_chunk_sizes() first"
        )
    if 0 in array.shape:
        raise ValueError(f"{name}: expected at least one row and one column, got {array.shape}")
    if max(array.numblocks[1:], default=1) > 1:
        raise ValueError(
            f"{name}: expected chunks of whole rows, got columns in chunks of "
            f"{_shown(array.chunks[1])}; use {name}.rechunk({{1: -1}})"
        )


def _check_chunks(array: Any, name: str, X: Any) -> None:
    if len(array) != len(X):
        raise ValueError(f"{name}: expected {len(X)} rows, as X has, got {len(array)}")
    if array.chunks[0] != X.chunks[0]:
        raise ValueError(
            f"{name}: expected rows in chunks of {_shown(X.chunks[0])}, as X has, got "
            f"{_shown(array.chunks[0])}; use {name}.rechunk({{0: X.chunks[0]}})"
        )


def _shown(sizes: Sequence[int]) -> str:
    shown = ", ".join(map(str, sizes[:4]))
    return f"({shown}, ...)" if len(sizes) > 4 else f"({shown})"


# -- data ------------------------------------------------------------------------------------------


class SpreadBatch(Batch):
    """All rows of data whose chunks are on workers.

    Parameters
    ----------
    workers : Workers
        Who hold the chunks.
    chunks : sequence
        Futures of a `Batch` each.
    lengths : sequence of int
        Number of rows of each.
    amount : float
        Number of data, with weights their sum.
    """

    def __init__(
        self, workers: Workers, chunks: Sequence[Any], lengths: Sequence[int], amount: float
    ) -> None:
        self.workers, self.chunks, self.lengths = workers, list(chunks), list(lengths)
        self.amount, self.is_all, self._length = amount, True, sum(lengths)

    @classmethod
    def checked(
        cls, workers: Workers, X: Any, Y: Any, sample_weight: Any, check: Check
    ) -> SpreadBatch:
        """The chunks of dask arrays, each of which is looked at by a worker.

        The rows of no weight, and chunks of nothing else, are left out.
        """
        arrays = [X, Y] if sample_weight is None else [X, Y, sample_weight]
        blocks = [array.to_delayed().ravel() for array in arrays]
        starts = np.cumsum([0, *X.chunks[0][:-1]]).tolist()
        chunks = workers.computed(_chunk, zip(starts, *blocks, strict=True), check=check)
        found = workers.brought(workers.each(_size, chunks))
        present = [(chunk, *size) for chunk, size in zip(chunks, found, strict=True) if size[0]]
        if not present:
            raise ValueError(
                "sample_weight: expected numbers of at least zero, not all zero, got zeros"
            )
        held, lengths, amounts = zip(*present, strict=True)
        return cls(workers, held, lengths, float(sum(amounts)))

    def total(self, numbers: int, part: Part, *arguments: Any) -> list[Any]:
        """As for a batch that is here."""
        return self.workers.total(self.chunks, Batch.total, numbers, part, *arguments)

    def take(self, part: Rows) -> tuple[Array, Array, Array | None]:
        """X, Y and weights of the rows at ascending places (n,), brought here; for few of them."""
        if isinstance(part, slice):
            raise NotImplementedError(
                "SpreadBatch: expected total, which leaves rows where they are"
            )
        ends = np.cumsum(self.lengths)
        own = np.split(part, np.searchsorted(part, ends[:-1]))
        starts = np.r_[0, ends[:-1]]
        there = [mine - start for mine, start in zip(own, starts, strict=True)]
        found = self.workers.brought(self.workers.each(Batch.take, self.chunks, there))
        X, Y, w = zip(*found, strict=True)
        return np.concatenate(X), np.concatenate(Y), None if w[0] is None else np.concatenate(w)

    def brought(self) -> Iterator[tuple[Array, Array, Array | None]]:
        """X, Y and weights of one chunk after another, brought here."""
        for chunk in self.chunks:
            (batch,) = self.workers.brought([chunk])
            yield batch.take(EVERY_ROW)


@dataclass(frozen=True)
class SpreadData(Data):
    """Dask arrays X (N, n_in), Y (N, K) and weights (N,) or None, whose chunks are on workers."""

    batch: SpreadBatch

    is_elsewhere: ClassVar[bool] = True

    @property
    def whole(self) -> Batch:
        """All rows that are present, at once."""
        return self.batch

    def parts(self, numbers: int) -> Iterator[tuple[Array, Array, Array | None]]:
        """X, Y and weights of the rows that are present, brought here; for few of them."""
        return self.batch.brought()


class Chunk(Batch):
    """The present rows of a chunk, on the worker that holds it."""

    def __sizeof__(self) -> int:
        # By which dask knows what it would take to move them. To Python they are next to nothing.
        arrays = self._data.X, self._data.Y, self._data.sample_weight
        return sum(array.nbytes for array in arrays if array is not None)


def _chunk(start: int, X: Any, Y: Any, w: Any = None, *, check: Check) -> Chunk:
    """The present rows of a chunk that begins at row `start`, checked; there may be none."""
    try:
        if not len(X):
            return Chunk(Data(X, Y, w), EVERY_ROW)
        data = replace(check(X, Y, None), sample_weight=_weights(w, len(X)))
    except (TypeError, ValueError) as error:
        rows = f"in the chunk of rows {start} to {start + len(X) - 1}"
        raise type(error)(f"{error}, {rows}") from None
    return Chunk(data, data.present)


def _weights(w: Any, rows: int) -> Array | None:
    """Weights of a chunk, which may all be zero."""
    if w is None or not np.any(w):
        return None if w is None else np.zeros(rows)
    return as_weights(w, "sample_weight", rows)


def _size(chunk: Chunk) -> tuple[int, float]:
    return len(chunk), chunk.amount


# -- what they say ---------------------------------------------------------------------------------


class Sent(NamedTuple):
    """What a chunk must know of a network to say something to it."""

    now: Present
    forward: Mean
    keeps: bool


@dataclass(eq=False)
class Away(Present):
    """A network as it is sent: without its layers, and with their posteriors if they are needed.

    Attributes
    ----------
    known : sequence of KroneckerGaussian
        The posteriors.
    """

    known: Sequence[KroneckerGaussian] = ()

    @property
    def posteriors(self) -> list[KroneckerGaussian]:
        """Posteriors of the layers, as training goes on from them."""
        return list(self.known)


class SpreadPieces(Elsewhere):
    """What chunks say to the layers, each where it is; draws are those that rows have here.

    What a chunk has worked out is kept for the step if all that workers keep is a piece each, in
    the mean over their threads.

    Parameters
    ----------
    batch, now, forward
        As for `balinp.step.Pieces`.
    """

    def __init__(self, batch: SpreadBatch, now: Present, forward: Mean) -> None:
        self._workers = batch.workers
        numbers = len(batch) * numbers_of_a_row(now.network)
        keeps = numbers <= data.PIECE * self._workers.threads
        generators = []
        for rows in batch.lengths:
            generators.append(deepcopy(now.rng))
            for part in data.pieces(rows, numbers_of_a_row(now.network)):
                forward.pass_over(now, part.stop - part.start)
        away = Away(
            now.network,
            now.likelihood,
            (),
            now.weights,
            now.n_data,
            now.rows,
            now.rng,
            known=now.posteriors if forward.has_bound else (),
        )
        sent = Sent(away, forward, keeps)
        self._pieces = self._workers.each(ChunkPieces, batch.chunks, generators, sent=sent)

    def total(self, part: Part, *arguments: Any) -> list[Any]:
        """The sum over all pieces of what ``part(piece, *arguments)`` returns."""
        return self._workers.total(self._pieces, sums.total, part, *arguments)


told.register(SpreadBatch, SpreadPieces)


class ChunkPieces(Pieces):
    """What a chunk says, on the worker that holds it.

    Where it is moved, or spilled, the rows are, and not what has been worked out of them.

    Parameters
    ----------
    chunk : Chunk
        The rows.
    rng : numpy.random.Generator
        Generator that draws are taken from; it is not changed.
    sent : Sent
        What they speak to, and how.
    """

    def __init__(self, chunk: Chunk, rng: np.random.Generator, sent: Sent) -> None:
        self._made_of = chunk, rng, sent
        keep_freed_pages()  # of this process, as `BALI.fit` does of its own
        # What was sent is not changed: it may be used again.
        now = replace(sent.now, rng=deepcopy(rng))
        super().__init__(chunk, now, sent.forward)
        self._kept: list[Trace] = []

    def __iter__(self) -> Iterator[Trace]:
        pieces: Iterable[Trace] = self._kept or super().__iter__()
        if self._made_of[2].keeps and len(self) == 1:
            pieces = self._kept = list(pieces)
        for piece in pieces:
            # A worker that takes over for another does not know them: bits must not depend on it.
            piece.first_changes = None
            yield piece

    def __reduce__(self) -> tuple[Any, ...]:
        return ChunkPieces, self._made_of

    def __sizeof__(self) -> int:
        return self.batch.__sizeof__()

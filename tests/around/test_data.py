"""Data in pieces: arrays larger than memory, batches that come from elsewhere."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import balinp.data
from balinp import BALI, Gaussian
from balinp._types import Array
from balinp.data import EVERY_ROW, Batch, Data, pieces
from balinp.linearised import LinearisedClasses
from balinp.passes import Present
from balinp.sources import opened
from balinp.step import Pieces
from balinp.streams import Stream


def regression(rows: int = 90) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, 3))
    return X, np.stack([np.sin(X[:, 0]), X[:, 1]], axis=1) + 0.1 * rng.standard_normal((rows, 2))


def classes(rows: int = 90) -> tuple[Array, Array]:
    X, _ = regression(rows)
    return X, np.eye(3)[X.argmax(axis=1)]


def assert_same_model(model: BALI, other: BALI, rtol: float) -> None:
    assert model.steps == other.steps
    for a, b in zip(model.weights, other.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * np.abs(b).max())
    for name in ("log_joint", "gain_ratio", "prior_precision", "noise_variances"):
        ours, theirs = (getattr(m.history[-1], name) for m in (model, other))
        if theirs is not None:
            np.testing.assert_allclose(ours, theirs, rtol=rtol)
    if isinstance(other.likelihood, Gaussian):
        V, same = (m.likelihood.covariance(m.layers[-1].n_out) for m in (model, other))
        np.testing.assert_allclose(V, same, rtol=rtol)


@pytest.mark.equation("LR-6")
@pytest.mark.parametrize("kind", ["one output", "two outputs", "classes", "mean pass", "linear"])
@pytest.mark.parametrize("batch_size", [None, 40])
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
@pytest.mark.parametrize("weighted", [False, True])
def test_pieces_give_the_same_model(
    monkeypatch: pytest.MonkeyPatch, kind: str, batch_size: int | None, prior: str, weighted: bool
) -> None:
    """Fourteen rows a piece: every pass over a batch, and its draws, in several pieces."""
    # So few data are always one piece otherwise, and their leverages are then exact (EV-11).
    monkeypatch.setattr("balinp.leverages.MOST_ROWS", 0)
    X, Y = classes() if kind in ("classes", "mean pass") else regression()
    Y = Y[:, :1] if kind == "one output" else Y
    likelihood = "categorical" if kind in ("classes", "mean pass") else "gaussian"
    hidden = () if kind == "linear" else (5, 4)
    forward = "mean" if kind == "mean pass" else None
    w = np.random.default_rng(2).integers(0, 3, len(X)) if weighted else None

    def trained() -> BALI:
        model = BALI(hidden, likelihood, forward=forward, prior=prior)
        return model.fit(X, Y, epochs=8, batch_size=batch_size, sample_weight=w)

    whole = trained()
    monkeypatch.setattr(balinp.data, "PIECE", 14 * (1 + Y.shape[1]) * max(3, *Y.shape[1:], *hidden))
    # Rounding errors of sums in another order, magnified by the steps. Under the conjugate prior
    # a direction without curvature has next to no prior either, and they are divided by the floor.
    assert_same_model(trained(), whole, rtol=1e-8 if prior == "isotropic" else 1e-4)


@pytest.mark.equation("LR-6")
def test_pieces_see_the_same_draws_all_through_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were draws made anew in each pass, steps would be refused for what the noise has done."""
    monkeypatch.setattr(balinp.data, "PIECE", 14 * 15)
    X, Y = classes()
    model = BALI((5,), "categorical").fit(X, Y, epochs=2)
    now = Present(model.network, model.likelihood, model.layers, model.weights, 90, 90, model.rng)
    said = Pieces(Batch(Data(X, Y, None), EVERY_ROW), now, LinearisedClasses())
    once, again = ([piece.likelihood.deviations for piece in said] for _ in range(2))
    assert len(once) > 3
    for first, second in zip(once, again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert np.abs(once[0] - once[1]).max() > 0.1  # each piece has draws of its own


@pytest.mark.equation("LR-6")
def test_pieces_cover_all_rows_once() -> None:
    for rows in (1, 2, 7):
        found = [i for part in pieces(rows, balinp.data.PIECE // 3) for i in range(rows)[part]]
        assert found == list(range(rows))
    assert list(pieces(2, 10 * balinp.data.PIECE)) == [slice(0, 1), slice(1, 2)]


@pytest.mark.equation("LR-6")
def test_a_batch_of_all_rows_is_no_copy() -> None:
    X, Y = regression()
    data = Data(X, Y, None)
    (batch,) = data.batches(None, np.random.default_rng(0))
    assert batch.take(slice(0, 90))[0].base is X
    some = Batch(data, np.arange(10, 30))
    assert (len(batch), len(some)) == (90, 20)
    np.testing.assert_array_equal(some.take(slice(5, 7))[1], Y[15:17])
    np.testing.assert_array_equal(some.take(np.array([7, 5]))[1], Y[[17, 15]])


@pytest.mark.parametrize("size", [90, 1000])
def test_a_batch_size_of_all_rows_or_more_is_all_data_at_once(size: int) -> None:
    X, Y = classes()
    one, other = (BALI((4,), "categorical").fit(X, Y, epochs=4, batch_size=b) for b in (None, size))
    assert_same_model(other, one, rtol=0)


# -- arrays on disk --------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 30])
def test_arrays_on_disk_train_the_same_model(tmp_path: Path, batch_size: int | None) -> None:
    X, Y = regression()
    on_disk = []
    for name, array in (("X", X), ("Y", Y)):
        file = np.memmap(tmp_path / name, dtype=np.float32, mode="w+", shape=array.shape)
        file[:] = array
        file.flush()
        on_disk.append(np.memmap(tmp_path / name, dtype=np.float32, mode="r", shape=array.shape))
    model = BALI((4,)).fit(*on_disk, epochs=5, batch_size=batch_size)
    rounded = (np.asarray(array, dtype=np.float64) for array in on_disk)
    memory = BALI((4,)).fit(*rounded, epochs=5, batch_size=batch_size)
    assert_same_model(model, memory, rtol=0)
    np.testing.assert_array_equal(model.predict(on_disk[0]).mean, memory.predict(on_disk[0]).mean)


@pytest.mark.parametrize("batch_size", [None, 1000])
def test_memory_does_not_grow_with_the_data(
    monkeypatch: pytest.MonkeyPatch, batch_size: int | None
) -> None:
    monkeypatch.setattr(balinp.data, "PIECE", 2**17)  # a megabyte
    rng = np.random.default_rng(0)

    def peak(rows: int) -> float:
        X = rng.standard_normal((rows, 5)).astype(np.float32)
        Y = np.sin(X[:, :1])
        BALI((20,)).fit(X[:2000], Y[:2000], epochs=1)  # compiles
        tracemalloc.start()
        BALI((20,)).fit(X, Y, epochs=1, batch_size=batch_size)
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # The order of batches is one integer a row, and is made from another one.
    order = 0 if batch_size is None else 2 * 8 * 150_000
    assert peak(200_000) < 1.1 * peak(50_000) + order
    assert peak(200_000) < 200_000 * 20 * 8 / 4  # a quarter of one layer's outputs


def test_numbers_that_are_not_finite_are_found_in_any_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(balinp.data, "PIECE", 30)
    X, Y = regression()
    X[80, 1] = np.nan
    with pytest.raises(ValueError, match="X: expected finite numbers"):
        BALI(()).fit(X, Y, epochs=1)
    X, Y = classes()
    Y[80] = 0
    with pytest.raises(ValueError, match="Y: expected one-hot rows"):
        BALI((), "categorical").fit(X, Y, epochs=1)
    model = BALI(()).fit(*regression(), epochs=1)
    X[80, 1] = np.inf
    with pytest.raises(ValueError, match="X: expected finite numbers"):
        model.predict(X)


# -- batches from elsewhere ------------------------------------------------------------------------


def in_batches(X: Array, Y: Array, w: Array | None = None) -> list[tuple[Array, ...]]:
    parts = [slice(i, i + 30) for i in range(0, len(X), 30)]
    return [(X[part], Y[part]) if w is None else (X[part], Y[part], w[part]) for part in parts]


@pytest.mark.equation("NP-3")
@pytest.mark.parametrize("weighted", [False, True])
def test_one_pass_of_batches_is_the_exact_regression(weighted: bool) -> None:
    X, Y = regression()
    w = np.random.default_rng(2).integers(0, 3, len(X)).astype(float) if weighted else None
    noise = {"noise_variance": [0.1, 0.2], "prior_precision": 2.0}
    whole = BALI((), **noise).fit(X, Y, epochs=1, sample_weight=w)
    amount = 90 if w is None else w.sum()
    for source in (in_batches(X, Y, w), iter(in_batches(X, Y, w))):
        n_data = amount if isinstance(source, Iterator) else None
        model = BALI((), **noise).fit(source, epochs=1, n_data=n_data)
        np.testing.assert_allclose(model.weights[0], whole.weights[0], rtol=1e-10)
        assert model.data_seen == pytest.approx(amount)


def test_batches_are_steps_in_the_order_in_which_they_come() -> None:
    X, Y = classes()
    epochs = []
    model = BALI((4,), "categorical")
    model.fit(in_batches(X, Y), epochs=3, callback=lambda m: epochs.append(m.steps))
    by_hand = BALI((4,), "categorical")
    for _ in range(3):
        for x, y in in_batches(X, Y):
            by_hand.step(x, y, n_data=90)
    assert_same_model(model, by_hand, rtol=0)
    assert epochs == [3, 6, 9]


def test_an_iterator_is_gone_through_as_it_comes() -> None:
    taken = []

    def batches() -> Iterator[tuple[Array, Array]]:
        for number, batch in enumerate(in_batches(*regression())):
            taken.append((number, model.steps))
            yield batch

    model = BALI((4,))
    model.fit(batches(), epochs=1, n_data=90)
    assert taken == [(0, 0), (1, 1), (2, 2)]


BATCHES = in_batches(*regression())


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        (iter(BATCHES), {}, ValueError, "n_data: expected the number of data"),
        (iter(BATCHES), {"n_data": 90, "epochs": 2}, ValueError, "epochs: expected at most 1"),
        (BATCHES, {"n_data": -1}, ValueError, "n_data: expected a finite number above 0"),
        (BATCHES, {"batch_size": 3}, ValueError, "batch_size: expected None with an iterable"),
        (BATCHES, {"sample_weight": [1.0]}, ValueError, "sample_weight: expected None"),
        ([], {}, ValueError, "X: expected at least one batch"),
        (iter([]), {"n_data": 1}, ValueError, "X: expected at least one batch"),
        ([np.eye(3)], {}, TypeError, "X: without Y expected batches"),
        ([(np.eye(3),)], {}, TypeError, "X: without Y expected batches"),
        ([(np.eye(3), np.eye(2))], {}, ValueError, r"Y: expected shape \(3, m\)"),
        (7, {}, TypeError, "X: without Y expected an iterable"),
        (np.eye(3), {}, TypeError, "Y: expected targets, got None"),
    ],
)
def test_what_is_no_stream_is_refused(
    source: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        BALI((4,)).fit(source, **({"epochs": 1} | options))


def test_a_number_of_data_goes_with_batches_only() -> None:
    with pytest.raises(ValueError, match="n_data: expected None with arrays"):
        BALI((4,)).fit(*regression(), epochs=1, n_data=90)


def test_batches_of_another_width_are_refused() -> None:
    X, Y = regression()
    with pytest.raises(ValueError, match=r"X: expected shape \(n, 3\), got \(90, 2\)"):
        BALI((4,)).fit([(X, Y), (X[:, :2], Y)], epochs=1, n_data=180)


# -- what is opened, and what is all of it ---------------------------------------------------------


def checked(X: Any, Y: Any, w: Any = None) -> Data:
    return Data.checked(X, Y, w, lambda Y, rows, columns: Y)


def opening(X: Any, Y: Any = None, w: Any = None, n_data: Any = None, **options: Any) -> Any:
    defaults = {"batch_size": None, "epochs": 1, "checked": checked, "check": checked}
    return opened(X, Y, w, n_data, **(defaults | options))


def test_arrays_are_opened_as_data_and_batches_as_a_stream() -> None:
    X, Y = regression()
    w = np.linspace(0, 2, 90)
    data = opening(X, Y, w, epochs=5, batch_size=7)
    assert type(data) is Data
    assert data.first is data
    assert (len(data), data.amount) == (90, w[1:].sum())
    for weights, first, amount in ((None, 0, 90), (w, 1, w.sum())):  # a weight of 0 is no row
        stream = opening(in_batches(X, Y, weights), epochs=5)
        assert type(stream) is Stream
        assert stream.amount == pytest.approx(amount, rel=1e-14)
        np.testing.assert_array_equal(stream.first.X, X[:30])
        rng = np.random.default_rng(0)
        for _ in range(2):  # as often as it is asked
            found = [batch.take(slice(None))[0] for batch in stream.batches(None, rng)]
            np.testing.assert_array_equal(np.concatenate(found), X[first:])
    once = opening(iter(in_batches(X, Y)), n_data=90)
    assert once.amount == 90
    np.testing.assert_array_equal(once.first.X, X[:30])
    found = [batch.take(slice(None))[0] for batch in once.batches(None, rng)]
    np.testing.assert_array_equal(np.concatenate(found), X)  # the first is still among them


@pytest.mark.parametrize(
    ("arguments", "options", "error", "name"),
    [
        ((np.eye(3), np.eye(3), None, 3.0), {}, ValueError, "n_data"),
        ((np.eye(3),), {}, TypeError, "Y"),
        ((3,), {}, TypeError, "X"),
        ((BATCHES,), {"batch_size": 3}, ValueError, "batch_size"),
        ((BATCHES, None, np.ones(90)), {}, ValueError, "sample_weight"),
        ((iter(BATCHES),), {}, ValueError, "n_data"),
        ((iter(BATCHES), None, None, 90.0), {"epochs": 2}, ValueError, "epochs"),
    ],
)
def test_arguments_that_do_not_go_together_are_not_opened(
    arguments: tuple[Any, ...], options: dict[str, Any], error: type[Exception], name: str
) -> None:
    with pytest.raises(error, match=f"^{name}: "):
        opening(*arguments, **options)


@pytest.mark.equation("LR-6")
@pytest.mark.parametrize("seed", range(20))
def test_a_batch_knows_whether_it_is_all_the_data(seed: int) -> None:
    """However the weights are added up, and whatever rows of no weight there are."""
    rng = np.random.default_rng(seed)
    X, Y = regression()
    w = rng.uniform(0.1, 2, 90)
    w[rng.random(90) < 0.3] = 0
    w[1] = 1.0
    data, present = Data(X, Y, w), int((w > 0).sum())
    (whole,) = data.batches(None, rng)
    assert whole.is_all
    assert len(whole) == present
    assert (whole.take(slice(None))[2] > 0).all()
    for size in (present, 90):
        assert [batch.is_all for batch in data.batches(size, rng)] == [True]
    batches = list(data.batches(present - 1, rng))
    assert [(len(batch), batch.is_all) for batch in batches] == [(present - 1, False), (1, False)]
    for amount in (w.sum(), w[w > 0].sum(), sum(w.tolist()), sum(rng.permutation(w).tolist())):
        assert data.standing_for(amount).is_all
    for amount in (1.000001 * w.sum(), w.sum() - 1e-6, 2 * w.sum(), 1.0):
        assert not data.standing_for(amount).is_all
    (only,) = opening([(X, Y, w)]).batches(None, rng)
    assert only.is_all
    part = opening([(X, Y, w), (X[:2], Y[:2])])
    assert [batch.is_all for batch in part.batches(None, rng)] == [False, False]

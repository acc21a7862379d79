"""IDX files, image data sets, data from outside, gap splits and generated data."""

from __future__ import annotations

import gzip
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_files import idx, write_images

from balinp import metrics
from balinp.experiments import CLASSIFICATION, UserError
from balinp.experiments.datasets import load, with_gaps, with_outside
from balinp.experiments.idx import read_idx
from balinp.experiments.methods import Method, Predictor, select
from balinp.experiments.runner import run_one
from balinp.experiments.splits import gap_columns, gap_split, published_gap_split
from balinp.standardise import Scale

# -- the format ------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_idx_files_are_read_back(
    tmp_path: Path, rng: np.random.Generator, compressed: bool
) -> None:
    values = rng.integers(0, 256, size=(3, 2, 5))
    path = tmp_path / "file"  # how a file is compressed is seen from its content
    path.write_bytes(gzip.compress(idx(values)) if compressed else idx(values))
    np.testing.assert_array_equal(read_idx(path, 3), values)


SMALL = idx(np.arange(6).reshape(2, 3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"PK\3\4 something else", "must start with two zero bytes"),
        (idx(np.zeros((2, 3)), kind=0x0D), "expected unsigned bytes, type 0x08, got type 0x0d"),
        (idx(np.zeros(3)), "expected 2 dimensions, got 1"),
        (SMALL[:9], "ends within its header"),
        (SMALL[:-1], "expected data of 2 x 3, at least one, got 5 bytes"),
        (SMALL + b"\0", "expected data of 2 x 3, at least one, got 7 bytes"),
        (idx(np.zeros((0, 3))), "expected data of 0 x 3, at least one, got 0 bytes"),
        (SMALL[:4] + b"\xff" * 8, "expected data of 4294967295 x 4294967295"),
        (gzip.compress(SMALL, mtime=0)[:-9], "damaged gzip file"),
        (gzip.compress(SMALL, mtime=0)[:-8] + bytes(8), "damaged gzip file"),
        (b"\x1f\x8b\x00", "damaged gzip file"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path}: .*{message}"):
        read_idx(path, 2)


# -- image data sets -------------------------------------------------------------------------------


def test_test_images_alone_are_cut_in_four_to_one(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, labels = write_images(tmp_path / "toy", rng, 50)
    monkeypatch.setenv("BALINP_DATA", str(tmp_path))
    data = load("mnist:toy")
    assert (data.name, data.kind, data.n_splits) == ("mnist:toy", CLASSIFICATION, 1)
    np.testing.assert_array_equal(data.X, pixels.reshape(50, 16) / 255)
    np.testing.assert_array_equal(data.Y, np.eye(10)[labels])
    train, test = data.split(0)
    np.testing.assert_array_equal(train, np.arange(40))
    np.testing.assert_array_equal(test, np.arange(40, 50))
    assert data.first_splits(None) == range(1)
    with pytest.raises(UserError, match="mnist:toy has 1 split, got 2"):
        data.first_splits(2)


def test_training_images_train_and_test_images_test(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    first, _ = write_images(tmp_path, rng, 20, "train", compressed=False)
    second, _ = write_images(tmp_path, rng, 30, "t10k")
    data = load(f"mnist:{tmp_path}")
    train, test = data.split(0)
    np.testing.assert_array_equal(data.X[train], first.reshape(20, 16) / 255)
    np.testing.assert_array_equal(data.X[test], second.reshape(30, 16) / 255)


def test_image_directories_that_do_not_fit(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(UserError, match="no file t10k-images-idx3-ubyte or .*gz"):
        load(f"mnist:{tmp_path}")
    write_images(tmp_path, rng, 20)
    labels = tmp_path / "t10k-labels-idx1-ubyte.gz"
    for wrong, message in [
        (np.zeros(19), "20 t10k images, but 19 labels"),
        (np.full(20, 10), "expected labels from 0 to 9, got 10"),
    ]:
        labels.write_bytes(gzip.compress(idx(wrong)))
        with pytest.raises(UserError, match=message):
            load(f"mnist:{tmp_path}")
    labels.unlink()
    with pytest.raises(UserError, match="no file t10k-labels-idx1-ubyte"):
        load(f"mnist:{tmp_path}")
    write_images(tmp_path, rng, 20)
    write_images(tmp_path, rng, 20, "train", size=5)
    with pytest.raises(UserError, match="train and t10k images differ in size"):
        load(f"mnist:{tmp_path}")
    few = tmp_path / "few"
    write_images(few, rng, 4)
    with pytest.raises(UserError, match="expected at least 5 images, got 4"):
        load(f"mnist:{few}")


def test_pixels_are_divided_by_one_number(tmp_path: Path, rng: np.random.Generator) -> None:
    """Of mean square one in training; those that are always dark are zero."""
    write_images(tmp_path, rng, 50)
    data = load(f"mnist:{tmp_path}")
    assert data.input_scale == load("digits").input_scale == "common"
    assert load("wine").input_scale == "column"
    X = data.X[data.split(0).train]
    centred = X - X.mean(axis=0)
    Z = centred / np.sqrt(np.mean(centred**2))
    np.testing.assert_array_equal(Z[:, -1], 0)

    seen = []
    model = select(CLASSIFICATION, ["logistic regression"])[0]

    def spy(X: np.ndarray, Y: np.ndarray, seed: int) -> Predictor:
        seen.append(X)
        return model.train(X, Y, seed)

    run_one(data, Method("spy", CLASSIFICATION, spy), 0)
    np.testing.assert_allclose(seen[0], Z, rtol=1e-12, atol=1e-14)
    assert not np.allclose(seen[0], Scale.of(X).to_standard(X))


def test_published_images(data_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALINP_DATA", str(data_directory))
    data = with_outside(load("mnist:mnist-t10k"), "notmnist-t10k")
    train, test = data.split(0)
    assert (data.X.shape, len(train), len(test)) == ((10_000, 784), 8_000, 2_000)
    np.testing.assert_array_equal(data.Y[:5].argmax(axis=1), [7, 2, 1, 0, 4])
    assert data.outside is not None
    assert (data.outside.name, data.outside.X.shape) == ("notmnist-t10k", (10_000, 784))
    assert data.X.min() == data.outside.X.min() == 0
    assert data.X.max() == data.outside.X.max() == 1


# -- data from outside -----------------------------------------------------------------------------


def test_detection_of_images_from_outside(tmp_path: Path, rng: np.random.Generator) -> None:
    write_images(tmp_path / "in", rng, 100)
    write_images(tmp_path / "out", rng, 30)
    grey, _ = write_images(tmp_path / "out", rng, 30, "train", compressed=False)
    for path in (tmp_path / "out").glob("t10k*"):
        path.unlink()  # then the training images are taken, and labels are not needed
    (tmp_path / "out" / "train-labels-idx1-ubyte").unlink()
    grey = np.full_like(grey, 20)
    (tmp_path / "out" / "train-images-idx3-ubyte").write_bytes(idx(grey))
    data = with_outside(load(f"mnist:{tmp_path / 'in'}"), str(tmp_path / "out"))
    assert data.outside is not None
    np.testing.assert_array_equal(data.outside.X, np.full((30, 16), 20 / 255))

    method = select(CLASSIFICATION, ["logistic regression"])[0]
    record, curves = run_one(data, method, 0)
    train, test = data.split(0)
    predict = method.fit(data.X[train], data.Y[train], 0, "common")
    inside, outside = (
        metrics.predictive_entropy(predict(X).probabilities) for X in (data.X[test], data.outside.X)
    )
    assert record["auroc"] == metrics.auroc(inside, outside)
    assert record["fpr95"] == metrics.fpr95(inside, outside)
    assert record["auroc"] > 0.9  # grey images have no bright pixel to go by
    assert curves["roc"].shape == (101, 2)
    assert {*run_one(load(f"mnist:{tmp_path / 'in'}"), method, 0).record} == {*record} - {
        "auroc",
        "fpr95",
    }


def test_data_from_outside_that_do_not_fit(tmp_path: Path, rng: np.random.Generator) -> None:
    write_images(tmp_path, rng, 20)
    with pytest.raises(UserError, match="--ood: needs classes, diabetes is a regression data set"):
        with_outside(load("diabetes"), str(tmp_path))
    with pytest.raises(UserError, match="--ood: wine has 13 inputs, the images .* 16 pixels"):
        with_outside(load("wine"), str(tmp_path))
    with pytest.raises(UserError, match="no directory nowhere"):
        with_outside(load("wine"), "nowhere")


# -- gaps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [gap_split, published_gap_split])
@pytest.mark.parametrize("n", [3, 7, 8, 9, 30])
def test_gap_splits_by_definition(rng: np.random.Generator, n: int, split: Any) -> None:
    """No test row lies outside the gap's ends, no training row strictly inside them."""
    X = rng.standard_normal((n, 2))
    for k in range(2):
        train, test = split(k, X=X)
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(n))
        below = (X[train, k] < X[test, k].min()).sum()
        above = (X[train, k] > X[test, k].max()).sum()
        assert below + above == len(train)
        assert below == n // 3
        assert len(test) == 2 * n // 3 - n // 3


@pytest.mark.parametrize("seed", range(20))
def test_no_tested_value_occurs_in_training_and_both_sides_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 60))
    x = rng.choice(rng.normal(size=rng.integers(3, 8)), n)
    if len(np.unique(x)) < 3:
        x[:3] = [-9.0, 0.0, 9.0]
    train, test = gap_split(0, X=x[:, None])
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(n))
    assert len(test) > 0
    assert not set(x[test]) & set(x[train])
    low, high = x[test].min(), x[test].max()
    below, above = (x[train] < low).sum(), (x[train] > high).sum()
    assert below > 0
    assert above > 0
    assert below + above == len(train)  # nothing of it inside
    # Of all such cuts, the lower one is nearest to a third of the rows, then the upper one.
    values = np.unique(x)
    counts = {v: int((x <= v).sum()) for v in values}
    lower = min(abs(counts[v] - n // 3) for v in values[:-2])
    assert abs(below - n // 3) == lower
    first = next(v for v in values[:-2] if counts[v] == below)
    upper = min(abs(counts[v] - 2 * n // 3) for v in values[:-1] if v > first)
    assert abs(n - above - 2 * n // 3) == upper


def test_columns_without_a_gap() -> None:
    X = np.array([[0.0, 1.0, 5.0], [1.0, 1.0, 6.0], [0.0, 1.0, 7.0], [1.0, 1.0, 7.0]])
    assert gap_columns(X) == [2]
    np.testing.assert_array_equal(gap_split(2, X=X).test, [1])
    with pytest.raises(ValueError, match="column: expected .* three distinct values, got 2"):
        gap_split(0, X=X)


def test_ties_in_a_published_gap_are_broken_by_the_order_of_rows() -> None:
    X = np.array([[1.0], [0.0], [1.0], [0.0], [1.0], [1.0]])  # in order: 1 3 | 0 2 | 4 5
    np.testing.assert_array_equal(published_gap_split(0, X=X).test, [0, 2])
    np.testing.assert_array_equal(published_gap_split(0, X=np.zeros((6, 1))).test, [2, 3])


def test_data_sets_with_gaps() -> None:
    data, published = with_gaps(load("diabetes")), with_gaps(load("diabetes"), "published")
    others = (0, 2, 3, 4, 5, 6, 7, 8, 9)  # the sex has two values
    assert (data.name, data.gap_columns, data.n_splits) == ("diabetes-gap", others, 9)
    assert (published.name, published.n_splits) == ("diabetes-published-gap", 10)
    assert data.first_splits(None) == range(9)
    np.testing.assert_array_equal(data.split(2).test, gap_split(3, X=data.X).test)
    np.testing.assert_array_equal(published.split(3).test, published_gap_split(3, X=data.X).test)
    with pytest.raises(UserError, match="--gap: needs a regression data set, wine has classes"):
        with_gaps(load("wine"))
    two = replace(load("diabetes"), X=np.sign(data.X))
    with pytest.raises(UserError, match="--gap: needs an input of three distinct values"):
        with_gaps(two)
    method = select("regression", ["BayesianRidge"])[0]
    train, test = data.split(2)
    predict = method.fit(data.X[train], data.Y[train], 2)
    gap, inside = (np.sqrt(predict(data.X[rows]).epistemic).mean() for rows in (test, train))
    record = run_one(data, method, 2).record
    assert record["epistemic_ratio"] == pytest.approx(gap / inside, rel=1e-12)
    assert (record["gap_input"], record["gap_rows"]) == (3, len(test))
    usual = run_one(load("diabetes"), select("regression")[3], 2).record
    assert not {"epistemic_ratio", "gap_input", "gap_rows"} & set(usual)


def test_all_gaps_are_run_unless_told() -> None:
    data = with_gaps(load("diabetes"))
    wide = with_gaps(type(data)("toy", data.kind, np.tile(data.X, 2), data.Y, data.split))
    assert wide.first_splits(None) == range(18)
    assert load("diabetes").first_splits(None) == range(10)


# -- generated -------------------------------------------------------------------------------------


def test_mnist1d_is_generated_and_the_global_generators_stay_as_they_were() -> None:
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    expected = np.random.random(), random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    data = load("mnist1d")
    assert (np.random.random(), random.random()) == expected  # noqa: NPY002
    assert (data.name, data.X.shape, data.Y.shape) == ("mnist1d", (5000, 40), (5000, 10))
    train, test = data.split(0)
    assert (len(train), len(test)) == (4000, 1000)
    np.testing.assert_array_equal(load("mnist1d").X, data.X)
    accuracy = run_one(data, select(CLASSIFICATION, ["logistic regression"])[0], 0).record[
        "accuracy"
    ]
    assert 0.25 < accuracy < 0.45  # its authors report 32 %


def test_mnist1d_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mnist1d.data", None)
    with pytest.raises(UserError, match="the package mnist1d, .*, is not installed: pip install"):
        load("mnist1d")

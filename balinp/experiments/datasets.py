"""Data sets with their train/test splits, by name.

Names without a colon are data sets that a package ships or generates; ``SOURCE:DIR`` reads a
directory, ``csv:FILE`` a table. Another one is one more entry in `SHIPPED`, `GENERATED` or
`SOURCES`. `for_validation`, `with_gaps` and `with_outside` change how a data set is tested.
"""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np

from balinp._types import Array
from balinp.experiments import CLASSIFICATION, REGRESSION, UserError, idx
from balinp.experiments.dataset import Dataset, Outside
from balinp.experiments.frames import read_csv
from balinp.experiments.names import find
from balinp.experiments.splits import (
    Indices,
    Split,
    gap_columns,
    gap_split,
    last_rows_split,
    published_gap_split,
    random_split,
    stratified_split,
)

VALIDATION_SEED = 1000
"""Training rows of split k are cut with this seed plus k."""


def load(
    name: str, target: str | None = None, *, classes: bool = False, drop: Sequence[str] = ()
) -> Dataset:
    """Find a data set by its name, in any case.

    Parameters
    ----------
    name : str
        See the top of the module.
    target, classes, drop
        Of ``csv:FILE``, see `balinp.experiments.frames.from_frame`.

    Raises
    ------
    UserError
        If the name is unknown, or its files are missing or not of the expected form.
    """
    source, _, place = name.partition(":")
    source = source.lower()
    if place and source == "csv":
        return read_csv(_existing(place, Path.exists, "file"), target, classes=classes, drop=drop)
    if target is not None or classes or drop:
        raise UserError(f"--target, --classes, --drop: expected csv:FILE to go with, got {name}")
    if place and source in SOURCES:
        return SOURCES[source](place)
    found = find(name, known_names(), "data set")
    return _shipped(found) if found in SHIPPED else GENERATED[found]()


def known_names() -> list[str]:
    """Names that `load` takes, with DIR and FILE for places."""
    return [*SHIPPED, *GENERATED, *(f"{source}:DIR" for source in SOURCES), "csv:FILE"]


def for_validation(dataset: Dataset) -> Dataset:
    """The same data with a part of each split's training rows for testing; its test rows are left.

    What is chosen by such scores is chosen without a look at test data.

    Examples
    --------
    >>> data = load("diabetes")
    >>> inner, outer = for_validation(data).split(3), data.split(3)
    >>> len(outer.train), len(inner.train), len(inner.test), set(inner.test) & set(outer.test)
    (398, 318, 80, set())
    """
    return replace(
        dataset,
        name=f"{dataset.name}-validation",
        split=partial(_validation_split, dataset=dataset),
    )


def _validation_split(k: int, *, dataset: Dataset) -> Split:
    rows = dataset.split(k).train
    if dataset.kind == REGRESSION:
        inner = random_split(VALIDATION_SEED + k, n=len(rows), test_fraction=0.2)
    else:
        labels = dataset.Y[rows].argmax(axis=1)
        inner = stratified_split(VALIDATION_SEED + k, labels=labels, test_fraction=0.25)
    return Split(rows[inner.train], rows[inner.test])


def training_part(dataset: Dataset) -> Dataset:
    """The training rows of split 0 and nothing else, where gaps are cut to choose by."""
    rows = dataset.split(0).train
    return replace(
        dataset,
        name=f"{dataset.name}-validation",
        X=dataset.X[rows],
        Y=dataset.Y[rows],
        split=partial(random_split, n=len(rows), test_fraction=0.2),
    )


def with_gaps(dataset: Dataset, rule: str = "distinct") -> Dataset:
    """The same data with a gap along each input in turn in place of its own splits.

    Parameters
    ----------
    rule : str, default "distinct"
        ``"distinct"``: `gap_split`, along each input that has three distinct values or more;
        ``"published"``: `published_gap_split`, along every input.

    Raises
    ------
    UserError
        If it is a classification set, or no input has three distinct values.
    """
    if dataset.kind != REGRESSION:
        raise UserError(f"--gap: needs a regression data set, {dataset.name} has classes")
    published = rule == "published"
    complete = np.flatnonzero(np.isfinite(dataset.X.sum(axis=0)))
    if published and len(complete) < dataset.X.shape[1]:
        raise UserError(f"--published-gap: needs all inputs of all rows, {dataset.name} lacks some")
    columns = range(dataset.X.shape[1]) if published else gap_columns(dataset.X)
    columns = [k for k in columns if k in complete]
    if not columns:
        raise UserError(f"--gap: needs an input of three distinct values, {dataset.name} has none")
    split = partial(published_gap_split if published else gap_split, X=dataset.X)
    return replace(
        dataset,
        name=f"{dataset.name}-published-gap" if published else f"{dataset.name}-gap",
        split=lambda k: split(columns[k]),
        n_splits=len(columns),
        gap_columns=tuple(columns),
    )


def with_outside(dataset: Dataset, place: str) -> Dataset:
    """The same data, and images of a directory to be told apart from its test data.

    Images are those named ``t10k``, or ``train`` where there are no others.

    Raises
    ------
    UserError
        If it is a regression set, or the images are missing or of another size.
    """
    if dataset.kind != CLASSIFICATION:
        raise UserError(f"--ood: needs classes, {dataset.name} is a regression data set")
    directory = _directory(place)
    X = idx.images(directory, "t10k" if idx.has_part(directory, "t10k") else "train")
    if X.shape[1] != dataset.X.shape[1]:
        raise UserError(
            f"--ood: {dataset.name} has {dataset.X.shape[1]} inputs, "
            f"the images of {directory} have {X.shape[1]} pixels"
        )
    return replace(dataset, outside=Outside(directory.resolve().name, X))


# -- shipped with scikit-learn, or generated ------------------------------------------------------

SHIPPED = {
    "diabetes": REGRESSION,
    "digits": CLASSIFICATION,
    "breast_cancer": CLASSIFICATION,
    "wine": CLASSIFICATION,
    "iris": CLASSIFICATION,
}
"""Data sets in scikit-learn's package; nothing is downloaded."""


PIXELS = ("digits",)
"""Those of them whose inputs all have one unit."""


def _shipped(name: str) -> Dataset:
    from sklearn import datasets

    data = getattr(datasets, f"load_{name}")()
    X = np.asarray(data.data, dtype=np.float64)
    if SHIPPED[name] == REGRESSION:
        Y = np.asarray(data.target, dtype=np.float64)[:, None]
        return Dataset(name, REGRESSION, X, Y, partial(random_split, n=len(X), test_fraction=0.1))
    labels = np.asarray(data.target, dtype=np.intp)
    Y = np.eye(len(data.target_names))[labels]
    split = partial(stratified_split, labels=labels, test_fraction=0.3)
    scale = "common" if name in PIXELS else "column"
    return Dataset(name, CLASSIFICATION, X, Y, split, input_scale=scale)


def _mnist1d() -> Dataset:
    """The package's own 4,000 training and 1,000 test signals; they depend on nothing else.

    Its generator sets the seeds of both global generators, which are put back afterwards.
    """
    try:
        from mnist1d.data import get_dataset_args, make_dataset
    except ImportError:
        raise UserError(
            "mnist1d: the package mnist1d, which generates these data, is not installed: "
            "pip install mnist1d"
        ) from None
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        data = make_dataset(get_dataset_args())
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
    X, labels = (np.concatenate([data[key], data[f"{key}_test"]]) for key in "xy")
    split = partial(last_rows_split, n=len(X), n_train=len(data["x"]))
    return Dataset("mnist1d", CLASSIFICATION, X, np.eye(10)[labels], split, 1)


GENERATED: dict[str, Callable[[], Dataset]] = {"mnist1d": _mnist1d}
"""Data sets that a package computes; nothing is downloaded."""


# -- directories ----------------------------------------------------------------------------------


def _uci(place: str) -> Dataset:
    """A UCI regression set in the layout that published tables share, with its own splits.

    Files: ``data.txt`` (one row a datum), ``index_features.txt`` and ``index_target.txt``
    (columns), ``index_train_k.txt`` and ``index_test_k.txt`` (rows), k = 0, 1, ... as far as there
    are any, or as ``n_splits.txt`` says where it is.
    """
    directory = _directory(place)
    table = _read(directory / "data.txt", ndmin=2)
    features = _indices(directory / "index_features.txt", table.shape[1])
    target = _indices(directory / "index_target.txt", table.shape[1])
    _refuse_shared(features, target, directory / "index_features.txt", "the target")
    _refuse_gaps(table, directory / "data.txt")
    n_splits = _number_of_splits(directory)
    split = partial(_uci_split, directory=directory, n=len(table))
    name = f"uci:{directory.resolve().name}"
    return Dataset(name, REGRESSION, table[:, features], table[:, target], split, n_splits)


def _refuse_gaps(table: Array, path: Path) -> None:
    """Raise UserError on what is no finite number."""
    rows, columns = np.nonzero(~np.isfinite(table))
    if len(rows):
        raise UserError(
            f"{path}: expected finite numbers, got {table[rows[0], columns[0]]} in row {rows[0]}, "
            f"column {columns[0]}, both counted from 0, as in the index files; {len(rows)} in all"
        )


def _number_of_splits(directory: Path) -> int:
    """How many splits there are; none of them may lack a file."""
    declared = directory / "n_splits.txt"
    if declared.exists():
        numbers = _read(declared, ndmin=1)
        if len(numbers) != 1 or numbers[0] != int(numbers[0]) or numbers[0] < 1:
            raise UserError(f"{declared}: expected one whole number of at least 1")
        count = int(numbers[0])
    else:
        count = max(len(list(directory.glob("index_train_*.txt"))), 1)
    for k, part in product(range(count), ("train", "test")):
        if not (directory / f"index_{part}_{k}.txt").exists():
            raise UserError(f"{directory}: no file index_{part}_{k}.txt, of split {k} of {count}")
    return count


def _uci_split(k: int, *, directory: Path, n: int) -> Split:
    train = _indices(directory / f"index_train_{k}.txt", n)
    test = _indices(directory / f"index_test_{k}.txt", n)
    _refuse_shared(train, test, directory / f"index_train_{k}.txt", "the test rows")
    return Split(train, test)


def _refuse_shared(numbers: Indices, others: Indices, path: Path, what: str) -> None:
    shared = np.intersect1d(numbers, others)
    if len(shared):
        raise UserError(f"{path}: expected others than {what}, got {shared[0]}, which is in both")


def _mnist(place: str) -> Dataset:
    """Images with ten classes as IDX files; one split.

    With ``train`` and ``t10k`` files these are the training and the test data. With ``t10k``
    files alone the last fifth is for testing: of MNIST's 10,000, 8,000 train and 2,000 test.
    """
    directory = _directory(place)
    parts = ["train", "t10k"] if idx.has_part(directory, "train") else ["t10k"]
    images = [idx.images(directory, part) for part in parts]
    labels = [idx.labels(directory, part) for part in parts]
    for part, x, y in zip(parts, images, labels, strict=True):
        if len(x) != len(y):
            raise UserError(f"{directory}: {len(x)} {part} images, but {len(y)} labels")
        if y.max() > 9:
            raise UserError(f"{directory}: expected labels from 0 to 9, got {y.max()}")
        if x.shape[1] != images[0].shape[1]:
            raise UserError(f"{directory}: train and t10k images differ in size")
    X, Y = np.concatenate(images), np.eye(10)[np.concatenate(labels)]
    n_train = len(images[0]) if len(parts) == 2 else len(X) - len(X) // 5
    if n_train == len(X):
        raise UserError(f"{directory}: expected at least 5 images, got {len(X)}")
    split = partial(last_rows_split, n=len(X), n_train=n_train)
    name = f"mnist:{directory.resolve().name}"
    return Dataset(name, CLASSIFICATION, X, Y, split, 1, "common")


def _directory(place: str) -> Path:
    return _existing(place, Path.is_dir, "directory")


def _existing(place: str, exists: Callable[[Path], bool], what: str) -> Path:
    """A place as given, or relative to the directory that BALINP_DATA names."""
    candidates = [Path(place).expanduser()]
    if os.environ.get("BALINP_DATA"):
        candidates.append(Path(os.environ["BALINP_DATA"]) / place)
    for candidate in candidates:
        if exists(candidate):
            return candidate
    looked = " or ".join(str(candidate) for candidate in candidates)
    raise UserError(f"no {what} {looked} (BALINP_DATA may name the one to look in)")


def _indices(path: Path, size: int) -> Indices:
    """Distinct indices below `size`."""
    values = _read(path, ndmin=1)
    indices = values.astype(np.intp)
    valid = (indices == values) & (indices >= 0) & (indices < size)
    if not valid.all() or len(np.unique(indices)) < len(indices) or not len(indices):
        raise UserError(f"{path}: expected distinct whole numbers from 0 to {size - 1}")
    return indices


def _read(path: Path, *, ndmin: Literal[1, 2]) -> Array:
    """A text file of numbers."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "loadtxt: input contained no data")
            table = np.asarray(np.loadtxt(path, ndmin=ndmin), dtype=np.float64)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except ValueError as error:
        raise UserError(f"{path}: not a table of numbers ({error})") from None
    if not table.size:
        raise UserError(f"{path}: expected a table of numbers, got no lines")
    return table


SOURCES: dict[str, Callable[[str], Dataset]] = {"uci": _uci, "mnist": _mnist}
"""Readers of ``SOURCE:DIR``."""

"""Estimators on disk: the same to the last bit, and nothing that is not understood is read."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from stored import entry, header, replaced, rewrite, without

from balinp import BALI, BALIClassifier, BALIRegressor

QUICK = {"hidden": (4,), "epochs": 3, "random_state": 0}


def regressor(n_members=1, **options):
    X, _ = load_iris(return_X_y=True, as_frame=True)
    return BALIRegressor(n_members=n_members, **QUICK | options).fit(X.iloc[:, :3], X.iloc[:, 3])


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize(
    "noise", [None, 0.04, np.array([[0.04]])], ids=["learnt", "number", "full"]
)
def test_a_loaded_regressor_predicts_and_goes_on_as_the_saved_one(n_members, noise, tmp_path):
    X, _ = load_iris(return_X_y=True, as_frame=True)
    X, y = X.iloc[:, :3], X.iloc[:, 3]
    model = regressor(n_members, noise_variance=noise, epochs=np.int64(4))
    model.save(tmp_path / "model.npz")
    loaded = BALIRegressor.load(tmp_path / "model.npz")
    assert loaded.log_evidence_ == model.log_evidence_
    assert list(loaded.feature_names_in_) == list(X.columns)
    assert loaded.get_params().keys() == model.get_params().keys()
    assert loaded.hidden == (4,)
    for _ in range(2):
        for ours, theirs in zip(
            loaded.predict(X, return_cov=True), model.predict(X, return_cov=True), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(loaded.sample_y(X, 2), model.sample_y(X, 2))
        for estimator in (model, loaded):
            estimator.partial_fit(X, y)
    np.testing.assert_array_equal(loaded.fit(X, y).predict(X), model.fit(X, y).predict(X))


@pytest.mark.parametrize("dtype", [int, str, object])
def test_a_loaded_classifier_predicts_the_same_labels(dtype, tmp_path):
    X, y = load_iris(return_X_y=True)
    y = y if dtype is int else np.array(["a", "b", "long name"], dtype=dtype)[y]
    model = BALIClassifier(**QUICK).fit(X, y)
    model.save(tmp_path / "model.npz")
    loaded = BALIClassifier.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert not hasattr(loaded, "feature_names_in_")


def test_other_kinds_of_files_are_refused(tmp_path):
    model = regressor()
    model.save(tmp_path / "regressor.npz")
    with pytest.raises(
        ValueError, match=r"^path: .*expected a BALIClassifier, got a BALIRegressor"
    ):
        BALIClassifier.load(tmp_path / "regressor.npz")
    with pytest.raises(
        ValueError, match=r"^path: .*expected format balinp 4, got balinp estimator"
    ):
        BALI.load(tmp_path / "regressor.npz")
    model.members_[0].save(tmp_path / "model.npz")
    with pytest.raises(ValueError, match=r"^path: .*expected format balinp estimator"):
        BALIRegressor.load(tmp_path / "model.npz")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(ValueError, match="^path: expected a file written by save"):
        BALIRegressor.load(tmp_path / "text.npz")


@pytest.mark.parametrize(
    "change",
    [
        header(version=1),
        header(parameters={"hidden": [4]}),
        header(fitted={"predict": 1}),
        header(fitted={"n_features_in_": 7}),
        header(members=0),
        header(members=True),
        header(surprise=1),
        entry("fitted", "_data_seen"),
        entry("fitted", "_one_output"),
        entry("fitted", "n_features_in_"),
        entry("fitted", "_data_seen", "150"),
        entry("fitted", "log_evidence_", "1"),
        entry("fitted", "feature_names_in_", ["a"]),
        entry("fitted", "feature_names_in_", [1, 2, 3]),
        replaced("surprise", np.zeros(1)),
        replaced("member0_surprise", np.zeros(1)),
        replaced("input_scale_std", -np.ones(3)),
        replaced("target_scale_std", -np.ones(1)),
        without("input_scale_common"),
        replaced("input_scale_common", np.array(1)),
        replaced("input_scale_common", np.array([True])),
        header(members=2),
        without("member0_layer0_mean"),
        without("input_scale_std"),
        replaced("target_scale_mean", np.zeros(2)),
        replaced("target_scale_std", np.array([np.nan])),
        replaced("classes", np.arange(5)),
    ],
)
def test_a_file_that_is_not_understood_is_refused(change, tmp_path):
    path = tmp_path / "model.npz"
    regressor().save(path)
    rewrite(path, change)
    with pytest.raises(ValueError, match="^path: "):
        BALIRegressor.load(path)


@pytest.mark.parametrize(
    "change",
    [
        without("first_w"),
        replaced("first_w", np.ones(3)),
        replaced("first_X", np.zeros((2, 2))),
        replaced("first_X", np.array(1.0)),
        replaced("first_Y", np.full((2, 1), np.nan)),
    ],
)
def test_first_rows_of_a_stream_that_are_not_understood_are_refused(change, tmp_path):
    path, X = tmp_path / "model.npz", np.eye(2, 3)
    model = BALIRegressor((4,)).partial_fit(X, X[:, 0])
    model.save(path)
    assert BALIRegressor.load(path)._first_rows is not None
    rewrite(path, change)
    with pytest.raises(ValueError, match="^path: "):
        BALIRegressor.load(path)


@pytest.mark.parametrize("classes", [None, [2, 1, 0], [0, 0, 1], [0, 1]])
def test_a_classifier_has_its_classes_in_order(classes, tmp_path):
    path = tmp_path / "model.npz"
    BALIClassifier(**QUICK).fit(*load_iris(return_X_y=True)).save(path)
    rewrite(path, without("classes") if classes is None else replaced("classes", classes))
    with pytest.raises(ValueError, match="^path: .*classes"):
        BALIClassifier.load(path)


def test_what_has_no_plain_form_is_not_saved(tmp_path):
    path = tmp_path / "model.npz"
    with pytest.raises(NotFittedError):
        BALIRegressor().save(path)
    with pytest.raises(TypeError, match="^random_state: expected numbers, text"):
        regressor(random_state=np.random.RandomState(0)).save(path)
    X, y = load_iris(return_X_y=True)
    model = BALIClassifier(**QUICK).fit(X, y)
    model.classes_ = model.classes_.astype(object)
    with pytest.raises(ValueError, match="^classes: expected numbers or text"):
        model.save(path)
    assert not path.exists()


@pytest.mark.parametrize("classes", [False, True])
def test_every_flipped_bit_is_refused(classes, rng, tmp_path):
    """In every region of the file: each of so many bytes in a row is hit once."""
    path = tmp_path / "model.npz"
    model = BALIClassifier(**QUICK).fit(*load_iris(return_X_y=True)) if classes else regressor()
    model.save(path)
    content = path.read_bytes()
    for start in range(0, len(content) - 16, 16):
        damaged = bytearray(content)
        damaged[start + int(rng.integers(16))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"^path: .*{path.name}"):
            type(model).load(path)

"""Models on disk: the same to the last bit, and nothing that is not understood is read."""

from __future__ import annotations

import os
import pickle
from zipfile import ZipFile

import numpy as np
import pytest
from stored import arrays_in, entry, header, replaced, rewrite, without

from balinp import BALI, BALIRegressor
from balinp.likelihood import Categorical


def data(rng, kind):
    X = rng.standard_normal((30, 3))
    if kind == "categorical":
        return X, np.eye(3)[rng.integers(3, size=30)]
    return X, X[:, :2] + 0.1 * rng.standard_normal((30, 2))


@pytest.mark.parametrize("kind", ["gaussian", "categorical"])
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
@pytest.mark.parametrize("hidden", [(), (5, 4)])
def test_a_loaded_model_predicts_and_trains_on_as_the_saved_one(rng, tmp_path, kind, prior, hidden):
    X, Y = data(rng, kind)
    model = BALI(hidden, kind, prior=prior).fit(X, Y, epochs=3, batch_size=8)
    model.save(tmp_path / "model.npz")
    loaded = BALI.load(tmp_path / "model.npz")
    for _ in range(2):
        for name in ("mean", "epistemic", "aleatoric"):
            first, second = (getattr(m.predict(X), name) for m in (model, loaded))
            np.testing.assert_array_equal(first, second)
        assert model.likelihood.__repr__() == loaded.likelihood.__repr__()
        model.fit(X, Y, epochs=2, batch_size=8)
        loaded.fit(X, Y, epochs=2, batch_size=8)


def saved(rng, path):
    X, Y = data(rng, "gaussian")
    BALI((4,)).fit(X, Y, epochs=2).save(path)
    return arrays_in(path)


@pytest.mark.parametrize(
    "change",
    [
        header(version=3),
        header(format="other"),
        header(widths=[3, 5, 2]),
        header(settings={}),
        header(surprise=1),
        header(version=True),
        header(steps="3"),
        header(steps=0),
        header(data_seen=-1.0),
        header(mean_precisions=[1.0]),
        header(mean_precisions=[1.0, -1.0]),
        entry("settings", "prior"),
        entry("settings", "hidden", [4, 4]),
        header(random_state={"bit_generator": "os.system"}),
        without("header"),
        without("layer1_mean"),
        replaced("layer0_mean", np.zeros((2, 2))),
        replaced("layer0_A", np.full((4, 4), np.nan)),
        replaced("layer0_h", np.zeros(4, dtype=np.float32)),
        replaced("noise_covariance", -np.eye(2)),
        replaced("header", np.frombuffer(b"not json", dtype=np.uint8)),
        replaced("header", np.frombuffer(b"[" * 100_000, dtype=np.uint8)),
        replaced("surprise", np.zeros(1)),
        replaced("layer2_mean", np.zeros((2, 2))),
    ],
)
def test_a_file_that_is_not_understood_is_refused(rng, tmp_path, change):
    path = tmp_path / "model.npz"
    saved(rng, path)
    rewrite(path, change)
    with pytest.raises(ValueError, match="^path: "):
        BALI.load(path)


@pytest.mark.parametrize("rows", [4, 30], ids=["by data", "by weights"])
@pytest.mark.parametrize("covariance", ["layerwise", "joint"])
@pytest.mark.parametrize("noise", ["gaussian", "student"])
def test_covariance_and_tails_are_kept(rng, tmp_path, rows, covariance, noise):
    X, Y = (array[: 2 * rows] for array in data(rng, "gaussian"))
    model = BALI((4,), covariance=covariance, noise=noise).fit(X, Y, epochs=5)
    if covariance == "joint":
        assert f"by {'data' if rows == 4 else 'weights'}" in repr(model.uncertainty.joint)
    model.save(tmp_path / "model.npz")
    loaded = BALI.load(tmp_path / "model.npz")
    assert repr(loaded) == repr(model)
    first, second = model.predict(X), loaded.predict(X)
    assert type(first) is type(second)
    for name in ("mean", "epistemic", "aleatoric"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(first.logpdf(Y), second.logpdf(Y))
    functions = (m.sample_functions(X, np.random.default_rng(1), 3) for m in (model, loaded))
    np.testing.assert_array_equal(*functions)
    for m in (model, loaded):
        m.fit(X, Y, epochs=2)
    np.testing.assert_array_equal(model.predict(X).logpdf(Y), loaded.predict(X).logpdf(Y))


@pytest.mark.parametrize(
    "change",
    [
        header(joint=3 * [["weights", -1.0]]),
        header(joint=3 * [["data", 1.0]]),
        header(joint=3 * [["other", 1.0]]),
        header(joint=2 * [["weights", 1.0]]),
        header(joint=None),
        header(tails=[1.0]),
        header(tails=[1.0, -3.0]),
        without("joint0_factor"),
        replaced("joint1_factor", np.eye(3)),
        replaced("joint1_other", np.eye(3)),
        lambda arrays: arrays.update(joint2_factor=np.full_like(arrays["joint2_factor"], np.nan)),
    ],
)
def test_a_covariance_that_is_not_understood_is_refused(rng, tmp_path, change):
    path = tmp_path / "model.npz"
    BALI((4,), covariance="joint", noise="student").fit(*data(rng, "gaussian"), epochs=3).save(path)
    rewrite(path, change)
    with pytest.raises(ValueError, match="^path: "):
        BALI.load(path)


def test_truncated_foreign_and_pickled_files_are_refused(rng, tmp_path):
    path = tmp_path / "model.npz"
    saved(rng, path)
    content = path.read_bytes()

    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    for bad in (content[: len(content) // 2], b"", b"some text", pickle.dumps(Trap())):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match="^path: "):
            BALI.load(path)
    np.savez(path, header=np.array([Trap()], dtype=object))
    with pytest.raises(ValueError, match="^path: "):
        BALI.load(path)
    assert not (tmp_path / "executed").exists()
    with pytest.raises(FileNotFoundError):
        BALI.load(tmp_path / "absent.npz")


def test_every_flipped_bit_is_refused(rng, tmp_path):
    """In every byte of a small file: data, headers of members, and the archive's own tables."""
    path = tmp_path / "model.npz"
    saved(rng, path)
    content = path.read_bytes()
    bits = rng.integers(8, size=len(content))
    for place, bit in enumerate(bits):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(bit)
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="^path: ") as error:
            BALI.load(path)
        assert str(path) in str(error.value)
    for wrong in (content + b"0", content[:-1], content[:-64], b"0" + content):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match="^path: "):
            BALI.load(path)
    np.save(path.with_suffix(".npy"), content)
    with pytest.raises(ValueError, match="^path: expected a file written by save"):
        BALI.load(path.with_suffix(".npy"))


@pytest.mark.parametrize("has_digest", [True, False])
def test_headers_of_large_members_are_checked(rng, tmp_path, has_digest):
    """Readers of arrays do not read a large member to its end, where its checksum is compared."""
    path, X = tmp_path / "model.npz", rng.standard_normal((40, 99))
    BALI((60,)).fit(X, X[:, :1], epochs=1).save(path)
    if not has_digest:
        np.savez(path, **arrays_in(path))
    content = path.read_bytes()
    with ZipFile(path) as archive:
        large = [m for m in archive.infolist() if m.file_size > 2**15]
    assert len(large) >= 4
    BALI.load(path)
    for member in large:
        start = content.index(b"\x93NUMPY", member.header_offset)
        for place in range(start, start + 128):
            damaged = bytearray(content)
            damaged[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match="^path: expected a file written by save"):
                BALI.load(path)


def test_nothing_may_follow_an_archive_without_a_digest(rng, tmp_path):
    path = tmp_path / "model.npz"
    np.savez(path, **saved(rng, path))
    BALI.load(path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(ValueError, match="^path: expected a file written by save"):
        BALI.load(path)


def test_a_file_has_the_permissions_of_any_other(rng, tmp_path):
    path, other = tmp_path / "model.npz", tmp_path / "other"
    saved(rng, path)
    other.write_text("")
    assert path.stat().st_mode == other.stat().st_mode


def test_a_failed_save_leaves_the_old_file(rng, tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    saved(rng, path)
    before = path.read_bytes()

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    X, Y = data(rng, "gaussian")
    with pytest.raises(OSError, match="disk full"):
        BALI((4,)).fit(X, Y, epochs=1).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.npz"]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("no/model.npz", FileNotFoundError, "path: expected a file in a directory that exists"),
        ("file/model.npz", FileNotFoundError, "there is no directory .*/file$"),
        ("", OSError, "path: expected the name of a file, got the directory"),
        (f"{'a' * 300}.npz", OSError, r"File name too long: '.*a\.npz'$"),
    ],
)
def test_a_place_that_cannot_be_written_is_named_as_given(name, error, message, rng, tmp_path):
    (tmp_path / "file").write_text("")
    X, Y = data(rng, "gaussian")
    with pytest.raises(error, match=message):
        BALI((4,)).fit(X, Y, epochs=1).save(tmp_path / name)
    with pytest.raises(error, match=message):
        BALIRegressor(hidden=4, epochs=1).fit(X, Y).save(f"{tmp_path}/{name}")
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_stays_one_and_a_pipe_is_no_file(rng, tmp_path):
    X, Y = data(rng, "gaussian")
    model = BALI((4,)).fit(X, Y, epochs=1)
    (tmp_path / "there").mkdir()
    (tmp_path / "link.npz").symlink_to(tmp_path / "there" / "model.npz")
    model.save(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert os.listdir(tmp_path / "there") == ["model.npz"]
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="path: expected the name of a file, got the pipe or device"):
        model.save(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("path", [None, 3, b"model.npz"])
def test_what_is_no_path_is_named(path, rng):
    X, Y = data(rng, "gaussian")
    for do in (BALI((4,)).fit(X, Y, epochs=1).save, BALI.load, BALIRegressor.load):
        with pytest.raises(TypeError, match="^path: expected the name of a file, got (None|3|b)"):
            do(path)


def test_only_a_fitted_model_with_a_known_likelihood_is_saved(rng, tmp_path):
    class Other(Categorical):
        pass

    with pytest.raises(ValueError, match="expected a fitted model"):
        BALI().save(tmp_path / "model.npz")
    X, Y = data(rng, "categorical")
    model = BALI((4,), Other()).fit(X, Y, epochs=1)
    with pytest.raises(ValueError, match="expected a built-in likelihood"):
        model.save(tmp_path / "model.npz")

"""One thread for small matrices, as many as the process has for wide ones and for its own work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from balinp import BALI
from balinp.threads import WIDE, few_threads


def threads() -> set[int]:
    """Of all BLAS libraries in this process."""
    libraries = ThreadpoolController().select(user_api="blas").info()
    assert libraries
    return {library["num_threads"] for library in libraries}


@pytest.fixture
def two_threads():
    with threadpool_limits(limits=2, user_api="blas"):
        yield


def test_small_matrices_have_one_thread_and_wide_ones_keep_theirs(two_threads) -> None:
    for widths, expected in (([3, 50, 1], {1}), ([WIDE - 1, 2], {1}), ([2, WIDE, 2], {2})):
        with few_threads(widths):
            assert threads() == expected
        assert threads() == {2}


def test_an_error_gives_the_threads_back(two_threads) -> None:
    with pytest.raises(ZeroDivisionError), few_threads([3]):
        1 / 0  # noqa: B018
    assert threads() == {2}


def test_nested_users_leave_what_they_found(two_threads) -> None:
    with few_threads([3]):
        with few_threads([3]):
            pass
        assert threads() == {1}
    assert threads() == {2}


def test_only_the_main_thread_changes_what_belongs_to_the_process(two_threads) -> None:
    def elsewhere() -> set[int]:
        with few_threads([3]):
            return threads()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(elsewhere).result(timeout=30) == {2}
        with few_threads([3]):
            assert pool.submit(elsewhere).result(timeout=30) == {1}
            assert threads() == {1}
    assert threads() == {2}


def test_training_and_predicting_use_one_and_leave_the_callers_alone(two_threads, monkeypatch):
    import balinp.model
    import balinp.training
    import balinp.uncertainty

    seen = []

    def noting(function):
        def call(*arguments, **options):
            seen.append(threads())
            return function(*arguments, **options)

        return call

    for module, name in (
        (balinp.training, "take_step"),
        (balinp.uncertainty, "linearised_outputs"),
        (balinp.model, "network_log_evidence"),
    ):
        monkeypatch.setattr(module, name, noting(getattr(module, name)))
    X = np.random.default_rng(0).standard_normal((20, 2))
    after = []
    model = BALI((4,)).fit(X, X, epochs=2, callback=lambda _: after.append(threads()))
    model.predict(X)
    model.log_evidence(X, X)
    assert seen == [{1}] * 4
    assert after == [{2}] * 2
    assert threads() == {2}

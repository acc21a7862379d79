"""Kernels where nothing can be written, and what importing the package costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import balinp
from balinp.compiled import _first_call, compiled

FIT = (
    "import numpy as np, balinp\n"
    "X = np.random.default_rng(0).standard_normal((30, 2))\n"
    "print(balinp.__file__, balinp.BALI((5,)).fit(X, X, epochs=3).predict(X).mean[0, 0])\n"
)


def run(code: str, folder: Path, **environment: str) -> str:
    """What a fresh process prints, in an installation of its own."""
    left_out = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"} | environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """A copy of the package that cannot be written to, for root as well."""
    source = Path(balinp.__file__).parent
    copy = tmp_path / "balinp"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "results"))
    (copy / "__pycache__").write_text("in the place of the directory")
    return tmp_path


@pytest.mark.slow
def test_training_works_where_nothing_can_be_written(installation: Path) -> None:
    for environment in (
        {"HOME": "/proc/none"},
        {"HOME": "/proc/none", "NUMBA_CACHE_DIR": "/proc/none"},
    ):
        file, _ = run(FIT, installation, **environment).split()
        assert Path(file).is_relative_to(installation)


def test_importing_imports_no_numba(installation: Path) -> None:
    code = "import sys, balinp, balinp.cli; print('numba' in sys.modules)"
    assert run(code, installation) == "False\n"


def test_a_kernel_is_compiled_once_and_computes_what_it_says() -> None:
    calls = []

    @compiled
    def squares(x):
        return x * x

    for x in (np.arange(3.0), np.ones(2)):
        np.testing.assert_array_equal(squares(x), x * x)
        calls.append(squares.__closure__[1].cell_contents)
    assert calls[0] is calls[1]
    assert squares.__name__ == "squares"


@pytest.mark.parametrize("error", [RuntimeError("no locator"), OSError(28, "no space left")])
def test_a_cache_that_fails_early_or_late_is_done_without(error, monkeypatch) -> None:
    """When it is looked for, or, on a full disk, when it is written."""
    import numba

    tried = []

    def njit(*functions, cache=False):
        tried.append(cache)
        if not cache:
            return functions[0]
        if isinstance(error, RuntimeError):
            raise error

        def uncached(kernel):
            def run(*arguments):
                raise error

            return run

        return uncached

    monkeypatch.setattr(numba, "njit", njit)
    assert _first_call(lambda x: 2 * x, (3,))[0] == 6
    assert tried == [True, False]

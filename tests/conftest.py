"""Shared fixtures, and the rule that a test is skipped for lack of data or of peers only."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

ALLOWED_SKIPS = ("BALINP_DATA", "extra 'peers'", "extra 'dask'", "extra 'hmc'")
"""What the reason of a skipped test must name: absent data, or the extra of a large package."""


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20241118)


@pytest.fixture(scope="session")
def data_directory() -> Path:
    """The directory that the environment variable BALINP_DATA names."""
    directory = os.environ.get("BALINP_DATA", "")
    if not Path(directory).is_dir() or not directory:
        pytest.skip("BALINP_DATA does not name a directory with data")
    return Path(directory)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Turn a skip for any other reason into a failure; name the equation of a failing test."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr)
        if not any(allowed in reason for allowed in ALLOWED_SKIPS):
            report.outcome = "failed"
            report.longrepr = f"skipped for a reason that is not allowed: {reason}"
    tags = [tag for mark in item.iter_markers("equation") for tag in mark.args]
    if report.failed and tags:
        report.sections.append(("equations", "this test checks " + ", ".join(tags)))
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --equation TAG, which selects the tests of one equation."""
    parser.addoption("--equation", help="run only the tests of one equation, e.g. MN-3")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the equation that --equation names."""
    wanted = config.getoption("--equation")
    if wanted is None:
        return
    kept = [
        item for item in items if any(wanted in mark.args for mark in item.iter_markers("equation"))
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept

"""Two builds on the same data, and all rows against batches: the same where nothing differs."""

from __future__ import annotations

import numpy as np
import pytest

from balinp import BALI
from balinp.defaults import REGRESSION_TRAINING
from balinp.experiments import builds, full_or_batches
from balinp.experiments.datasets import for_validation, load
from balinp.experiments.full_or_batches import data, looks
from balinp.experiments.turns import HERE


def test_a_build_is_as_good_as_itself() -> None:
    dataset = for_validation(load("iris"))
    records = builds.compared(HERE, dataset, 1, 0, (3,), 20, 3)
    lines = builds.report(records, 3).splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:6]]
    assert [row[0] for row in rows] == ["1", "2", "3", "end"]
    assert [row[3] for row in rows] == ["+0.0000"] * 4
    found = builds.standardised(dataset, 1)
    model = BALI((3,), "categorical", seed=0)
    model.fit(found["X"], found["Y"], epochs=3, batch_size=20)
    mine = model.predict(found["X_held"]).logpdf(found["Y_held"]).mean()
    for record in records:
        assert record["log_likelihood"][-1] == pytest.approx(mine, rel=1e-12)
        assert (np.diff(record["seconds"]) > 0).all()


def test_differences_of_builds_are_paired() -> None:
    records = [
        {"build": name, "seconds": [s, s + 1.0], "log_likelihood": [0.0, value]}
        for name, s, values in (("here", 1.0, (-1.0, -3.0)), ("other", 3.0, (-1.5, -3.1)))
        for value in values
    ]
    last = [cell.strip() for cell in builds.report(records, 1).splitlines()[3].split("|")[1:-1]]
    assert last == ["end", "-2.3000", "-2.0000", "+0.3000 ± 0.2000", "4", "2", "2"]


def test_rows_that_are_held_out_are_others() -> None:
    found, training = data("generated:2-1", 50, seed=1, noise=0.1)
    assert training is REGRESSION_TRAINING
    assert [found[key].shape for key in ("X", "Y", "X_held", "Y_held")] == [
        (50, 2), (50, 1), (2000, 2), (2000, 1),
    ]  # fmt: skip
    assert not set(found["X"][:, 0]) & set(found["X_held"][:, 0])
    found, _ = data("diabetes", 100, seed=0, noise=0.1)
    assert len(found["X"]) == 100
    assert len(found["X_held"]) == len(for_validation(load("diabetes")).split(0).test)


def test_looks_on_the_way_are_those_of_shorter_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    # In the first half of its own steps each fit would hold the noise below its ceiling (EV-13).
    monkeypatch.setattr("balinp.hyper_parameters.HELD_SHARE", 0.0)
    found, training = data("generated:2-1", 50, seed=0, noise=0.1)
    on_the_way = looks(found, training, None, 20, seed=3)
    seconds, values = zip(*on_the_way, strict=True)
    assert list(seconds) == sorted(seconds)
    first = BALI(**training.model, seed=3).fit(found["X"], found["Y"], epochs=20)
    expected = first.predict(found["X_held"]).logpdf(found["Y_held"]).mean()
    assert values[-1] == expected
    layerwise = {**training.model, "covariance": "layerwise", "noise": "gaussian"}
    for passes, value in zip((1, 2, 5, 10, 20), values, strict=False):
        model = BALI(**layerwise, seed=3).fit(found["X"], found["Y"], epochs=passes)
        score = model.predict(found["X_held"]).logpdf(found["Y_held"]).mean()
        assert value == pytest.approx(score, rel=1e-10)


def test_all_rows_and_batches_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    full_or_batches.main(["iris", "60", "--batches", "30"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:4]] == ["all", "30"]
    assert [line.split("|")[2].strip() for line in lines[2:4]] == ["200", "200"]

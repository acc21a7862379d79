"""Simulation-based calibration of whole networks: what is drawn, counted and told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom, kstest

from balinp.experiments import simulated
from balinp.experiments.simulated import (
    BINS,
    CASES,
    LEVELS,
    PLACES,
    Case,
    band,
    coverage,
    groups,
    histogram,
    report,
    simulate,
)

LINEAR = Case("linear", (), {"noise_variance": simulated.NOISE**2})


@pytest.mark.slow
def test_the_exact_case_is_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    """One layer: its posterior is exact, so the truth is one more draw, at every place.

    With 12 rows in place of 100, so that prior and data both have a say.
    """
    monkeypatch.setattr(simulated, "ROWS", 12)
    records = [r for seed in range(300) for r in simulate(LINEAR, seed)]
    for _, place, of, u in groups(records):
        assert kstest(u, "uniform").pvalue > 1e-3, (place, of)
        low, high = band(300)
        counts = histogram(u)
        assert low <= counts.min()
        assert counts.max() <= high


def test_a_noise_that_is_told_wrong_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "ROWS", 12)
    wrong = Case("wrong", (), {"noise_variance": 9 * simulated.NOISE**2})
    records = [r for seed in range(60) for r in simulate(wrong, seed)]
    for _, _, of, u in groups(records):
        if of == "target":
            assert coverage(u, 0.5) > 0.7


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_can_be_drawn_again(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "ROWS", 20)
    monkeypatch.setattr(simulated, "EPOCHS", 5)
    once, again = simulate(case, 3), simulate(case, 3)
    assert once == again
    assert [record["place"] for record in once] == list(PLACES)
    assert all(0 < record[of] < 1 for record in once for of in ("function", "target"))


def test_noise_has_variance_one(rng: np.random.Generator) -> None:
    for freedom in (np.inf, 8.0):
        draws = simulated._noise(rng, freedom, (100_000, 1))
        assert draws.var() == pytest.approx(1, abs=0.05)


def test_all_bins_are_in_the_band_with_its_probability() -> None:
    low, high = band(400)
    outside = binom.cdf(low - 1, 400, 1 / BINS) + binom.sf(high, 400, 1 / BINS)
    assert BINS * outside <= 0.01
    assert binom.cdf(low, 400, 1 / BINS) > 0.005 / BINS


def test_coverage_and_report_by_hand() -> None:
    u = np.array([0.5, 0.26, 0.24, 0.99])
    assert coverage(u, 0.5) == 0.5
    records = [
        {"case": "c", "seed": k, "place": place, "function": v, "target": 0.5}
        for k, v in enumerate(u)
        for place in PLACES
    ]
    lines = report(records).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0][3 : 3 + len(LEVELS)] == ["50%", "80%", "90%", "95%", "99%"]
    assert cells[2][:5] == ["c", "among the data", "function", "50.0%", "75.0%"]
    assert cells[3][2:8] == ["target", "100.0%", "100.0%", "100.0%", "100.0%", "100.0%"]
    assert "share of 4 draws" in report(records)


def test_the_command_writes_records_and_a_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulated, "CASES", (LINEAR,))
    paths = tmp_path / "r.json", tmp_path / "f.png"
    arguments = ["--draws", "2", "--json", str(paths[0]), "--figure", str(paths[1])]
    assert simulated.main(arguments) == 0
    assert "| linear |    beyond them |   target |" in capsys.readouterr().out
    assert len(json.loads(paths[0].read_text())) == 4
    assert paths[1].stat().st_size > 1000

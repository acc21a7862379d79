"""The demonstration: its claims, its output and its figure."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from balinp import BALI, dense
from balinp.demo import (
    CLUSTERS,
    INPUTS,
    NOISE_STD,
    beliefs,
    comparison_table,
    convergence_table,
    curve,
    curve_data,
    data_and_gap,
    demo,
    differences_from_dense,
    epistemic_std,
    trained,
)
from balinp.experiments import demo_seeds
from balinp.functions import LayerwisePosterior


@pytest.mark.equation("LR-1")
@pytest.mark.parametrize("seed", range(5))
def test_one_layer_is_exact(seed: int) -> None:
    X, _ = curve_data(seed)
    # Eight tanh features of one input are nearly collinear: condition numbers up to 1e4.
    assert max(differences_from_dense(X, seed)) < 1e-9


def test_data_leave_a_gap() -> None:
    X, Y = curve_data(0)
    assert X.shape == Y.shape == (100, 1)
    (start, left), (right, end) = CLUSTERS
    inside = ((X >= start) & (X <= left)) | ((X >= right) & (X <= end))
    assert inside.all()
    noise = Y - curve(X)
    assert np.std(noise) == pytest.approx(NOISE_STD, abs=4 * NOISE_STD / np.sqrt(200))
    near, gap = data_and_gap()
    np.testing.assert_array_equal(INPUTS[gap, 0], INPUTS[(INPUTS > left) & (INPUTS < right)])
    assert not (near & gap).any()


def test_the_tables_say_what_the_model_says() -> None:
    X, Y = curve_data(1)
    model = BALI(hidden=(10,), activation="tanh", covariance="joint").fit(X, Y, epochs=200)
    rows = [line.split() for line in convergence_table(model).splitlines()[1:]]
    assert [int(row[0]) for row in rows] == [1, 2, 3, 5, 10, 20, 50, 100, 200]
    for step, log_joint, factor, ratio, noise in rows:
        record = model.history[int(step) - 1]
        expected = [record.log_joint, record.step, record.gain_ratio]
        expected.append(float(np.sqrt(record.noise_variances.item())))
        shown = [float(log_joint), float(factor), float(ratio), float(noise)]
        assert shown == pytest.approx(expected, abs=6e-3)

    believed = beliefs(model)
    np.testing.assert_array_equal(believed.predictive.mean, model.predict(INPUTS).mean)
    scale = model.uncertainty.joint.prior_scale
    dense_twin = SimpleNamespace(
        weights=model.weights,
        activation="tanh",
        bias=True,
        prior_precisions=[precision / scale for precision in model.prior_precisions],
        output_curvature=model.output_curvature,
    )
    full_posterior = dense.ggn_posterior(dense_twin, X)
    layers = LayerwisePosterior(model.network, [layer.posterior for layer in model.layers])
    for line in comparison_table(believed.layerwise, believed.joint).splitlines()[1:]:
        x, ours, full, ratio = map(float, line.split())
        point = np.array([[x]])
        expected_ours = np.sqrt(layers.between_rows(point)).item()
        expected_full = epistemic_std(full_posterior.epistemic(point)).item()
        assert ours == pytest.approx(expected_ours, abs=6e-4)
        assert full == pytest.approx(expected_full, abs=6e-4)
        assert ratio == pytest.approx(expected_ours / expected_full, abs=6e-3)


def test_demo_runs_and_repeats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "demo.png"
    outputs = []
    for _ in range(2):
        demo(seed=0, figure_path=path)
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert path.read_bytes().startswith(b"\x89PNG")
    for number in "1234":
        assert f"\n{number}. " in "\n" + outputs[0]
    ratio = re.search(r"in the gap \S+   ratio (\S+)", outputs[0])
    assert ratio is not None
    assert float(ratio[1]) > 5  # 13 to 25 for seeds 0 to 9
    difference = re.search(r"mean (\S+)   covariance (\S+)", outputs[0])
    assert difference is not None
    assert max(map(float, difference.groups())) < 1e-9
    assert outputs[0].endswith(f"Figure: {path}\n")


def test_shares_of_seeds_from_their_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balinp.demo.EPOCHS", 20)
    found = demo_seeds.row(3)
    believed = beliefs(trained(*curve_data(3), 3))
    x, truth = INPUTS[:, 0], np.sin(1.5 * INPUTS[:, 0])
    for std, (ratio, gap, beyond) in zip(
        (believed.joint, believed.layerwise), found.reshape(2, 3), strict=True
    ):
        within = np.abs(believed.predictive.mean[:, 0] - truth) <= 2 * std
        in_gap, in_data = np.abs(x) < 1.5, (np.abs(x) >= 1.5) & (np.abs(x) <= 3)
        assert ratio == pytest.approx(std[in_gap].mean() / std[in_data].mean(), rel=1e-12)
        assert gap == pytest.approx(within[in_gap].mean(), abs=1e-12)
        assert beyond == pytest.approx(within[np.abs(x) > 3].mean(), abs=1e-12)
    lines = demo_seeds.report([3]).splitlines()
    assert lines[2].split("|")[1].strip() == "3"
    assert f"for {int(found[1] == 1)} of 1 seeds" in lines[-1]

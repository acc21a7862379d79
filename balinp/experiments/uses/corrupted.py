"""Digits turned, spoilt by noise, shifted or blurred, after training on clean ones.

Each by five degrees; accuracy, negative log-likelihood and expected calibration error of what the
methods then say. Chance has an accuracy of .1 and a negative log-likelihood of log 10 = 2.30.

Source: Ovadia et al. (2019), Can you trust your model's uncertainty? Evaluating predictive
uncertainty under dataset shift.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from balinp._types import Array
from balinp.experiments.scores import Record, scores
from balinp.experiments.table import column_cells, markdown, method_names
from balinp.experiments.uses.curves import draw_curves, new_figure
from balinp.experiments.uses.digits import SIDE, WHITEST, clipped, methods, trained

SCORES = (("accuracy", "accuracy"), ("nll", "NLL"), ("ece", "ECE"))


def rotated(images: Array, degrees: float, rng: np.random.Generator) -> Array:
    """Each turned to one side or the other."""
    signs = rng.choice([-1.0, 1.0], len(images))
    turned = [
        ndimage.rotate(image, sign * degrees, reshape=False, order=1)
        for image, sign in zip(images, signs, strict=True)
    ]
    return np.array(turned)


def noisy(images: Array, std: float, rng: np.random.Generator) -> Array:
    """Gaussian noise on every pixel, of a standard deviation in units of the whitest."""
    return images + std * WHITEST * rng.standard_normal(images.shape)


def shifted(images: Array, pixels: float, rng: np.random.Generator) -> Array:
    """Each moved so far in a direction of its own."""
    angles = rng.uniform(0, 2 * np.pi, len(images))
    moved = [
        ndimage.shift(image, (pixels * np.sin(angle), pixels * np.cos(angle)), order=1)
        for image, angle in zip(images, angles, strict=True)
    ]
    return np.array(moved)


def blurred(images: Array, pixels: float, rng: np.random.Generator) -> Array:
    """Smeared by a Gaussian of a standard deviation in pixels; nothing is random."""
    return np.asarray(ndimage.gaussian_filter(images, (0, pixels, pixels), mode="constant"))


Corruption = Callable[[Array, float, np.random.Generator], Array]
CORRUPTIONS: dict[str, tuple[Corruption, tuple[float, ...]]] = {
    "rotation": (rotated, (15.0, 30.0, 45.0, 60.0, 90.0)),
    "noise": (noisy, (0.1, 0.2, 0.3, 0.4, 0.6)),
    "shift": (shifted, (0.5, 1.0, 1.5, 2.0, 3.0)),
    "blur": (blurred, (0.5, 0.75, 1.0, 1.25, 1.5)),
}
"""How, and by how much at severities 1 to 5: degrees, shares of the whitest, and pixels."""


def corrupt(X: Array, kind: str, severity: int, seed: int) -> Array:
    """Images (B, 64) spoilt in one way; severity 0 leaves them."""
    if not severity:
        return X
    how, amounts = CORRUPTIONS[kind]
    rng = np.random.default_rng([seed, severity])
    images = how(X.reshape(-1, SIDE, SIDE), amounts[severity - 1], rng)
    return clipped(images.reshape(len(X), -1))


def run(seeds: int = 3) -> list[Record]:
    """A record for each split, method, corruption and severity from 0 to 5."""
    records = []
    for split in range(seeds):
        for method in methods():
            model = trained(split, method.name)
            for kind, (_, amounts) in CORRUPTIONS.items():
                for severity in range(len(amounts) + 1):
                    predictive = model.probabilities(corrupt(model.X, kind, severity, split))
                    found = scores(predictive, model.Y)
                    place = {"corruption": kind, "severity": severity}
                    kept = {key: found[key] for key, _ in SCORES}
                    records.append({"split": split, "method": method.name, **place, **kept})
    return records


def curves(records: Sequence[Record], key: str, kinds: Sequence[str]) -> dict[str, Array]:
    """Scores (splits, severities) of each method, means over kinds of corruption."""
    found = {}
    for name in method_names(records):
        chosen = [r for r in records if r["method"] == name and r["corruption"] in kinds]
        axes = [sorted({r[axis] for r in chosen}) for axis in ("split", "severity")]
        total = np.zeros([len(axis) for axis in axes])
        for r in chosen:
            total[axes[0].index(r["split"]), axes[1].index(r["severity"])] += r[key]
        found[name] = total / len(kinds)
    return found


def report(records: Sequence[Record]) -> str:
    """A Markdown table: scores by severity, means over the four corruptions."""
    names, titles, columns = method_names(records), ["method"], []
    for key, title in SCORES:
        values = curves(records, key, list(CORRUPTIONS))
        for severity in (0, 1, 3, 5):
            titles.append(f"{title}, {severity}")
            columns.append(column_cells([values[name][:, severity] for name in names]))
    splits = len({record["split"] for record in records})
    return (
        f"{markdown(titles, [names, *columns])}\n\nBy severity (0: clean), means over rotation, "
        f"noise, shift and blur, and over {splits} splits ± standard error; NLL in nats a datum.\n"
    )


def save_figure(records: Sequence[Record], path: Path) -> None:
    """Scores in rows, corruptions in columns, against severity."""
    figure = new_figure(13, 7.6)
    all_axes = figure.subplots(len(SCORES), len(CORRUPTIONS), sharex=True, sharey="row")
    for row, (key, title) in zip(all_axes, SCORES, strict=True):
        for axes, kind in zip(row, CORRUPTIONS, strict=True):
            found = curves(records, key, [kind])
            severities = np.arange(len(CORRUPTIONS[kind][1]) + 1)
            draw_curves(axes, severities, found)
            if key == "nll":
                axes.set_yscale("log")
        row[0].set_ylabel(title)
    for axes, kind in zip(all_axes[0], CORRUPTIONS, strict=True):
        axes.set_title(kind)
    for axes in all_axes[-1]:
        axes.set_xlabel("severity")
    handles, labels = all_axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=9, frameon=False)
    figure.savefig(path, dpi=100)

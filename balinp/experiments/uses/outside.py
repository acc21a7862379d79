"""Letters of Matplotlib's fonts, to be told from the handwritten digits of scikit-learn.

Glyphs are drawn 32 pixels high and counted in blocks of 4 by 4, as the digits were made of scans.
What tells them from digits may be that they are letters, or that they are printed: so printed
digits of the same fonts are a third set. Predictive entropy is the score (SC-5).
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from balinp import metrics
from balinp._types import Array
from balinp.experiments.scores import Record, detection, scores
from balinp.experiments.table import by_split, column_cells, markdown, method_names
from balinp.experiments.uses.curves import new_figure
from balinp.experiments.uses.digits import SIDE, WHITEST, methods, trained

FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "DejaVuSansMono",
    "STIXGeneral",
    "STIXGeneralItalic",
    "cmr10",
    "cmtt10",
)
"""Files that Matplotlib ships."""

LETTERS = "".join(letter for letter in string.ascii_letters if letter not in "OoIl")
"""Without those that a font may draw as it does 0 and 1."""

FINE = 32
"""Pixels of a side before they are counted in blocks."""

COLUMNS = (
    ("nll", "NLL, digits"),
    ("auroc_letters", "AUROC, letters"),
    ("fpr95_letters", "FPR at 95 % TPR"),
    ("accuracy_printed", "accuracy, printed digits"),
    ("nll_printed", "NLL, printed digits"),
    ("auroc_printed", "AUROC, printed digits"),
    ("auroc_apart", "AUROC, letters against printed digits"),
)


@cache
def glyphs(characters: str) -> Array:
    """Images (fonts times characters, 64) with pixels from 0 to 16, font by font.

    Examples
    --------
    >>> glyphs("H").shape, float(glyphs("H").max())
    ((11, 64), 16.0)
    """
    import matplotlib
    from matplotlib.font_manager import FontProperties

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = [FontProperties(fname=str(folder / f"{font}.ttf")) for font in FONTS]
    images = np.array([_glyph(c, font) for font in fonts for c in characters])
    images.flags.writeable = False
    return images


def _glyph(character: str, font: Any) -> Array:
    """One image (64,): as large as it can be, upright, in the middle."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextPath

    outline = TextPath((0, 0), character, size=100, prop=font)
    low, high = outline.get_extents().get_points()
    middle, half = (low + high) / 2, (high - low).max() / 2
    figure = Figure(figsize=(1, 1), dpi=FINE)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=middle[0] + [-half, half], ylim=middle[1] + [-half, half])
    axes.add_patch(PathPatch(outline, facecolor="black", linewidth=0))
    canvas.draw()
    ink = np.asarray(canvas.buffer_rgba())[:, :, 0] < 128
    block = FINE // SIDE
    return ink.reshape(SIDE, block, SIDE, block).sum(axis=(1, 3)).astype(np.float64).ravel()


def run(seeds: int = 3) -> list[Record]:
    """A record for each split and method; see `COLUMNS`."""
    letters, printed = glyphs(LETTERS), glyphs(string.digits)
    classes = np.tile(np.eye(10), (len(FONTS), 1))
    records = []
    for split in range(seeds):
        for method in methods():
            model = trained(split, method.name)
            inside, of_fonts, p = map(model.probabilities, (model.X, letters, printed))
            of_letters, of_printed = detection(inside, of_fonts), detection(inside, p)
            entropies = [metrics.predictive_entropy(q.probabilities) for q in (p, of_fonts)]
            record: Record = {"split": split, "method": method.name, **scores(inside, model.Y)}
            record |= {f"{key}_letters": value for key, value in of_letters.items()}
            record |= {f"{key}_printed": value for key, value in of_printed.items()}
            record |= {f"{key}_printed": v for key, v in scores(p, classes).items()}
            records.append(record | {"auroc_apart": metrics.auroc(*entropies)})
    return records


def report(records: Sequence[Record]) -> str:
    """A Markdown table, one row a method."""
    names = method_names(records)
    cells = [column_cells([by_split(records, name, key) for name in names]) for key, _ in COLUMNS]
    titles = ["method", *(title for _, title in COLUMNS)]
    splits = len({record["split"] for record in records})
    return (
        f"{markdown(titles, [names, *cells])}\n\nMeans over {splits} splits ± standard error; "
        f"{len(FONTS) * len(LETTERS)} letters and {10 * len(FONTS)} printed digits of {len(FONTS)} "
        "fonts; AUROC and FPR of predictive entropy, the set that is named being the positives.\n"
    )


def save_figure(records: Sequence[Record], path: Path) -> None:
    """Some images of each set, and the AUROC of each method by split."""
    from balinp.experiments.figures import styles
    from balinp.plot.style import open_frame

    figure = new_figure(12, 4.6)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.1, 1, 1))
    left.imshow(_samples(), cmap="Greys", vmin=0, vmax=WHITEST)
    left.set(xticks=[], yticks=[], title="digits, printed digits, letters")
    names = method_names(records)
    for axes, key, title in (
        (middle, "auroc_letters", "letters told from digits"),
        (right, "auroc_apart", "letters told from printed digits"),
    ):
        for row, style in enumerate(styles(names)):
            values = by_split(records, style.name, key)
            axes.plot(values, np.full(len(values), row), linestyle="none", marker=style.marker,
                      color=style.colour, markerfacecolor=style.face)  # fmt: skip
        axes.set_yticks(range(len(names)), names if axes is middle else [""] * len(names))
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set(xlabel="AUROC of predictive entropy, each split", title=title)
        axes.grid(axis="x", color="0.92")
        open_frame(axes)
    figure.savefig(path, dpi=110)


def _samples(rows: int = 3, columns: int = 9) -> Array:
    """Images of the three sets, one below the other."""
    from balinp.experiments.datasets import load

    rng = np.random.default_rng(0)
    sets = load("digits").X, glyphs(string.digits), glyphs(LETTERS)
    parts = []
    for images in sets:
        chosen = images[rng.choice(len(images), rows * columns, replace=False)]
        framed = np.pad(chosen.reshape(rows, columns, SIDE, SIDE), ((0,) * 2, (0,) * 2, (1,) * 2,
                        (1,) * 2), constant_values=WHITEST / 8)  # fmt: skip
        parts.append(framed.transpose(0, 2, 1, 3).reshape(rows * (SIDE + 2), -1))
    return np.concatenate(parts)

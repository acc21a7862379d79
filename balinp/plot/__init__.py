"""Pictures of predictions, of their calibration and of what a model has learnt.

Each function draws on the Matplotlib axes that it is given, or on new ones, and returns them. None
shows a figure or changes a setting that is not its own. Matplotlib is imported when the first
picture is drawn, not before.
"""

from balinp.plot.calibration import coverage, reliability, residuals
from balinp.plot.functions import functions
from balinp.plot.model import convergence, spectra, weights
from balinp.plot.predictions import predictive_band, uncertainty_map
from balinp.plot.style import COLOURS, MARKERS

__all__ = [
    "COLOURS",
    "MARKERS",
    "convergence",
    "coverage",
    "functions",
    "predictive_band",
    "reliability",
    "residuals",
    "spectra",
    "uncertainty_map",
    "weights",
]

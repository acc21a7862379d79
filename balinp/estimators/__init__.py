"""Scikit-learn estimators: `BALIRegressor` and `BALIClassifier`, of the extra ``sklearn``.

They standardise, train one network or several, and give predictions back in original units.

Weights are exact repetitions: rows of weight 0 are dropped, equal rows (x, y) are merged and
their weights added, and rows are put into lexicographic order before anything is trained. So
permuted rows give the same model to the last bit, and repeated rows that of the weights.
"""

from balinp.estimators.classifier import BALIClassifier
from balinp.estimators.regressor import BALIRegressor

__all__ = ["BALIClassifier", "BALIRegressor"]

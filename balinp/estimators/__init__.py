"""Scikit-learn estimators: `BALIRegressor` and `BALIClassifier`, of the extra ``sklearn``.

They standardise inputs and targets, train one network or several (`n_members`: their predictive is
the mixture), and give everything back in original units: intervals (`predict_interval`), the
predictive distribution with epistemic and aleatoric covariance apart (`predict_distribution`),
class probabilities, draws (`sample_y`) and the evidence (`log_evidence_`). `partial_fit` goes on
with new data, `warm_start` with more training; `early_stopping` ends it by rows that are held out.

Weights are exact repetitions (LR-6): rows of weight 0 are dropped, equal rows (x, y) are merged
and their weights added, and rows are put into lexicographic order before anything is trained. So
permuted rows give the same model to the last bit, and repeated rows that of the weights.

Examples
--------
In a pipeline on a pandas data frame:

>>> from sklearn.datasets import load_diabetes
>>> from sklearn.impute import SimpleImputer
>>> from sklearn.pipeline import make_pipeline
>>> patients, progression = load_diabetes(return_X_y=True, as_frame=True)
>>> model = BALIRegressor(hidden=(10,), epochs=50, random_state=0)
>>> pipeline = make_pipeline(SimpleImputer(), model).fit(patients, progression)
>>> mean, low, high = pipeline.predict(patients.head(3), return_interval=0.95)
>>> bool(((low < progression.head(3)) & (progression.head(3) < high)).all())
True
"""

from balinp.estimators.classifier import BALIClassifier
from balinp.estimators.regressor import BALIRegressor

__all__ = ["BALIClassifier", "BALIRegressor"]

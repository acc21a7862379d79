"""Any estimator of scikit-learn's kind as a method: a regressor, or a classifier of probabilities.

A method predicts a distribution, and estimators say more or less of it. What is taken:

- `predict_distribution`, where an estimator has it: the estimators of this package do.
- Mean and standard deviation, where ``predict`` takes ``return_std``. The variance that is reported
  is not taken apart: all of it counts as epistemic.
- Else the prediction of an estimator of all training data, with the mean square of the residuals of
  a cross-validation over `FOLDS` parts of them as the variance of noise.
- ``predict_proba`` for classes.
"""

from __future__ import annotations

import importlib
import inspect
import operator
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from balinp._types import Array
from balinp.experiments import CLASSIFICATION, KINDS, REGRESSION, UserError
from balinp.experiments.methods.method import Method, Predictor, with_noise
from balinp.experiments.methods.scikit import class_probabilities
from balinp.predictive import CategoricalPredictive, GaussianPredictive

FOLDS = 5
"""Parts of a cross-validation whose residuals give the noise of a point prediction."""


def from_estimator(estimator: Any, name: str | None = None, kind: str | None = None) -> Method:
    """A method that fits a clone of an estimator to standardised data.

    Every parameter of it called ``random_state`` is set to the number of the split.

    Parameters
    ----------
    estimator
        Estimator of scikit-learn, a pipeline that ends in one, or anything with their methods.
    name : str, optional
        In tables; None takes that of the class.
    kind : str, optional
        ``"regression"`` or ``"classification"``; None is what scikit-learn says of it.

    Raises
    ------
    UserError
        If it is no such estimator, of the other kind, or a classifier without probabilities.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> method = from_estimator(Ridge(alpha=0.1))
    >>> method.name, method.kind, method.settings
    ('Ridge', 'regression', 'Ridge(alpha=0.1)')
    >>> X = np.arange(20.0)[:, None]
    >>> predictive = method.fit(X, 3 * X, seed=0)(np.array([[30.0]]))
    >>> bool(abs(predictive.mean[0, 0] - 90) < 1)
    True
    """
    title = type(estimator).__name__ if name is None else name
    if inspect.isclass(estimator):
        raise UserError(f"{title}: expected an estimator, got the class {estimator.__name__}")
    lacking = [part for part in ("fit", "predict", "get_params") if not hasattr(estimator, part)]
    if lacking:
        raise UserError(
            f"{title}: expected an estimator with fit, predict and get_params, as scikit-learn's, "
            f"got {type(estimator).__name__}, which has no {' and no '.join(lacking)}"
        )
    found = _kind(estimator)
    if found not in KINDS or (kind is not None and found != kind):
        raise UserError(f"{title}: expected an estimator for {kind or 'either kind'}, got {found}")
    if found == CLASSIFICATION and not hasattr(estimator, "predict_proba"):
        raise UserError(
            f"{title}: expected a classifier with predict_proba, got one without; "
            "CalibratedClassifierCV gives it one"
        )
    return Method(title, found, Fitted(estimator, title, found))


def imported(place: str, kind: str | None = None, name: str | None = None) -> Method:
    """A method from ``MODULE:OBJECT``: an estimator, or its class or a function that makes one.

    Modules are looked for where Python looks, and in the working directory.

    Raises
    ------
    UserError
        If there is no such module or object, or it is no estimator of the kind.

    Examples
    --------
    >>> imported("sklearn.svm:SVR").name
    'SVR'
    """
    module, _, path = place.partition(":")
    if not module or not path:
        raise UserError(f"--method {place}: expected MODULE:OBJECT, such as sklearn.svm:SVR")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that no file there hides a module; workers need it
    expected = "expected a module that Python can import from here, such as sklearn.svm:SVR"
    with _blamed(f"--method {place}: {expected}; importing {module!r}"):
        there = importlib.import_module(module)
    try:
        estimator = operator.attrgetter(path)(there)
    except AttributeError as error:
        raise UserError(f"--method {place}: expected an object of {module!r}; {error}") from None
    if callable(estimator) and (inspect.isclass(estimator) or not hasattr(estimator, "fit")):
        with _blamed(f"--method {place}: expected what makes an estimator; {path}()"):
            estimator = estimator()
    try:
        return from_estimator(estimator, path if name is None else name, kind)
    except UserError as error:
        raise UserError(f"--method {place}: {str(error).partition(': ')[2]}") from None


@dataclass(frozen=True)
class Fitted:
    """The `train` of a method, for an estimator; it is cloned and never fitted itself."""

    estimator: Any
    name: str
    kind: str

    def __call__(self, X: Array, Y: Array, seed: int) -> Predictor:
        """Fit a clone to standardised data; what goes wrong in it is a `UserError`."""
        from sklearn.base import clone

        with _blamed(f"{self.name}: fitting"):
            model = clone(self.estimator)
            states = [key for key in model.get_params() if re.search(r"(^|__)random_state$", key)]
            model.set_params(**dict.fromkeys(states, seed))
            if self.kind == CLASSIFICATION:
                predictor = class_probabilities(model, X, Y)
            else:
                predictor = self._regression(model, X, Y, seed)

        def predict(X_new: Array) -> Any:
            with _blamed(f"{self.name}: predicting"):
                return _usable(predictor(X_new), len(X_new), Y.shape[1])

        return predict

    def _regression(self, model: Any, X: Array, Y: Array, seed: int) -> Predictor:
        y = Y if Y.shape[1] > 1 else Y[:, 0]
        if hasattr(_last(model), "predict_distribution"):
            model.fit(X, y)
            return lambda X_new: _last(model).predict_distribution(_transformed(model, X_new))
        if "return_std" in inspect.signature(_last(model).predict).parameters:
            model.fit(X, y)
            return lambda X_new: _reported(model.predict(X_new, return_std=True), len(X_new))
        return _point(model, X, y, seed)

    def __str__(self) -> str:
        """The estimator and its parameters, the same in every process."""
        shown: Any = type(self.estimator).__repr__
        try:
            text = shown(self.estimator, N_CHAR_MAX=10**6)  # scikit-learn's cuts longer ones
        except TypeError:
            text = repr(self.estimator)
        return re.sub(r"\s+", " ", re.sub(r" at 0x[0-9a-f]+", "", text))


def _kind(estimator: Any) -> str:
    """The kind of an estimator, or in words what else it is."""
    from sklearn.base import is_classifier, is_regressor

    try:
        if is_regressor(estimator):
            return REGRESSION
        if is_classifier(estimator):
            return CLASSIFICATION
    except (AttributeError, TypeError):
        pass  # without scikit-learn's tags: it only looks like an estimator
    return f"{type(estimator).__name__}, neither a regressor nor a classifier to scikit-learn"


def _last(model: Any) -> Any:
    """The estimator at the end of a pipeline."""
    while hasattr(model, "steps"):
        model = model.steps[-1][1]
    return model


def _transformed(model: Any, X: Array) -> Any:
    """Inputs as they come to the estimator at the end of a pipeline."""
    while hasattr(model, "steps"):
        X = model[:-1].transform(X) if len(model.steps) > 1 else X
        model = model.steps[-1][1]
    return X


def _usable(predictive: Any, rows: int, columns: int) -> Any:
    """A predictive distribution of this package, for all rows and columns."""
    if not isinstance(predictive, (GaussianPredictive, CategoricalPredictive)):
        kind = type(predictive).__name__
        raise TypeError(f"expected a GaussianPredictive or a CategoricalPredictive, got {kind}")
    if predictive.mean.shape != (rows, columns):
        raise ValueError(f"expected means {(rows, columns)}, got {predictive.mean.shape}")
    return predictive


def _numbers(predictions: Any, rows: int) -> Array:
    """Predictions (rows, K) of whatever an estimator has returned for that many rows."""
    raw = np.asarray(predictions)
    if raw.dtype.kind not in "fiub":
        raise TypeError(f"expected predictions that are numbers, got dtype {raw.dtype}")
    if raw.ndim not in (1, 2) or len(raw) != rows:
        raise ValueError(f"expected predictions of {rows} rows, got shape {raw.shape}")
    if not np.isfinite(raw).all():
        bad = int((~np.isfinite(raw)).sum())
        raise ValueError(f"expected finite predictions, got {bad} NaN or infinite ones")
    return raw.astype(np.float64).reshape(rows, -1)


def _reported(found: Any, rows: int) -> GaussianPredictive:
    """Independent Gaussians with the means and standard deviations that an estimator reports."""
    mean, std = (_numbers(part, rows) for part in found)
    if not (std > 0).all():
        raise ValueError(f"expected standard deviations above 0, got {std.min()}")
    K = mean.shape[1]
    return GaussianPredictive(mean, std[:, :, None] ** 2 * np.eye(K), np.zeros((K, K)))


def _point(model: Any, X: Array, y: Array, seed: int) -> Predictor:
    """A point prediction with the noise that a cross-validation shows."""
    from sklearn.base import clone
    from sklearn.model_selection import KFold

    residuals = y.reshape(len(X), -1).copy()
    for train, test in KFold(min(FOLDS, len(X)), shuffle=True, random_state=seed).split(X):
        part = clone(model)
        part.fit(X[train], y[train])
        residuals[test] -= _numbers(part.predict(X[test]), len(test))
    model.fit(X, y)
    return with_noise(
        lambda X_new: _numbers(model.predict(X_new), len(X_new)), (residuals**2).mean(axis=0)
    )


@contextmanager
def _blamed(what: str) -> Iterator[None]:
    """Turn whatever other people's code raises into one line that says what was done."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # the latter would end the command without a word
        line = (str(error).strip().splitlines() or [""])[0]
        raise UserError(f"{what} failed with {type(error).__name__}: {line}") from error

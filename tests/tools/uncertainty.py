"""Conformal intervals, calibration, scores of predictions, chains."""

from __future__ import annotations

import numpy as np
from trial import SEED, classes, classifier, near, numbers, regressor, three_classes, tool


def halves(data: tuple) -> tuple:
    """Rows to train on and rows to calibrate with."""
    X, y = (part.to_numpy() for part in data)
    return X[::2], y[::2], X[1::2], y[1::2]


@tool(
    "mapie==1.6.0",
    "SplitConformalRegressor, CrossConformalRegressor, JackknifeAfterBootstrapRegressor",
)
def mapie_regressors() -> None:
    from mapie.regression import (
        CrossConformalRegressor,
        JackknifeAfterBootstrapRegressor,
        SplitConformalRegressor,
    )

    X, y, X_held, y_held = halves(numbers())
    split = SplitConformalRegressor(regressor().fit(X, y), confidence_level=0.9, prefit=True)
    _, ends = split.conformalize(X_held, y_held).predict_interval(X_held)
    assert ((ends[:, 0, 0] <= y_held) & (y_held <= ends[:, 1, 0])).mean() > 0.85
    for kind in (CrossConformalRegressor, JackknifeAfterBootstrapRegressor):
        kind(regressor(), confidence_level=0.8).fit_conformalize(X, y).predict_interval(X_held)


@tool("mapie==1.6.0", "ConformalizedQuantileRegressor of three fitted ends of intervals")
def mapie_quantiles() -> None:
    from mapie.regression import ConformalizedQuantileRegressor
    from sklearn.base import BaseEstimator, RegressorMixin

    X, y, X_held, y_held = halves(numbers())
    model = regressor().fit(X, y)

    class End(RegressorMixin, BaseEstimator):
        def __init__(self, which: int = 0) -> None:
            self.which = which

        def fit(self, X: np.ndarray, y: np.ndarray) -> End:
            self.fitted_ = True
            return self

        def predict(self, X: np.ndarray) -> np.ndarray:
            return model.predict(X, return_interval=0.8)[self.which]

    ends = [End(which).fit(X, y) for which in (1, 2, 0)]
    conformal = ConformalizedQuantileRegressor(ends, confidence_level=0.8, prefit=True)
    conformal.conformalize(X_held, y_held).predict_interval(X)


@tool("mapie==1.6.0", "SplitConformalClassifier, CrossConformalClassifier")
def mapie_classifiers() -> None:
    from mapie.classification import CrossConformalClassifier, SplitConformalClassifier

    X, y, X_held, y_held = halves(three_classes())
    for score in ("lac", "aps", "raps"):
        split = SplitConformalClassifier(
            classifier().fit(X, y), confidence_level=0.8, conformity_score=score, prefit=True
        )
        split.conformalize(X_held, y_held).predict_set(X)
    CrossConformalClassifier(classifier(), cv=3).fit_conformalize(X, y).predict_set(X_held)


@tool("crepes==0.9.1", "WrapRegressor with the predicted std as difficulty, WrapClassifier")
def crepes() -> None:
    from crepes import WrapClassifier, WrapRegressor
    from crepes.extras import DifficultyEstimator

    X, y, X_held, y_held = halves(numbers())
    model = WrapRegressor(regressor())
    model.fit(X, y)
    model.calibrate(X_held, y_held)
    assert model.predict_int(X_held, confidence=0.9).shape == (60, 2)

    class Spread(DifficultyEstimator):
        def apply(self, X: np.ndarray) -> np.ndarray:
            return model.learner.predict(X, return_std=True)[1]

    model.calibrate(X_held, y_held, de=Spread(), cps=True)
    model.predict_percentiles(X_held, lower_percentiles=[5], higher_percentiles=[95])
    X, y, X_held, y_held = halves(classes())
    wrapped = WrapClassifier(classifier())
    wrapped.fit(X, y)
    wrapped.calibrate(X_held, y_held)
    wrapped.predict_set(X)


@tool("puncc==0.9.3", "SplitCP")
def puncc() -> None:
    from deel.puncc.api.prediction import BasePredictor
    from deel.puncc.regression import SplitCP

    X, y, X_held, y_held = halves(numbers())
    conformal = SplitCP(BasePredictor(regressor(), is_trained=False))
    conformal.fit(X_fit=X, y_fit=y, X_calib=X_held, y_calib=y_held)
    conformal.predict(X, alpha=0.1)


@tool("venn-abers==1.5.4", "VennAbersCalibrator, inductive and cross")
def venn_abers() -> None:
    from venn_abers import VennAbersCalibrator

    X, y, X_held, _ = halves(classes())
    for options in ({"inductive": True, "cal_size": 0.3}, {"inductive": False, "n_splits": 3}):
        model = VennAbersCalibrator(estimator=classifier(), random_state=SEED, **options)
        model.fit(X, y)
        model.predict_proba(X_held)


@tool("betacal==1.1.0", "BetaCalibration of probabilities")
def betacal() -> None:
    from betacal import BetaCalibration

    X, y, X_held, y_held = halves(classes())
    p = classifier().fit(X, y).predict_proba(X_held)[:, 1:]
    BetaCalibration().fit(p, y_held).predict(p)


@tool("uncertainty-toolbox==0.1.1", "get_all_metrics, plot_calibration")
def uncertainty_toolbox() -> None:
    import uncertainty_toolbox as uct

    X, y, X_held, y_held = halves(numbers())
    mean, std = regressor().fit(X, y).predict(X_held, return_std=True)
    found = uct.get_all_metrics(mean, std, y_held, verbose=False)
    from balinp import metrics

    ours = metrics.crps_gaussian(y_held[:, None], mean[:, None], std[:, None])
    near(found["scoring_rule"]["crps"], ours, rtol=1e-6)
    uct.plot_calibration(mean, std, y_held)


@tool("properscoring==0.1", "crps_gaussian; crps_ensemble of draws")
def properscoring() -> None:
    import properscoring

    from balinp import metrics

    X, y, X_held, y_held = halves(numbers())
    model = regressor(noise="gaussian").fit(X, y)
    predictive = model.predict_distribution(X_held)
    mean, std = predictive.mean[:, 0], predictive.std[:, 0]
    ours = metrics.crps_gaussian(y_held, mean, std)
    near(properscoring.crps_gaussian(y_held, mean, std).mean(), ours)
    draws = model.sample_y(X_held, 2000)
    near(properscoring.crps_ensemble(y_held, draws).mean(), ours, rtol=0.02)


@tool("scoringrules==0.11.0", "crps_ensemble of draws")
def scoringrules() -> None:
    import scoringrules

    from balinp import metrics

    X, y, X_held, y_held = halves(numbers())
    model = regressor().fit(X, y)
    draws = model.sample_y(X_held, 2000)
    ours = metrics.crps(y_held, model, X=X_held)
    near(scoringrules.crps_ensemble(y_held, draws).mean(), ours, rtol=0.02)


@tool("permetrics==2.1.0", "R2 of means")
def permetrics() -> None:
    from permetrics.regression import RegressionMetric

    X, y = numbers()
    model = regressor().fit(X, y)
    near(RegressionMetric(y.to_numpy(), model.predict(X)).R2(), model.score(X, y), rtol=1e-4)


@tool(
    "arviz==1.3.0",
    "draws of functions and of new data as a posterior predictive",
)
def arviz() -> None:
    import arviz

    X, y = (part.to_numpy() for part in numbers())
    model = regressor().fit(X, y)
    draws = model.sample_y(X, 400, random_state=1).T.reshape(4, 100, -1)
    functions = model.sample_functions(X, 400, random_state=1).T.reshape(4, 100, -1)
    tree = arviz.from_dict(
        {
            "posterior": {"f": functions},
            "posterior_predictive": {"y": draws},
            "observed_data": {"y": y},
        }
    )
    assert float(arviz.rhat(tree)["f"].max()) < 1.1


@tool("emcee==3.1.6", "a chain over all weights of a tiny network, started at the posterior mean")
def emcee() -> None:
    import emcee

    from balinp import BALI

    X, Y = (np.asarray(part, float)[:40] for part in numbers())
    X, Y = X[:, :1] * 20, (Y[:, None] - Y.mean()) / Y.std()
    model = BALI((2,), activation="tanh", noise_variance=0.5, prior_precision=1.0).fit(
        X, Y, epochs=50
    )
    shapes = [weights.shape for weights in model.weights]
    sizes = np.cumsum([0, *(np.prod(shape) for shape in shapes)])

    def log_density(theta: np.ndarray) -> float:
        parts = zip(sizes[:-1], sizes[1:], shapes, strict=True)
        W, V = (theta[a:b].reshape(shape) for a, b, shape in parts)
        f = np.tanh(X @ W[:-1] + W[-1]) @ V[:-1] + V[-1]
        return float(-((Y - f) ** 2).sum() / (2 * 0.5) - (theta**2).sum() / 2)

    start = np.concatenate([weights.ravel() for weights in model.weights])
    walkers = start + 0.01 * np.random.default_rng(0).standard_normal((2 * len(start), len(start)))
    emcee.EnsembleSampler(len(walkers), len(start), log_density).run_mcmc(walkers, 50)


@tool("skpro==2.16.0", "ResidualDouble around it; its CRPS of our moments")
def skpro() -> None:
    from skpro.distributions import Normal
    from skpro.metrics import CRPS
    from skpro.regression.residual import ResidualDouble

    X, y = numbers()
    y = y.to_frame()
    model = ResidualDouble(regressor()).fit(X, y)
    model.predict_interval(X[:5], coverage=0.9)
    mean, std = regressor(noise="gaussian").fit(X, y).predict(X, return_std=True)
    forecast = Normal(mean, std, index=X.index, columns=y.columns)
    assert np.isfinite(CRPS()(y, forecast))


@tool("ngboost==0.5.11", "NGBRegressor with a network as base learner")
def ngboost() -> None:
    from ngboost import NGBRegressor

    X, y = (part.to_numpy() for part in numbers())
    NGBRegressor(Base=regressor(), n_estimators=3, verbose=False).fit(X, y).predict(X)


@tool(
    "scikit-posthocs==0.17.1",
    "comparison of methods over the splits of evaluate's records",
    also=("tqdm",),
)
def posthocs() -> None:
    import pandas as pd
    import scikit_posthocs

    from balinp.experiments.evaluate import evaluate

    found = evaluate(
        "diabetes", splits=4, methods=["BayesianRidge", "Bayesian linear regression", "MLP"],
        figure_path=None,
    )  # fmt: skip
    scores = pd.DataFrame(found).pivot(index="split", columns="method", values="rmse")
    scikit_posthocs.posthoc_nemenyi_friedman(scores)

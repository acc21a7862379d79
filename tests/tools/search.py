"""Searches: settings, features, pipelines; Bayesian optimisation and active learning on top."""

from __future__ import annotations

import numpy as np
from trial import (
    SEED,
    classes,
    classifier,
    near,
    numbers,
    regressor,
    three_classes,
    tool,
)


def loss(hidden: int, epochs: int) -> float:
    """What a search minimises."""
    from sklearn.model_selection import cross_val_score

    return -float(cross_val_score(regressor(hidden=hidden, epochs=epochs), *numbers(), cv=3).mean())


def valley(x: np.ndarray) -> np.ndarray:
    """A function of one input (n, 1) whose least value, near -.36, is 0."""
    return (np.sin(3 * x[:, 0]) + x[:, 0] ** 2 + 0.75) * 1.0


@tool("optuna==5.0.0", "a study of settings, with trials pruned by a callback during training")
def optuna_study() -> None:
    import optuna

    X, y = numbers()

    def objective(trial: optuna.Trial) -> float:
        model = regressor(hidden=trial.suggest_int("hidden", 1, 8))

        def report(network: object) -> bool:
            trial.report(network.history[-1].log_joint, network.steps)
            return trial.should_prune()

        model.fit(X, y, callback=report)
        if trial.should_prune():
            raise optuna.TrialPruned
        return model.log_evidence_

    study = optuna.create_study(
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=5),
        sampler=optuna.samplers.TPESampler(seed=SEED),
    )
    study.optimize(objective, n_trials=6)
    assert np.isfinite(study.best_value)


@tool("optuna-integration[sklearn]==5.0.0", "OptunaSearchCV")
def optuna_search() -> None:
    import optuna
    from optuna_integration.sklearn import OptunaSearchCV

    space = {"prior_precision": optuna.distributions.FloatDistribution(0.1, 10, log=True)}
    OptunaSearchCV(regressor(), space, n_trials=3, cv=3, random_state=SEED).fit(*numbers())


@tool("scikit-optimize==0.10.2", "BayesSearchCV")
def bayes_search() -> None:
    from skopt import BayesSearchCV

    space = {"epochs": (5, 20), "prior_precision": (0.1, 10.0, "log-uniform")}
    BayesSearchCV(regressor(), space, n_iter=3, cv=3, random_state=SEED).fit(*numbers())


@tool("scikit-optimize==0.10.2", "Optimizer with BALIRegressor as surrogate (asks for std)")
def surrogate() -> None:
    from skopt import Optimizer

    optimizer = Optimizer(
        [(-1.0, 1.5)], base_estimator=regressor(), n_initial_points=4,
        acq_optimizer="sampling", random_state=SEED,
    )  # fmt: skip
    for _ in range(9):
        x = optimizer.ask()
        optimizer.tell(x, float(valley(np.array([x]))[0]))
    assert optimizer.get_result().fun < 1


@tool(
    "bayesian-optimization==3.4.0",
    "a search with BALIRegressor for its Gaussian process",
    fails="its own: asks the surrogate for X_train_, which scikit-learn's Gaussian process has",
)
def bayes_opt() -> None:
    from bayes_opt import BayesianOptimization

    def minus(x: float) -> float:
        return -float(valley(np.array([[x]]))[0])

    optimizer = BayesianOptimization(minus, {"x": (-1.0, 1.5)}, random_state=SEED, verbose=0)
    optimizer._gp = regressor()
    optimizer.maximize(init_points=4, n_iter=4)
    assert optimizer.max["target"] > -1


@tool("hyperopt==0.3.0", "fmin over settings")
def hyperopt() -> None:
    from hyperopt import fmin, hp, tpe

    space = {"hidden": hp.choice("hidden", [1, 4]), "epochs": hp.choice("epochs", [5, 10])}
    fmin(
        lambda s: loss(**s), space, algo=tpe.suggest, max_evals=4, show_progressbar=False,
        rstate=np.random.default_rng(SEED),
    )  # fmt: skip


@tool("cma==4.5.0", "a search over the prior precision by the evidence")
def cma() -> None:
    import cma

    def minus_evidence(x: np.ndarray) -> float:
        return -regressor(prior_precision=float(np.exp(x[0]))).fit(*numbers()).log_evidence_

    cma.fmin2(minus_evidence, [0.0, 0.0], 0.5, {"maxfevals": 12, "verbose": -9, "seed": 1})


@tool("sklearn-genetic-opt==0.14.0", "GASearchCV")
def genetic() -> None:
    from sklearn_genetic import GASearchCV
    from sklearn_genetic.space import Integer

    space = {"epochs": Integer(3, 10), "hidden": Integer(1, 4)}
    GASearchCV(
        regressor(), cv=3, param_grid=space, population_size=4, generations=2, verbose=False
    ).fit(*numbers())


@tool("dask-ml==2025.1.0", "GridSearchCV, ParallelPostFit, Incremental by partial_fit")
def dask_ml() -> None:
    import dask.array as da
    from dask_ml.model_selection import GridSearchCV
    from dask_ml.wrappers import Incremental, ParallelPostFit

    X, y = (part.to_numpy() for part in numbers())
    GridSearchCV(regressor(), {"epochs": [3, 6]}, cv=3).fit(X, y)
    chunks = da.from_array(X, chunks=(40, 4)), da.from_array(y, chunks=40)
    fitted = ParallelPostFit(regressor()).fit(X, y)
    near(fitted.predict(chunks[0]).compute(), fitted.estimator.predict(X))
    Incremental(regressor(hidden=()), scoring="r2").fit(*chunks)


@tool("mlxtend==0.25.0", "SequentialFeatureSelector, StackingCVRegressor, EnsembleVoteClassifier")
def mlxtend_models() -> None:
    from mlxtend.classifier import EnsembleVoteClassifier
    from mlxtend.feature_selection import SequentialFeatureSelector
    from mlxtend.regressor import StackingCVRegressor
    from sklearn.linear_model import Ridge

    X, y = numbers()
    SequentialFeatureSelector(regressor(), k_features=2, cv=3).fit(X, y)
    stack = StackingCVRegressor([Ridge(), regressor()], Ridge(), cv=3, random_state=SEED)
    stack.fit(X.to_numpy(), y.to_numpy())
    X, y = classes()
    EnsembleVoteClassifier([classifier(), classifier(hidden=())], voting="soft").fit(X, y)


@tool("mlxtend==0.25.0", "paired_ttest_5x2cv, bias_variance_decomp, plot_decision_regions")
def mlxtend_evaluate() -> None:
    from mlxtend.evaluate import bias_variance_decomp, paired_ttest_5x2cv
    from mlxtend.plotting import plot_decision_regions
    from sklearn.linear_model import Ridge

    X, y = (part.to_numpy() for part in numbers())
    paired_ttest_5x2cv(regressor(), Ridge(), X, y, random_seed=SEED)
    bias_variance_decomp(regressor(), X[:80], y[:80], X[80:], y[80:], loss="mse", num_rounds=3)
    X, y = (part.to_numpy() for part in three_classes())
    plot_decision_regions(X, y, clf=classifier().fit(X, y))


@tool(
    "boruta==0.4.3",
    "BorutaPy",
    fails="asks for n_estimators and feature_importances_: it is for forests",
)
def boruta() -> None:
    from boruta import BorutaPy

    X, y = (part.to_numpy() for part in numbers())
    BorutaPy(regressor(), max_iter=3).fit(X, y)


@tool(
    "probatus==3.1.5",
    "ShapRFECV",
    fails="its own: hands the model to shap as it does trees; shap takes it as a function",
)
def probatus() -> None:
    from probatus.feature_elimination import ShapRFECV

    X, y = classes(60)
    ShapRFECV(classifier(), step=2, cv=2, scoring="roc_auc", min_features_to_select=2).fit_compute(
        X, y
    )


@tool(
    "modal-python==0.4.2.1",
    "ActiveLearner by entropy; BayesianOptimizer by expected improvement",
    fails="its own: says force_all_finite, which scikit-learn has no longer",
)
def modal() -> None:
    from modAL.acquisition import max_EI
    from modAL.models import ActiveLearner, BayesianOptimizer
    from modAL.uncertainty import entropy_sampling

    X, y = (part.to_numpy() for part in three_classes())
    learner = ActiveLearner(classifier(), entropy_sampling, X_training=X[::8], y_training=y[::8])
    which, row = learner.query(X)
    learner.teach(row, y[which])
    grid = np.linspace(-1, 1.5, 60)[:, None]
    start = grid[::15]
    optimizer = BayesianOptimizer(
        regressor(), query_strategy=max_EI, X_training=start, y_training=-valley(start)
    )
    for _ in range(5):
        which, row = optimizer.query(grid)
        optimizer.teach(row.reshape(1, -1), -valley(row.reshape(1, -1)))
    assert optimizer.get_max()[1] > -1


@tool(
    "scikit-activeml==1.0.1", "UncertaintySampling with SklearnClassifier; SklearnNormalRegressor"
)
def skactiveml() -> None:
    from skactiveml.classifier import SklearnClassifier
    from skactiveml.pool import UncertaintySampling
    from skactiveml.regressor import SklearnNormalRegressor
    from skactiveml.utils import MISSING_LABEL

    X, y = (part.to_numpy() for part in three_classes())
    known = np.where(np.arange(len(y)) % 8 == 0, y, MISSING_LABEL)
    model = SklearnClassifier(classifier(), classes=np.unique(y))
    UncertaintySampling(random_state=SEED).query(X=X, y=known, clf=model, fit_clf=True)
    X, y = (part.to_numpy() for part in numbers())
    normal = SklearnNormalRegressor(regressor()).fit(X, y)
    near(normal.predict(X, return_std=True)[1], normal.estimator_.predict(X, return_std=True)[1])


@tool("emukit==0.5.1", "a loop of Bayesian optimisation with BALIRegressor behind its interface")
def emukit() -> None:
    from emukit.bayesian_optimization.acquisitions import ExpectedImprovement
    from emukit.bayesian_optimization.loops import BayesianOptimizationLoop
    from emukit.core import ContinuousParameter, ParameterSpace
    from emukit.core.interfaces import IModel

    class Model(IModel):
        def __init__(self, X: np.ndarray, Y: np.ndarray) -> None:
            self.set_data(X, Y)

        def set_data(self, X: np.ndarray, Y: np.ndarray) -> None:
            self._X, self._Y = X, Y
            self.model = regressor().fit(X, Y)

        def predict(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            predictive = self.model.predict_distribution(X)
            return predictive.mean, predictive.std**2

        def optimize(self) -> None:
            pass

        X = property(lambda self: self._X)
        Y = property(lambda self: self._Y)

    start = np.linspace(-1, 1.5, 5)[:, None]
    model = Model(start, valley(start)[:, None])
    loop = BayesianOptimizationLoop(
        model=model, space=ParameterSpace([ContinuousParameter("x", -1.0, 1.5)]),
        acquisition=_without_gradients(ExpectedImprovement, model),
    )  # fmt: skip
    loop.run_loop(lambda x: valley(x)[:, None], 3)
    assert loop.loop_state.Y.min() < 1


def _without_gradients(kind: type, model: object) -> object:
    class Plain(kind):
        has_gradients = False

    return Plain(model)


@tool("openturns==1.27.post1", "a network as PythonFunction: Sobol indices of its mean")
def openturns() -> None:
    import openturns

    X, y = numbers()
    model = regressor().fit(X.to_numpy(), y)
    function = openturns.PythonFunction(
        4, 1, func_sample=lambda x: model.predict(np.asarray(x))[:, None]
    )
    inputs = openturns.JointDistribution([openturns.Normal(0, 0.05)] * 4)
    algorithm = openturns.SaltelliSensitivityAlgorithm(inputs, 50, function, False)
    assert np.isfinite(np.asarray(algorithm.getFirstOrderIndices())).all()


@tool("pymoo==0.6.2", "the cheapest network for its evidence, by NSGA-II")
def pymoo() -> None:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.optimize import minimize

    class Sizes(ElementwiseProblem):
        def __init__(self) -> None:
            super().__init__(n_var=1, n_obj=2, xl=1, xu=6)

        def _evaluate(
            self, x: np.ndarray, out: dict[str, object], *_: object, **__: object
        ) -> None:
            width = round(float(x[0]))
            evidence = regressor(hidden=width, epochs=10).fit(*numbers(60)).log_evidence_
            out["F"] = [width, -evidence]

    minimize(Sizes(), NSGA2(pop_size=4), ("n_gen", 2), seed=1)


@tool("nevergrad==1.0.12", "a search over settings")
def nevergrad() -> None:
    import nevergrad

    space = nevergrad.p.Instrumentation(
        hidden=nevergrad.p.Scalar(lower=1, upper=6).set_integer_casting(), epochs=10
    )
    nevergrad.optimizers.OnePlusOne(parametrization=space, budget=4).minimize(loss)

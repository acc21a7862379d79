"""What explains, inspects and draws models."""

from __future__ import annotations

import numpy as np
from trial import SEED, classes, classifier, near, numbers, regressor, tool


@tool(
    "shap==0.54.1",
    "PermutationExplainer of means, KernelExplainer of probabilities, ExactExplainer",
)
def shap() -> None:
    import shap

    X, y = numbers()
    model = regressor().fit(X, y)
    for kind in (shap.explainers.Permutation, shap.explainers.Exact):
        found = kind(model.predict, shap.maskers.Independent(X, 30))(X[:5])
        near(found.values.sum(axis=1) + found.base_values, model.predict(X[:5]), rtol=1e-6)
    X, y = classes()
    model = classifier().fit(X, y)
    shap.KernelExplainer(model.predict_proba, shap.sample(X, 20)).shap_values(X[:3], nsamples=30)


@tool(
    "shap==0.54.1", "Explainer of the predictive standard deviation: where uncertainty comes from"
)
def shap_of_std() -> None:
    import shap

    X, y = numbers()
    model = regressor().fit(X, y)
    explainer = shap.Explainer(lambda rows: model.predict(rows, return_std=True)[1], X[:30])
    assert np.isfinite(explainer(X[:3]).values).all()


@tool("lime==0.2.0.1", "LimeTabularExplainer of both kinds")
def lime() -> None:
    from lime.lime_tabular import LimeTabularExplainer

    X, y = numbers()
    model = regressor().fit(X.to_numpy(), y)
    LimeTabularExplainer(X.to_numpy(), mode="regression", random_state=SEED).explain_instance(
        X.to_numpy()[0], model.predict, num_features=2
    ).as_list()
    X, y = classes()
    model = classifier().fit(X.to_numpy(), y)
    LimeTabularExplainer(X.to_numpy(), random_state=SEED).explain_instance(
        X.to_numpy()[0], model.predict_proba
    ).as_list()


@tool("eli5==0.16.0", "PermutationImportance")
def eli5() -> None:
    from eli5.sklearn import PermutationImportance

    X, y = numbers()
    PermutationImportance(regressor(), cv=3, random_state=SEED).fit(X.to_numpy(), y.to_numpy())


@tool("dalex==1.8.0", "Explainer: performance, importance, profiles, break-down")
def dalex() -> None:
    import dalex

    X, y = numbers()
    explainer = dalex.Explainer(regressor().fit(X, y), X, y, verbose=False)
    explainer.model_performance()
    explainer.model_parts(B=2)
    explainer.model_profile(N=20, grid_points=5, verbose=False)
    explainer.predict_parts(X[:1])


@tool("alibi==0.9.6", "ALE, AnchorTabular")
def alibi() -> None:
    from alibi.explainers import ALE, AnchorTabular

    X, y = classes()
    model = classifier().fit(X.to_numpy(), y)
    ALE(model.predict_proba, feature_names=list(X)).explain(X.to_numpy())
    anchors = AnchorTabular(model.predict, list(X))
    anchors.fit(X.to_numpy()).explain(X.to_numpy()[0], threshold=0.8, batch_size=20)


@tool("interpret==0.7.8", "PartialDependence, MorrisSensitivity, ShapKernel")
def interpret() -> None:
    from interpret.blackbox import MorrisSensitivity, PartialDependence, ShapKernel

    X, y = numbers()
    model = regressor().fit(X, y)
    PartialDependence(model, X).explain_global()
    MorrisSensitivity(model, X).explain_global()
    ShapKernel(model, X[:20]).explain_local(X[:2], y[:2])


@tool("sage-importance==0.0.6", "PermutationEstimator of importance")
def sage() -> None:
    import sage

    X, y = (part.to_numpy() for part in numbers())
    imputer = sage.MarginalImputer(regressor().fit(X, y).predict, X[:20])
    sage.PermutationEstimator(imputer, "mse")(X, y, n_permutations=20, bar=False)


@tool("pdpbox==0.3.0", "PDPIsolate", fails="its own: asks regressors for n_classes")
def pdpbox() -> None:
    from pdpbox.pdp import PDPIsolate

    X, y = numbers()
    PDPIsolate(regressor().fit(X, y), X, list(X), "bmi", "bmi", num_grid_points=5)


@tool(
    "yellowbrick==1.5",
    "ResidualsPlot, PredictionError, LearningCurve; ROCAUC, ClassificationReport",
    fails="its own: asks for _estimator_type, which scikit-learn has no longer",
)
def yellowbrick() -> None:
    from yellowbrick.classifier import ROCAUC, ClassificationReport
    from yellowbrick.model_selection import LearningCurve
    from yellowbrick.regressor import PredictionError, ResidualsPlot

    X, y = numbers()
    for kind in (ResidualsPlot, PredictionError):
        kind(regressor()).fit(X, y).score(X, y)
    LearningCurve(regressor(), cv=3, train_sizes=[0.5, 1.0]).fit(X, y)
    X, y = classes()
    for kind in (ROCAUC, ClassificationReport):
        kind(classifier()).fit(X, y).score(X, y)


@tool(
    "scikit-plot==0.3.7",
    "calibration and ROC curves",
    fails="its own: imports interp, which SciPy has no longer",
)
def scikit_plot() -> None:
    import scikitplot

    X, y = classes()
    p = classifier().fit(X, y).predict_proba(X)
    scikitplot.metrics.plot_roc(y, p)
    scikitplot.metrics.plot_calibration_curve(y, [p])


@tool("dice-ml==0.12", "counterfactuals, at random and genetic")
def dice() -> None:
    import dice_ml

    X, y = classes()
    data = dice_ml.Data(dataframe=X.assign(y=y), continuous_features=list(X), outcome_name="y")
    model = dice_ml.Model(model=classifier().fit(X, y), backend="sklearn")
    for method in ("random", "genetic"):
        dice_ml.Dice(data, model, method=method).generate_counterfactuals(
            X[:1], total_CFs=1, desired_class="opposite", verbose=False
        )


@tool("shapash==2.10.0", "SmartExplainer, which has to choose an explainer")
def shapash() -> None:
    from shapash import SmartExplainer

    X, y = numbers(60)
    SmartExplainer(model=regressor().fit(X, y)).compile(x=X[:10])


@tool("salib==1.6.0", "Sobol indices of the mean")
def salib() -> None:
    from SALib.analyze import sobol
    from SALib.sample import sobol as sampled

    X, y = numbers()
    model = regressor().fit(X.to_numpy(), y)
    bounds = [[float(X[c].min()), float(X[c].max())] for c in X]
    problem = {"num_vars": 4, "names": list(X), "bounds": bounds}
    rows = sampled.sample(problem, 32, seed=SEED)
    assert sobol.analyze(problem, model.predict(rows), seed=SEED)["S1"].shape == (4,)


@tool("treeinterpreter==0.2.3", "predict", fails="it is for trees, and says so")
def treeinterpreter() -> None:
    from treeinterpreter import treeinterpreter

    X, y = numbers()
    treeinterpreter.predict(regressor().fit(X, y), X)


@tool("model-diagnostics==1.5.0", "compute_bias, plot_reliability_diagram")
def model_diagnostics() -> None:
    from model_diagnostics.calibration import compute_bias, plot_reliability_diagram

    X, y = numbers()
    mean = regressor().fit(X, y).predict(X)
    compute_bias(y_obs=y, y_pred=mean, feature=X["bmi"])
    plot_reliability_diagram(y_obs=y, y_pred=mean)


@tool("explainerdashboard==0.5.8", "RegressionExplainer and its importances (without the page)")
def dashboard() -> None:
    from explainerdashboard import RegressionExplainer

    X, y = numbers(60)
    explainer = RegressionExplainer(
        regressor().fit(X, y), X[:10], y[:10], shap="kernel", X_background=X[:10]
    )
    explainer.get_importances_df()


@tool(
    "deepchecks==0.19.1",
    "SimpleModelComparison",
    fails="its own: imports pkg_resources, which setuptools has no longer",
)
def deepchecks() -> None:
    from deepchecks.tabular import Dataset
    from deepchecks.tabular.checks import SimpleModelComparison

    X, y = numbers()
    first, second = (
        Dataset(X[rows].assign(y=y[rows]), label="y", cat_features=[])
        for rows in (slice(0, 80), slice(80, None))
    )
    SimpleModelComparison().run(first, second, regressor().fit(X[:80], y[:80]))


@tool(
    "evidently==0.7.23",
    "report of a regression's quality",
    fails="its own: imports a private name that pandas has no longer",
)
def evidently() -> None:
    from evidently import DataDefinition, Dataset, Regression, Report
    from evidently.presets import RegressionPreset

    X, y = numbers()
    frame = X.assign(target=y, prediction=regressor().fit(X, y).predict(X))
    definition = DataDefinition(regression=[Regression(target="target", prediction="prediction")])
    Report([RegressionPreset()]).run(Dataset.from_pandas(frame, data_definition=definition), None)

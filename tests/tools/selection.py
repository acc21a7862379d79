"""scikit-learn itself: what selects, combines, calibrates and draws."""

from __future__ import annotations

import numpy as np
from trial import SEED, classes, classifier, near, numbers, regressor, three_classes, tool

SKLEARN = "scikit-learn==1.9.1"


@tool(SKLEARN, "cross_validate, several scores and training scores")
def cross_validate() -> None:
    from sklearn.model_selection import cross_validate

    X, y = classes()
    found = cross_validate(
        classifier(), X, y, cv=3, scoring=["neg_log_loss", "roc_auc"], return_train_score=True
    )
    assert found["test_roc_auc"].mean() > 0.7


@tool(SKLEARN, "cross_val_predict of probabilities")
def cross_val_predict() -> None:
    from sklearn.model_selection import cross_val_predict

    X, y = three_classes()
    near(cross_val_predict(classifier(), X, y, cv=3, method="predict_proba").sum(axis=1), 1.0)


@tool(SKLEARN, "GridSearchCV in a pipeline with ColumnTransformer, frames throughout")
def grid_search() -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    X, y = numbers()
    X = X.assign(site=np.where(X.age > 0, "a", "b"))
    encode = OneHotEncoder(sparse_output=False)
    columns = ColumnTransformer(
        [("words", encode, ["site"]), ("numbers", StandardScaler(), ["bmi", "bp"])]
    ).set_output(transform="pandas")
    pipeline = make_pipeline(columns, regressor())
    search = GridSearchCV(pipeline, {"baliregressor__hidden": [(), (5,)]}, cv=3).fit(X, y)
    assert len(search.best_estimator_[-1].feature_names_in_) == 4


@tool(SKLEARN, "RandomizedSearchCV in two processes")
def randomized_search() -> None:
    from scipy.stats import loguniform
    from sklearn.model_selection import RandomizedSearchCV

    space = {"prior_precision": loguniform(0.1, 10)}
    search = RandomizedSearchCV(regressor(), space, n_iter=3, cv=3, n_jobs=2, random_state=SEED)
    search.fit(*numbers())


@tool(SKLEARN, "HalvingGridSearchCV over epochs as the resource")
def halving() -> None:
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    search = HalvingGridSearchCV(
        regressor(), {"hidden": [(), (3,), (5,)]}, resource="epochs", max_resources=18, cv=3
    )
    search.fit(*numbers())


@tool(SKLEARN, "learning_curve, validation_curve, permutation_test_score")
def curves() -> None:
    from sklearn.model_selection import learning_curve, permutation_test_score, validation_curve

    X, y = numbers()
    learning_curve(regressor(), X, y, cv=3, train_sizes=[0.5, 1.0])
    validation_curve(regressor(), X, y, param_name="epochs", param_range=[2, 20], cv=3)
    assert permutation_test_score(regressor(), X, y, cv=3, n_permutations=5)[2] < 0.3


@tool(SKLEARN, "group splits with weights by metadata routing")
def routing() -> None:
    import sklearn
    from sklearn.model_selection import GroupKFold, cross_validate

    X, y = numbers()
    with sklearn.config_context(enable_metadata_routing=True):
        model = (
            regressor().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        )
        params = {"sample_weight": np.ones(len(y)), "groups": np.arange(len(y)) // 10}
        cross_validate(model, X, y, cv=GroupKFold(3), params=params)


@tool(SKLEARN, "StackingRegressor and StackingClassifier, as base and as final estimator")
def stacking() -> None:
    from sklearn.ensemble import StackingClassifier, StackingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    parts = [("bali", regressor()), ("ridge", Ridge())]
    assert StackingRegressor(parts, regressor(), cv=3).fit(*numbers()).score(*numbers()) > 0.2
    models = [("bali", classifier()), ("logistic", LogisticRegression())]
    StackingClassifier(models, classifier(), cv=3).fit(*classes()).predict_proba(classes()[0])


@tool(SKLEARN, "VotingRegressor, VotingClassifier by probabilities")
def voting() -> None:
    from sklearn.ensemble import VotingClassifier, VotingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    VotingRegressor([("bali", regressor()), ("ridge", Ridge())]).fit(*numbers())
    models = [("bali", classifier()), ("logistic", LogisticRegression())]
    VotingClassifier(models, voting="soft").fit(*classes()).predict_proba(classes()[0])


@tool(SKLEARN, "BaggingRegressor, BaggingClassifier on shares of rows and columns")
def bagging() -> str:
    from sklearn.ensemble import BaggingClassifier, BaggingRegressor

    options = {"n_estimators": 3, "max_samples": 0.7, "max_features": 0.5, "random_state": SEED}
    BaggingRegressor(regressor(), bootstrap=False, **options).fit(*numbers())
    BaggingClassifier(classifier(), **options).fit(*classes())
    return "of regression without replacement: repeated rows are taken for data of their own"


@tool(SKLEARN, "AdaBoostClassifier, AdaBoostRegressor")
def boosting() -> None:
    from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor

    AdaBoostClassifier(classifier(), n_estimators=3, random_state=SEED).fit(*classes())
    AdaBoostRegressor(regressor(), n_estimators=3, random_state=SEED).fit(*numbers())


@tool(SKLEARN, "GradientBoostingRegressor from a network as init")
def boosting_from() -> None:
    from sklearn.ensemble import GradientBoostingRegressor

    GradientBoostingRegressor(init=regressor(), n_estimators=3).fit(*numbers())


@tool(SKLEARN, "CalibratedClassifierCV: sigmoid, isotonic, temperature; of a FrozenEstimator")
def calibrated() -> None:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    X, y = classes()
    for method in ("sigmoid", "isotonic", "temperature"):
        CalibratedClassifierCV(classifier(), method=method, cv=3).fit(X, y).predict_proba(X)
    CalibratedClassifierCV(FrozenEstimator(classifier().fit(X, y))).fit(X, y)


@tool(SKLEARN, "TunedThresholdClassifierCV, FixedThresholdClassifier")
def thresholds() -> None:
    from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

    TunedThresholdClassifierCV(classifier(), scoring="f1", cv=3).fit(*classes())
    FixedThresholdClassifier(classifier(), threshold=0.8).fit(*classes()).predict(classes()[0])


@tool(SKLEARN, "permutation_importance")
def permutation_importance() -> None:
    from sklearn.inspection import permutation_importance

    X, y = numbers()
    found = permutation_importance(regressor().fit(X, y), X, y, n_repeats=3, random_state=SEED)
    assert X.columns[found.importances_mean.argmax()] in ("bmi", "s5", "bp")


@tool(SKLEARN, "PartialDependenceDisplay with single curves, DecisionBoundaryDisplay")
def inspection() -> None:
    from sklearn.inspection import DecisionBoundaryDisplay, PartialDependenceDisplay

    X, y = numbers()
    model = regressor().fit(X, y)
    PartialDependenceDisplay.from_estimator(model, X, ["bmi", ("bmi", "bp")], grid_resolution=5)
    PartialDependenceDisplay.from_estimator(model, X, ["bmi"], kind="both", grid_resolution=5)
    X, y = three_classes()
    model = classifier().fit(X, y)
    for method in ("predict_proba", "predict"):
        DecisionBoundaryDisplay.from_estimator(model, X, response_method=method, grid_resolution=9)


@tool(
    SKLEARN,
    "displays of ROC, precision and recall, detection error, confusion, calibration, errors",
)
def displays() -> None:
    from sklearn import metrics
    from sklearn.calibration import CalibrationDisplay
    from sklearn.model_selection import LearningCurveDisplay

    X, y = classes()
    model = classifier().fit(X, y)
    for display in (
        metrics.RocCurveDisplay,
        metrics.PrecisionRecallDisplay,
        metrics.DetCurveDisplay,
        metrics.ConfusionMatrixDisplay,
        CalibrationDisplay,
    ):
        display.from_estimator(model, X, y)
    X, y = numbers()
    metrics.PredictionErrorDisplay.from_estimator(regressor().fit(X, y), X, y)
    LearningCurveDisplay.from_estimator(regressor(), X, y, cv=3, train_sizes=[0.5, 1.0])


@tool(SKLEARN, "SequentialFeatureSelector")
def sequential() -> None:
    from sklearn.feature_selection import SequentialFeatureSelector

    SequentialFeatureSelector(regressor(), n_features_to_select=2, cv=3).fit(*numbers())


@tool(SKLEARN, "RFECV, SelectFromModel with an importance of one's own")
def by_importance() -> str:
    from sklearn.feature_selection import RFECV, SelectFromModel

    def importance(model: object) -> np.ndarray:
        weights = model.members_[0].layers[0].mean[:-1]  # the last row is the bias
        return np.abs(weights).sum(axis=1)

    X, y = numbers()
    RFECV(regressor(), importance_getter=importance, cv=3).fit(X, y)
    SelectFromModel(regressor(), importance_getter=importance).fit(X, y).transform(X)
    return "a network has no coef_; without importance_getter both say so"


@tool(SKLEARN, "MultiOutputRegressor, RegressorChain; several outputs at once")
def outputs() -> None:
    from sklearn.multioutput import MultiOutputRegressor, RegressorChain

    X, y = numbers()
    Y = np.stack([y, 2 * y + 1], axis=1)
    for model in (MultiOutputRegressor(regressor()), RegressorChain(regressor()), regressor()):
        assert model.fit(X, Y).predict(X).shape == Y.shape


@tool(SKLEARN, "MultiOutputClassifier, ClassifierChain; labels at once")
def labels() -> None:
    from sklearn.multioutput import ClassifierChain, MultiOutputClassifier

    X, y = classes()
    Y = np.stack([y, X["mean texture"] > X["mean texture"].mean()], axis=1).astype(int)
    models = MultiOutputClassifier(classifier()), ClassifierChain(classifier()), classifier()
    for model in models:
        assert model.fit(X, Y).predict(X).shape == Y.shape


@tool(SKLEARN, "OneVsRestClassifier, OneVsOneClassifier, OutputCodeClassifier")
def several_classes() -> None:
    from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier

    X, y = three_classes()
    for kind in (OneVsRestClassifier, OneVsOneClassifier, OutputCodeClassifier):
        assert kind(classifier()).fit(X, y).score(X, y) > 0.6


@tool(SKLEARN, "TransformedTargetRegressor with logarithms and with quantiles")
def targets() -> None:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import QuantileTransformer

    X, y = numbers()
    TransformedTargetRegressor(regressor(), func=np.log, inverse_func=np.exp).fit(X, y).predict(X)
    quantiles = QuantileTransformer(n_quantiles=20, output_distribution="normal")
    TransformedTargetRegressor(regressor(), transformer=quantiles).fit(X, y).predict(X)


@tool(SKLEARN, "SelfTrainingClassifier, RANSACRegressor")
def semi_supervised() -> None:
    from sklearn.linear_model import RANSACRegressor
    from sklearn.semi_supervised import SelfTrainingClassifier

    X, y = classes()
    SelfTrainingClassifier(classifier()).fit(X, np.where(np.arange(len(y)) % 3, y, -1))
    RANSACRegressor(regressor(), min_samples=30, max_trials=3, random_state=SEED).fit(*numbers())


@tool(SKLEARN, "IterativeImputer with a network as estimator, drawing from its posterior")
def imputing() -> None:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    X, _ = numbers()
    X = X.mask(np.random.default_rng(0).uniform(size=X.shape) < 0.1)
    imputer = IterativeImputer(regressor(), sample_posterior=True, max_iter=2, random_state=SEED)
    assert np.isfinite(imputer.fit_transform(X)).all()


@tool(SKLEARN, "clone, get_params, set_params, sparse input, representation in HTML")
def plumbing() -> None:
    from scipy.sparse import csr_array, csr_matrix
    from sklearn.base import clone

    X, y = numbers()
    model = clone(regressor(noise_variance=0.5)).set_params(epochs=5)
    assert model.get_params()["noise_variance"] == 0.5
    for form in (csr_matrix, csr_array):
        near(
            model.fit(form(X), y).predict(form(X)),
            clone(model).fit(X.to_numpy(), y).predict(X.to_numpy()),
        )
    assert "BALIRegressor" in model._repr_html_()


@tool(SKLEARN, "check_estimator")
def checks() -> None:
    from sklearn.utils.estimator_checks import check_estimator

    for model in (regressor(), classifier()):
        check_estimator(model)

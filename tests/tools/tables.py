"""Frames and arrays, what prepares them, series, streams, fairness."""

from __future__ import annotations

import numpy as np
from trial import (
    SEED,
    classes,
    classifier,
    near,
    numbers,
    regressor,
    series,
    three_classes,
    tool,
)


def same_as_arrays(X: object, y: object) -> None:
    """Raise unless a model of these is that of arrays, with names where frames have them."""
    X_known, y_known = (part.to_numpy() for part in numbers())
    model = regressor().fit(X, y)
    near(model.predict(X), regressor().fit(X_known, y_known).predict(X_known))


@tool("pandas==3.1.1", "frames with nullable and Arrow columns", also=("pyarrow",))
def pandas() -> None:
    X, y = numbers()
    for kind in ("float64", "Float64", "float64[pyarrow]"):
        same_as_arrays(X.astype(kind), y.astype(kind))
    assert list(regressor().fit(X, y).feature_names_in_) == list(X)


@tool("polars==2.1.0", "frames and series", also=("pyarrow",))
def polars() -> None:
    import polars

    X, y = numbers()
    frame = polars.from_pandas(X)
    same_as_arrays(frame, polars.Series(y.to_numpy()))
    assert list(regressor().fit(frame, y).feature_names_in_) == list(X)


@tool("pyarrow==26.0.1", "tables and columns of them")
def pyarrow() -> None:
    import pyarrow

    X, y = numbers()
    table = pyarrow.Table.from_pandas(X, preserve_index=False)
    same_as_arrays(table, pyarrow.array(y.to_numpy()))


@tool("duckdb==2.0.0", "results of queries, as frames and as arrays")
def duckdb() -> None:
    import duckdb

    X, y = numbers()
    data = X.assign(y=y)  # noqa: F841
    found = duckdb.sql("select * from data").df()
    same_as_arrays(found.drop(columns="y"), found["y"])


@tool("xarray==2026.9.0", "DataArray of two dimensions; apply_ufunc over a grid")
def xarray() -> None:
    import xarray

    X, y = numbers()
    array = xarray.DataArray(X.to_numpy(), dims=("row", "column"), coords={"column": list(X)})
    same_as_arrays(array, xarray.DataArray(y.to_numpy(), dims="row"))
    model = regressor().fit(array, y)
    mean = xarray.apply_ufunc(model.predict, array, input_core_dims=[["column"]], vectorize=False)
    assert mean.dims == ("row",)


@tool("dask[dataframe]==2026.8.0", "predictions of a dask array and a dask frame by blocks")
def dask() -> None:
    import dask.array as da
    import dask.dataframe as dd

    X, y = numbers()
    model = regressor().fit(X, y)
    plain = regressor().fit(X.to_numpy(), y)
    chunks = da.from_array(X.to_numpy(), chunks=(40, 4))
    near(
        chunks.map_blocks(plain.predict, drop_axis=1, dtype=float).compute(),
        plain.predict(X.to_numpy()),
    )
    frame = dd.from_pandas(X, npartitions=3)
    near(frame.map_partitions(model.predict, meta=("mean", float)).compute(), model.predict(X))


@tool("numba==0.68.1", "a network's mean from its weights in compiled code")
def numba() -> None:
    import numba

    from balinp import BALI

    X = np.linspace(-1, 1, 20)[:, None]
    model = BALI((3,), activation="tanh", forward="mean").fit(X, np.sin(X), epochs=5)

    @numba.njit
    def mean(X: np.ndarray, W: np.ndarray, V: np.ndarray) -> np.ndarray:
        return np.tanh(X @ W[:-1] + W[-1]) @ V[:-1] + V[-1]

    near(mean(X, *model.weights), model.predict(X).mean, rtol=1e-9)


@tool(
    "sklearn-pandas==2.2.0",
    "DataFrameMapper before it",
    also=("six",),
    fails="its own: imports tosequence, which scikit-learn has no longer",
)
def sklearn_pandas() -> str:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn_pandas import DataFrameMapper

    X, y = numbers()
    make_pipeline(DataFrameMapper([(["bmi", "bp"], StandardScaler())]), regressor()).fit(X, y)
    return "needs six, and does not say so"


@tool("feature-engine==1.9.4", "encoders and imputers in a pipeline; selection by shuffling")
def feature_engine() -> None:
    from feature_engine.encoding import OneHotEncoder
    from feature_engine.imputation import MeanMedianImputer
    from feature_engine.selection import SelectByShuffling
    from sklearn.pipeline import make_pipeline

    X, y = numbers()
    words = X.assign(site=np.where(X.age > 0, "a", "b"))
    make_pipeline(MeanMedianImputer(), OneHotEncoder(), regressor()).fit(words, y)
    SelectByShuffling(regressor(), scoring="r2", cv=3, random_state=SEED).fit(X, y)


@tool("category-encoders==2.11.2", "TargetEncoder in a pipeline")
def category_encoders() -> None:
    from category_encoders import TargetEncoder
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    X, y = numbers()
    X = X.assign(site=np.where(X.age > 0, "a", "b"))
    cross_val_score(make_pipeline(TargetEncoder(cols=["site"]), regressor()), X, y, cv=3)


@tool("skrub==0.11.0", "tabular_pipeline and TableVectorizer of words, dates and gaps")
def skrub() -> None:
    import pandas as pd
    import skrub

    X, y = numbers()
    X = X.assign(
        site=np.where(X.age > 0, "north", "south"), seen=pd.date_range("2020-01-01", periods=len(X))
    )
    skrub.tabular_pipeline(regressor()).fit(X, y).predict(X)


@tool(
    "imbalanced-learn==0.14.2", "SMOTE in a pipeline, BalancedBaggingClassifier, RUSBoostClassifier"
)
def imbalanced_learn() -> None:
    from imblearn.ensemble import BalancedBaggingClassifier, RUSBoostClassifier
    from imblearn.over_sampling import SMOTE
    from imblearn.pipeline import make_pipeline

    X, y = classes()
    make_pipeline(SMOTE(random_state=SEED), classifier()).fit(X, y).predict_proba(X)
    BalancedBaggingClassifier(classifier(), n_estimators=2, random_state=SEED).fit(X, y)
    RUSBoostClassifier(classifier(), n_estimators=2, random_state=SEED).fit(X, y)


@tool(
    "scikit-lego==0.9.10",
    "GroupedPredictor, EstimatorTransformer, Thresholder, ZeroInflatedRegressor",
)
def scikit_lego() -> None:
    from sklego.meta import (
        EstimatorTransformer,
        GroupedPredictor,
        Thresholder,
        ZeroInflatedRegressor,
    )

    X, y = numbers()
    X = X.assign(site=(X.age > 0).astype(int))
    GroupedPredictor(regressor(), groups=["site"]).fit(X, y).predict(X)
    EstimatorTransformer(regressor()).fit(X, y).transform(X)
    ZeroInflatedRegressor(classifier(), regressor()).fit(X, np.where(X.age > 0, 0, y)).predict(X)
    X, y = classes()
    Thresholder(classifier(), threshold=0.3).fit(X, y).predict(X)


@tool("sktime==1.2.0", "make_reduction: recursive and direct forecasts")
def sktime() -> None:
    from sktime.forecasting.compose import make_reduction

    y = series()
    for strategy in ("recursive", "direct"):
        forecaster = make_reduction(regressor(), window_length=12, strategy=strategy)
        forecast = forecaster.fit(y, fh=[1, 2, 3]).predict()
        assert abs(forecast.to_numpy() - 10).max() < 2


@tool("skforecast==0.26.0", "ForecasterRecursive, with intervals")
def skforecast() -> None:
    from skforecast.recursive import ForecasterRecursive

    y = series()
    y.index = y.index.to_timestamp()
    forecaster = ForecasterRecursive(estimator=regressor(), lags=12)
    forecaster.fit(y=y, store_in_sample_residuals=True)
    forecaster.predict(steps=3)
    forecaster.predict_interval(steps=3, interval=[0.05, 0.95])


@tool("mlforecast==1.1.0", "MLForecast with lags")
def mlforecast() -> None:
    import pandas as pd
    from mlforecast import MLForecast

    y = series()
    frame = pd.DataFrame({"unique_id": "a", "ds": y.index.to_timestamp(), "y": y.to_numpy()})
    MLForecast(models={"bali": regressor()}, freq="MS", lags=[1, 12]).fit(frame).predict(3)


@tool("darts==0.48.1", "SKLearnModel with lags")
def darts() -> None:
    from darts import TimeSeries
    from darts.models import SKLearnModel

    y = series()
    y.index = y.index.to_timestamp()
    data = TimeSeries.from_series(y)
    model = SKLearnModel(lags=12, model=regressor())
    model.fit(data)
    assert len(model.predict(3)) == 3


@tool("tsfresh==0.21.2", "RelevantFeatureAugmenter before it")
def tsfresh() -> None:
    import pandas as pd
    from sklearn.pipeline import make_pipeline
    from tsfresh.feature_extraction import MinimalFCParameters
    from tsfresh.transformers import RelevantFeatureAugmenter

    rng = np.random.default_rng(0)
    level = rng.standard_normal(30)
    long = pd.DataFrame(
        {
            "id": np.repeat(np.arange(30), 10),
            "time": np.tile(np.arange(10), 30),
            "value": np.repeat(level, 10) + 0.1 * rng.standard_normal(300),
        }
    )
    augment = RelevantFeatureAugmenter(
        column_id="id", column_sort="time", default_fc_parameters=MinimalFCParameters(),
        n_jobs=0, disable_progressbar=True,
    )  # fmt: skip
    pipeline = make_pipeline(augment, regressor())
    augment.set_timeseries_container(long)
    pipeline.fit(pd.DataFrame(index=np.arange(30)), pd.Series(level))


@tool("river==0.26.1", "streams through convert_sklearn_to_river, by partial_fit")
def river() -> None:
    from river import datasets, evaluate, metrics, stream
    from river.compat import convert_sklearn_to_river

    model = convert_sklearn_to_river(classifier(hidden=()), classes=[False, True])
    rows = [pair for pair, _ in zip(datasets.Phishing(), range(60), strict=False)]
    evaluate.progressive_val_score(iter(rows), model, metrics.Accuracy())
    streamed = convert_sklearn_to_river(regressor(hidden=()))
    X, y = numbers(40)
    for x, target in stream.iter_pandas(X, y):
        streamed.learn_one(x, target)
    assert np.isfinite(streamed.predict_one(x))


@tool("cleanlab==2.9.0", "CleanLearning of both kinds")
def cleanlab() -> None:
    from cleanlab.classification import CleanLearning
    from cleanlab.regression.learn import CleanLearning as CleanRegression

    X, y = three_classes()
    CleanLearning(classifier(), cv_n_folds=3, seed=SEED).fit(X.to_numpy(), y.to_numpy())
    X, y = numbers()
    CleanRegression(regressor(), cv_n_folds=3, n_boot=2, seed=SEED).fit(X.to_numpy(), y.to_numpy())


@tool("fairlearn==0.15.0", "MetricFrame, ThresholdOptimizer, ExponentiatedGradient")
def fairlearn() -> None:
    from fairlearn.metrics import MetricFrame
    from fairlearn.postprocessing import ThresholdOptimizer
    from fairlearn.reductions import DemographicParity, ExponentiatedGradient
    from sklearn.metrics import accuracy_score

    X, y = classes()
    group = X["mean texture"] > X["mean texture"].median()
    model = classifier().fit(X, y)
    MetricFrame(metrics=accuracy_score, y_true=y, y_pred=model.predict(X), sensitive_features=group)
    ThresholdOptimizer(estimator=model, prefit=True, predict_method="predict_proba").fit(
        X, y, sensitive_features=group
    ).predict(X, sensitive_features=group)
    ExponentiatedGradient(classifier(), DemographicParity(), max_iter=2).fit(
        X, y, sensitive_features=group
    ).predict(X)


@tool("aif360==0.6.1", "ReweighingMeta, statistical_parity_difference")
def aif360() -> None:
    from aif360.sklearn.metrics import statistical_parity_difference
    from aif360.sklearn.preprocessing import Reweighing, ReweighingMeta

    X, y = classes()
    group = (X["mean texture"] > X["mean texture"].median()).astype(int).rename("group")
    X.index, y.index = group, group
    ReweighingMeta(classifier(), Reweighing("group")).fit(X, y)
    statistical_parity_difference(y, prot_attr="group")


@tool(
    "deslib==0.3.7",
    "dynamic selection among networks (KNORAU)",
    fails="its own: calls _validate_data, which scikit-learn has no longer",
)
def deslib() -> None:
    from deslib.des import KNORAU

    X, y = (part.to_numpy() for part in classes())
    pool = [classifier(hidden=h).fit(X, y) for h in ((), (2,), (5,))]
    KNORAU(pool).fit(X, y).predict(X)


@tool("combo==0.1.3", "SimpleClassifierAggregator")
def combo() -> None:
    from combo.models.classifier_comb import SimpleClassifierAggregator

    X, y = (part.to_numpy() for part in classes())
    model = SimpleClassifierAggregator([classifier(), classifier(hidden=())])
    model.fit(X, y)  # returns nothing
    model.predict_proba(X)


@tool("autofeat==2.1.3", "AutoFeatRegressor's features before it")
def autofeat() -> None:
    from autofeat import AutoFeatRegressor
    from sklearn.pipeline import make_pipeline

    X, y = numbers()
    make_pipeline(AutoFeatRegressor(feateng_steps=1, featsel_runs=1, n_jobs=1), regressor()).fit(
        X, y
    )


@tool(
    "metric-learn==0.7.0",
    "NCA before it",
    fails="its own: says force_all_finite, which scikit-learn has no longer",
)
def metric_learn() -> None:
    from metric_learn import NCA
    from sklearn.pipeline import make_pipeline

    X, y = three_classes()
    make_pipeline(NCA(max_iter=5, random_state=SEED), classifier()).fit(X, y).predict(X)


@tool("pandera==0.35.0", "a checked schema around fit and predict")
def pandera() -> None:
    import pandera.pandas as pa

    X, y = numbers()
    schema = pa.DataFrameSchema({name: pa.Column(float) for name in X})
    regressor().fit(schema.validate(X), y).predict(schema.validate(X))

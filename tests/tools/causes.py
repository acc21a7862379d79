"""Effects of treatments, with networks for the nuisance functions."""

from __future__ import annotations

import numpy as np
from trial import SEED, classifier, regressor, tool, treatments


def about_one(effects: object) -> None:
    """Raise unless the mean effect is that of `treatments`, roughly."""
    assert abs(float(np.mean(effects)) - 1) < 0.5, np.mean(effects)


@tool(
    "econml==0.17.0",
    "LinearDML, NonParamDML with BALIRegressor as final, TLearner, XLearner, DRLearner",
)
def econml() -> None:
    from econml.dml import LinearDML, NonParamDML
    from econml.dr import DRLearner
    from econml.metalearners import TLearner, XLearner

    y, T, _, X = treatments()
    options = {
        "model_y": regressor(), "model_t": classifier(), "discrete_treatment": True, "cv": 2,
        "random_state": SEED,
    }  # fmt: skip
    about_one(LinearDML(**options).fit(y, T, X=X).effect(X))
    about_one(NonParamDML(model_final=regressor(), **options).fit(y, T, X=X).effect(X))
    about_one(TLearner(models=regressor()).fit(y, T, X=X).effect(X))
    about_one(XLearner(models=regressor(), propensity_model=classifier()).fit(y, T, X=X).effect(X))
    about_one(
        DRLearner(
            model_propensity=classifier(), model_regression=regressor(), model_final=regressor(),
            cv=2,
        ).fit(y, T, X=X).effect(X)
    )  # fmt: skip


@tool("doubleml==0.11.4", "DoubleMLPLR, DoubleMLIRM")
def doubleml() -> None:
    import doubleml
    import pandas as pd

    y, T, _, X = treatments()
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=y, T=T)
    data = doubleml.DoubleMLData(frame, "y", "T")
    about_one(doubleml.DoubleMLPLR(data, regressor(), regressor(), n_folds=2).fit().coef)
    about_one(doubleml.DoubleMLIRM(data, regressor(), classifier(), n_folds=2).fit().coef)


@tool("dowhy==0.14", "propensity weighting with a network", also=("econml",))
def dowhy() -> None:
    import pandas as pd
    from dowhy import CausalModel

    y, T, _, X = treatments()
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=y, T=T.astype(bool))
    model = CausalModel(frame, "T", "y", common_causes=["a", "b", "c"])
    estimand = model.identify_effect(proceed_when_unidentifiable=True)
    found = model.estimate_effect(
        estimand, "backdoor.propensity_score_weighting",
        method_params={"propensity_score_model": classifier()},
    )  # fmt: skip
    about_one(found.value)


@tool("scikit-uplift==0.5.1", "SoloModel, TwoModels")
def uplift() -> None:
    from sklift.models import SoloModel, TwoModels

    y, T, _, X = treatments()
    positive = (y > 0).astype(int)
    SoloModel(classifier()).fit(X, positive, T).predict(X)
    TwoModels(classifier(), classifier(), method="vanilla").fit(X, positive, T).predict(X)


@tool("causallib==0.10.0", "IPW, Standardization")
def causallib() -> None:
    import pandas as pd
    from causallib.estimation import IPW, Standardization

    y, T, _, X = treatments()
    X, T, y = pd.DataFrame(X), pd.Series(T), pd.Series(y)
    outcome = Standardization(regressor()).fit(X, T, y).estimate_population_outcome(X, T)
    about_one(outcome[1] - outcome[0])
    IPW(classifier()).fit(X, T).estimate_population_outcome(X, T, y)

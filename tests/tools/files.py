"""Files, other formats, experiments that are tracked, other ways to run."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from trial import classes, classifier, folder, near, numbers, regressor, tool


def comes_back(there_and_back: Callable[[Any], Any]) -> None:
    """Raise unless a model predicts the same after it has been written and read."""
    X, y = numbers()
    model = regressor(n_members=2).fit(X, y)
    again = there_and_back(model)
    for which in (0, 1):
        ours, theirs = (one.predict(X, return_std=True)[which] for one in (model, again))
        np.testing.assert_array_equal(ours, theirs)
    X, y = classes()
    model = classifier().fit(X, y)
    np.testing.assert_array_equal(there_and_back(model).predict_proba(X), model.predict_proba(X))


@tool("joblib==1.6.0", "dump and load, compressed and memory-mapped; Memory")
def joblib() -> None:
    import joblib

    path = folder() / "model.joblib"

    def back(model: Any, **options: Any) -> Any:
        joblib.dump(model, path, **options)
        return joblib.load(path)

    comes_back(back)
    comes_back(lambda model: back(model, compress=3))

    def mapped(model: Any) -> Any:
        joblib.dump(model, path)
        return joblib.load(path, mmap_mode="r")

    comes_back(mapped)
    joblib.Memory(folder(), verbose=0).cache(lambda model: model.fit(*numbers()))(regressor())


@tool("cloudpickle==3.1.2", "dumps and loads; every protocol of pickle")
def cloudpickle() -> None:
    import cloudpickle

    comes_back(lambda model: cloudpickle.loads(cloudpickle.dumps(model)))
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        comes_back(lambda model, p=protocol: pickle.loads(pickle.dumps(model, p)))


@tool("dill==0.4.1", "dumps and loads")
def dill() -> None:
    import dill

    comes_back(lambda model: dill.loads(dill.dumps(model)))


@tool("skops==0.16.0", "io.dumps and loads without untrusted types but balinp's own")
def skops() -> None:
    from skops.io import dumps, get_untrusted_types, loads

    def back(model: Any) -> Any:
        data = dumps(model)
        unknown = get_untrusted_types(data=data)
        assert all(name.startswith("balinp.") for name in unknown), unknown
        return loads(data, trusted=unknown)

    comes_back(back)


@tool("mlflow==3.17.2", "log_model and load_model; autolog of fit")
def mlflow() -> None:
    import mlflow

    place = folder()
    mlflow.set_tracking_uri(f"sqlite:///{place}/runs.db")
    mlflow.set_experiment(
        mlflow.create_experiment("balinp", artifact_location=place.as_uri()) and "balinp"
    )
    mlflow.sklearn.autolog(log_models=False)
    X, y = numbers()
    with mlflow.start_run():
        model = regressor().fit(X, y)
        info = mlflow.sklearn.log_model(model, name="model", serialization_format="cloudpickle")
    np.testing.assert_array_equal(
        mlflow.pyfunc.load_model(info.model_uri).predict(X), model.predict(X)
    )
    mlflow.sklearn.autolog(disable=True)


@tool(
    "skl2onnx==1.20.0",
    "to_onnx",
    fails="knows no converter for it, and takes one that is registered",
)
def skl2onnx() -> None:
    from skl2onnx import to_onnx

    X, y = (part.to_numpy(np.float32) for part in numbers())
    to_onnx(regressor().fit(X, y), X[:1])


@tool("m2cgen==0.10.0", "export_to_c", fails="knows a list of models, of which it is none")
def m2cgen() -> None:
    import m2cgen

    m2cgen.export_to_c(regressor().fit(*numbers()))


@tool("pins==0.9.2", "a board in a directory")
def pins() -> None:
    import pins

    board = pins.board_folder(str(folder()), allow_pickle_read=True)
    names = iter(("first", "second"))

    def back(model: Any) -> Any:
        name = next(names)
        board.pin_write(model, name, type="joblib")
        return board.pin_read(name)

    comes_back(back)


@tool(
    "vetiver==0.2.6",
    "VetiverModel with a prototype of its input, and the application that serves it",
)
def vetiver() -> None:
    from vetiver import VetiverAPI, VetiverModel

    X, y = numbers()
    model = VetiverModel(regressor().fit(X, y), "bali", prototype_data=X)
    VetiverAPI(model, check_prototype=True)


@tool("papermill==2.7.0", "tutorial 00 as a notebook, executed", also=("ipykernel", "emcee"))
def papermill() -> None:
    from pathlib import Path

    import papermill

    source = Path(__file__).parents[2] / "tutorials" / "00_five_minutes.ipynb"
    subprocess.run(
        [sys.executable, "-m", "ipykernel", "install", "--prefix", str(folder())], check=True
    )
    papermill.execute_notebook(
        source, folder() / "out.ipynb", progress_bar=False, cwd=source.parent
    )


@tool("dvclive==3.49.1", "metrics by a callback during training")
def dvclive() -> None:
    from dvclive import Live

    with Live(str(folder()), save_dvc_exp=False) as live:

        def log(network: Any) -> None:
            live.log_metric("log_joint", network.history[-1].log_joint)
            live.next_step()

        regressor().fit(*numbers(), callback=log)


@tool("tensorboardx==2.6.5", "scalars by a callback during training")
def tensorboard() -> None:
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(folder()))
    regressor().fit(
        *numbers(),
        callback=lambda n: writer.add_scalar("log_joint", n.history[-1].log_joint, n.steps),
    )


@tool("sacred==0.8.7", "a run with its seed", also=("setuptools<81",))
def sacred() -> str:
    from sacred import Experiment

    experiment = Experiment("balinp", save_git_info=False)

    @experiment.main
    def run(_seed: int) -> float:
        return regressor(random_state=_seed).fit(*numbers()).log_evidence_

    experiment.run(config_updates={"seed": 1}, options={"--capture": "no"})
    return "needs pkg_resources of an older setuptools, and does not say so"


@tool("hypothesis==6.170.15", "estimators drawn with their options")
def hypothesis() -> None:
    from hypothesis import given, settings
    from hypothesis import strategies as st

    @settings(max_examples=10, deadline=None)
    @given(
        st.lists(st.integers(1, 4), max_size=2), st.sampled_from(["tanh", "relu"]), st.booleans()
    )
    def finite(hidden: list[int], activation: str, bias: bool) -> None:
        model = regressor(hidden=tuple(hidden), activation=activation, bias=bias, epochs=2)
        assert np.isfinite(model.fit(*numbers(40)).predict(numbers(40)[0])).all()

    finite()


@tool("threadpoolctl==3.8.0", "limits of BLAS threads change no prediction", also=("scikit-learn",))
def threadpoolctl() -> None:
    from threadpoolctl import threadpool_limits

    X, y = numbers()
    free = regressor().fit(X, y).predict(X)
    with threadpool_limits(1):
        near(regressor().fit(X, y).predict(X), free)


@tool("multiprocess==0.70.19", "fits in a pool of spawned processes", also=("dill",))
def multiprocess() -> None:
    import multiprocess

    with multiprocess.get_context("spawn").Pool(2) as pool:
        X, y = numbers()
        first, second = pool.starmap(type(regressor()).fit, [(regressor(), X, y)] * 2)
    np.testing.assert_array_equal(first.predict(X), second.predict(X))


@tool("memory-profiler==0.61.0", "the memory of a fit")
def memory() -> None:
    from memory_profiler import memory_usage

    assert len(memory_usage((regressor().fit, numbers()), interval=0.05)) > 1


@tool("rich==15.0.0", "inspect of an estimator")
def rich() -> None:
    import io

    import rich
    from rich.console import Console

    rich.inspect(regressor().fit(*numbers()), console=Console(file=io.StringIO()), methods=True)


@tool("scikit-learn-intelex==2026.2.0", "patch_sklearn before everything else")
def intelex() -> None:
    from sklearnex import patch_sklearn

    patch_sklearn(verbose=False)
    from sklearn.model_selection import cross_val_score

    cross_val_score(regressor(), *numbers(), cv=3)

"""Models on disk: one .npz file of plain arrays, see `balinp.archive`.

The file holds a JSON header (format, version, settings, random state) and the arrays of each layer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from balinp._types import Array
from balinp.archive import decoded, encoded, only, readable, write
from balinp.evidence import HyperPrior
from balinp.gain import Gain
from balinp.joint_posterior import JointPosterior, prior_roots
from balinp.layer import MatrixNormalLayer
from balinp.leave_one_out import Tails
from balinp.likelihood import LIKELIHOODS, Gaussian
from balinp.mlp import MLP
from balinp.model import Model
from balinp.moments import Moments
from balinp.natural_parameters import Factors
from balinp.precision_forms import FORMS
from balinp.spectral import Spectrum
from balinp.uncertainty import Uncertainty, noise_covariance
from balinp.validation import (
    as_count,
    as_covariance,
    as_finite,
    as_positive,
    as_stored,
)

AnyModel = TypeVar("AnyModel", bound=Model)

FORMAT = "balinp"
VERSION = 4
FACTOR_ARRAYS = ("A", "H", "a", "Q_A", "h", "Q_H", "n_data")
LAYER_ARRAYS = ("mean", "prior_mean", "last_change", "balanced", *FACTOR_ARRAYS)
SETTLED_ARRAYS = tuple(f"settled_{name}" for name in FACTOR_ARRAYS)
MOMENT_ARRAYS = ("moments", "moments_amount")
HEADER = (
    "widths", "settings", "learns_noise", "mean_precisions", "precision_prior", "noise_units",
    "noise_asked", "steps", "data_seen", "damping", "gain", "random_state", "settled", "moments",
    "joint", "tails",
)  # fmt: skip


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a fitted model to `path`. The history of its training is not stored.

    Raises
    ------
    ValueError
        If the model has not been fitted, or its likelihood is not one of this package's.
    """
    write(packed(model), path)


def packed(model: Model) -> dict[str, Array]:
    """The model as plain arrays, of which `unpacked` makes it again; errors as in `save`."""
    if model.steps == 0:
        raise ValueError("save: expected a fitted model, got one that has seen no data")
    if type(model.likelihood) not in LIKELIHOODS.values():
        raise ValueError(f"save: expected a built-in likelihood, got {model.likelihood!r}")
    hyper = model.hyper
    header = {
        "widths": model.network.widths,
        "settings": _settings(model),
        "learns_noise": hyper.learns_noise,
        "mean_precisions": hyper.mean_precisions,
        "precision_prior": _as_dict(hyper.precision_prior),
        "steps": model.steps,
        "data_seen": model.data_seen,
        "damping": model.damping,
        "gain": astuple(hyper.gain) if np.isfinite(hyper.gain.value) else None,
        "noise_units": hyper.noise_units.tolist(),
        "noise_asked": None if hyper.noise_asked is None else hyper.noise_asked.tolist(),
        "random_state": model.rng.bit_generator.state,
        "settled": model.layers[0].state.settled is not None,
        "moments": model.layers[0].state.moments is not None,
        "joint": [[part.form.name, part.prior_scale] for part in model.uncertainty.scales],
        "tails": model.uncertainty.tails,
    }
    arrays: dict[str, Any] = {"header": encoded(header, FORMAT, VERSION)}
    if isinstance(model.likelihood, Gaussian):
        arrays["noise_covariance"] = model.likelihood.covariance(model.network.widths[-1])
    for index, layer in enumerate(model.layers):
        for name, array in _layer_arrays(layer).items():
            arrays[f"layer{index}_{name}"] = array
    for index, part in enumerate(model.uncertainty.scales):
        arrays |= {f"joint{index}_{name}": a for name, a in part.form.arrays().items()}
    return arrays


def load(path: str | os.PathLike[str], make: Callable[..., AnyModel]) -> AnyModel:
    """Read a model that `save` has written; its predictions are the same to the last bit.

    Parameters
    ----------
    make : callable
        Class of the model, called with its settings.

    Raises
    ------
    ValueError
        If the file is not one of this format and version, or is incomplete or inconsistent.
    """
    with readable(path) as arrays:
        return unpacked(arrays, make)


def unpacked(arrays: Mapping[str, Array], make: Callable[..., AnyModel]) -> AnyModel:
    """The model of which `packed` has made these arrays; ValueError or KeyError if none has."""
    return _rebuilt(make, decoded(arrays["header"], FORMAT, VERSION, HEADER), arrays)


def _settings(model: Model) -> dict[str, Any]:
    return {
        "hidden": model.hidden,
        "likelihood": next(k for k, v in LIKELIHOODS.items() if type(model.likelihood) is v),
        "activation": model.activation,
        "forward": model.forward,
        "prior": model.prior,
        "prior_precision": model.hyper.given_precision,
        "bias": model.bias,
        "seed": model.seed,
        "rate": model.rate,
        "precision_prior": _as_dict(model.hyper.given_priors[0]),
        "noise_prior": _as_dict(model.hyper.given_priors[1]),
        "covariance": model.uncertainty.covariance,
        "noise": model.uncertainty.noise,
    }


def _as_dict(prior: HyperPrior | None) -> dict[str, float] | None:
    return None if prior is None else asdict(prior)


def _layer_arrays(layer: MatrixNormalLayer) -> dict[str, Array]:
    state = layer.state
    balanced = (np.nan, np.nan) if state.remembered is None else state.remembered
    arrays = {
        "mean": layer.mean,
        "prior_mean": layer.prior_mean,
        "last_change": layer.last_change,
        **_factor_arrays(state.observed),
        "balanced": np.array([layer.prior_precision, *balanced]),
    }
    if state.settled is not None:
        settled = _factor_arrays(state.settled)
        arrays |= {f"settled_{name}": array for name, array in settled.items()}
    if state.moments is not None:
        arrays["moments"] = state.moments.root
        arrays["moments_amount"] = np.array([float(state.moments.amount)])
    return arrays


def _factor_arrays(factors: Factors) -> dict[str, Array]:
    return {
        "A": factors.A,
        "H": factors.H,
        "a": factors.inputs.values,
        "Q_A": factors.inputs.vectors,
        "h": factors.outputs.values,
        "Q_H": factors.outputs.vectors,
        "n_data": np.array([float(factors.n_data)]),
    }


def _rebuilt(
    make: Callable[..., AnyModel], header: dict[str, Any], arrays: Mapping[str, Array]
) -> AnyModel:
    settings = dict(header["settings"])
    for name in ("precision_prior", "noise_prior"):
        settings[name] = settings[name] and HyperPrior(**settings[name])
    model = make(**settings)
    only(settings, _settings(model), "settings")
    model.network = MLP(header["widths"], model.activation, bias=model.bias)
    widths = model.network.widths
    if widths[1:-1] != model.hidden:
        raise ValueError(f"widths: expected {model.hidden} between inputs and outputs")
    _restore_hyper_parameters(model, header)
    model.steps = as_count(header["steps"], "steps")
    model.data_seen = as_positive(header["data_seen"], "data_seen")
    model.rng.bit_generator.state = header["random_state"]
    names = ["header"]
    if isinstance(model.likelihood, Gaussian):
        names.append("noise_covariance")
        model.likelihood = Gaussian(arrays["noise_covariance"])
    joint = [_named(arrays, f"joint{index}_") for index in range(len(header["joint"]))]
    names += [f"joint{index}_{name}" for index, part in enumerate(joint) for name in part]
    of_layer = list(LAYER_ARRAYS)
    of_layer += SETTLED_ARRAYS if header["settled"] else ()
    of_layer += MOMENT_ARRAYS if header["moments"] else ()
    layers = range(model.network.depth)
    only(arrays, names + [f"layer{i}_{name}" for i in layers for name in of_layer], "arrays")
    model.layers = [
        _layer(model, n_in, n_out, {name: arrays[f"layer{index}_{name}"] for name in of_layer})
        for index, (n_in, n_out) in enumerate(pairwise(widths))
    ]
    model.uncertainty = _uncertainty(model, header, joint)
    return model


def _named(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}


def _uncertainty(
    model: Model, header: dict[str, Any], joint: Sequence[Mapping[str, Array]]
) -> Uncertainty:
    """What predictions are made with beside the layers."""
    network, posteriors = model.network, []
    for (name, scale), arrays in zip(header["joint"], joint, strict=True):
        form = FORMS[name].restored(arrays, network.shapes, network.widths[-1])
        only(arrays, form.arrays(), "joint")
        precisions = [layer.state.prior_output_precision for layer in model.layers]
        roots = prior_roots(precisions, as_positive(scale, "prior_scale"))
        V = noise_covariance(model)
        posteriors.append(JointPosterior(network, model.weights, roots, V, form, scale))
    tails = header["tails"]
    if tails is not None:
        noise_factor, freedom = tails
        tails = Tails(as_positive(noise_factor, "tails"), as_positive(freedom, "tails"))
    first = posteriors[0] if posteriors else None
    return replace(model.uncertainty, joint=first, others=tuple(posteriors[1:]), tails=tails)


def _restore_hyper_parameters(model: Model, header: dict[str, Any]) -> None:
    hyper = model.hyper
    hyper.learns_noise = bool(header["learns_noise"])
    hyper.mean_precisions = [as_positive(p, "mean_precisions") for p in header["mean_precisions"]]
    if len(hyper.mean_precisions) != model.network.depth:
        raise ValueError(f"mean_precisions: expected {model.network.depth}")
    prior = header["precision_prior"]
    hyper.precision_prior = prior and HyperPrior(**prior)
    hyper.noise_units = np.array([as_positive(u, "noise_units") for u in header["noise_units"]])
    asked, K = header["noise_asked"], model.network.widths[-1]
    hyper.noise_asked = asked and as_covariance(asked, "noise_asked", K)
    model.damping = as_finite(header["damping"], "damping")
    if header["gain"] is not None:
        value, best, precision = header["gain"]
        gains = as_finite(value, "gain"), as_finite(best, "gain")
        hyper.gain = Gain(*gains, as_positive(precision, "gain"))


def _layer(model: Model, n_in: int, n_out: int, arrays: dict[str, Array]) -> MatrixNormalLayer:
    D, K = n_in + model.bias, n_out
    shapes = {"A": (D, D), "Q_A": (D, D), "a": (D,), "H": (K, K), "Q_H": (K, K), "h": (K,)}
    shapes |= {"n_data": (1,), "balanced": (3,), "moments_amount": (1,)}
    for name, array in arrays.items():
        expected = shapes.get(name.removeprefix("settled_"), (D, K))
        if name == "moments":
            expected = (min(len(array), D + K), D + K)
        as_stored(array, name, expected, may_be_nan=name == "balanced")
    prior_precision, n_before, precision_before = map(float, arrays["balanced"])
    layer = MatrixNormalLayer(
        n_in,
        n_out,
        prior=model.prior,
        prior_precision=prior_precision,
        prior_mean=arrays["prior_mean"],
        initial_mean=arrays["mean"],
        bias=model.bias,
        exact=not model.hidden,
    )
    moments = None
    if "moments" in arrays:
        amount = as_positive(float(arrays["moments_amount"][0]), "moments_amount")
        moments = Moments(arrays["moments"], D, amount)
    layer.state = replace(
        layer.state,
        factors=_factors(arrays, ""),
        last_change=arrays["last_change"],
        remembered=None if np.isnan(n_before) else (n_before, precision_before),
        settled=_factors(arrays, "settled_") if "settled_A" in arrays else None,
        moments=moments,
    )
    return layer


def _factors(arrays: Mapping[str, Array], prefix: str) -> Factors:
    A, H, a, Q_A, h, Q_H, n_data = (arrays[prefix + name] for name in FACTOR_ARRAYS)
    return Factors(
        A, H, Spectrum(a, Q_A), Spectrum(h, Q_H), as_positive(float(n_data[0]), "n_data")
    )

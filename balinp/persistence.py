"""Models on disk: one .npz file of plain arrays. No pickle; nothing in a file is executed.

The file holds a JSON header (format, version, settings, random state) and the arrays of each
layer. Writing goes to a temporary file beside the target, which then takes its place, so that
an interrupted save leaves the old file as it was.
"""

from __future__ import annotations

import io
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from balinp._types import Array
from balinp.evidence import HyperPrior
from balinp.joint_posterior import JointPosterior, prior_roots
from balinp.kept_bases import KeptFactors
from balinp.layer import MatrixNormalLayer
from balinp.leave_one_out import Tails
from balinp.likelihood import Categorical, Gaussian
from balinp.mlp import MLP
from balinp.natural_parameters import Factors
from balinp.precision_forms import FORMS
from balinp.spectral import Spectrum
from balinp.uncertainty import Uncertainty, noise_covariance
from balinp.validation import as_count, as_finite, as_positive, as_share

if TYPE_CHECKING:
    from balinp.bali import BALI

FORMAT = "balinp"
VERSION = 2
LAYER_ARRAYS = ("mean", "prior_mean", "last_change", "A", "H", "a", "Q_A", "h", "Q_H", "numbers")
HEADER = (
    "widths", "settings", "learns_noise", "mean_precisions", "steps", "data_seen", "bounds",
    "random_state", "joint", "tails",
)  # fmt: skip


def save(model: BALI, path: str | os.PathLike[str]) -> None:
    """Write a fitted model to `path`. The history of its training is not stored.

    Raises
    ------
    ValueError
        If the model has not been fitted, or its likelihood is not one of this package's.
    """
    write(packed(model), Path(path))


def packed(model: BALI) -> dict[str, Array]:
    """The model as plain arrays, of which `unpacked` makes it again; errors as in `save`."""
    if model.steps == 0:
        raise ValueError("save: expected a fitted model, got one that has seen no data")
    if type(model.likelihood) not in (Gaussian, Categorical):
        raise ValueError(f"save: expected a built-in likelihood, got {model.likelihood!r}")
    hyper = model.hyper
    header = {
        "widths": model.network.widths,
        "settings": _settings(model),
        "learns_noise": hyper.learns_noise,
        "mean_precisions": hyper.mean_precisions,
        "steps": model.steps,
        "data_seen": model.data_seen,
        "bounds": [hyper.bound, hyper.best_bound] if np.isfinite(hyper.bound) else None,
        "random_state": model.rng.bit_generator.state,
        "joint": None,
        "tails": model.uncertainty.tails,
    }
    joint = model.uncertainty.joint
    if joint is not None:
        header["joint"] = [joint.form.name, joint.prior_scale]
    arrays: dict[str, Any] = {"header": encoded(header, FORMAT, VERSION)}
    if isinstance(model.likelihood, Gaussian):
        arrays["noise_covariance"] = model.likelihood.covariance(model.network.widths[-1])
    for index, layer in enumerate(model.layers):
        for name, array in _layer_arrays(layer).items():
            arrays[f"layer{index}_{name}"] = array
    if joint is not None:
        arrays |= {f"joint_{name}": array for name, array in joint.form.arrays().items()}
    return arrays


def load(path: str | os.PathLike[str]) -> BALI:
    """Read a model that `save` has written; its predictions are the same to the last bit.

    Raises
    ------
    ValueError
        If the file is not one of this format and version, or is incomplete or inconsistent.
    """
    with readable(path) as arrays:
        return unpacked(arrays)


def unpacked(arrays: Mapping[str, Array]) -> BALI:
    """The model of which `packed` has made these arrays; ValueError or KeyError if none has."""
    from balinp.bali import BALI

    return _rebuilt(BALI, decoded(arrays["header"], FORMAT, VERSION, HEADER), arrays)


@contextmanager
def readable(path: str | os.PathLike[str]) -> Iterator[dict[str, Array]]:
    """The arrays of a file; what goes wrong with them within the context names the file."""
    content = Path(path).read_bytes()  # what fails here is the disk, or the name
    # Damaged or foreign bytes make the readers of archives, of arrays and of JSON raise almost
    # any exception; what it was, is in the message and in the cause.
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:
        raise ValueError(
            f"path: expected a file written by save, got {path!s} ({error})"
        ) from error
    try:
        yield arrays
    except Exception as error:
        raise ValueError(f"path: {path!s} is not a readable model ({error})") from error


def encoded(header: dict[str, Any], kind: str, version: int) -> Array:
    """A header as an array of bytes, with the format that `decoded` will ask for."""
    text = json.dumps({"format": kind, "version": version, **header})
    return np.frombuffer(text.encode(), dtype=np.uint8)


def decoded(array: Array, kind: str, version: int, names: Iterable[str]) -> dict[str, Any]:
    """The header; ValueError unless it is of this format and version and has these names."""
    header: dict[str, Any] = json.loads(array.tobytes().decode())
    found = header.pop("format"), header.pop("version")
    if repr(found) != repr((kind, version)):  # 1 is not True
        raise ValueError(f"expected format {kind} {version}, got {found[0]} {found[1]!r}")
    only(header, names, "header")
    return header


def only(found: Iterable[str], expected: Iterable[str], what: str) -> None:
    """Raise ValueError unless there is all that is expected, and nothing else."""
    missing, unknown = set(expected) - set(found), set(found) - set(expected)
    if missing or unknown:
        raise ValueError(f"{what}: missing {sorted(missing)}, unknown {sorted(unknown)}")


def _settings(model: BALI) -> dict[str, Any]:
    return {
        "hidden": model.hidden,
        "likelihood": "gaussian" if isinstance(model.likelihood, Gaussian) else "categorical",
        "activation": model.activation,
        "forward": model.forward,
        "prior": model.prior,
        "prior_precision": model.hyper.given_precision,
        "bias": model.bias,
        "seed": model.seed,
        "rate": model.rate,
        "precision_prior": model.hyper.precision_prior and asdict(model.hyper.precision_prior),
        "noise_prior": asdict(model.hyper.noise_prior),
        "basis_tolerance": model.basis_tolerance,
        "covariance": model.uncertainty.covariance,
        "noise": model.uncertainty.noise,
    }


def _layer_arrays(layer: MatrixNormalLayer) -> dict[str, Array]:
    factors, remembered = layer.state.observed, layer.state.remembered
    balanced = (np.nan, np.nan) if remembered is None else remembered
    floor = factors.floor if isinstance(factors, KeptFactors) else 0.0
    return {
        "mean": layer.mean,
        "prior_mean": layer.prior_mean,
        "last_change": layer.last_change,
        "A": factors.A,
        "H": factors.H,
        "a": factors.inputs.values,
        "Q_A": factors.inputs.vectors,
        "h": factors.outputs.values,
        "Q_H": factors.outputs.vectors,
        "numbers": np.array(
            [factors.n_data, factors.is_exact, floor, layer.prior_precision, *balanced]
        ),
    }


def _rebuilt(kind: type[BALI], header: dict[str, Any], arrays: Mapping[str, Array]) -> BALI:
    settings = dict(header["settings"])
    for name in ("precision_prior", "noise_prior"):
        settings[name] = settings[name] and HyperPrior(**settings[name])
    model = kind(**settings)
    only(settings, _settings(model), "settings")
    model.network = MLP(header["widths"], model.activation, bias=model.bias)
    widths = model.network.widths
    if widths[1:-1] != model.hidden:
        raise ValueError(f"widths: expected {model.hidden} between inputs and outputs")
    hyper = model.hyper
    hyper.learns_noise = bool(header["learns_noise"])
    hyper.mean_precisions = [as_positive(p, "mean_precisions") for p in header["mean_precisions"]]
    if len(hyper.mean_precisions) != model.network.depth:
        raise ValueError(f"mean_precisions: expected {model.network.depth}")
    model.steps = as_count(header["steps"], "steps")
    model.data_seen = as_positive(header["data_seen"], "data_seen")
    if header["bounds"] is not None:
        hyper.bound, hyper.best_bound = (as_finite(b, "bounds") for b in header["bounds"])
    model.rng.bit_generator.state = header["random_state"]
    names = ["header"]
    if isinstance(model.likelihood, Gaussian):
        names.append("noise_covariance")
        model.likelihood = Gaussian(arrays["noise_covariance"])
    joint = {n.removeprefix("joint_"): a for n, a in arrays.items() if n.startswith("joint_")}
    if header["joint"] is not None:
        names += [f"joint_{name}" for name in joint]
    layers = range(model.network.depth)
    only(arrays, names + [f"layer{i}_{name}" for i in layers for name in LAYER_ARRAYS], "arrays")
    model.layers = [
        _layer(model, n_in, n_out, {name: arrays[f"layer{index}_{name}"] for name in LAYER_ARRAYS})
        for index, (n_in, n_out) in enumerate(pairwise(widths))
    ]
    model.uncertainty = _uncertainty(model, header, joint)
    return model


def _uncertainty(model: BALI, header: dict[str, Any], arrays: Mapping[str, Array]) -> Uncertainty:
    """What predictions are made with beside the layers."""
    joint = None
    if header["joint"] is not None:
        name, scale = header["joint"]
        network, scale = model.network, as_positive(scale, "prior_scale")
        form = FORMS[name].restored(arrays, network.shapes, network.widths[-1])
        only(arrays, form.arrays(), "joint")
        precisions = [layer.state.prior_output_precision for layer in model.layers]
        roots = prior_roots(precisions, scale)
        V = noise_covariance(model)
        joint = JointPosterior(network, model.weights, roots, V, form, scale)
    tails = header["tails"]
    if tails is not None:
        noise_factor, freedom = tails
        tails = Tails(as_positive(noise_factor, "tails"), as_positive(freedom, "tails"))
    return replace(model.uncertainty, joint=joint, tails=tails)


def _layer(model: BALI, n_in: int, n_out: int, arrays: dict[str, Array]) -> MatrixNormalLayer:
    D, K = n_in + model.bias, n_out
    shapes = {"A": (D, D), "Q_A": (D, D), "a": (D,), "H": (K, K), "Q_H": (K, K), "h": (K,)}
    for name, array in arrays.items():
        expected = (6,) if name == "numbers" else shapes.get(name, (D, K))
        if array.shape != expected or array.dtype != np.float64:
            raise ValueError(
                f"{name}: expected float64 {expected}, got {array.dtype} {array.shape}"
            )
        if name != "numbers" and not np.isfinite(array).all():
            raise ValueError(f"{name}: expected finite numbers")
    numbers = map(float, arrays["numbers"])
    n_data, is_exact, floor, prior_precision, n_before, precision_before = numbers
    A, H, n_data = arrays["A"], arrays["H"], as_positive(n_data, "n_data")
    spectra = Spectrum(arrays["a"], arrays["Q_A"]), Spectrum(arrays["h"], arrays["Q_H"])
    factors: Factors = (
        Factors(A, H, *spectra, n_data)
        if is_exact
        else KeptFactors(A, H, *spectra, n_data, as_share(floor, "floor"))
    )
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
    remembered = None if np.isnan(n_before) else (n_before, precision_before)
    layer.state = replace(
        layer.state, factors=factors, last_change=arrays["last_change"], remembered=remembered
    )
    return layer


def write(arrays: dict[str, Any], path: Path) -> None:
    """Write to a new file in the same directory, then move it into place."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "xb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())  # on the disk before the old file is given up
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise

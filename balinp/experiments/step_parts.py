"""Where the time of a training step goes, measured from outside.

The core has no timers. For as long as a measurement lasts, functions of the package are replaced
by ones that tell a stopwatch which part of the step has begun and ended.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from types import FunctionType
from typing import Any, NamedTuple

from balinp import (
    evidence,
    joint_step,
    kernels,
    layer,
    likelihood,
    natural_parameters,
    single,
    spectral,
)
from balinp.expected import Expected, ExpectedClasses, ExpectedLabels
from balinp.hyper_parameters import HyperParameters
from balinp.linearised import Linearised
from balinp.mlp import MLP
from balinp.passes import Mean
from balinp.sums import summed

Function = Callable[..., Any]

FORWARD, BACKWARD = "forward", "likelihood and backward"
DEVIATIONS, TARGETS = "output deviations", "pseudo-targets"
FACTORS, EIGEN, SOLVE = "factors", "eigendecompositions", "solve"
JOINT, HYPER, REST = "joint step", "hyper-parameters", "rest"
PARTS = (FORWARD, BACKWARD, DEVIATIONS, TARGETS, FACTORS, EIGEN, SOLVE, JOINT, HYPER, REST)
"""In the order of a step; each is without the parts that are called from it.

Output deviations are the linearised pass, with the inputs in the layers' bases; factors are the
sums over the batch and their moving averages; solve is all of a proposal that is not factors or
eigendecompositions; the joint step has the tangents and the forward passes of its check.
"""

CLOCK = time.process_time
"""Time of this process's processor, which on one thread nothing else on the machine adds to."""


class Entry(NamedTuple):
    """A part of the step that a function begins.

    Attributes
    ----------
    part : str
        One of `PARTS`.
    within : str or None
        The only part whose calls begin it; called from any other, the function belongs to its
        caller. None begins the part wherever the call comes from.
    """

    part: str
    within: str | None = None


_LIKELIHOODS = (
    likelihood.Gaussian,
    likelihood.Categorical,
    Expected,
    ExpectedClasses,
    ExpectedLabels,
)
_PASS = [(MLP.forward, FORWARD), (MLP.backward, BACKWARD)] + [
    (vars(kind)[name], BACKWARD)
    for kind in _LIKELIHOODS
    for name in ("log_density", "gradient", "curvature_rows")
    if name in vars(kind)
]

ENTRIES: dict[Function, Entry] = {
    Mean.trace: Entry(TARGETS),
    summed: Entry(TARGETS),
    **{function: Entry(part, within=TARGETS) for function, part in _PASS},
    likelihood.Gaussian.known_precision: Entry(BACKWARD),
    single.single_squares: Entry(DEVIATIONS),
    Linearised.deviations: Entry(DEVIATIONS),
    kernels.gram: Entry(FACTORS, within=TARGETS),
    natural_parameters.averages: Entry(FACTORS),
    kernels.curvature_sum: Entry(FACTORS),
    spectral.decompose: Entry(EIGEN),
    layer.MatrixNormalLayer.propose_from: Entry(SOLVE),
    joint_step.joint_step: Entry(JOINT),
    joint_step.checked: Entry(JOINT),
    HyperParameters.set_priors: Entry(HYPER),
    HyperParameters.learn_precision: Entry(HYPER),
    HyperParameters.learn_noise: Entry(HYPER),
    evidence.effective_parameters: Entry(HYPER),
}


class Stopwatch:
    """Seconds of each part; every moment belongs to exactly one, so that they add up.

    Parameters
    ----------
    clock : callable, optional
        Returns the time in seconds.

    Examples
    --------
    >>> ticks = iter([0.0, 1.0, 3.0, 4.0])
    >>> watch = Stopwatch(lambda: next(ticks))
    >>> square = watch.timed(lambda x: x * x, Entry("solve"))
    >>> square(3)
    9
    >>> watch.read()
    {'rest': 2.0, 'solve': 2.0}
    """

    def __init__(self, clock: Callable[[], float] = CLOCK) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._part, self._since = REST, clock()

    def _switch(self, part: str) -> str:
        """Let another part begin; return the one that ends."""
        now = self._clock()
        ended = self._part
        self._seconds[ended] = self._seconds.get(ended, 0.0) + now - self._since
        self._part, self._since = part, now
        return ended

    def timed(self, function: Function, entry: Entry) -> Function:
        """Return the function, but so that a call begins a part and its end resumes the last."""

        @wraps(function)
        def within_part(*arguments: Any, **options: Any) -> Any:
            if entry.within not in (None, self._part):
                return function(*arguments, **options)
            interrupted = self._switch(entry.part)
            try:
                return function(*arguments, **options)
            finally:
                self._switch(interrupted)

        return within_part

    def read(self) -> dict[str, float]:
        """Seconds of each part since the start or the last reading, which begins anew."""
        self._switch(self._part)
        seconds, self._seconds = self._seconds, {}
        return seconds


@contextmanager
def replaced(replacements: Mapping[Function, Function]) -> Iterator[None]:
    """Replace functions by others under every name that the package has for them.

    A function is replaced in the module that defines it, in all that import it, and as a method
    of its class. At the end, also after an exception, all names mean what they did before.

    Raises
    ------
    ValueError
        If the package has no name for a function, so that replacing it would change nothing.

    Examples
    --------
    >>> from balinp.kernels import root_weighted
    >>> with replaced({root_weighted: lambda rows, weights: 7}):
    ...     evidence.root_weighted(None, None), joint_step.root_weighted(None, None)
    (7, 7)
    >>> joint_step.root_weighted is root_weighted
    True
    """
    names = [
        (owner, name, value)
        for owner in _owners()
        for name, value in vars(owner).items()
        if isinstance(value, FunctionType) and value in replacements
    ]
    unknown = replacements.keys() - {value for _, _, value in names}
    if unknown:
        raise ValueError(f"replacements: expected functions of balinp, got {unknown}")
    try:
        for owner, name, value in names:
            setattr(owner, name, replacements[value])
        yield
    finally:
        for owner, name, value in names:
            setattr(owner, name, value)


def _owners() -> list[Any]:
    """The package's modules that have been imported, and the classes that they define."""
    modules = [m for name, m in sys.modules.items() if name.partition(".")[0] == "balinp"]
    classes = [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    return [*modules, *classes]


@contextmanager
def timed_parts(twins: Mapping[Function, Function] | None = None) -> Iterator[Stopwatch]:
    """A stopwatch of `PARTS` that runs inside the context; a wrapped call costs some microseconds.

    Parameters
    ----------
    twins : mapping of Function to Function, optional
        Functions to use in place of others of `ENTRIES` or of the package, on the same watch.
    """
    watch = Stopwatch()
    replacements = dict(twins or {})
    for function, entry in ENTRIES.items():
        replacements[function] = watch.timed(replacements.get(function, function), entry)
    with replaced(replacements):
        yield watch

"""What a method is, and what several of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TypeAlias, TypeVar

import numpy as np

from balinp._types import Array
from balinp.experiments import CLASSIFICATION
from balinp.experiments.dataset import SCALES
from balinp.experiments.methods.settings import digest, words
from balinp.experiments.splits import Split, random_split
from balinp.predictive import (
    CategoricalPredictive,
    GaussianPredictive,
    Predictive,
    equal_mixture,
)
from balinp.standardise import Scale

HIDDEN = 50
"""Units of the one hidden layer of every network."""

Predictor: TypeAlias = Callable[[Array], Predictive]
"""Maps inputs (B, n_in) to the predictive distribution there."""

Train: TypeAlias = Callable[[Array, Array, int], Predictor]
"""Maps standardised (X, Y) and a seed to a predictor in standardised units."""

State = TypeVar("State")


@dataclass(frozen=True)
class Method:
    """A named way from training data to predictions.

    Attributes
    ----------
    name : str
        As in tables and after ``--methods``.
    kind : str
        ``"regression"`` or ``"classification"``.
    train : Train
        Maps standardised (X, Y) and a seed to a predictor in standardised units.
    peers : tuple of str
        Modules of the extra ``peers`` that it imports.
    most_data : float
        Number of data up to which it is affordable.
    """

    name: str
    kind: str
    train: Train
    peers: tuple[str, ...] = ()
    most_data: float = np.inf

    def fit(self, X: Array, Y: Array, seed: int, input_scale: str = "column") -> Predictor:
        """Train on X (N, n_in) and Y (N, K); the predictor, too, is in original units.

        Parameters
        ----------
        X, Y : array
            Training data in original units.
        seed : int
            Seed of everything random.
        input_scale : str, default "column"
            What the method sees inputs divided by, as in `Dataset`. Targets of a regression are
            always standardised column by column.
        """
        inputs = SCALES[input_scale](X)
        if self.kind == CLASSIFICATION:
            predictor = self.train(inputs.to_standard(X), Y, seed)
            return lambda X_new: predictor(inputs.to_standard(X_new))
        targets = Scale.of(Y)
        predictor = self.train(inputs.to_standard(X), targets.to_standard(Y), seed)

        def predict(X_new: Array) -> Predictive:
            predictive = predictor(inputs.to_standard(X_new))
            assert isinstance(predictive, GaussianPredictive)
            return targets.to_original(predictive)

        return predict

    @property
    def settings(self) -> str:
        """What the method depends on, in words that change when its settings or defaults do."""
        return words(self.train)

    @property
    def digest(self) -> str:
        """What records keep of `settings`."""
        return digest(self.settings)

    def obstacle(self, n_data: int) -> str | None:
        """Why the method cannot be run on so many data here, or None if it can."""
        for module in self.peers:
            if find_spec(module) is None:
                return (
                    f"{module} cannot be imported; the method needs the extra 'peers': "
                    "pip install 'balinp[peers]'"
                )
        if n_data > self.most_data:
            return f"it takes at most {self.most_data} data, got {n_data}"
        return None


@dataclass(frozen=True)
class Ensemble:
    """The equal mixture of several members that differ in nothing but their seeds.

    Source: Lakshminarayanan, Pritzel and Blundell (2017), Simple and scalable predictive
    uncertainty estimation using deep ensembles; five members, as there. Not theirs: the noise
    variance of a member is a constant, and there are no adversarial examples.

    Derivation: PR-5
    """

    member: Train
    size: int = 5

    def __call__(self, X: Array, Y: Array, seed: int) -> Predictor:
        """Train the members on the same data with independent seeds."""
        seeds = np.random.SeedSequence(seed).generate_state(self.size)
        predictors = [self.member(X, Y, int(s)) for s in seeds]
        return lambda X_new: mixture([predictor(X_new) for predictor in predictors])


def mixture(members: Sequence[Predictive]) -> Predictive:
    """The equal mixture of predictives of one kind for the same data."""
    gaussian = [member for member in members if isinstance(member, GaussianPredictive)]
    if gaussian:
        return equal_mixture(gaussian)
    return CategoricalPredictive.of([m for m in members if isinstance(m, CategoricalPredictive)])


def held_out(n: int, seed: int, fraction: float) -> Split:
    """Rows of n training data to train on, and a share of them, at least one, to be held out.

    What is chosen by the second part is chosen without a look at any test data.
    """
    return random_split(seed, n=n, test_fraction=max(fraction, 1 / n))


def best_held_out(states: Iterator[tuple[float, State]], patience: int) -> State:
    """The state with the smallest error on held-out data, as they come.

    Parameters
    ----------
    states : iterator of tuple of float and State
        Pairs of held-out error and what reached it, in the order of training.
    patience : int
        Stop after so many states without a new smallest error.
    """
    least, best = next(states)
    waited = 0
    for error, state in states:
        waited += 1
        if error < least:
            least, best, waited = error, state, 0
        if waited == patience:
            break
    return best


def with_residual_noise(
    mean: Callable[[Array], Array], X_held_out: Array, Y_held_out: Array
) -> Predictor:
    """A point prediction with the mean squares of its held-out residuals as noise variances.

    Training residuals would be too small by what the network has over-fitted, and there are no
    uncertain weights here that could make up for it.
    """
    residuals = Y_held_out - mean(X_held_out)
    return with_noise(mean, (residuals**2).mean(axis=0))


def with_noise(mean: Callable[[Array], Array], variances: Array) -> Predictor:
    """A point prediction with noise of given variances (K,), the same everywhere."""
    noise = np.diag(variances)

    def predict(X_new: Array) -> GaussianPredictive:
        centre = mean(X_new)
        return GaussianPredictive(centre, np.zeros((*centre.shape, len(noise))), noise)

    return predict

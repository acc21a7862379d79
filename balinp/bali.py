"""BALI: a Bayesian neural network trained by layerwise exact inference on pseudo-targets.

The model as it is seen from outside: its settings, `fit`, `predict`, `trace`, files. The loop over
epochs and batches is in `balinp.training`, and what a training step does in `balinp.step`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from balinp import persistence
from balinp._types import Activation, Covariance, LikelihoodName, Noise, Pass, Prior
from balinp.data import Data
from balinp.evidence import HyperPrior
from balinp.history import History, Record
from balinp.hyper_parameters import HyperParameters
from balinp.layer import MatrixNormalLayer
from balinp.likelihood import Gaussian, Likelihood, as_likelihood
from balinp.linearised import PASSES
from balinp.mlp import ACTIVATIONS, MLP
from balinp.model import Model
from balinp.pages import keep_freed_pages
from balinp.priors import PRIORS
from balinp.sources import opened
from balinp.threads import few_threads
from balinp.training import step, train
from balinp.uncertainty import Uncertainty
from balinp.validation import (
    as_callback,
    as_choice,
    as_count,
    as_flag,
    as_positive,
    as_rate,
    as_widths,
)


class BALI(Model):
    """Bayesian neural network; every layer is a Bayesian linear regression on pseudo-targets.

    Parameters
    ----------
    hidden : int or sequence of int, default (50,)
        Widths of the hidden layers; a number is one layer, ``()`` Bayesian linear regression.
    likelihood : LikelihoodName or Likelihood, default "gaussian"
        ``"gaussian"``, ``"categorical"``, ``"bernoulli"`` (several answers, yes or no), or an
        object with the methods of `balinp.likelihood.Likelihood`, best of a class derived from it.
        It has as many outputs as targets, and no file format; `predict` returns what its
        `predictive` makes.
    activation : Activation, optional
        ``"relu"``, ``"tanh"`` or ``"identity"``; None is tanh for a Gaussian likelihood and relu
        otherwise.
    forward : Pass, optional
        ``"mean"``: activations come from posterior means, and the likelihood is taken at the
        outputs they give. ``"linearised"``: the same activations; the likelihood is averaged over
        the outputs of the network linearised in its weights. With a Gaussian likelihood that is the
        mean pass. None is linearised, or for a Gaussian likelihood mean.
    prior : Prior, default "isotropic"
        ``"isotropic"`` (weight decay) or ``"conjugate"`` (matrix normal posterior); see
        `MatrixNormalLayer`.
    prior_precision : float, optional
        A number is lam, the same in all layers. None learns it from the evidence, lam n_l / n_1 in
        layer l of n_l inputs.
    noise_variance : float or array_like, optional
        For the Gaussian likelihood, see `Gaussian`; None learns a covariance.
    bias : bool, default True
        Whether layers have biases.
    seed : int, default 0
        Seed of initial weights, batch order and the outputs drawn in training.
    rate : float, optional
        Smallest weight of a new batch in the moving averages, in (0, 1]; None chooses it from the
        batch size (NP-4). The weight is never below 1 / sqrt(t) in step t.
    precision_prior : HyperPrior, optional
        Gamma prior on a learnt lam. None is one of mean n_1 and of shape N / 10, at most 200, for a
        Gaussian likelihood and hidden layers, and a vanishing one otherwise.
    noise_prior : HyperPrior, optional
        Gamma prior on a learnt noise precision, its rate in squared units of the targets; None is a
        vanishing one, whatever the units.
    covariance : Covariance, default "layerwise"
        Covariance of the weights in predictions. ``"layerwise"``: the layers' posteriors.
        ``"joint"``: that of all layers together, from one more pass over the data at the end of
        `fit` (JP-1), for Gaussian likelihoods. ``"auto"``: joint where weights, or data times
        outputs, are at most 2,048, and the prior is isotropic. For one layer both are the same.
    noise : Noise, default "gaussian"
        ``"gaussian"``, or ``"student"``: tails and size of a learnt noise are fitted to what each
        datum left out says at the end of `fit` (JP-4), and a joint covariance doubts the scale of a
        learnt prior: predictions are mixtures of three (JP-6). Where that would take too long, or
        there are fewer than five data, or hidden layers under the conjugate prior (EV-4), all is
        Gaussian, as the repr then says, and after `step`.

    Attributes
    ----------
    layers : list of MatrixNormalLayer
        The layers, empty before the first data; `weights` are their means.
    network : MLP
        Widths and activation; there after the first data.
    likelihood : Likelihood
        With the noise that has been learnt so far.
    history : History of Record
        What each of the last steps did.
    steps : int
        Number of training steps taken.
    data_seen : float
        Number of data in all of them.
    hyper : HyperParameters
        What is given and what is learnt of prior and noise.
    uncertainty : Uncertainty
        What predictions are made with, beside the layers.
    rng : numpy.random.Generator
        Draws initial weights and the order of batches.
    damping : float
        Damping of the layers' next regressions, from 0 (JS-5).
    hidden, activation, forward, prior, bias, seed, rate
        The arguments, checked, with their defaults filled in.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the form above.

    Notes
    -----
    The core never rescales data: standardise inputs and targets first. Where a default depends on
    the likelihood or the depth, the figures that decided it are in
    derivations/12_tried_and_failed.md.

    Source: the abstract of arXiv 2411.12102 for layerwise inference, pseudo-targets, Kronecker
    factors and moving averages; all else is this project's reconstruction (derivations/).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (100, 1))
    >>> Y = np.sin(2 * X) + 0.1 * rng.standard_normal((100, 1))
    >>> model = BALI(hidden=(20,), activation="tanh").fit(X, Y, epochs=100)
    >>> predictive = model.predict(np.array([[0.5], [5.0]]))
    >>> bool(abs(predictive.mean[0, 0] - np.sin(1.0)) < 3 * predictive.std[0, 0])
    True
    >>> bool(predictive.std[1, 0] > 2 * predictive.std[0, 0])
    True
    """

    def __init__(
        self,
        hidden: int | Sequence[int] = (50,),
        likelihood: LikelihoodName | Likelihood = "gaussian",
        *,
        activation: Activation | None = None,
        forward: Pass | None = None,
        prior: Prior = "isotropic",
        prior_precision: float | None = None,
        noise_variance: Any = None,
        bias: bool = True,
        seed: int = 0,
        rate: float | None = None,
        precision_prior: HyperPrior | None = None,
        noise_prior: HyperPrior | None = None,
        covariance: Covariance = "layerwise",
        noise: Noise = "gaussian",
    ) -> None:
        self.hidden = as_widths(hidden, "hidden")
        self.likelihood = as_likelihood(likelihood, noise_variance)
        gaussian = isinstance(self.likelihood, Gaussian)
        usual, usual_pass = ("tanh", "mean") if gaussian else ("relu", "linearised")
        chosen = usual if activation is None else activation
        self.activation = as_choice(chosen, "activation", tuple(ACTIVATIONS))
        self.forward = as_choice(usual_pass if forward is None else forward, "forward", PASSES)
        self.prior = as_choice(prior, "prior", tuple(PRIORS))
        self.bias = as_flag(bias, "bias")
        self.seed = as_count(seed, "seed", minimum=0)
        self.rate = None if rate is None else as_rate(rate)
        self.hyper = HyperParameters(self.likelihood, prior_precision, precision_prior, noise_prior)
        self.uncertainty = Uncertainty.asked(covariance, noise, self.likelihood)
        self.rng = np.random.default_rng(self.seed)
        self.layers: list[MatrixNormalLayer] = []
        self.history = History()
        self.steps = 0
        self.data_seen: float = 0
        self.damping = 0.0

    def __repr__(self) -> str:
        return (
            f"BALI(hidden={self.hidden}, likelihood={self.likelihood!r}, "
            f"activation={self.activation!r}, forward={self.forward!r}, prior={self.prior!r}, "
            f"{self.uncertainty})"
        )

    # -- training ------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        Y: Any = None,
        *,
        epochs: int,
        batch_size: int | None = None,
        tolerance: float | None = None,
        callback: Callable[[BALI], Any] | None = None,
        sample_weight: Any = None,
        n_data: float | None = None,
    ) -> BALI:
        """Train on data X (N, n_in) and Y (N, K); goes on from the current weights.

        Afterwards the posterior is that of these data at the final weights, whether they came at
        once or in batches; data of earlier calls have helped to find the weights, and are not
        part of it. (The batches of an iterator cannot be gone through again: there it is that of
        the moving averages.) `step` adds data to those of before, given its `n_data`.

        Arrays may be larger than memory, as those of `numpy.memmap` are: rows become float64 when
        they are used, and all data at once are gone through in pieces, with the same result up
        to rounding.

        A first fit of classes that has learnt nothing after a tenth of its steps, though the inputs
        tell the labels, begins again with a weaker prior.

        Derivation: GA-4, LR-6

        Parameters
        ----------
        X, Y : array_like
            Inputs and targets; targets are one-hot for classes, N x 1 for a single output. Without
            Y, X is an iterable of batches, (X, Y) or (X, Y, sample_weight), that is gone through
            once in each epoch; with one epoch it may be an iterator.
        epochs : int
            Largest number of passes over the data; 0 only looks at them with the weights that there
            are.
        batch_size : int, optional
            Data a step; None is all of them. Batches are drawn without replacement, and a smaller
            last one is used like any other.
        tolerance : float, optional
            Stop when the log joint, averaged over an epoch, has changed by less than this many nats
            a datum since the epoch before; None never stops early.
        callback : callable, optional
            Called with the model after each epoch; training ends where it returns True.
        sample_weight : array_like, optional
            (N,) weights, or None for ones. A datum of weight w enters every sum over data w times:
            weight 2 is the row twice, 0 is no row. The number of data is then the sum of the
            weights. (In a pass that draws, repeated rows draw different noise.)
        n_data : float, optional
            Number of data in all batches of an iterable. None counts them in a pass before the
            first; an iterator needs it.

        Returns
        -------
        BALI
            The model itself.

        Raises
        ------
        TypeError, ValueError
            If an argument is not of the form above.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> X = rng.standard_normal((100, 2))
        >>> batches = [(X[i : i + 25], X[i : i + 25, :1]) for i in range(0, 100, 25)]
        >>> BALI(hidden=()).fit(batches, epochs=1).data_seen
        100.0
        """
        epochs, callback = as_count(epochs, "epochs", minimum=0), as_callback(callback)
        tolerance = None if tolerance is None else as_positive(tolerance, "tolerance")
        size = None if batch_size is None else as_count(batch_size, "batch_size")
        data = opened(X, Y, sample_weight, n_data, size, epochs, self._checked, self._check)
        keep_freed_pages()
        if not self.layers:
            self._start(data.first, data.amount, is_all=data is data.first)
        self.uncertainty.check(self.network, data)
        train(self, data, epochs, size, tolerance, callback)
        return self

    def step(
        self,
        X: Any,
        Y: Any,
        *,
        n_data: float | None = None,
        rate: float | None = None,
        sample_weight: Any = None,
    ) -> Record:
        """One training step on a batch X (B, n_in), Y (B, K).

        Parameters
        ----------
        n_data : float, optional
            Number of data that the batch stands for; None is its own, with weights their sum: the
            batch is then taken for all the data, and the posterior is no longer that of earlier
            ones. In a stream it is the number of rows so far, as in ``model.data_seen + len(X)``.
        rate : float, optional
            Weight of the batch in the moving averages; None follows the schedule.
        sample_weight : array_like, optional
            (B,) weights as in `fit`, or None for ones.

        Examples
        --------
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> model = BALI(hidden=(), noise_variance=0.1, prior_precision=1.0)
        >>> for _ in range(2):
        ...     record = model.step(x, 2 * x)
        >>> model.predict(np.array([[3.0]])).mean.round(2)
        array([[5.81]])
        >>> record.rate
        1.0

        Row by row it ends at the same posterior:

        >>> model = BALI(hidden=(), noise_variance=0.1, prior_precision=1.0)
        >>> for n in range(3):
        ...     record = model.step(x[[n]], 2 * x[[n]], n_data=n + 1)
        >>> model.predict(np.array([[3.0]])).mean.round(2)
        array([[5.81]])
        """
        data = self._checked(X, Y, sample_weight)
        N = data.amount if n_data is None else as_positive(n_data, "n_data")
        rate = None if rate is None else as_rate(rate)
        if not self.layers:
            self._start(data, N, is_all=False)
        with few_threads(self.network.widths):
            return step(self, data.standing_for(N), N, self.as_it_is(data), rate)

    def _start(self, data: Data, N: float, is_all: bool) -> None:
        """Lay out the network, and start what is learnt from the spread of the targets."""
        widths = [data.X.shape[1], *self.hidden, data.Y.shape[1]]
        self.network = MLP(widths, self.activation, bias=self.bias)
        self.hyper.start(widths, N, self.likelihood, data.whole, is_all)
        self.layers = [
            MatrixNormalLayer(
                len(W) - self.bias,
                W.shape[1],
                prior=self.prior,
                prior_precision=precision,
                initial_mean=W,
                bias=self.bias,
                exact=not self.hidden,
            )
            for W, precision in zip(
                self.network.initial_weights(self.rng), self.hyper.mean_precisions, strict=True
            )
        ]
        if self.hyper.learns_noise:
            self.likelihood = self.hyper.first_noise(data)

    # -- files --------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to an .npz file, without pickle; see `balinp.persistence`.

        With the state of the random generator, so that what is loaded goes on as this one would.

        Examples
        --------
        >>> import tempfile
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> model = BALI(hidden=(), noise_variance=0.1, prior_precision=1.0)
        >>> model = model.fit(x, 2 * x, epochs=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/line.npz")
        ...     same = BALI.load(f"{folder}/line.npz")
        >>> same.predict(x).mean.round(2).T
        array([[0.09, 2.  , 3.91]])
        """
        persistence.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> BALI:
        """Read a model that `save` has written; its predictions are the same to the last bit.

        Examples
        --------
        >>> import tempfile
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> model = BALI(hidden=(), noise_variance=0.1, prior_precision=1.0)
        >>> model = model.fit(x, 2 * x, epochs=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/line.npz")
        ...     same = BALI.load(f"{folder}/line.npz")
        >>> bool((same.predict(x).mean == model.predict(x).mean).all())
        True
        """
        return persistence.load(path, cls)

"""BALI: a Bayesian neural network trained by layerwise exact inference on pseudo-targets.

The way of the data through one training step:

    batch -> forward pass -> likelihood -> backward pass -> pseudo-targets     (`trace`)
          -> each layer's exact regression, proposed                           (`layer.propose`)
          -> how far all layers go together                                    (`joint_step`)
          -> accepted, with hyper-parameters from the evidence                 (`layer.accept`)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from balinp import persistence
from balinp._types import Array
from balinp.batch import Batch, Data, Stream, Traces, pieces
from balinp.evidence import (
    HyperPrior,
    effective_parameters,
    evidence_bound,
    network_log_evidence,
    noise_target,
    prior_precision_target,
)
from balinp.expected import Expected
from balinp.factors import gram, root_weighted, weighted_sum
from balinp.joint_step import TRUST, JointStep, joint_step, shortened
from balinp.layer import PRIORS, MatrixNormalLayer, Proposal
from balinp.likelihood import Categorical, Gaussian, Likelihood
from balinp.matrix_normal import KroneckerGaussian
from balinp.mlp import ACTIVATIONS, MLP, Forward, OutputNoise
from balinp.natural_parameters import Terms
from balinp.prediction import (
    linearised_outputs,
    output_covariance,
    output_deviations,
    output_noise,
    sampled_outputs,
)
from balinp.pseudo_targets import Trace, trace
from balinp.spectral import CURVATURE_FLOOR, raised
from balinp.validation import (
    LARGEST,
    as_choice,
    as_count,
    as_data,
    as_flag,
    as_matrix,
    as_positive,
    as_rate,
    as_share,
    as_widths,
)

LEAST_RATE, LARGEST_RATE, LARGEST_SAMPLED_RATE = 0.02, 0.5, 0.05
"""Bounds of the rate's floor B / N, the weight at which the memory is one epoch long."""

LOGIT_VARIANCE = 5.0
"""Prior variance of logits, for inputs of unit size, that a learnt precision starts from."""

FORWARD_PASSES = ("mean", "linearised", "sample")

DRAWN_OUTPUTS, FEWEST_DRAWS = 8192, 8
"""Outputs drawn for all data together in the linearised pass, and for each datum, at least."""

BASIS_TOLERANCE = 0.1
"""Relative error of a change, before its refinement, up to which layers keep their bases."""

WIDE_OUTPUTS, SAMPLED_LABELS = 16, 4
"""Classes from which batches draw labels for the curvature, and how many for each datum."""

WEAK = HyperPrior()
DEEP_PRECISION_SHAPE = 50.0
"""Shape of the Gamma prior on a learnt lam of networks with hidden layers."""

PRECISION_DAMPING = 0.05
"""Share of the way, in logarithms, that the prior precision goes to its target in a step."""

LARGEST_LOSS = 0.3
"""Fall of the bound on the evidence, in nats a datum, at which lam is not learnt any further."""

NOISE_DAMPING = 0.5
"""Share of the way that the noise covariance goes to its target in a step."""


@dataclass(frozen=True)
class Record:
    """What one training step did; `BALI.history` is a list of these.

    Attributes
    ----------
    log_joint : log p(Y, W) after the step, the batch standing for all data, in nats.
    step, momentum : factors of the layers' proposals and of their previous changes.
    gain_ratio : actual over predicted change of the log joint.
    rate : weight of the batch in the layers' moving averages.
    prior_precision : lam after the step; of the first layer, where it is learnt (EV-2).
    noise_covariance : (K, K) array V after the step; None for a categorical likelihood.
    effective_parameters : gamma of each layer.
    """

    log_joint: float
    step: float
    momentum: float
    gain_ratio: float
    rate: float
    prior_precision: float
    noise_covariance: Array | None
    effective_parameters: tuple[float, ...]


class BALI:
    """Bayesian neural network; every layer is a Bayesian linear regression on pseudo-targets.

    Parameters
    ----------
    hidden : widths of the hidden layers; ``()`` is Bayesian linear regression.
    likelihood : ``"gaussian"``, ``"categorical"``, or an object with the methods of
        `balinp.likelihood.Likelihood`, best of a class derived from it. It has as many outputs as
        targets, and no file format; `predict` returns what its `predictive` makes.
    activation : ``"relu"``, ``"tanh"`` or ``"identity"``; None is tanh for a Gaussian likelihood
        and relu otherwise.
    forward : ``"mean"``: activations come from posterior means, and the likelihood is taken at
        the outputs they give. ``"linearised"``: the same activations; the likelihood is averaged
        over the outputs of the network linearised in its weights. With a Gaussian likelihood
        that is the mean pass. ``"sample"``: hidden outputs, and logits, are drawn from each
        layer's own predictive. None is linearised, or for a Gaussian likelihood mean.
    prior : ``"isotropic"`` (weight decay) or ``"conjugate"`` (matrix normal posterior); see
        `MatrixNormalLayer`.
    prior_precision : a number is lam, the same in all layers. None learns it from the evidence,
        lam n_l / n_1 in layer l of n_l inputs.
    noise_variance : for the Gaussian likelihood, see `Gaussian`; None learns a covariance.
    bias : whether layers have biases.
    seed : of initial weights, batch order and the outputs drawn in training.
    rate : smallest weight of a new batch in the moving averages, in (0, 1]; None chooses it
        from the batch size (NP-4). The weight is never below 1 / sqrt(t) in step t.
    precision_prior : Gamma prior on a learnt lam. None is one of shape 50 and mean n_1 for a
        Gaussian likelihood and hidden layers, and a vanishing one otherwise.
    noise_prior : Gamma prior on a learnt noise precision; None is a vanishing one.
    basis_tolerance : relative error, in [0, 1), that a layer's proposed change may have in
        eigenbases of older averages, before it is squared by one refinement; 0 decomposes the
        averages in every step (NP-7). It is for batches alone: with all data at once, and for a
        single Gaussian layer, whose regression is exact, it counts as 0. What comes after
        training (`predict`, posteriors) decomposes the averages as they are.

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
        hidden: Sequence[int] = (50,),
        likelihood: str | Likelihood = "gaussian",
        *,
        activation: str | None = None,
        forward: str | None = None,
        prior: str = "isotropic",
        prior_precision: float | None = None,
        noise_variance: Any = None,
        bias: bool = True,
        seed: int = 0,
        rate: float | None = None,
        precision_prior: HyperPrior | None = None,
        noise_prior: HyperPrior | None = None,
        basis_tolerance: float = BASIS_TOLERANCE,
    ) -> None:
        self.hidden = as_widths(hidden, "hidden")
        self.likelihood = _likelihood(likelihood, noise_variance)
        gaussian = isinstance(self.likelihood, Gaussian)
        self.learns_noise = (
            isinstance(self.likelihood, Gaussian) and self.likelihood.noise_variance is None
        )
        self.learns_precision = prior_precision is None
        self.given_precision = (
            None if prior_precision is None else as_positive(prior_precision, "prior_precision")
        )
        default_activation, default_forward = (
            ("tanh", "mean") if gaussian else ("relu", "linearised")
        )
        activation = default_activation if activation is None else activation
        forward = default_forward if forward is None else forward
        self.activation = as_choice(activation, "activation", ACTIVATIONS)
        self.forward = as_choice(forward, "forward", FORWARD_PASSES)
        self.prior = as_choice(prior, "prior", PRIORS)
        self.bias = as_flag(bias, "bias")
        self.seed = as_count(seed, "seed", minimum=0)
        self.rate = None if rate is None else as_rate(rate)
        self.precision_prior = precision_prior
        self.noise_prior = WEAK if noise_prior is None else noise_prior
        self.basis_tolerance = as_share(basis_tolerance, "basis_tolerance")
        self.rng = np.random.default_rng(self.seed)
        self.layers: list[MatrixNormalLayer] = []
        self.history: list[Record] = []
        self.steps = 0
        self.data_seen: float = 0
        self.bound, self.best_bound = -np.inf, -np.inf

    def __repr__(self) -> str:
        return (
            f"BALI(hidden={self.hidden}, likelihood={self.likelihood!r}, "
            f"activation={self.activation!r}, forward={self.forward!r}, prior={self.prior!r})"
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
        callback: Callable[[BALI], None] | None = None,
        sample_weight: Any = None,
        n_data: float | None = None,
    ) -> BALI:
        """Train on data X (N, n_in) and Y (N, K); goes on from the current state.

        Arrays may be larger than memory, as those of `numpy.memmap` are: rows become float64 when
        they are used, and all data at once are gone through in pieces, with the same result up
        to rounding. (In the sample pass, with other draws.)

        Parameters
        ----------
        X, Y : inputs and targets; targets are one-hot for classes, N x 1 for a single output.
            Without Y, X is an iterable of batches, (X, Y) or (X, Y, sample_weight), that is gone
            through once in each epoch; with one epoch it may be an iterator.
        epochs : largest number of passes over the data.
        batch_size : data a step; None is all of them. Batches are drawn without replacement, and
            a smaller last one is used like any other.
        tolerance : stop when the log joint, averaged over an epoch, has changed by less than
            this many nats a datum since the epoch before; None never stops early.
        callback : called with the model after each epoch.
        sample_weight : (N,) weights, or None for ones. A datum of weight w enters every sum over
            data w times: weight 2 is the row twice, 0 is no row. The number of data is then the
            sum of the weights. (In a pass that draws, repeated rows draw different noise.)
        n_data : number of data in all batches of an iterable. None counts them in a pass before
            the first; an iterator needs it.

        Returns
        -------
        The model itself.

        Derivation: LR-6

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
        epochs = as_count(epochs, "epochs", minimum=0)
        tolerance = None if tolerance is None else as_positive(tolerance, "tolerance")
        size = None if batch_size is None else as_count(batch_size, "batch_size")
        data = self._data(X, Y, epochs, size, sample_weight, n_data)
        N = data.amount
        if not self.layers:
            self._start(data.first)
        previous = np.inf
        for _ in range(epochs):
            records = [self._step(batch, N) for batch in data.batches(size, self.rng)]
            if callback is not None:
                callback(self)
            log_joint = float(np.mean([record.log_joint for record in records])) / N
            if tolerance is not None and abs(log_joint - previous) < tolerance:
                break
            previous = log_joint
        return self

    def _data(
        self,
        X: Any,
        Y: Any,
        epochs: int,
        batch_size: int | None,
        sample_weight: Any,
        n_data: float | None,
    ) -> Data | Stream:
        """The data of `fit`, checked: arrays, or batches that come from elsewhere."""
        if Y is not None:
            if n_data is not None:
                raise ValueError(f"n_data: expected None with arrays X and Y, got {n_data!r}")
            return self._checked(X, Y, sample_weight)
        if isinstance(X, np.ndarray):
            raise TypeError("Y: expected targets, got None")
        for name, value in (("batch_size", batch_size), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(f"{name}: expected None with an iterable of batches")
        stream = Stream(X, n_data, self._checked)
        if stream.is_iterator and epochs > 1:
            raise ValueError(
                f"epochs: expected at most 1, since X is an iterator, which ends, got {epochs}"
            )
        return stream

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
        n_data : number of data that the batch stands for; None is its own, with weights their
            sum.
        rate : weight of the batch in the moving averages; None follows the schedule.
        sample_weight : (B,) weights as in `fit`, or None for ones.
        """
        data = self._checked(X, Y, sample_weight)
        N = data.amount if n_data is None else as_positive(n_data, "n_data")
        rate = None if rate is None else as_rate(rate)
        if not self.layers:
            self._start(data)
        return self._step(Batch(data, data.present), N, rate)

    def _start(self, data: Data) -> None:
        """Lay out the network, and start what is learnt from the spread of the targets."""
        n_in, K = data.X.shape[1], data.Y.shape[1]
        self.network = MLP([n_in, *self.hidden, K], self.activation, bias=self.bias)
        widths, weights = self.network.widths, self.network.initial_weights(self.rng)
        self.mean_precisions = [self._first_precision(n_in) for n_in in widths[:-1]]
        self.layers = [
            MatrixNormalLayer(
                W.shape[0] - self.bias,
                W.shape[1],
                prior=self.prior,
                prior_precision=precision,
                initial_mean=W,
                bias=self.bias,
            )
            for W, precision in zip(weights, self.mean_precisions, strict=True)
        ]
        if self.precision_prior is None:
            deep = self.network.depth > 1 and isinstance(self.likelihood, Gaussian)
            shape = DEEP_PRECISION_SHAPE
            self.precision_prior = HyperPrior(shape, shape / widths[0]) if deep else WEAK
        if self.learns_noise:
            squares = 2 * self.noise_prior.rate * np.eye(K)
            for part in pieces(len(data), max(n_in, K)):
                _, Y, w = Batch(data, slice(0, len(data))).take(part)
                squares += gram(root_weighted(Y, w))
            self.likelihood = _learnt_noise(squares / (data.amount + 2 * self.noise_prior.shape))

    def _first_precision(self, n_in: int) -> float:
        """Mean prior precision with which a layer of n_in inputs starts.

        A precision in proportion to n_in gives the outputs the same prior variance whatever the
        width, 1 for inputs of unit size where it is n_in itself. Learnt ones start there.

        Derivation: EV-2
        """
        if self.given_precision is not None:
            return self.given_precision
        return n_in / (1.0 if isinstance(self.likelihood, Gaussian) else LOGIT_VARIANCE)

    def _step(self, batch: Batch, N: float, rate: float | None = None) -> Record:
        B = batch.amount
        self.steps += 1
        self.data_seen += B
        rate = self._rate(B, N) if rate is None else rate
        samples, averages, keeps_bases = self._samples(N), self._averages(), self._keeps_bases(B, N)
        # Where the curvature is small, the conjugate prior is, too: nothing but the cap keeps a
        # step from following what the present draws happen to say there.
        loose = averages and self.prior == "conjugate"
        deterministic = B == N and not samples and not loose
        bounded = not (deterministic or self.targets_are_observations)

        n_in, *widths = self.network.widths
        K = widths[-1]
        wide = isinstance(self.likelihood, Categorical) and K >= WIDE_OUTPUTS
        labels_are_drawn = averages and wide and N > B
        # Pieces may be traced again when the layers have moved on: at the weights of now.
        weights = self.weights
        posteriors = (
            [layer.working_posterior for layer in self.layers]
            if averages or samples or keeps_bases
            else []
        )
        traces = Traces(
            batch,
            max(n_in, (1 + K) * max(widths)),  # a row's inputs, or its rows of curvature
            partial(self._trace, weights, posteriors, N, keeps_bases, labels_are_drawn),
            self.rng,
        )
        terms = self._terms(traces, keeps_bases)
        self._set_precisions(terms[-1].curvature / terms[-1].count)
        proposals = self._proposals(terms, N, rate, keeps_bases)
        step = joint_step(
            self.network,
            weights,
            traces,
            proposals,
            N,
            previous=self._previous_changes() if deterministic else None,
            trust=TRUST if bounded else None,
            trust_rows=self.likelihood.largest_curvature_rows(K) if bounded else None,
        )
        step, gain_ratio, log_joint, residual_squares = self._safe(step, traces, proposals, N / B)
        for layer in self.layers:
            layer.accept(step.step, step.momentum)
            if not self.targets_are_observations:
                layer.rebalance()
        if averages:
            self._follow_bound(evidence_bound(log_joint, self.layers) / N, rate)
        damping = 1.0 if B == N else rate
        self._update_hyper_parameters(traces, residual_squares, N, damping, samples)
        self.history.append(self._record(log_joint, step, gain_ratio, rate, K))
        return self.history[-1]

    def _trace(
        self,
        weights: list[Array],
        posteriors: Sequence[KroneckerGaussian],
        N: float,
        keeps_bases: bool,
        labels_are_drawn: bool,
        X: Array,
        Y: Array,
        w: Array | None,
    ) -> Trace:
        """What some rows say at these weights: forward pass, likelihood, backward pass.

        The backward pass is done when the trace is asked for what needs it.
        """
        noise = self._sample_pass(posteriors) if self._samples(N) else None
        forward = self.network.forward(weights, X, noise)
        designs = [layer.design(h) for layer, h in zip(self.layers, forward.inputs, strict=True)]
        likelihood, squares = self.likelihood, None
        if self._averages() or keeps_bases:
            squares = [p.input_squares(X) for p, X in zip(posteriors, designs, strict=True)]
        if squares is not None and self._averages():
            likelihood = self._expected(posteriors, forward, squares, N, labels_are_drawn)
        return Trace(
            self.network, likelihood, weights, Y, forward, designs,
            sample_weight=w, input_squares=squares,
        )  # fmt: skip

    def _terms(self, traces: Iterable[Trace], keeps_bases: bool) -> list[Terms]:
        """What the batch's pseudo-targets add to each layer's natural parameters."""
        totals: list[Terms] = []
        for piece in traces:
            terms = []
            for index, layer in enumerate(self.layers):
                # An older H may be all but singular where the gradient is not: digits are lost,
                # but not the decomposition that kept bases are to save.
                older = layer.factors.outputs if keeps_bases and layer.factors else None
                H = piece.precision(index, older)
                squares = None
                if keeps_bases and piece.input_squares is not None:
                    squares = piece.input_squares[index]
                terms.append(
                    layer.terms(
                        piece.designs[index],
                        piece.targets_under(index, H) - piece.forward.means[index],
                        H,
                        piece.curvature_sums[index],
                        sample_weight=piece.sample_weight,
                        squares=squares,
                    )
                )
            totals = [a + b for a, b in zip(totals, terms, strict=True)] if totals else terms
        return totals

    def _proposals(
        self, terms: Sequence[Terms], N: float, rate: float, keeps_bases: bool
    ) -> list[Proposal]:
        """Every layer's regression, solved; the output layer's H may be the likelihood's own.

        The batch's H is floored before it is averaged. To tell whether it needs to be costs as
        much as what kept bases save, so that with them the average is floored instead.
        """
        known = self.likelihood.known_precision(self.network.widths[-1]) is not None
        is_known = [False] * (len(terms) - 1) + [known]
        return [
            layer.propose_from(
                batch if exact or keeps_bases else batch.floored(),
                n_data=N,
                rate=rate,
                precision_is_known=exact,
                floor=CURVATURE_FLOOR if keeps_bases and not exact else 0.0,
                basis_tolerance=self.basis_tolerance if keeps_bases else 0.0,
            )
            for layer, batch, exact in zip(self.layers, terms, is_known, strict=True)
        ]

    def _keeps_bases(self, B: float, N: float) -> bool:
        """Whether layers may go on in the bases they have: in batches, after the first.

        All data at once are at least half of the averages, so that these move far, and take so
        long that decomposing them is little in comparison. A single Gaussian layer is exact.

        Derivation: NP-7
        """
        return (
            self.basis_tolerance > 0
            and B < N
            and self.steps > 1
            and not self.targets_are_observations
        )

    def _averages(self) -> bool:
        """Whether this step averages the likelihood over what the posteriors leave uncertain.

        The first step is a mean pass: before it nothing but the prior could be averaged over.
        Where the curvature is known, gradient and curvature are their own averages.

        Derivation: FP-2
        """
        known = self.likelihood.known_precision(self.network.widths[-1]) is not None
        return self.forward == "linearised" and self.steps > 1 and not known

    def _expected(
        self,
        posteriors: Sequence[KroneckerGaussian],
        forward: Forward,
        squares: Sequence[Array],
        N: float,
        labels_are_drawn: bool,
    ) -> Likelihood:
        """The likelihood averaged over the outputs of the linearised network.

        Derivation: FP-2, BP-5
        """
        R = self.likelihood.combinations(self.network.widths[-1])
        variances = [s @ (1.0 / p.precisions) for s, p in zip(squares, posteriors, strict=True)]
        covariance = output_covariance(self.network, posteriors, forward, variances, R)
        draws = max(FEWEST_DRAWS, 2 * round(DRAWN_OUTPUTS / N / 2))
        deviations = output_deviations(covariance, draws, self.rng) @ R
        B, K = forward.outputs[-1].shape
        noise = None
        if labels_are_drawn:
            noise = self.rng.gumbel(size=(B, SAMPLED_LABELS, K)).swapaxes(0, 1)
        return Expected(self.likelihood, deviations, noise)

    def _previous_changes(self) -> list[Array]:
        return [layer.last_change for layer in self.layers]

    def _samples(self, N: float) -> bool:
        """Whether this step's outputs are drawn: in the sample pass, once N data were seen.

        Before its factors have seen the data, a layer's predictive is mostly the prior's, which
        says nothing about targets, and a saturated softmax has no curvature to find back by.
        """
        return self.forward == "sample" and self.data_seen > N

    def _sample_pass(self, posteriors: Sequence[KroneckerGaussian]) -> OutputNoise:
        """What the forward pass adds to the outputs in a step that draws them.

        A Gaussian output layer is never drawn: its gradient is taken at its mean.

        Derivation: FP-1
        """
        categorical = not isinstance(self.likelihood, Gaussian)
        return output_noise(self.layers, posteriors, self.rng, output_layer=categorical)

    def _safe(
        self, step: JointStep, traces: Traces, proposals: Sequence[Proposal], scale: float
    ) -> tuple[JointStep, float, float, Array]:
        """Shorten the step by its gain ratio; also the log joint and R^T R of what it leaves."""

        @cache  # the step that is taken has been tried before
        def after(step: JointStep) -> tuple[float, Array]:
            weights = [
                layer.mean + step.step * proposal.change + step.momentum * layer.last_change
                for layer, proposal in zip(self.layers, proposals, strict=True)
            ]
            log_likelihood, squares = 0.0, np.zeros((self.network.widths[-1],) * 2)
            for piece in traces:
                noise, w = _held_fixed(piece.forward), piece.sample_weight
                outputs = self.network.forward(weights, piece.inputs[0], noise).outputs[-1]
                densities = piece.likelihood.log_density(piece.targets, outputs)
                log_likelihood += weighted_sum(densities, w)
                squares += gram(root_weighted(piece.targets - outputs, w))
            return scale * log_likelihood + _log_prior(proposals, weights), squares

        log_likelihood = scale * sum(
            weighted_sum(piece.log_densities, piece.sample_weight) for piece in traces
        )
        before = log_likelihood + _log_prior(proposals, self.weights)
        resolution = 1e-13 * (abs(log_likelihood) + abs(before))
        step, ratio = shortened(step, lambda s: after(s)[0] - before, resolution)
        return (step, ratio, *after(step))

    def _update_hyper_parameters(
        self,
        traces: Iterable[Trace],
        residual_squares: Array,
        N: float,
        damping: float,
        sampled: bool,
    ) -> None:
        """Move lam and V towards what the layers' new posteriors ask for."""
        bears_out = self.bound >= self.best_bound - LARGEST_LOSS
        if self.learns_precision and self.precision_prior is not None and bears_out:
            share = min(PRECISION_DAMPING, damping)
            first = self.mean_precisions[0]
            target = prior_precision_target(self.layers, first, self.precision_prior)
            factor = (target / first) ** share
            self.mean_precisions = [factor * precision for precision in self.mean_precisions]
        if self.learns_noise and isinstance(self.likelihood, Gaussian):
            share = min(NOISE_DAMPING, damping)
            V = self.likelihood.covariance(len(residual_squares))
            target_V = noise_target(
                self.layers, traces, residual_squares, V, N, self.noise_prior, sampled=sampled
            )
            self.likelihood = _learnt_noise((1 - share) * V + share * target_V)
        if self.layers[-1].factors is not None:
            self._set_precisions(self.layers[-1].factors.H)

    def _follow_bound(self, bound: float, rate: float) -> None:
        """Average the bound on the evidence, a datum, over steps, and remember its best.

        The update of lam believes in the layers' effective parameters, of which they have too
        many. Where classes overlap, it can go on to weaken the prior while the bound, which pays
        for every parameter, falls and falls.

        Derivation: EV-7
        """
        first = np.isinf(self.bound)
        self.bound = bound if first else (1 - rate) * self.bound + rate * bound
        self.best_bound = max(self.best_bound, self.bound)

    def _set_precisions(self, H: Array) -> None:
        """Give every layer the lam that its mean prior precision amounts to.

        The isotropic prior has the precision lam in all directions. The conjugate one follows
        the noise: the output layer's has lam h_j, with h_j the eigenvalues of its output
        precision H. Unless lam was given, it is set such that lam tr(H) / K stays what it was
        when H moves; otherwise the prior would tighten, or vanish, before lam could follow.

        Derivation: EV-4
        """
        literal = self.prior == "isotropic" or self.given_precision is not None
        scale = 1.0 if literal else float(raised(np.diag(H), CURVATURE_FLOOR, H).mean())
        for layer, precision in zip(self.layers, self.mean_precisions, strict=True):
            layer.prior_precision = precision / scale

    def _rate(self, B: float, N: float) -> float:
        """Weight of a batch: all data alike where targets are observed, else forgetting.

        Derivation: NP-3, NP-4
        """
        if self.targets_are_observations:
            return 1.0 if B == N else B / self.data_seen
        largest = LARGEST_SAMPLED_RATE if self.forward == "sample" else LARGEST_RATE
        floor = min(largest, max(LEAST_RATE, B / N)) if self.rate is None else self.rate
        return max(floor, 1.0 / np.sqrt(self.steps))

    def _record(
        self, log_joint: float, step: JointStep, gain_ratio: float, rate: float, K: int
    ) -> Record:
        likelihood = self.likelihood
        return Record(
            log_joint=log_joint,
            step=step.step,
            momentum=step.momentum,
            gain_ratio=gain_ratio,
            rate=rate,
            prior_precision=self.prior_precision,
            noise_covariance=likelihood.covariance(K) if isinstance(likelihood, Gaussian) else None,
            effective_parameters=tuple(effective_parameters(layer) for layer in self.layers),
        )

    # -- what the network is now ---------------------------------------------------------------

    @property
    def weights(self) -> list[Array]:
        """Posterior means (D, K) of the layers, the first layer first."""
        return [layer.mean for layer in self.layers]

    @property
    def prior_precision(self) -> float:
        """Prior precision lam, of the first layer; before any data, the one given or 1."""
        if self.layers:
            return self.layers[0].prior_precision
        return 1.0 if self.given_precision is None else self.given_precision

    @property
    def targets_are_observations(self) -> bool:
        """Whether pseudo-targets are the data themselves: one Gaussian layer (PT-2).

        Such targets never become stale, so nothing is forgotten and no step is bounded.
        """
        return not self.hidden and isinstance(self.likelihood, Gaussian)

    @property
    def prior_precisions(self) -> list[Array]:
        """Dense prior precision (D K, D K) of each layer, for `dense.ggn_posterior`."""
        precisions: list[Array] = []
        for layer in self._fitted():
            assert layer.factors is not None
            H = layer.factors.H if self.prior == "conjugate" else np.eye(layer.n_out)
            dense = np.kron(H, np.eye(len(layer.mean)))
            precisions.append(np.asarray(layer.prior_precision * dense, dtype=np.float64))
        return precisions

    def output_curvature(self, f: Array) -> Array:
        """Negative Hessian (B, K, K) of the log-likelihood at outputs f (B, K)."""
        rows = self.likelihood.curvature_rows(f)
        return np.swapaxes(rows, 1, 2) @ rows

    def trace(self, X: Any, Y: Any, *, sample_weight: Any = None) -> Trace:
        """What data X (B, n_in), Y (B, K) say to each layer at the current means.

        See `balinp.pseudo_targets.Trace`: inputs, outputs, gradients, curvature roots and
        pseudo-targets, as lists over the layers.
        """
        data = self._checked(X, Y, sample_weight)
        self._fitted()
        X, Y, w = Batch(data, slice(0, len(data))).take(slice(None))
        return trace(self.network, self.likelihood, self.weights, X, Y, sample_weight=w)

    def log_evidence(self, X: Any, Y: Any, *, sample_weight: Any = None) -> float:
        """Laplace-type log evidence of the data at the current means, in nats.

        Derivation: EV-5
        """
        batch = self.trace(X, Y, sample_weight=sample_weight)
        return network_log_evidence(self.layers, batch)

    # -- prediction ----------------------------------------------------------------------------

    def predict(self, X: Any, *, samples: int | None = None, seed: int = 0) -> Any:
        """Predictive distribution at inputs X (B, n_in), as the likelihood's `predictive` makes it.

        A `GaussianPredictive`, or a `MixturePredictive` of drawn networks, or for classes a
        `CategoricalPredictive`; for a likelihood of one's own that does not say, an
        `OutputPredictive`: the outputs, and the density of targets averaged over them.

        Parameters
        ----------
        samples : None linearises the network about its means, in closed form; a number draws
            that many networks instead.
        seed : of the draws.

        Derivation: PR-1, PR-3

        Raises
        ------
        TypeError, ValueError
            If X is not a finite matrix of n_in columns, or nothing has been learnt yet.
        """
        layers = self._fitted()
        X = as_data(X, "X", columns=self.network.widths[0])
        if samples is None:
            R = self.likelihood.combinations(self.network.widths[-1])
            outputs = linearised_outputs(self.network, layers, X, combinations=R.T @ R)
            return self.likelihood.predictive(*outputs)
        X = as_matrix(X, "X", largest=LARGEST)
        rng = np.random.default_rng(as_count(seed, "seed", minimum=0))
        draws = sampled_outputs(self.network, layers, X, as_count(samples, "samples"), rng)
        return self.likelihood.predictive(draws)

    # -- files --------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to an .npz file, without pickle; see `balinp.persistence`."""
        persistence.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> BALI:
        """Read a model that `save` has written; its predictions are the same to the last bit."""
        return persistence.load(path)

    # -- checks --------------------------------------------------------------------------------

    def _checked(self, X: Any, Y: Any, sample_weight: Any = None) -> Data:
        n_in, n_out = (
            (self.network.widths[0], self.network.widths[-1]) if self.layers else (None, None)
        )
        return Data.checked(
            X,
            Y,
            sample_weight,
            lambda targets, rows: self.likelihood.check_targets(targets, rows, n_out),
            n_in,
            n_out,
        )

    def _fitted(self) -> list[MatrixNormalLayer]:
        if self.steps == 0:
            raise ValueError("BALI: expected a call of fit or step before this, got none")
        return self.layers


def _likelihood(likelihood: str | Likelihood, noise_variance: Any) -> Likelihood:
    if isinstance(likelihood, str):
        as_choice(likelihood, "likelihood", ("gaussian", "categorical"))
        if likelihood == "gaussian":
            return Gaussian(noise_variance)
    if noise_variance is not None:
        raise ValueError("noise_variance: expected None unless likelihood is 'gaussian'")
    if isinstance(likelihood, str):
        return Categorical()
    needed = [name for name in vars(Likelihood) if not name.startswith("_")]
    missing = [name for name in needed if not callable(getattr(likelihood, name, None))]
    if missing:
        raise TypeError(
            "likelihood: expected 'gaussian', 'categorical' or an object with the methods of "
            f"Likelihood, got {likelihood!r} without {', '.join(missing)}"
        )
    return likelihood


def _learnt_noise(V: Array) -> Gaussian:
    """The likelihood with a noise covariance that the data ask for; they are at fault if it fails.

    Outputs whose errors are in proportion, and larger than the noise by eight orders of magnitude,
    have a covariance that is singular to rounding.
    """
    try:
        return Gaussian(V)
    except ValueError as error:
        raise ValueError(
            "X, Y: expected numbers from which a noise covariance can be learnt, such as "
            f"standardised ones of outputs that are not in proportion, got {error}"
        ) from error


def _log_prior(proposals: Sequence[Proposal], weights: Sequence[Array]) -> float:
    return sum(p.log_prior(W) for p, W in zip(proposals, weights, strict=True))


def _held_fixed(forward: Forward) -> OutputNoise:
    """The noise that a sample pass has drawn, for another pass with other weights."""
    return lambda index, _: forward.outputs[index] - forward.means[index]

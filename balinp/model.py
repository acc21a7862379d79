"""What can be asked of a network whose layers have learnt: predictions, evidence, what data say.

`balinp.bali.BALI` is such a model and trains it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from balinp._types import Array
from balinp.coordinates import Coordinates
from balinp.data import EVERY_ROW, SMALL_PIECE, Batch, Check, Data
from balinp.evidence import network_log_evidence
from balinp.functions import sample_functions
from balinp.history import History
from balinp.hyper_parameters import HyperParameters
from balinp.layer import MatrixNormalLayer
from balinp.likelihood import Gaussian, Likelihood
from balinp.mlp import MLP
from balinp.passes import Mean, Present
from balinp.prediction import sampled_outputs
from balinp.pseudo_targets import Trace, trace
from balinp.step import Pieces
from balinp.streams import Stream
from balinp.threads import few_threads
from balinp.uncertainty import Uncertainty
from balinp.validation import LARGEST, as_count, as_data, as_matrix


class Model:
    """A network, its likelihood, and its layers' posteriors.

    Attributes
    ----------
    hidden, activation, forward, prior, bias, seed, rate
        Settings, see `BALI`.
    likelihood : Likelihood
        The likelihood, with the noise as it is known now.
    layers : list of MatrixNormalLayer
        `MatrixNormalLayer`s, the first layer first; empty before any data.
    hyper : HyperParameters
        Prior precisions, and how they and the noise are learnt.
    history : History
        A `Record` of each step, the last ones; pickles and files keep fewer, or none.
    uncertainty : Uncertainty
        What predictions are made with, beside the layers.
    steps, data_seen : int and float
        Number of steps since training has begun, or begun again, and of the data in all of them.
    damping : float
        Damping of the layers' next regressions, as a share of the data's mean precision (JS-5).
    rng : numpy.random.Generator
        Generator of initial weights, batch order and draws.
    """

    hidden: tuple[int, ...]
    activation: str
    forward: str
    prior: str
    bias: bool
    seed: int
    rate: float | None
    likelihood: Likelihood
    layers: list[MatrixNormalLayer]
    hyper: HyperParameters
    uncertainty: Uncertainty
    history: History
    steps: int
    data_seen: float
    damping: float
    rng: np.random.Generator
    _network: MLP | None = None

    # -- what the network is now ---------------------------------------------------------------

    @property
    def network(self) -> MLP:
        """The network, laid out when the first data come."""
        if self._network is None:
            raise ValueError("BALI: expected a call of fit or step before this, got none")
        return self._network

    @network.setter
    def network(self, network: MLP) -> None:
        self._network = network

    @property
    def weights(self) -> list[Array]:
        """Posterior means (D, K) of the layers, the first layer first."""
        return [layer.mean for layer in self.layers]

    @property
    def prior_precision(self) -> float:
        """Prior precision lam, of the first layer; before any data, the one given or 1."""
        if self.layers:
            return self.layers[0].prior_precision
        return 1.0 if self.hyper.given_precision is None else self.hyper.given_precision

    @property
    def targets_are_observations(self) -> bool:
        """Whether pseudo-targets are the data themselves: one Gaussian layer (PT-2).

        Such targets never become stale, so nothing is forgotten and no step is bounded.
        """
        return not self.hidden and isinstance(self.likelihood, Gaussian)

    @property
    def prior_precisions(self) -> list[Array]:
        """Dense prior precision (D K, D K) of each layer, for `dense.ggn_posterior`."""
        return [layer.state.prior_precision_matrix for layer in self._fitted()]

    def output_curvature(self, f: Array) -> Array:
        """Negative Hessian (B, K, K) of the log-likelihood at outputs f (B, K).

        Examples
        --------
        >>> from balinp import BALI
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> model = BALI(hidden=(), noise_variance=0.1, prior_precision=1.0)
        >>> model = model.fit(x, 2 * x, epochs=1)
        >>> model.output_curvature(np.zeros((1, 1))).round(6)
        array([[[10.]]])
        """
        rows = self.likelihood.curvature_rows(f)
        return np.swapaxes(rows, 1, 2) @ rows

    def trace(self, X: Any, Y: Any, *, sample_weight: Any = None) -> Trace:
        """What data X (B, n_in), Y (B, K) say to each layer at the current means.

        See `balinp.pseudo_targets.Trace`: inputs, outputs, gradients, curvature roots and
        pseudo-targets, as lists over the layers.

        Examples
        --------
        >>> from balinp import BALI
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> model = BALI(hidden=(), noise_variance=0.1, prior_precision=1.0)
        >>> model = model.fit(x, 2 * x, epochs=1)
        >>> model.trace(x, 2 * x).outputs[0].round(2).T
        array([[0.09, 2.  , 3.91]])
        """
        data = self._checked(X, Y, sample_weight)
        self._fitted()
        X, Y, w = Batch(data, EVERY_ROW).take(EVERY_ROW)
        return trace(self.network, self.likelihood, self.weights, X, Y, sample_weight=w)

    def log_evidence(self, X: Any, Y: Any, *, sample_weight: Any = None) -> float:
        """Laplace-type log evidence of the data at the current means, in nats.

        Derivation: EV-5

        Examples
        --------
        >>> from balinp import BALI
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> model = BALI(hidden=(), noise_variance=0.1, prior_precision=1.0)
        >>> model = model.fit(x, 2 * x, epochs=1)
        >>> round(float(model.log_evidence(x, 2 * x)), 3)
        -4.474
        """
        data = self._checked(X, Y, sample_weight)
        self._fitted()
        now = self._present(data.whole, data.amount, self.as_it_is(data))
        said = Pieces(data.whole, now, Mean(), SMALL_PIECE)
        with few_threads(self.network.widths):
            return network_log_evidence(self.layers, said)

    # -- prediction ----------------------------------------------------------------------------

    def predict(self, X: Any, *, samples: int | None = None, seed: int = 0) -> Any:
        """Predictive distribution at inputs X (B, n_in), as the likelihood's `predictive` makes it.

        A `GaussianPredictive`, where tails were fitted a `StudentPredictive` or, with a joint
        covariance, an equal mixture of three, a `MixturePredictive` of drawn networks, or for
        classes a `CategoricalPredictive`; for a likelihood of one's own
        that does not say, an `OutputPredictive`: the outputs, and the density of targets averaged
        over them.

        Derivation: PR-1, PR-3

        Parameters
        ----------
        samples : int, optional
            None linearises the network about its means, in closed form; a number draws that many
            networks from the layers' posteriors instead, every row anew, with Gaussian noise. For
            functions, with one draw for all rows, there is `sample_functions`.
        seed : int, default 0
            Seed of the draws.

        Raises
        ------
        TypeError, ValueError
            If X is not a finite matrix of n_in columns, or nothing has been learnt yet.

        Examples
        --------
        >>> from balinp import BALI
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> model = BALI(hidden=(), noise_variance=0.1, prior_precision=1.0)
        >>> model = model.fit(x, 2 * x, epochs=1)
        >>> predictive = model.predict(np.array([[1.0], [5.0]]))
        >>> predictive.mean.round(2).T, predictive.std.round(2).T
        (array([[2.  , 9.63]]), array([[0.36, 0.93]]))
        """
        layers = self._fitted()
        X = as_data(X, "X", columns=self.network.widths[0])
        if samples is None:
            with few_threads(self.network.widths):
                return self.uncertainty.predictive(self, X)
        X = as_matrix(X, "X", largest=LARGEST)
        rng = np.random.default_rng(as_count(seed, "seed", minimum=0))
        draws = sampled_outputs(self.network, layers, X, as_count(samples, "samples"), rng)
        return self.likelihood.predictive(draws)

    def sample_functions(self, X: Any, rng: np.random.Generator, size: int | None = None) -> Array:
        """Outputs (B, K), or (size, B, K), of networks with one draw of all weights for all rows.

        The network is linearised about its means, as in `predict`: at each row the draws have the
        mean and the epistemic covariance of the prediction; noise is not added. For classes the
        outputs are logits.

        Derivation: PR-6

        Parameters
        ----------
        X : array
            (B, n_in) array.
        rng : numpy.random.Generator
            What draws come from.
        size : int, optional
            Number of functions, or None for a single one.

        Raises
        ------
        TypeError, ValueError
            If an argument is not of the form above, or nothing has been learnt yet.

        Examples
        --------
        >>> from balinp import BALI
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> model = BALI(hidden=(), noise_variance=0.1, prior_precision=1.0)
        >>> model = model.fit(x, 2 * x, epochs=1)
        >>> lines = model.sample_functions(x, np.random.default_rng(0), size=5)
        >>> lines.shape, bool(np.allclose(lines[:, 2] - lines[:, 1], lines[:, 1] - lines[:, 0]))
        ((5, 3, 1), True)
        """
        self._fitted()
        return sample_functions(self.uncertainty.weight_posterior(self), X, rng, size)

    def between_rows(self, X: Any) -> Array:
        """Epistemic covariance (B, K, B, K) of the outputs at all rows of X (B, n_in).

        Derivation: PR-6, JP-2

        Raises
        ------
        TypeError, ValueError
            If X is not a finite matrix of n_in columns, has too many rows for such a matrix, or
            nothing has been learnt yet.

        Examples
        --------
        >>> from balinp import BALI
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> model = BALI(hidden=(), noise_variance=0.1, prior_precision=1.0)
        >>> model = model.fit(x, 2 * x, epochs=1)
        >>> model.between_rows(np.array([[0.0], [1.0]]))[:, 0, :, 0].round(3)
        array([[0.075, 0.031],
               [0.031, 0.032]])
        """
        self._fitted()
        return self.uncertainty.weight_posterior(self).between_rows(X)

    # -- checks --------------------------------------------------------------------------------

    def _checked(self, X: Any, Y: Any, sample_weight: Any = None) -> Data:
        return self._check(X, Y, sample_weight)

    @property
    def _check(self) -> Check:
        """What checks data for the model as it is now, and knows no more of it than that takes."""
        check = partial(Data.checked, check_targets=self.likelihood.check_targets)
        if not self.layers:
            return check
        return partial(check, columns=self.network.widths[0], outputs=self.network.widths[-1])

    def _fitted(self) -> list[MatrixNormalLayer]:
        if self.steps == 0:
            raise ValueError("BALI: expected a call of fit or step before this, got none")
        return self.layers

    def as_it_is(self, data: Data | Stream) -> Coordinates:
        """The model in the coordinates of the data."""
        return Coordinates(self.network, self.layers, data)

    def _present(self, batch: Batch, n_data: float, coordinates: Coordinates) -> Present:
        rows, known = len(batch) * n_data / batch.amount, coordinates.known_inputs
        network, layers, means = coordinates.network, coordinates.layers, coordinates.means
        return Present(network, self.likelihood, layers, means, n_data, rows, self.rng, known)

# %% [markdown]
# # 07 Criticise it
#
# A method is understood when one can say where it is wrong, and by how much. BALI makes three
# kinds of assumption: a prior over weights, a noise model, and a posterior that treats the layers
# apart. This tutorial confronts each with something that does not share it:
#
# 1. **the prior**, with functions drawn from it;
# 2. **the noise**, with data whose noise is of another kind;
# 3. **the posterior**, with a long Monte Carlo run on a network so small that the exact answer
#    can be had.
#
# You should have read tutorials 01 (one layer is exact) and 03 (training). It needs
# [emcee](https://emcee.readthedocs.io), a sampler that knows nothing about networks.

# %%
from itertools import permutations, product

import emcee
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from balinp import BALI, MatrixNormalLayer, dense
from balinp.evidence import effective_parameters
from balinp.metrics.calibration import coverage_curve

plt.style.use("balinp.mplstyle")

# %% [markdown]
# ## 1. The prior: what is believed before any data
#
# A network with one input $x$ and $n$ hidden tanh units computes
#
# $$f(x) = \sum_{j=1}^n v_j \tanh(a_j x + b_j) + c .$$
#
# The prior makes all weights independent: $a_j, b_j \sim \mathcal N(0, 1/\lambda_1)$ in the first
# layer, $v_j, c \sim \mathcal N(0, 1/\lambda_2)$ in the second. $\lambda_1$ and $\lambda_2$ are
# the *prior precisions*. Nobody has beliefs about weights. What can be judged is the functions
# that the prior draws. Their mean is zero; since the weights are independent, their variance is
#
# $$\mathrm{Var} f(x) = \frac{n\, \mathbb E \tanh^2(z) + 1}{\lambda_2}, \qquad
# z \sim \mathcal N\left(0, \frac{x^2 + 1}{\lambda_1}\right) .$$
#
# The expectation over the single number $z$ is done by Gauss-Hermite quadrature below. The draws
# come from layers that have seen no data: their posterior is the prior.


# %%
def prior_functions(x, width, precisions, draws, rng):
    """Functions of networks drawn from the prior, at x (B,): shape (draws, B)."""
    first = MatrixNormalLayer(1, width, prior_precision=precisions[0]).posterior
    second = MatrixNormalLayer(width, 1, prior_precision=precisions[1]).posterior
    W1, W2 = first.sample(rng, draws), second.sample(rng, draws)  # (draws, D, K), bias last
    h = np.tanh(np.stack([x, np.ones_like(x)], axis=1) @ W1)
    return (h @ W2[:, :-1] + W2[:, -1:])[:, :, 0]


def prior_std(x, width, precisions):
    """The formula above, at one x."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    z = nodes * np.sqrt((x**2 + 1) / precisions[0])
    return np.sqrt((width * (weights @ np.tanh(z) ** 2) + 1) / precisions[1])


WIDTHS = (3, 30, 300)
same = dict.fromkeys(WIDTHS, (1.0, 1.0))  # one lambda for both layers
in_proportion = {width: (1.0, float(width)) for width in WIDTHS}  # lambda_2 = n lambda_1

rng = np.random.default_rng(0)
print("standard deviation of f(1) under the prior")
print("width   one lambda   in proportion")
for width in WIDTHS:
    row = []
    for precisions in (same[width], in_proportion[width]):
        exact = prior_std(1.0, width, precisions)
        drawn = prior_functions(np.array([1.0]), width, precisions, 4000, rng).std()
        assert abs(drawn / exact - 1) < 0.08  # 4000 draws: 1.1 % for a Gaussian, some more here
        row.append(exact)
    print(f"{width:5d}   {row[0]:10.2f}   {row[1]:13.2f}")

# %%
x = np.linspace(-6, 6, 121)
figure, axes = plt.subplots(2, 3, figsize=(8, 4.4), sharex=True, sharey="row")
for row, choice in enumerate((same, in_proportion)):
    for axis, width in zip(axes[row], WIDTHS, strict=True):
        functions = prior_functions(x, width, choice[width], 8, np.random.default_rng(1))
        axis.plot(x, functions.T, color="C0", alpha=0.6, linewidth=1.1)
        std = np.array([prior_std(value, width, choice[width]) for value in x])
        axis.plot(x, 2 * std, "--", x, -2 * std, "--", color="C1")
        lam_2 = f"{choice[width][1]:.0f}"
        axis.set_title(rf"{width} units, $\lambda_1 = 1$, $\lambda_2 = {lam_2}$")
    axes[row, 0].set_ylabel("output $f(x)$")
for axis in axes[1]:
    axis.set(xlabel="input $x$", xticks=[-5, 0, 5])
plt.show()

# %% [markdown]
# Eight functions each; dashed: two prior standard deviations. In the upper row a wider network is
# allowed larger functions merely because it is wider: 300 units have almost eight times the
# spread of three. In the lower row $\lambda_2$ grows with the number of units, and the scale
# stays. That is what BALI does when it learns $\lambda$
# ([EV-2](../derivations/09_evidence.md#ev-2-prior-precision-isotropic)). A `prior_precision` that
# you give yourself is taken for *all* layers as it is: the upper row.
#
# Both rows share a property that no $\lambda$ changes: far out, every tanh saturates and every
# function becomes flat. Beyond the data this prior believes in constants.

# %%
assert prior_std(1.0, 300, same[300]) > 7.5 * prior_std(1.0, 3, same[3])
# Only the share of the bias c, 1 / lambda_2, still depends on the width.
assert prior_std(1.0, 300, in_proportion[300]) < prior_std(1.0, 3, in_proportion[3])
assert (
    abs(prior_std(1.0, 300, in_proportion[300]) / prior_std(1.0, 30, in_proportion[30]) - 1) < 0.1
)
learnt = BALI(hidden=(30,)).fit(x[:, None], np.sin(x)[:, None], epochs=1)
assert np.isclose(learnt.layers[1].prior_precision, 30 * learnt.layers[0].prior_precision)
far = prior_functions(np.array([10.0, 40.0, 80.0]), 30, same[30], 4000, rng)
changes = np.sqrt(np.mean(np.diff(far, axis=1) ** 2, axis=0))
print(f"rms change from x = 10 to 40: {changes[0]:.2f}, from 40 to 80: {changes[1]:.2f}")
assert changes[1] < 0.7 * changes[0] < 0.5 * far.std()

# %% [markdown]
# ## 2. The noise: one number for all
#
# BALI's Gaussian likelihood has one noise covariance $V$ for all inputs, here one variance
# $\sigma^2$. Two kinds of data disagree.
#
# - *Heteroscedastic*: Gaussian noise whose standard deviation grows from left to right.
# - *Heavy tails*: the same noise everywhere, but from Student's $t$ distribution with three
#   degrees of freedom, which has many more outliers than a Gaussian.
#
# The standard deviations are chosen such that both have the mean square noise $0.3^2$ on average.

# %%
MEAN_SQUARE = 0.3**2


def curve(x):
    return np.sin(1.5 * x)


def spread(x):
    """Standard deviation of the heteroscedastic noise; mean square .3^2 over [-2, 2]."""
    shape = 1 + 0.9 * x / 2
    return np.sqrt(MEAN_SQUARE / (1 + 0.9**2 / 3)) * shape


def heteroscedastic(n, rng):
    X = rng.uniform(-2, 2, (n, 1))
    return X, curve(X) + spread(X) * rng.standard_normal((n, 1))


def heavy_tails(n, rng):
    X = rng.uniform(-2, 2, (n, 1))
    return X, curve(X) + np.sqrt(MEAN_SQUARE / 3) * rng.standard_t(3, (n, 1))  # variance 3


rng = np.random.default_rng(2)
models, tests = {}, {}
for name, draw in (("heteroscedastic", heteroscedastic), ("heavy tails", heavy_tails)):
    models[name] = BALI(hidden=(20,)).fit(*draw(400, rng), epochs=100)
    tests[name] = draw(6000, rng)
    sigma = np.sqrt(models[name].likelihood.covariance(1).item())
    print(f"{name:16s} learnt noise std {sigma:.3f}")
    assert abs(sigma / 0.3 - 1) < 0.1

# %% [markdown]
# For the heteroscedastic data the learnt noise is close to the mean square, as it has to be. *On
# average* nearly all looks well: about 93 % of fresh observations lie in the 95 % intervals. That
# is what must come out if the curve is known and one variance, the mean square, is taken for all
# inputs. Split the inputs into thirds, and it does not look well at all.

# %%
X_test, Y_test = tests["heteroscedastic"]
predictive = models["heteroscedastic"].predict(X_test)
low, high = predictive.interval(0.95)
inside = (low <= Y_test) & (Y_test <= high)
thirds = np.digitize(X_test[:, 0], [-2 / 3, 2 / 3])
covered = [inside[thirds == third].mean() for third in range(3)]
print(f"95 % coverage: {inside.mean():.3f}; by thirds:", *np.round(covered, 3))

error = np.sqrt(0.95 * 0.05 / len(inside))  # standard error of the overall coverage
at = np.linspace(-2, 2, 20_001)
by_one_variance = (2 * norm.cdf(1.96 * 0.3 / spread(at)) - 1).mean()
print(f"with the true curve and the mean square as variance: {by_one_variance:.3f}")
assert abs(inside.mean() - by_one_variance) < 0.02 > 5 * error
assert covered[0] > 0.99
assert covered[2] < 0.88

# What is lost against the truth: the true curve with the true spread at each input.
z = (Y_test - curve(X_test)) / spread(X_test)
truth = (-0.5 * z**2 - np.log(spread(X_test)) - 0.5 * np.log(2 * np.pi))[:, 0]
lost = truth - predictive.logpdf(Y_test)
print(
    f"log-likelihood lost: {lost.mean():.2f} ± {lost.std() / np.sqrt(len(lost)):.2f} nats a datum"
)

# %% [markdown]
# The loss can be foreseen. Noise $\mathcal N(0, s^2(x))$ scored by $\mathcal N(0, \sigma^2)$,
# where $\sigma^2$ is the average of $s^2(x)$, loses
# $\tfrac12 \log \sigma^2 - \tfrac12 \,\mathrm{average} \log s^2(x)$: the logarithm of an average
# minus the average of the logarithm, never negative by Jensen's inequality.

# %%
grid = np.linspace(-2, 2, 20_001)[:, None]
foreseen = 0.5 * (np.log(MEAN_SQUARE) - np.log(spread(grid) ** 2).mean())
print(f"foreseen: {foreseen:.2f} nats a datum")
assert abs(lost.mean() - foreseen) < 0.05  # the rest: 400 data do not fix curve and sigma exactly

# %% [markdown]
# Heavy tails lie the other way: every region is alike, but the *shape* is wrong. A Gaussian that
# has to pay for the outliers is too wide in the middle and too narrow in the tails. Coverage at
# all levels shows it; `coverage_curve` counts what we also count by hand
# ([SC-2](../derivations/11_scores.md#sc-2-interval-coverage)).

# %%
levels = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.999])
curves = {}
for name, (X_test, Y_test) in tests.items():
    predictive = models[name].predict(X_test)
    curves[name] = coverage_curve(predictive, Y_test, levels)
    if name == "heavy tails":
        # By hand: |z| below the Gaussian quantile, which is the median of |draws| at level 1/2.
        z = np.abs(Y_test - predictive.mean) / predictive.std
        by_hand = [np.mean(z <= q) for q in (0.674490, 1.959964)]
        assert np.allclose(by_hand, curves[name][[4, 9]], atol=1e-3)
missed = {name: 1 - covered[-1] for name, covered in curves.items()}
print(f"50 % intervals, heavy tails: cover {curves['heavy tails'][4]:.3f}")
print(f"99.9 % intervals, heavy tails: miss {missed['heavy tails']:.4f} instead of .001")
assert curves["heavy tails"][4] > 0.56
assert missed["heavy tails"] > 0.005

# %% [markdown]
# Of this the predictive can be cured, if not the training. With `noise="student"` each datum is
# predicted by the others at the end of `fit`, which for the linearised network needs no second
# training, and a Student $t$ is fitted to what is left
# ([JP-4](../derivations/15_joint_posterior.md#jp-4-student-tails)). `BALIRegressor` does so by
# default.

# %%
X_400, Y_400 = heavy_tails(400, np.random.default_rng(11))
X_test, Y_test = tests["heavy tails"]
compared = {}
for noise in ("gaussian", "student"):
    predictive = BALI(hidden=(20,), noise=noise).fit(X_400, Y_400, epochs=100).predict(X_test)
    covered_at = coverage_curve(predictive, Y_test, np.array([0.5, 0.999]))
    compared[noise] = predictive.logpdf(Y_test).mean()
    print(f"{noise:8s} 50 % intervals cover {covered_at[0]:.3f}, 99.9 % miss "
          f"{1 - covered_at[1]:.4f}; log-likelihood {compared[noise]:.3f}")  # fmt: skip
print(f"degrees of freedom: {predictive.freedom:.1f}, the truth has 3")
assert abs(covered_at[0] - 0.5) < 0.04
assert 1 - covered_at[1] < 0.5 * missed["heavy tails"]
assert compared["student"] > compared["gaussian"] + 0.05

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.6), width_ratios=(1.5, 1))
X_test, Y_test = tests["heteroscedastic"]
x = np.linspace(-2, 2, 101)[:, None]
low, high = models["heteroscedastic"].predict(x).interval(0.95)
left.plot(X_test[:500, 0], Y_test[:500, 0], ".", color="0.65", markersize=3, label="fresh data")
left.fill_between(x[:, 0], low[:, 0], high[:, 0], color="C0", alpha=0.25, linewidth=0,
                  label="BALI, 95 %")  # fmt: skip
for sign in (-1, 1):
    label = "truth, 95 %" if sign > 0 else None
    left.plot(x, curve(x) + sign * 1.96 * spread(x), "--", color="C1", label=label)
for third, place in enumerate((-1.35, 0.0, 1.35)):
    left.text(place, -2.35, f"{covered[third]:.0%} inside", ha="center", fontsize=9)
left.set(
    xlabel="input $x$", ylabel="target $y$", ylim=(-2.6, 2.4), title="one noise for all inputs"
)
left.legend(loc="upper left")
right.plot([0, 1], [0, 1], color="0.6", linewidth=1)
for name, marker in (("heavy tails", "o-"), ("heteroscedastic", "s-")):
    right.plot(levels, curves[name], marker, markersize=4, label=name)
right.set(xlabel="stated probability", ylabel="coverage", title="one shape for all noise")
right.legend(loc="upper left")
plt.show()

# %% [markdown]
# The heteroscedastic data bend the curve too: a mixture of narrow and wide Gaussians has heavy
# tails. So a coverage curve says *that* something is wrong; only a look at regions says *what*.
#
# ## 3. The posterior: layers apart, one Gaussian each
#
# Now the prior and the noise shall be right, so that only the posterior is left to blame. Ten
# data, three tanh units, ten weights; the prior precision $\lambda = 1$ is the same for all
# weights, the noise is $\sigma = 0.2$, and nothing is learnt but the weights.

# %%
LAM, SIGMA, UNITS = 1.0, 0.2, 3
rng = np.random.default_rng(5)
X = np.concatenate([rng.uniform(-2.0, -0.5, (5, 1)), rng.uniform(0.5, 2.0, (5, 1))])
Y = curve(X) + SIGMA * rng.standard_normal(X.shape)


def trained(X, Y, seed=0):
    model = BALI((UNITS,), prior_precision=LAM, noise_variance=SIGMA**2, seed=seed)
    return model.fit(X, Y, epochs=300, tolerance=1e-9)


model = trained(X, Y)
starts = [trained(X, Y, seed).history[-1].log_joint for seed in range(8)]
print("log joint density reached from 8 starts:", *np.round(starts, 3))
best, other = max(starts), min(starts)
assert all(np.isclose(value, best) or np.isclose(value, other) for value in starts)
assert 0.1 < best - other < 0.3
assert np.isclose(model.history[-1].log_joint, best)

# %% [markdown]
# There are two different maxima, not far apart in height. BALI ends in one of them, and which one
# depends on the seed. `model` is in the higher one. It will turn out to have many mirror images.
#
# ### The exact answer
#
# BALI's own idea helps: *given* the hidden weights $\omega = (a_1, \dots, a_3, b_1, \dots, b_3)$,
# the output layer is a Bayesian linear regression of $y$ on $\tanh(a_j x + b_j)$ and 1. It is
# exact (tutorial 01), and gives
#
# - the density $p(Y \mid \omega)$ with $v$ and $c$ integrated out
#   ([LR-4](../derivations/03_regression.md#lr-4-evidence)),
# - mean and variance of $f(x)$ given $\omega$
#   ([LR-5](../derivations/03_regression.md#lr-5-predictive-distribution)).
#
# Only the six numbers $\omega$ are left, with the density
# $p(\omega \mid Y) \propto p(Y \mid \omega)\, p(\omega)$. We average over them by Monte Carlo.
# The function below does the regression for many $\omega$ at once, and is checked against the
# slow reference `balinp.dense`.


# %%
def features(omega, x):
    """Inputs of the output layer for S hidden weights omega (S, 6): shape (S, B, 4)."""
    a, b = omega[:, None, :UNITS], omega[:, None, UNITS:]
    h = np.tanh(x[None] * a + b)
    return np.concatenate([h, np.ones((*h.shape[:2], 1))], axis=2)


def output_layer(omega, X, Y, x_new=None):
    """Log p(Y | omega) (S,), or mean and variance of f(x_new) given omega, each (S, B)."""
    F = features(omega, X)
    P = LAM * np.eye(UNITS + 1) + np.swapaxes(F, 1, 2) @ F / SIGMA**2  # posterior precision
    r = np.swapaxes(F, 1, 2) @ Y / SIGMA**2
    L = np.linalg.cholesky(P)
    if x_new is None:
        z = np.linalg.solve(L, r)[:, :, 0]
        log_det = 2 * np.log(np.diagonal(L, axis1=1, axis2=2)).sum(axis=1)
        constant = -0.5 * len(Y) * np.log(2 * np.pi * SIGMA**2) + 0.5 * (UNITS + 1) * np.log(LAM)
        return constant - 0.5 * (Y**2).sum() / SIGMA**2 + 0.5 * (z**2).sum(axis=1) - 0.5 * log_det
    G = features(omega, x_new)
    mean = (G @ np.linalg.solve(P, r))[:, :, 0]
    return mean, (np.linalg.solve(L, np.swapaxes(G, 1, 2)) ** 2).sum(axis=1)


x_check = np.array([-6.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 6.0])[:, None]
V, M0, C0 = SIGMA**2 * np.eye(1), np.zeros((UNITS + 1, 1)), np.eye(UNITS + 1) / LAM
some = np.random.default_rng(3).standard_normal((5, 2 * UNITS))
for omega in some:
    F, G = features(omega[None], X)[0], features(omega[None], x_check)[0]
    mean, covariance = dense.posterior(F, Y, V, M0, C0)
    m, v = output_layer(omega[None], X, Y, x_check)
    slow_mean, slow_covariance = dense.predictive(G, mean, covariance, V)
    assert np.isclose(output_layer(omega[None], X, Y)[0], dense.log_evidence(F, Y, V, M0, C0))
    assert np.allclose(m[0], slow_mean[:, 0])
    assert np.allclose(v[0] + SIGMA**2, slow_covariance[:, 0, 0])

# %% [markdown]
# **First way: Markov chains.** `emcee` moves 200 walkers at once, each by about the difference of
# two others. They start from the prior. `vectorize=True` hands all walkers to the log density in
# one call.

# %%
WALKERS, STEPS, BURN_IN = 200, 4500, 500


def log_posterior(omega):
    """Log p(Y | omega) + log p(omega), up to a constant."""
    return output_layer(omega, X, Y) - 0.5 * LAM * (omega**2).sum(axis=1)


rng = np.random.default_rng(4)
sampler = emcee.EnsembleSampler(
    WALKERS, 2 * UNITS, log_posterior, vectorize=True, moves=emcee.moves.DEMove()
)
sampler.random_state = np.random.RandomState(5).get_state()
sampler.run_mcmc(rng.standard_normal((WALKERS, 2 * UNITS)) / np.sqrt(LAM), STEPS)
chain = sampler.get_chain(discard=BURN_IN)  # (steps, walkers, 6)
accepted = sampler.acceptance_fraction.mean()
print(f"{chain.shape[0]} steps of {WALKERS} walkers, {accepted:.0%} accepted")

# %% [markdown]
# **Has it converged?** Two numbers, both written out.
#
# *Split $\hat R$.* Cut each walker's path into halves. If all of them sample the same
# distribution, the variance *between* their means is what the variance *within* them makes us
# expect, and the ratio $\hat R$ of the total standard deviation to the one within is close to 1.
#
# *Autocorrelation time* $\tau = 1 + 2 \sum_{t \ge 1} \rho_t$, with $\rho_t$ the correlation of a
# quantity with itself $t$ steps later: that many steps are worth one independent draw. The sum is
# cut where $t$ exceeds $5 \tau$, since the far $\rho_t$ are noise.


# %%
def split_r_hat(q):
    """Split R-hat of a quantity q (steps, walkers)."""
    half = len(q) // 2
    parts = np.concatenate([q[:half], q[half : 2 * half]], axis=1)
    within = parts.var(axis=0, ddof=1).mean()
    between = parts.mean(axis=0).var(ddof=1)
    return np.sqrt(((half - 1) / half * within + between) / within)


def autocorrelation_time(q):
    """Integrated autocorrelation time of q (steps, walkers), averaged over walkers."""
    centred = q - q.mean(axis=0)
    variance = (centred**2).mean(axis=0)
    tau = 1.0
    for t in range(1, len(q)):
        tau += 2 * ((centred[:-t] * centred[t:]).sum(axis=0) / len(q) / variance).mean()
        if t >= 5 * tau:
            return tau
    raise ValueError("the chain is too short")


THIN = 10  # every tenth step is enough to average functions, and ten times as fast
thinned = chain[::THIN]
m_c, v_c = output_layer(thinned.reshape(-1, 2 * UNITS), X, Y, x_check)  # given omega, (draws, 9)
at = {f"mean of f({value:.0f})": m_c[:, i] for i, value in enumerate(x_check[:, 0])}
followed = {name: q.reshape(thinned.shape[:2]) for name, q in at.items()}
followed |= {"a_1": thinned[:, :, 0], "b_1": thinned[:, :, UNITS]}
for name, q in followed.items():
    tau = autocorrelation_time(q)
    print(f"{name:14s} split R-hat {split_r_hat(q):.3f}   tau {THIN * tau:3.0f} steps, "
          f"{q.size / tau:5.0f} effective draws")  # fmt: skip
    assert split_r_hat(q) < 1.05
    assert q.size / tau > 5000
    assert abs(tau / emcee.autocorr.integrated_time(q, tol=0).item() - 1) < 0.05

# Changing the sign of a unit changes nothing (below), so the mean of a_1 is zero. It is, within
# four standard errors: the walkers do travel between mirror images.
q = followed["a_1"]
assert abs(q.mean()) < 4 * q.std() * np.sqrt(autocorrelation_time(q) / q.size)

# %% [markdown]
# **Second way: importance sampling**, which has no chains and no burn-in. Draw 200,000 hidden
# weights from the prior and give each the weight $w_s \propto p(Y \mid \omega_s)$. Averages over
# the posterior are weighted averages, and the mean of $p(Y \mid \omega_s)$ is the evidence
# $p(Y)$: the probability of the data with all weights integrated out.


# %%
def importance(X, Y, draws, rng):
    """Draws from the prior (S, 6), their normalised weights (S,), and the log evidence."""
    omega = rng.standard_normal((draws, 2 * UNITS)) / np.sqrt(LAM)
    log_w = np.concatenate(
        [output_layer(part, X, Y) for part in np.array_split(omega, max(draws // 20_000, 1))]
    )
    total = logsumexp(log_w)
    return omega, np.exp(log_w - total), total - np.log(draws)


omega, w, log_evidence = importance(X, Y, 200_000, np.random.default_rng(6))
print(f"{1 / (w**2).sum():.0f} effective draws; exact log evidence {log_evidence:.3f}")
error = np.sqrt(len(w) * (w**2).sum() - 1) / np.sqrt(len(w))  # of the log evidence
assert error < 0.01

m_s, v_s = (np.concatenate(parts) for parts in zip(
    *(output_layer(part, X, Y, x_check) for part in np.array_split(omega, 10)), strict=True
))  # fmt: skip
# First and second moments of f(x), and their standard errors both ways.
for q_s, q_c in ((m_s, m_c), (v_s + m_s**2, v_c + m_c**2)):
    by_weights, by_chain = w @ q_s, q_c.mean(axis=0)
    taus = [autocorrelation_time(q.reshape(thinned.shape[:2])) for q in q_c.T]
    variance = (w**2) @ (q_s - by_weights) ** 2 + q_c.var(axis=0) * taus / len(q_c)
    z = (by_chain - by_weights) / np.sqrt(variance)
    print("chains minus importance sampling, in standard errors:", *np.round(z, 1))
    assert np.abs(z).max() < 4

# %% [markdown]
# Two methods with nothing in common but the regression of the output layer agree. From here on
# *exact* means them. (The second way is not for show. A first version of this tutorial used a
# further kind of move, `DESnookerMove` of emcee 3.1.6. $\hat R$ was fine, importance sampling
# disagreed, and was right: that move had a [wrong acceptance
# ratio](https://github.com/dfm/emcee/pull/531).)
#
# ### Side by side
#
# `model.predict` is BALI: one Gaussian a layer, the layers independent, the network linearised
# about their means. `dense.ggn_posterior` uses the same means and the same linearisation
# ([PR-1](../derivations/10_prediction.md#pr-1-linearised-predictive)) but one joint Gaussian for
# all ten weights; `BALI(covariance="joint")` predicts with it. *Epistemic* is the part of the
# standard deviation that uncertain weights cause.

# %%
x = np.linspace(-6, 6, 121)[:, None]
thousands = chain[::100].reshape(-1, 2 * UNITS)  # 8,000 draws
m, v = output_layer(thousands, X, Y, x)
mean_exact, std_exact = m.mean(axis=0), np.sqrt(v.mean(axis=0) + m.var(axis=0))
joint = dense.ggn_posterior(model, X)
mean_bali = model.predict(x).mean[:, 0]
std_bali = np.sqrt(model.predict(x).epistemic[:, 0, 0])
std_joint = np.sqrt(joint.epistemic(x)[:, 0, 0])
together = BALI((UNITS,), prior_precision=LAM, noise_variance=SIGMA**2, covariance="joint")
together.fit(X, Y, epochs=300, tolerance=1e-9)
assert np.allclose(together.predict(x).epistemic[:, 0, 0], std_joint**2, rtol=1e-8)

print("   x |  mean: exact    BALI | epistemic std: exact   BALI   joint Gaussian")
for value in x_check[:, 0]:
    i = np.abs(x[:, 0] - value).argmin()
    print(f"{value:4.0f} | {mean_exact[i]:12.2f} {mean_bali[i]:7.2f} | {std_exact[i]:20.2f} "
          f"{std_bali[i]:6.2f} {std_joint[i]:16.2f}")  # fmt: skip

data_range = ((np.abs(x) >= 0.5) & (np.abs(x) <= 2))[:, 0]
gap, beyond = (np.abs(x) < 0.5)[:, 0], (np.abs(x) >= 4)[:, 0]
for name, where in (("among the data", data_range), ("in the gap", gap), ("beyond", beyond)):
    off = np.sqrt(np.mean((mean_bali - mean_exact)[where] ** 2))
    ratios = [
        np.exp(np.mean(np.log(std[where] / std_exact[where]))) for std in (std_bali, std_joint)
    ]
    print(f"{name:15s} mean off by {off:.2f}; std over exact std: BALI {ratios[0]:.2f}, "
          f"joint Gaussian {ratios[1]:.2f}")  # fmt: skip

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.7), sharey=True)
for axis, mean, std, color, name in (
    (left, mean_bali, std_bali, "C0", "BALI"),
    (right, mean_exact, std_exact, "C1", "exact (Monte Carlo)"),
):
    axis.fill_between(x[:, 0], mean - 2 * std, mean + 2 * std, color=color, alpha=0.25, linewidth=0)
    axis.plot(x, mean, color=color)
    axis.plot(X, Y, "o", color="black", markersize=4)
    axis.set(xlabel="input $x$", title=f"{name}: mean ± 2 epistemic std")
for sign in (-1, 1):
    label = "exact" if sign > 0 else None
    left.plot(x, mean_exact + sign * 2 * std_exact, "--", color="C1", linewidth=1, label=label)
left.set_ylabel("output $f(x)$")
right.plot(x, m[::1000].T, color="0.5", linewidth=0.7, alpha=0.7)
right.plot([], [], color="0.5", linewidth=0.7, label="given one draw of hidden weights")
left.plot([], [], "o", color="black", markersize=4, label="data")
left.set_ylim(-1.9, 2.4)
for axis in (left, right):
    axis.legend(loc="upper right")
plt.show()

# %% [markdown]
# The means agree well, and those of the two Gaussians are the same by construction. The widths:
#
# - **Among the data** BALI is about one and a half times too wide, the joint Gaussian nearly
#   right.
# - **In the gap** BALI is too narrow by a quarter, the joint Gaussian nearly right.
# - **Beyond the data** BALI is *too sure* by a factor of two; the joint Gaussian is too unsure by
#   a factor of two. Neither is right.
#
# Why? BALI's variance is a sum over layers, $\sum_l J_l C_l J_l^\top$, with $J_l$ the derivative
# of $f(x)$ by the weights of layer $l$ and $C_l$ their covariance. Two causes show in it.
#
# - *Layers apart.* $C_2$ is the covariance of the output weights *given* the hidden ones. It is
#   never larger than their covariance in the joint Gaussian (Schur complement). Where the data
#   have nothing to say that makes BALI too sure. Where they do, the joint Gaussian knows that the
#   two layers must move together to fit, which reduces the variance; BALI lets both move by
#   themselves.
# - *A local Gaussian.* Beyond the data all tanh are flat, so $J_1 \approx 0$: the first layer
#   contributes nothing there. In truth a unit may still be bending; a derivative cannot know
#   that.

# %%
J = dense.jacobian(model, x)[:, 0]  # (B, 10): six columns of the first layer, then four
C = [layer.posterior.covariance() for layer in model.layers]
parts = [np.einsum("bi,ij,bj->b", block, C_l, block)
         for block, C_l in zip((J[:, :6], J[:, 6:]), C, strict=True)]  # fmt: skip
assert np.allclose(parts[0] + parts[1], std_bali**2)  # what predict has computed
first_share = parts[0] / std_bali**2
print("share of the first layer in BALI's variance:",
      *(f"{first_share[np.abs(x[:, 0] - value).argmin()]:.3f} at x = {value:.0f}"
        for value in (-6, 0, 6)), sep="  ")  # fmt: skip
assert first_share[np.abs(x[:, 0]) > 5.9].max() < 0.01

larger = joint.covariance[6:, 6:] - C[1]  # has no negative eigenvalue
assert np.linalg.eigvalsh(larger).min() > -1e-6 * np.trace(C[1])
print("variances of the four output weights, joint Gaussian over BALI:",
      *np.round(np.diag(joint.covariance[6:, 6:]) / np.diag(C[1]), 1))  # fmt: skip
# The correlation of a and v of the same unit in the joint Gaussian; BALI has zero.
stds = np.sqrt(np.diag(joint.covariance))
correlations = (joint.covariance / np.outer(stds, stds))[[0, 2, 4], [6, 7, 8]]
print("correlation of a_j and v_j in the joint Gaussian:", *np.round(correlations, 2))
assert np.abs(correlations).min() > 0.5

ratio = {name: np.exp(np.mean(np.log(std_bali / std_exact)[where]))
         for name, where in (("data", data_range), ("gap", gap), ("beyond", beyond))}  # fmt: skip
assert np.abs(mean_bali - mean_exact)[data_range].max() < 0.2
assert np.sqrt(np.mean((mean_bali - mean_exact)[data_range] ** 2)) < 0.1
assert 1.2 < ratio["data"] < 1.7
assert 0.6 < ratio["gap"] < 0.9
assert 0.4 < ratio["beyond"] < 0.7
assert np.exp(np.mean(np.log(std_joint / std_exact)[beyond])) > 1.7
assert np.abs(np.log(std_joint / std_exact)[data_range]).mean() < 0.15
assert np.abs(np.log(std_joint / std_exact)[gap]).mean() < 0.2

# %% [markdown]
# ### In nats
#
# Does it matter? One data set is an anecdote, and one true curve may happen to favour the wrong
# answer. So draw 40 *true* networks from the prior, take ten noisy data from each at the same
# inputs as before, and score fresh observations $y$ by $\log p(y)$, in nats: where the data are
# ($|x| \le 2$, gap included) and beyond ($3 \le |x| \le 6$). When truths are drawn from the
# prior, no prediction has a better expected score than the exact posterior's. What others lose is
# pure approximation error.
#
# On the way we collect the ratio of BALI's epistemic standard deviation to the exact one.


# %%
def gaussian_logpdf(y, mean, variance):
    return -0.5 * (y - mean) ** 2 / variance - 0.5 * np.log(2 * np.pi * variance)


def compare(X, Y, x_new, y_new, rng):
    """Log scores (3, B): exact, BALI, joint Gaussian. Log ratio (B,) of BALI's std to the exact."""
    omega, w, _ = importance(X, Y, 20_000, rng)
    m, v = output_layer(omega[rng.choice(len(w), 2000, p=w)], X, Y, x_new)
    y, fitted = y_new[:, 0], trained(X, Y)
    predictive = fitted.predict(x_new)
    joint_variance = dense.ggn_posterior(fitted, X).epistemic(x_new)[:, 0, 0] + SIGMA**2
    scores = [
        logsumexp(gaussian_logpdf(y, m, v + SIGMA**2), axis=0) - np.log(len(m)),
        predictive.logpdf(y_new),
        gaussian_logpdf(y, predictive.mean[:, 0], joint_variance),
    ]
    exact_variance = v.mean(axis=0) + m.var(axis=0)
    return np.array(scores), 0.5 * np.log(predictive.epistemic[:, 0, 0] / exact_variance)


rng = np.random.default_rng(7)
sides = rng.choice([-1.0, 1.0], (50, 1))
x_new = np.concatenate([rng.uniform(-2, 2, (50, 1)), sides * rng.uniform(3, 6, (50, 1))])
scores, log_ratios = [], []
for _ in range(40):
    inputs = np.concatenate([X, x_new])
    truth = prior_functions(inputs[:, 0], UNITS, (LAM, LAM), 1, rng)[0][:, None]
    y = truth + SIGMA * rng.standard_normal(truth.shape)
    score, log_ratio = compare(X, y[:10], x_new, y[10:], rng)
    scores.append(score.reshape(3, 2, 50).mean(axis=2))  # near and far
    log_ratios.append(log_ratio.reshape(2, 50).mean(axis=1))
scores, ratios = np.array(scores), np.exp(log_ratios)  # (40, 3, 2), (40, 2)

lost = {}
for place, name in enumerate(("near", "far")):
    print(f"{name:4s}: exact {scores[:, 0, place].mean():6.3f} nats a datum", end="")
    for method, label in ((1, "BALI"), (2, "joint Gaussian")):
        differences = scores[:, 0, place] - scores[:, method, place]
        se = differences.std(ddof=1) / np.sqrt(len(differences))
        lost[label, name] = differences.mean()
        print(f"; {label} loses {differences.mean():.3f} ± {se:.3f}", end="")
        assert differences.mean() > -3 * se  # what the theorem says
    print()
    losses = np.sort(scores[:, 0, place] - scores[:, 1, place])
    print(f"      BALI loses: median {np.median(losses):.3f}, worst truth {losses[-1]:.2f}")
    print(f"      BALI's std over the exact one: median {np.median(ratios[:, place]):.2f}, "
          f"below 1 for {(ratios[:, place] < 1).sum()} of 40 truths")  # fmt: skip
assert lost["BALI", "near"] < 0.06
assert lost["BALI", "far"] > max(0.2, 10 * lost["BALI", "near"])
assert losses[-1] > 3  # far
assert np.median(losses) < lost["BALI", "far"]
assert np.median(ratios[:, 0]) > 1
assert (ratios[:, 1] < 1).mean() > 2 / 3

# %% [markdown]
# Where the data are, BALI's approximation costs about a hundredth of a nat: little. Beyond them
# it costs more than ten times as much. It is too sure there for most truths, but not for all; the
# typical loss is moderate, and a few truths cause much of the mean. That is the price of being
# too sure: rare and high. The factor of the single data set above, one half, was on the bad side;
# what it says of the gap holds for that data set only.
#
# ### One of 48
#
# $\tanh$ is odd: turn the signs of $a_j$, $b_j$ and $v_j$, and the function is the same. Swap two
# units, and it is the same. Three units have $2^3 \cdot 3! = 48$ such mirror images, all equally
# probable. BALI finds one of them. For predictions that does not matter, as all 48 are the same
# function; for the evidence it does.

# %%
W1, W2 = model.weights


def log_joint(W1, W2):
    """Log p(Y, W), normalised, written out."""
    f = np.tanh(X @ W1[:-1] + W1[-1]) @ W2[:-1] + W2[-1]
    log_likelihood = -0.5 * ((Y - f) ** 2).sum() / SIGMA**2 - 5 * np.log(2 * np.pi * SIGMA**2)
    squares = (W1**2).sum() + (W2**2).sum()
    return (
        log_likelihood - 0.5 * LAM * squares + 5 * np.log(LAM / (2 * np.pi))
    )  # 10 data, 10 weights


def mirror_images(W1, W2):
    """The weights (W1, W2) that give the same function, without repetitions."""
    images = []
    for order in permutations(range(UNITS)):
        for signs in product([-1.0, 1.0], repeat=UNITS):
            W1_image = W1[:, order] * signs
            W2_image = np.vstack([W2[list(order)] * np.array(signs)[:, None], W2[-1:]])
            if all(np.abs(W1_image - known).max() > 0.01 for known, _ in images):
                images.append((W1_image, W2_image))
    return images


images = mirror_images(W1, W2)
for image in images:
    assert np.isclose(log_joint(*image), model.history[-1].log_joint)
print(f"{len(images)} mirror images, each with log joint density {log_joint(W1, W2):.3f}")
assert len(images) == 48

# %%
figure, axis = plt.subplots(figsize=(5.2, 4.2))
units = thousands.reshape(-1, 2, UNITS)[::3]  # a and b of three units; all units look alike
axis.plot(units[:, 0].ravel(), units[:, 1].ravel(), ".", color="0.6", markersize=1.5, alpha=0.5,
          label="exact posterior, any unit")  # fmt: skip
angle = np.linspace(0, 2 * np.pi, 100)
for unit in range(UNITS):
    block = C[0][2 * unit : 2 * unit + 2, 2 * unit : 2 * unit + 2]  # vec stacks columns: a, b of it
    root = np.linalg.cholesky(block)
    ellipse = 2 * root @ [np.cos(angle), np.sin(angle)]
    for sign in (1, -1):
        centre = sign * W1[:, unit]
        color, style = ("C0", "-") if sign > 0 else ("C1", "--")
        label = {1: "BALI, 2 std", -1: "their mirror images"}[sign] if unit == 0 else None
        axis.plot(*(centre[:, None] + ellipse), style, color=color, label=label)
        axis.plot(*centre, "o", color=color)
axis.set(xlabel="input weight $a$", ylabel="bias $b$", xlim=(-3.6, 3.6), ylim=(-3.6, 3.6))
axis.legend(loc="upper left")
plt.show()


# %%
def inside_an_ellipse(a, b):
    """Whether (a, b) is within two standard deviations of one of the six ellipses."""
    found = np.zeros(a.shape, dtype=bool)
    for unit in range(UNITS):
        block = C[0][2 * unit : 2 * unit + 2, 2 * unit : 2 * unit + 2]
        for sign in (1, -1):
            r = np.stack([a, b], axis=-1) - sign * W1[:, unit]
            found |= np.einsum("...i,ij,...j->...", r, np.linalg.inv(block), r) < 4
    return found


all_units = chain[::100].reshape(-1, 2, UNITS)
share = inside_an_ellipse(all_units[:, 0], all_units[:, 1]).mean()
print(f"share of the exact posterior's units inside an ellipse: {share:.2f}")
assert share < 0.3

# %% [markdown]
# Grey: where a unit's $(a, b)$ may be. The cloud is its own mirror image through the origin, and
# most of it is in no ellipse: not the dense bands at small $\lvert a \rvert$, units that hardly
# bend, and not the arms.
#
# ### The evidence
#
# `model.log_evidence` is a Laplace approximation with the layers' Kronecker factors
# ([EV-5](../derivations/09_evidence.md#ev-5-evidence-of-a-network)): the integral of a Gaussian
# about one maximum. Here are three such Gaussians, each with precision $P$ and
# $\log \hat p = \log p(Y, W) + \tfrac{10}{2} \log 2\pi - \tfrac12 \log\det P$: Kronecker factors,
# exact blocks without correlations between layers, and the joint Gaussian. Adding $\log 48$
# counts the mirror images.

# %%
precision = np.linalg.inv(joint.covariance)
blocks = np.zeros_like(precision)
blocks[:6, :6], blocks[6:, 6:] = precision[:6, :6], precision[6:, 6:]


def laplace(P):
    return log_joint(W1, W2) + 5 * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(P)[1]


layerwise = np.zeros_like(precision)
exact = [layer.exact_posterior.covariance() for layer in model.layers]
layerwise[:6, :6], layerwise[6:, 6:] = np.linalg.inv(exact[0]), np.linalg.inv(exact[1])
evidences = {"Kronecker": model.log_evidence(X, Y), "blocks": laplace(blocks),
             "joint": laplace(precision)}  # fmt: skip
assert np.isclose(evidences["Kronecker"], laplace(layerwise), atol=1e-3)
for name, value in evidences.items():
    print(f"{name:10s} one maximum {value:7.2f}   48 of them {value + np.log(48):7.2f}")
print(f"exact      {log_evidence:31.2f}")
assert evidences["Kronecker"] < evidences["blocks"] < evidences["joint"]
lower = trained(X, Y, seed=int(np.argmin(starts)))  # the other maximum
second, count = lower.log_evidence(X, Y), len(mirror_images(*lower.weights))
both = np.logaddexp(evidences["Kronecker"] + np.log(48), second + np.log(count))
print(f"Kronecker, the other maximum {second:.2f}, {count} of them {second + np.log(count):.2f}")
print(f"Kronecker, both maxima and all images {both:.2f}")
assert count == 24
assert second > evidences["Kronecker"]
assert both < log_evidence - 2

# %% [markdown]
# BALI's evidence is too small by several nats, mirror images and the other maximum counted. The
# other maximum has the lower density and the larger evidence: it is wider. (In it two units are
# the same, which is why it has only 24 images.) So the log joint density does not say which
# maximum matters. That the joint Gaussian has a larger evidence than its blocks is no accident:
# cutting the correlations out of a precision matrix raises its determinant (Fischer's
# inequality).
#
# ### The effective number of parameters
#
# $\gamma$ counts how many of the weights the data determine
# ([EV-1](../derivations/09_evidence.md#ev-1-the-effective-number-of-parameters)). With
# $\Lambda = P - \lambda I$, the data's share of a precision $P$, it is
# $\mathrm{tr}(P^{-1} \Lambda)$. For the exact posterior there is no $P$, but there is the same
# number read in another way: for a linear model $\gamma$ is the sum of the epistemic variances at
# the data over the noise variance, which makes sense for any posterior.

# %%
gammas = {"Kronecker": sum(effective_parameters(layer) for layer in model.layers)}
for name, P in (("blocks", blocks), ("joint", precision)):
    gammas[name] = np.trace(np.linalg.solve(P, P - LAM * np.eye(10)))
likely = np.random.default_rng(8).choice(len(w), 8000, p=w)  # by importance, not by chains
m_data, v_data = output_layer(omega[likely], X, Y, X)
gammas["exact"] = (v_data.mean(axis=0) + m_data.var(axis=0)).sum() / SIGMA**2
for name, value in gammas.items():
    print(f"gamma {name:10s} {value:5.2f} of 10 weights")

# The joint one is also the sum of the epistemic variances at the data.
assert np.isclose(gammas["joint"], joint.epistemic(X).sum() / SIGMA**2)
assert gammas["joint"] < gammas["blocks"] < gammas["Kronecker"]
assert gammas["Kronecker"] > 1.6 * gammas["exact"]
assert abs(gammas["joint"] / gammas["exact"] - 1) < 0.15

# %% [markdown]
# By BALI's count nearly all ten weights are determined by ten data; the exact posterior says
# about half. The joint Gaussian is close. Both steps of the simplification add to $\gamma$: the
# blocks by a theorem, the Kronecker factors here, and usually, but not always.
#
# It matters where the noise is learnt. At the optimum $\sigma^2 = \mathrm{SSE} / (N - \gamma)$,
# with SSE the sum of squared residuals and $N$ the number of data
# ([EV-3](../derivations/09_evidence.md#ev-3-noise)): who counts too many parameters believes in
# too much noise. On nearly noiseless data that shows.

# %%
for true_sigma in (0.1, 0.01):
    rng = np.random.default_rng(0)
    X_130 = rng.uniform(-2, 2, (130, 1))
    Y_130 = curve(X_130) + true_sigma * rng.standard_normal(X_130.shape)
    learnt = BALI(hidden=(20,)).fit(X_130, Y_130, epochs=1000)
    sigma2 = learnt.likelihood.covariance(1).item()
    sse = ((Y_130 - learnt.predict(X_130).mean) ** 2).sum()
    gamma = sum(effective_parameters(layer) for layer in learnt.layers)
    gamma_joint = dense.ggn_posterior(learnt, X_130).epistemic(X_130).sum() / sigma2
    with_joint = np.sqrt(sse / (130 - gamma_joint))
    assert np.isclose(sigma2, sse / (130 - gamma), rtol=0.1)  # the optimum, nearly reached
    assert gamma > 1.5 * gamma_joint
    print(f"true noise {true_sigma:.2f}: learnt {np.sqrt(sigma2):.4f}, with the joint gamma "
          f"{with_joint:.4f}; gamma {gamma:.0f}, joint {gamma_joint:.0f}")  # fmt: skip
assert np.sqrt(sigma2) > 1.1 * true_sigma
assert np.sqrt(sse / 130) > true_sigma

# %% [markdown]
# With noise of 0.1 the learnt value is right within the error that 130 data allow. With 0.01 it
# is a seventh too large. The joint $\gamma$ in place of BALI's, with the same residuals, explains
# half of the excess; the rest is in the residuals, which are themselves larger than the noise.
# (With up to 128 data the joint $\gamma$ is what BALI itself learns the noise with:
# [EV-11](../derivations/09_evidence.md#ev-11-leverages-of-few-data).)
#
# ## 4. What BALI gets right and wrong
#
# Everything in this table has been asserted above.
#
# | | BALI | measured against |
# | --- | --- | --- |
# | mean among the data | within .2 everywhere, .1 on average | Monte Carlo |
# | loss where the data are | a hundredth or two of a nat | exact, 40 truths |
# | width among the data | too wide, here 1.4 times | Monte Carlo |
# | width beyond the data | too sure for most truths, here by two | Monte Carlo |
# | loss beyond the data | over ten times larger, by rare accidents | exact, 40 truths |
# | width by all weights together | right but for beyond, too unsure there | Monte Carlo |
# | number of determined weights | nearly twice too many | importance sampling |
# | evidence | several nats too small, all images counted | importance sampling |
# | noise that depends on the input | not represented, .3 nats lost here | truth |
# | heavy-tailed noise | too wide in the middle, too narrow outside | truth |
# | the same with Student tails | about right | truth |
# | scale of the prior | grows with the width at one fixed $\lambda$ | quadrature |
#
# Use it where the data are, and between them with `covariance="joint"`. Do not believe its standard
# deviation far outside, nor compare
# networks by its evidence when differences are a few nats.
#
# ## Exercises
#
# 1. How many mirror images has a network with one hidden layer of *five* tanh units?

# %%
answer_1 = None  # replace None by a number

# %% tags=["answer"] jupyter={"source_hidden": true}
reference_1 = 2**5 * 120
units = np.array([[0.3, 1.1], [0.7, -0.4], [-1.3, 0.2], [2.0, 0.9], [0.1, -0.8]])  # a and b
assert reference_1 == len(
    {
        tuple((units[list(order)] * np.array(signs)[:, None]).ravel())
        for order in permutations(range(5))
        for signs in product([-1.0, 1.0], repeat=5)
    }
)
assert answer_1 is None or answer_1 == reference_1

# %% [markdown]
# 2. A network has 50 tanh units and $\lambda_1 = 1$. Which $\lambda_2$ makes the prior standard
#    deviation of $f(1)$ equal to one? (Two digits suffice.)

# %%
answer_2 = None

# %% tags=["answer"] jupyter={"source_hidden": true}
reference_2 = prior_std(1.0, 50, (1.0, 1.0)) ** 2  # the variance is proportional to 1 / lambda_2
drawn = prior_functions(np.ones(1), 50, (1.0, reference_2), 20_000, np.random.default_rng(9)).std()
assert abs(drawn - 1) < 0.03
assert answer_2 is None or np.isclose(answer_2, reference_2, rtol=0.03)

# %% [markdown]
# 3. Suppose the curve and the variance of the heavy-tailed noise were known exactly. Which share
#    of the observations would lie in the 50 % intervals of a Gaussian with that variance?
#    (`scipy.stats.t.cdf` knows Student's distribution; its variance with three degrees of freedom
#    is 3.)

# %%
answer_3 = None

# %% tags=["answer"] jupyter={"source_hidden": true}
# F(z) = 1/2 + (u / (1 + u^2) + arctan u) / pi with u = z / sqrt 3 for three degrees of freedom.
u = 0.674490  # the Gaussian's upper quartile, times sqrt 3 for the variance, over sqrt 3
reference_3 = 2 / np.pi * (u / (1 + u**2) + np.arctan(u))
assert abs(reference_3 - curves["heavy tails"][4]) < 0.03  # what was measured in section 2
draws = np.random.default_rng(10).standard_t(3, 200_000)
assert abs(np.mean(np.abs(draws) < 0.674490 * np.sqrt(3)) - reference_3) < 0.005
assert answer_3 is None or np.isclose(answer_3, reference_3, atol=0.005)
print("all exercises checked")

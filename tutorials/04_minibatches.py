# %% [markdown]
# # 04 Mini-batches, forgetting and drift
#
# A layer that sees its data in batches must remember the earlier ones. Tutorial
# [01](01_bayesian_linear_regression.ipynb) showed in section 8 that it can do so exactly. This one
# shows what is remembered, with which weights, and what goes wrong if something else is. Then it
# uses forgetting for what it is good for: data that change, and targets that change because a
# network is learning.
#
# You need tutorials 01 and [02](02_pseudo_targets_by_hand.ipynb). Tags such as NP-3 name equations
# that are proved in [04 Forgetting](../derivations/04_forgetting.md).

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize_scalar

from balinp import BALI, MLP, Gaussian, MatrixNormalLayer, dense
from balinp.joint_step import joint_step, shortened
from balinp.pseudo_targets import trace

plt.style.use("balinp.mplstyle")


def close(a, b, rtol=1e-10):
    """Whether two arrays agree, the error measured against the largest entry of b."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and np.abs(a - b).max() <= rtol * np.abs(b).max()


# %% [markdown]
# ## 1. What is averaged
#
# A regression with two outputs: $t_n = W^\top x_n + e_n$, where $x_n = (\text{input}, 1)$, $W$ is
# $2 \times 2$, and the noise $e_n$ is $\mathcal N(0, V)$ with $V = H^{-1}$ known. Stack the columns
# of $W$ into a vector $\mathrm{vec}\thinspace W$. With the rows $x_n$ in a matrix $X$, the $t_n$ in
# $T$, and a prior of precision $\Lambda_0$ and mean zero, tutorial 01 found the posterior
#
# $$P = \underbrace{H \otimes X^\top X}_{\Lambda} + \Lambda_0, \qquad
# \mathrm{vec}\thinspace M = P^{-1} \underbrace{\mathrm{vec}(X^\top T H)}_{\eta} .$$
#
# $\Lambda$ and $\eta$ are the data's **natural parameters**. Both are sums over data, and nothing
# else of the data enters. A batch of $B$ data that stands for all $N$ has sums $N/B$ times its own.
# So keep moving averages of those: with each batch, of **rate** $r$ between 0 and 1,
#
# $$\Lambda \leftarrow (1 - r) \Lambda + r \Lambda_{\text{batch}}, \qquad
# \eta \leftarrow (1 - r) \eta + r \eta_{\text{batch}},$$
#
# and add the prior afterwards, outside of the average
# ([NP-1](../derivations/04_forgetting.md#np-1-the-moving-average-prior-outside)). The next cell
# does this by hand, with batches of different sizes, next to a layer.

# %%
rng = np.random.default_rng(2)
lam, V = 2.0, np.array([[0.09, 0.05], [0.05, 0.16]])
H = np.linalg.inv(V)
sizes = np.array([3, 5, 1, 8, 4, 2, 6, 5, 4, 2])
N = sizes.sum()
x = rng.uniform(0, 1.5, N)
design = np.column_stack([x, np.ones(N)])
T = design @ np.array([[0.8, -0.5], [-0.3, 0.6]]) + rng.multivariate_normal(np.zeros(2), V, N)
batches = np.split(np.arange(N), np.cumsum(sizes)[:-1])
age = np.repeat(np.arange(len(sizes))[::-1], sizes)  # batches that came after a datum's own

PRIORS = {"isotropic": np.eye(4) / lam, "conjugate": np.kron(V, np.eye(2)) / lam}


def stream(prior, rates):
    """Mean and covariance after each batch: by hand, and of a layer."""
    layer = MatrixNormalLayer(1, 2, prior=prior, prior_precision=lam)
    Lambda, eta, prior_precision = 0.0, 0.0, np.linalg.inv(PRIORS[prior])
    for batch, r in zip(batches, rates, strict=True):
        rows, targets, scale = design[batch], T[batch], N / len(batch)
        Lambda = (1 - r) * Lambda + r * scale * np.kron(H, rows.T @ rows)
        eta = (1 - r) * eta + r * scale * (rows.T @ targets @ H).ravel(order="F")
        covariance = np.linalg.inv(Lambda + prior_precision)
        mean = (covariance @ eta).reshape(2, 2, order="F")

        layer.observe(x[batch, None], targets, H, n_data=N, rate=r)
        yield (mean, covariance), (layer.mean, layer.posterior.covariance())


def exact(prior, weights):
    """Posterior of all data with these weights, from the full-covariance reference."""
    return dense.posterior(design, T, V, np.zeros((2, 2)), PRIORS[prior], weights=weights)


# %% [markdown]
# Which rate? If batch $t$ has the share $r_t = B_t / (B_1 + \dots + B_t)$ of all data seen so far,
# every datum ends up with the same weight
# ([NP-3](../derivations/04_forgetting.md#np-3-one-pass-over-all-data)). After $t$ batches the
# posterior is that of the data seen, each counted $N / (B_1 + \dots + B_t)$ times, and at the end
# it is that of all data at once.

# %%
seen = np.cumsum(sizes)
equal_rates = sizes / seen
for prior in PRIORS:
    for t, (by_hand, of_layer) in enumerate(stream(prior, equal_rates)):
        weights = np.where(np.arange(N) < seen[t], N / seen[t], 0.0)
        for a, b, c in zip(by_hand, of_layer, exact(prior, weights), strict=True):
            assert close(a, c)
            assert close(b, c)
        as_seen = exact(prior, (np.arange(N) < seen[t]).astype(float))[1]
        assert of_layer[1].trace() < as_seen.trace() or t == len(sizes) - 1
    for a, b in zip(of_layer, exact(prior, np.ones(N)), strict=True):
        assert close(a, b)
    print(f"{prior}: mean after {len(sizes)} batches, and of all {N} data at once")
    print(np.hstack([of_layer[0], exact(prior, np.ones(N))[0]]).round(6))

# %% [markdown]
# ## 2. A constant rate forgets
#
# Give the first batch the rate 1 and all others the same $r < 1$. Each new batch multiplies what
# was there by $1 - r$. So a datum of batch $s$ counts, after $t$ batches,
#
# $$\frac{N}{B_s}\thinspace r\thinspace (1 - r)^{t - s} \text{ times, for } s \ge 2, \qquad
# \frac{N}{B_1}\thinspace (1 - r)^{t - 1} \text{ times, for } s = 1.$$
#
# These weights sum to $N$
# ([NP-4](../derivations/04_forgetting.md#np-4-constant-rate)). The posterior is exactly that of a
# regression with these weights.

# %%
r = 0.3
constant_rates = np.where(np.arange(len(sizes)) == 0, 1.0, r)
shares = np.where(age < len(sizes) - 1, r, 1.0) * (1 - r) ** age
forgetting_weights = N / np.repeat(sizes, sizes) * shares
assert close(forgetting_weights.sum(), N)
for prior in PRIORS:
    *_, (by_hand, of_layer) = stream(prior, constant_rates)
    for a, b, c in zip(by_hand, of_layer, exact(prior, forgetting_weights), strict=True):
        assert close(a, c)
        assert close(b, c)

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
left.stairs(np.ones(N), np.arange(N + 1), color="C0", lw=2, label="rate = share of data seen")
left.stairs(forgetting_weights, np.arange(N + 1), color="C1", lw=2, label=f"constant rate {r}")
for border in seen[:-1]:
    left.axvline(border, color="0.85", lw=0.8, zorder=0)
left.set(xlabel="datum, oldest first (lines between batches)", ylabel="weight in the posterior")
left.legend(loc="upper left", frameon=True, framealpha=1, edgecolor="none")
for rates, color, shift in [(equal_rates, "C0", -0.12), (constant_rates, "C1", 0.12)]:
    steps = [of_layer for _, of_layer in stream("isotropic", rates)]
    slope = np.array([mean[0, 0] for mean, _ in steps])
    std = np.sqrt([covariance[0, 0] for _, covariance in steps])
    across = np.arange(1, len(sizes) + 1) + shift
    right.errorbar(across, slope, 2 * std, fmt=color + ".", elinewidth=1.2)
mean, covariance = exact("isotropic", np.ones(N))
right.axhline(mean[0, 0], color="k", lw=1, label="all data at once, two std")
for sign in (-2, 2):
    right.axhline(mean[0, 0] + sign * np.sqrt(covariance[0, 0]), color="k", lw=1, ls="--")
right.set(xlabel="batches seen", ylabel="slope of the first output", ylim=(-0.1, 1.25))
right.legend(loc="lower right")
plt.show()

# %% [markdown]
# Under a constant rate a batch of a single datum (the narrow one) stands for as many data as any
# other, so this datum weighs more than its neighbours. On the right, blue ends on the lines and
# orange does not. Note the width of the error bars: before the end of the pass they are too short,
# because the data seen so far stand for all $N$.
#
# ## 3. The wrong thing to remember
#
# For a hidden layer the targets $T$ are pseudo-targets, and $H$ is not known but estimated from
# each batch. Both change as the network learns. There are two ways to keep a memory.
#
# **In units of targets.** Keep moving averages of $X^\top X / B$, of $X^\top T / B$ and of $H$,
# called $A$, $C$ and $H$ again, and solve for the mean with $\eta = \mathrm{vec}(N C H)$. It looks
# like the natural thing to do. For a fixed $H$ it *is* the moving average of section 1.
#
# **About the mean.** Keep $A$ and $H$, and the mean $M$ itself, and move it by
#
# $$P^{-1}\thinspace r\thinspace \mathrm{vec}\left( \tfrac{N}{B} X^\top (T - X M) H_{\text{batch}}
#   - \lambda M \right).$$
#
# For a fixed $H$ that is the same, too
# ([NP-2](../derivations/04_forgetting.md#np-2-the-same-about-the-current-mean)), and it is what the
# layers of `balinp` do. The two part when $H$ moves. A pseudo-target is
# $t = M^\top x + V g$, where $g$ is a gradient and $V = H_{\text{batch}}^{-1}$. Its residual
# $V g$ is large where the curvature was small, and harmless, since it is weighed by the same $H$:
# $H_{\text{batch}} V g = g$. But in the memory the target stays and $H$ changes. Later its residual
# is weighed by the new $H$, and counts as $H_{\text{new}} V_{\text{old}}\thinspace g$: the old
# gradient, multiplied by the ratio of new to old curvature.
#
# To see what this does, train a network with 20 tanh units on batches of 20 data, in both ways. All
# else is the same: the start, the batches, the rates, and a bound on how far a step may go (section
# 6). The data are 480 points of a sine wave with noise of standard deviation $\sigma = 0.15$, and
# $\lambda = 1$. The objective is the log joint density of *all* data $y_n$ and all weights $w_i$,
#
# $$\sum_n \log \mathcal N(y_n;\ f(x_n), \sigma^2) + \sum_i \log \mathcal N(w_i;\ 0, 1/\lambda),$$
#
# where $f$ is the network's output. It is written out in NumPy.

# %%
rng = np.random.default_rng(1)
n_all, noise_variance, lam, units = 480, 0.15**2, 1.0, 20
x_all = rng.uniform(-3, 3, n_all)
y_all = np.sin(1.5 * x_all) + np.sqrt(noise_variance) * rng.standard_normal(n_all)
X, Y = x_all[:, None], y_all[:, None]
network, likelihood = MLP([1, units, 1], "tanh"), Gaussian(noise_variance)


def with_one(inputs):
    """Append the 1 that belongs to the bias."""
    return np.column_stack([inputs, np.ones(len(inputs))])


def log_normal(deviations, variance):
    """Sum of the log densities of N(0, variance)."""
    return -0.5 * (deviations**2 / variance + np.log(2 * np.pi * variance)).sum()


def log_joint(weights, rows=slice(None)):
    """Log joint density of the network's weights; a part of the data stands for all."""
    f = with_one(np.tanh(with_one(X[rows]) @ weights[0])) @ weights[1]
    scale = n_all / len(X[rows])
    log_prior = sum(log_normal(W, 1 / lam) for W in weights)
    return scale * log_normal(Y[rows] - f, noise_variance) + log_prior


class TargetMemory:
    """The wrong way: a layer that remembers X^T T."""

    def __init__(self, mean):
        self.mean, self.A, self.C, self.H = mean, 0.0, 0.0, None

    def change(self, inputs, targets, H_batch, r, known):
        """Move the averages, and return the change of the mean that they ask for."""
        rows = with_one(inputs)
        self.A = (1 - r) * self.A + r * rows.T @ rows / len(rows)
        self.C = (1 - r) * self.C + r * rows.T @ targets / len(rows)
        self.H = H_batch if known or self.H is None else (1 - r) * self.H + r * H_batch
        P = n_all * np.kron(self.H, self.A) + lam * np.eye(self.mean.size)
        eta = n_all * (self.C @ self.H).ravel(order="F")
        return np.linalg.solve(P, eta).reshape(self.mean.shape, order="F") - self.mean

    def move(self, change):
        """Go there."""
        self.mean = self.mean + change


class MeanMemory:
    """The right way, by a layer of balinp."""

    def __init__(self, mean):
        D, K = mean.shape
        self.layer = MatrixNormalLayer(D - 1, K, prior_precision=lam, initial_mean=mean)

    @property
    def mean(self):
        return self.layer.mean

    def change(self, inputs, targets, H_batch, r, known):
        """The change of the mean that the layer proposes."""
        self.full = self.layer.propose(
            inputs, targets, H_batch, n_data=n_all, rate=r, precision_is_known=known
        ).change
        return self.full

    def move(self, change):
        """Go a part of the way, the same part for all entries."""
        self.layer.accept(np.abs(change).max() / np.abs(self.full).max())
        self.layer.rebalance()


def train(memory, seed, steps=150, size=20):
    """Log joint after each step; output precision and gradients of the hidden layer in each."""
    rng = np.random.default_rng(seed)
    layers = [memory(W) for W in network.initial_weights(rng)]
    values, history = [log_joint([layer.mean for layer in layers])], []
    for t in range(1, steps + 1):
        rows, r = rng.choice(n_all, size, replace=False), max(0.1, t**-0.5)
        weights = [layer.mean for layer in layers]
        told = trace(network, likelihood, weights, X[rows], Y[rows])
        pieces = zip(
            layers,
            told.inputs,
            told.pseudo_targets,
            told.output_precisions,
            told.precision_is_known,
            strict=True,
        )
        changes = [layer.change(i, T, H, r, known) for layer, i, T, H, known in pieces]
        df = network.tangent(weights, told.forward, changes)
        half_square = 0.5 * (df**2).mean() / noise_variance
        factor = min(1.0, np.sqrt(0.3 / half_square))
        for layer, change in zip(layers, changes, strict=True):
            layer.move(factor * change)
        values.append(log_joint([layer.mean for layer in layers]))
        history.append((told.output_precisions[0], told.gradients[0]))
    return np.array(values), history


# with a fixed H, both ways are the moving average of section 1
target_way, mean_way = TargetMemory(np.zeros((2, 1))), MeanMemory(np.zeros((2, 1)))
for rows, r in zip(
    np.split(np.arange(n_all), 8), [1, 0.5, 0.4, 0.3, 0.3, 0.2, 0.2, 0.1], strict=True
):
    for way in (target_way, mean_way):
        way.move(way.change(X[rows], Y[rows], np.array([[1 / noise_variance]]), r, known=True))
assert close(target_way.mean, mean_way.mean)

# %%
RUNS = range(4)
by_targets = [train(TargetMemory, seed) for seed in RUNS]
by_mean = [train(MeanMemory, seed) for seed in RUNS]
top = max(values.max() for values, _ in by_mean)
for seed in RUNS:
    label = "memory of targets" if seed == 0 else None
    plt.plot(top + 10 - by_targets[seed][0], "C1--", lw=1.2, label=label)
    label = "memory about the mean" if seed == 0 else None
    plt.plot(top + 10 - by_mean[seed][0], "C0", lw=1.2, label=label)
plt.yscale("log")
plt.xlabel("step (batches of 20 of 480 data)")
plt.ylabel("nats below the best, plus 10")
plt.legend()
plt.show()

for (wrong, _), (right_way, history) in zip(by_targets, by_mean, strict=True):
    assert wrong[-30:].max() < -1e5
    assert right_way[-30:].min() > -1e4
    (H_old, G_old), (H_new, _) = history[0], history[20]
    returned = np.linalg.solve(H_old, G_old.T).T @ H_new  # rows are H_new V_old g
    growth = np.linalg.norm(returned) / np.linalg.norm(G_old)
    assert growth > 1000
    print(f"gradients of step 1 return in step 21 multiplied by {growth:.0f}; ", end="")
    print(f"last log joint {right_way[-1]:.0f}, with the wrong memory {wrong[-1]:.1e}")

# %% [markdown]
# The lines printed take the gradients $g$ of all data of the first batch, in a run with the right
# memory, and compare the size of $H_{\text{new}} V_{\text{old}}\thinspace g$ twenty steps later
# with that of $g$: ten thousand times and more. The network has directions that have next to no
# effect on its output at one time, and have one later. Old gradients that come back so large throw
# the weights anywhere, and the bound on the length of a step, the same for both memories, does not
# help.
#
# ## 4. What forgetting costs
#
# Forgetting throws data away. How many? Take the simplest stream: an instrument shows the input
# $x_t$, which is $+1$ or $-1$ and known, multiplied by its gain $w$, with noise of variance
# $\sigma^2$:
#
# $$z_t = w\thinspace x_t + e_t, \qquad t = 1, 2, \dots$$
#
# That is a regression with one weight and one datum a batch. We take $r$ constant from the first
# datum on, and let $N = 1/r$, so that the newest datum counts once, the one before $1 - r$ times,
# then $(1 - r)^2$ times and so on. This is **recursive least squares** with the forgetting factor
# $1 - r$: precision $P$ and mean $m$ obey
#
# $$P_t = (1 - r)\thinspace P_{t-1} + \frac{1}{\sigma^2}, \qquad
# m_t = m_{t-1} + \frac{x_t\thinspace (z_t - x_t m_{t-1})}{\sigma^2\thinspace P_t},$$
#
# from $P_0 = 0$, if the prior is left out. A layer's prior is not forgotten, so we give it a very
# small precision. The layer, the recursion and the reference with explicit weights agree:

# %%
noise_std = 0.5


def layer_on(signal, z, r, prior_precision=1e-9):
    """Mean and standard deviation of the gain after each datum, from a layer that forgets."""
    layer = MatrixNormalLayer(1, 1, prior_precision=prior_precision, bias=False)
    precision, believed = np.array([[noise_std**-2]]), []
    for x_t, z_t in zip(signal, z, strict=True):
        layer.observe([[x_t]], [[z_t]], precision, n_data=1 / r, rate=r)
        believed.append((layer.mean[0, 0], np.sqrt(layer.posterior.covariance()[0, 0])))
    return np.array(believed).T


def recursive_least_squares(signal, z, r):
    """The same for many streams at once (a row each), without a prior."""
    P, m, means = 0.0, 0.0, []
    for x_t, z_t in zip(signal.T, z.T, strict=True):
        P = (1 - r) * P + noise_std**-2
        m = m + x_t * (z_t - x_t * m) / (noise_std**2 * P)
        means.append(m)
    return np.array(means).T


rng = np.random.default_rng(3)
steps, r = 120, 0.1
signal = rng.choice([-1.0, 1.0], (4000, steps))
z = 0.7 * signal + noise_std * rng.standard_normal((4000, steps))

believed_mean, believed_std = layer_on(signal[0], z[0], r)
estimates = recursive_least_squares(signal, z, r)
assert close(believed_mean, estimates[0], rtol=1e-7)  # the layer has a weak prior
for t in (1, 2, 30, steps):
    mean, covariance = dense.posterior(
        signal[0, :t, None],
        z[0, :t, None],
        np.array([[noise_std**2]]),
        np.zeros((1, 1)),
        np.array([[1e9]]),
        weights=(1 - r) ** np.arange(t - 1, -1, -1),
    )
    assert close(believed_mean[t - 1], mean[0, 0], rtol=1e-8)
    assert close(believed_std[t - 1] ** 2, covariance[0, 0], rtol=1e-8)

# %% [markdown]
# The mean is an average of $x_t z_t = w + x_t e_t$ with weights in proportion to $(1 -
# r)^{\text{age}}$. After a long time the weights, normalised, are $r (1 - r)^{\text{age}}$, and
#
# $$\mathrm{Var}(m_t) = \sigma^2 \sum_{k \ge 0} r^2 (1 - r)^{2k} = \sigma^2 \frac{r}{2 - r}.$$
#
# An average of $n$ data with equal weights has variance $\sigma^2 / n$. So forgetting at the rate
# $r$ is worth $n = (2 - r)/r$ data, however long the stream: 19 for $r = 0.1$. The layer itself
# reports another number: its weights add up to $1/r$ data, and its variance is $\sigma^2 r$, nearly
# twice as large. The next section will say what that is good for.

# %%
variance = estimates[:, -1].var()
standard_error = variance * np.sqrt(2 / len(estimates))
expected = noise_std**2 * r / (2 - r)
print(f"variance of the estimate over 4000 streams {variance:.5f}, expected {expected:.5f}")
print(f"variance that the layer reports {believed_std[-1] ** 2:.5f} = {noise_std**2} * {r}")
assert abs(variance - expected) < 4 * standard_error
assert np.isclose(believed_std[-1] ** 2, noise_std**2 * r, rtol=1e-5)  # after 120 data

# %% [markdown]
# ## 5. Drift
#
# Now let the gain change. From one datum to the next it takes a random step of variance $q$:
#
# $$w_t = w_{t-1} + d_t, \qquad d_t \sim \mathcal N(0, q).$$
#
# The error $m_t - w_t$ has two sources: noise that has got into the mean, and steps that the mean
# has not followed yet. After a while $P_t$ is $1 / (r \sigma^2)$, and
# $m_t = m_{t-1} + r\thinspace (w_t + x_t e_t - m_{t-1})$. Subtract $w_t = w_{t-1} + d_t$:
#
# $$m_t - w_t = (1 - r)(m_{t-1} - w_{t-1} - d_t) + r\thinspace x_t e_t .$$
#
# In the long run both sides have the same mean square, say $E$. The three terms are independent, so
# $E = (1 - r)^2 (E + q) + r^2 \sigma^2$, and
#
# $$E(r) = \underbrace{\sigma^2 \frac{r}{2 - r}}_{\text{noise}}
#   + \underbrace{q\thinspace \frac{(1 - r)^2}{r (2 - r)}}_{\text{drift}} .$$
#
# The first term wants a small rate, the second a large one. If $q$ and $\sigma^2$ are known, the
# best estimate of all that could be made from $z_1, \dots, z_t$ is the **Kalman filter**: Bayes'
# rule, with the step's variance $q$ added before each datum. Its variance $v$ goes
#
# $$v^{-} = v_{t-1} + q, \qquad v_t = \left( \frac{1}{v^{-}} + \frac{1}{\sigma^2} \right)^{-1},$$
#
# and its mean moves by the share $v_t / \sigma^2$ of the surprise. This share settles at a
# constant. So after a while the Kalman filter *is* forgetting at a constant rate, and it must be
# the best one.

# %%
q = 0.02**2


def long_run_error(r):
    """Mean square of the error of the gain, from the formula above."""
    return noise_std**2 * r / (2 - r) + q * (1 - r) ** 2 / (r * (2 - r))


def kalman(signal, z):
    """Means (a row a stream) and variances of the gain given all data so far, from a flat prior."""
    v, m, means, variances = np.inf, 0.0, [], []
    for x_t, z_t in zip(signal.T, z.T, strict=True):
        v = 1 / (1 / (v + q) + noise_std**-2)
        m = m + v / noise_std**2 * x_t * (z_t - x_t * m)
        means.append(m)
        variances.append(v)
    return np.array(means).T, np.array(variances)


steps, streams = 600, 600
signal = rng.choice([-1.0, 1.0], (streams, steps))
gain = 0.7 + np.cumsum(np.sqrt(q) * rng.standard_normal((streams, steps)), axis=1)
z = gain * signal + noise_std * rng.standard_normal((streams, steps))

kalman_mean, kalman_variance = kalman(signal, z)
best_rate = minimize_scalar(long_run_error, bounds=(1e-4, 1), options={"xatol": 1e-10}).x
settled = kalman_variance[-1] / noise_std**2
print(f"rate of the smallest E(r): {best_rate:.6f}; the Kalman filter settles at {settled:.6f}")
assert np.isclose(best_rate, settled, rtol=1e-4)  # a minimum is flat, so its place is less exact
assert np.isclose(long_run_error(best_rate), kalman_variance[-1], rtol=1e-7)

rates = np.geomspace(0.005, 0.5, 13)
measured, standard_errors = [], []
for r in rates:
    squares = (recursive_least_squares(signal, z, r)[:, -1] - gain[:, -1]) ** 2
    measured.append(squares.mean())
    standard_errors.append(squares.std() / np.sqrt(streams))
measured, standard_errors = np.array(measured), np.array(standard_errors)
settled_rates = (1 - rates) ** steps < 0.01  # for the others 600 data are not yet "the long run"
off = (measured - long_run_error(rates)) / standard_errors
assert np.abs(off[settled_rates]).max() < 4.5

# %% [markdown]
# Two assertions say that the best forgetting is the Kalman filter: the same rate, and the same mean
# square error. And since the layer reports the variance $\sigma^2 r$, at this rate it reports
# $\sigma^2\thinspace v / \sigma^2 = v$, the right one. That is the answer to the question of
# section 4: its report is too large by $2 - r$ if nothing drifts, and right if the rate suits the
# drift.

# %%
believed_mean, believed_std = layer_on(signal[0], z[0], best_rate)
assert np.isclose(believed_std[-1] ** 2, kalman_variance[-1], rtol=1e-4)
assert np.abs(believed_mean - kalman_mean[0])[300:].max() < 1e-3 * believed_std[-1]

# no forgetting: all data alike, and an N that grows with the stream
faithful = MatrixNormalLayer(1, 1, prior_precision=1e-9, bias=False)
plain = []
for t in range(1, steps + 1):
    datum = signal[:1, t - 1 : t], z[:1, t - 1 : t]
    faithful.observe(*datum, np.array([[noise_std**-2]]), n_data=t, rate=1 / t)
    plain.append((faithful.mean[0, 0], np.sqrt(faithful.posterior.covariance()[0, 0])))
plain_mean, plain_std = np.transpose(plain)
running = np.cumsum(signal * z, axis=1) / np.arange(1, steps + 1)  # least squares of all data
assert close(plain_mean, running[0], rtol=1e-8)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), width_ratios=[1.5, 1])
time = np.arange(1, steps + 1)
left.plot(time, z[0] * signal[0], ".", color="0.65", ms=2.5, zorder=0, label="data $x_t z_t$")
for mean, std, color, name in [
    (plain_mean, plain_std, "C1", "no forgetting"),
    (believed_mean, believed_std, "C0", f"rate {best_rate:.3f}"),
]:
    left.fill_between(time, mean - 2 * std, mean + 2 * std, color=color, alpha=0.25, lw=0)
    left.plot(time, mean, color, lw=1.4, label=name)
left.plot(time, gain[0], "k", lw=1, label="gain $w_t$")
left.set(xlabel="datum $t$", ylabel="gain", ylim=(-0.7, 2.2))
left.legend(ncols=2, loc="upper center")
fine = np.geomspace(0.005, 0.5, 200)
right.plot(fine, long_run_error(fine), "C0", label="$E(r)$")
right.plot(fine, noise_std**2 * fine / (2 - fine), "C0:", lw=1, label="noise")
right.plot(
    fine, long_run_error(fine) - noise_std**2 * fine / (2 - fine), "C0--", lw=1, label="drift"
)
right.errorbar(
    rates, measured, 2 * standard_errors, fmt="k.", ms=4, elinewidth=1, label="simulated"
)
right.axhline(kalman_variance[-1], color="C2", lw=1, label="Kalman filter")
right.set(
    xlabel="rate $r$", ylabel="mean square error", xscale="log", yscale="log", ylim=(2e-3, 0.2)
)
right.legend(fontsize=8, ncols=2)
plt.show()

# %%
errors = {
    "no forgetting": running[:, -1] - gain[:, -1],
    "best rate": recursive_least_squares(signal, z, best_rate)[:, -1] - gain[:, -1],
}
stds = {"no forgetting": plain_std[-1], "best rate": believed_std[-1]}
print(f"after {steps} data, over {streams} streams:")
for name, error in errors.items():
    inside = (np.abs(error) < 2 * stds[name]).mean()
    print(f"{name:14s} root mean square error {np.sqrt((error**2).mean()):.3f}", end="")
    print(f", reported {stds[name]:.3f}, within two of these {inside:.2f}")
    if name == "best rate":
        assert abs(inside - 0.954) < 4 * np.sqrt(0.954 * 0.046 / streams)
    else:
        assert inside < 0.5

# %% [markdown]
# Without forgetting the layer grows ever surer of an average over the past. In practice $q$ is not
# known. The rate can be chosen on the stream itself, by how well each datum is predicted before it
# is seen. The mean square of this surprise $z_t - x_t m_{t-1}$ is $E(r) + q + \sigma^2$, so it has
# its minimum at the same rate.

# %%
warm = 100
surprises = []
for r in rates:
    means = recursive_least_squares(signal, z, r)
    surprise = (z[:, warm:] - signal[:, warm:] * means[:, warm - 1 : -1]) ** 2
    surprises.append(surprise.mean(axis=1))
surprises = np.array(surprises)
chosen = rates[surprises.argmin(axis=0)]
regret = long_run_error(chosen) / long_run_error(best_rate)
print(f"chosen from {steps} data: rates {np.quantile(chosen, 0.1):.3f} to ", end="")
print(f"{np.quantile(chosen, 0.9):.3f} in 80 % of the streams; best {best_rate:.3f}")
print(f"the error is then {100 * (np.median(regret) - 1):.0f} % above the best, in the median")
nearest = np.abs(rates - best_rate).argmin()
mean_surprise = surprises[nearest].mean()
standard_error = surprises[nearest].std() / np.sqrt(streams)
assert abs(mean_surprise - long_run_error(rates[nearest]) - q - noise_std**2) < 4 * standard_error
assert rates[surprises.mean(axis=1).argmin()] / best_rate < 1.5
assert best_rate / rates[surprises.mean(axis=1).argmin()] < 1.5

# %% [markdown]
# ## 6. A network in batches
#
# In a network the data stay the same, but the pseudo-targets change because the weights do. Old
# ones have to be forgotten. `BALI` uses in step $t$ the rate $1/\sqrt t$, but never less than a
# floor: the share of a batch in the data, $B/N$, kept between 0.02 and 0.5. At the floor $B/N$ the
# memory is about one pass over the data long.
#
# We train the network of section 3 on batches of different sizes, with its noise variance and prior
# precision given, and watch the log joint of all data. We also measure how far each step moves the
# predictions: half the mean square of the change of $f(x_n)$, to first order in the weights, in
# units of the noise variance. That is the mean Kullback-Leibler divergence from the old to the new
# predictive distribution, in nats a datum. Steps on batches may not exceed 0.3
# ([JS-4](../derivations/08_joint_step.md#js-4-a-cap-for-pseudo-targets-that-are-local)).


# %%
def first_order_change(before, after, rows):
    """Change of f for some data along the change of the weights: the derivative, by hand."""
    hidden = np.tanh(with_one(X[rows]) @ before[0])
    d_hidden = (1 - hidden**2) * (with_one(X[rows]) @ (after[0] - before[0]))
    return with_one(hidden) @ (after[1] - before[1]) + d_hidden @ before[1][:-1]


def fit_in_batches(size, epochs, seed, rate=None):
    """Log joint after each step, and the length of each step in nats a datum."""
    model = BALI(
        hidden=(units,), noise_variance=noise_variance, prior_precision=lam, seed=seed, rate=rate
    )
    model.fit(X, Y, epochs=0)
    order = np.random.default_rng(seed)
    values, lengths = [log_joint(model.weights)], []
    for _ in range(epochs):
        for rows in np.array_split(order.permutation(n_all), n_all // size):
            before = model.weights
            model.step(X[rows], Y[rows], n_data=n_all)
            df = first_order_change(before, model.weights, rows)
            lengths.append(0.5 * (df**2).mean() / noise_variance)
            values.append(log_joint(model.weights))
    if rate is None:
        floor = np.clip(size / n_all, 0.02, 0.5)
        expected_rates = np.maximum(floor, np.arange(1, model.steps + 1) ** -0.5)
        assert close([record.rate for record in model.history], expected_rates)
    return np.array(values), np.array(lengths)


def draw_bands(axes, passes, curves, color, label):
    """Median and 10 to 90 % range of several curves over equal parts of the logarithm of passes."""
    part = np.round(6 * np.log2(passes)).astype(int)
    places = np.unique(part)
    pooled = [np.concatenate([curve[part == place] for curve in curves]) for place in places]
    low, middle, high = np.transpose([np.quantile(values, [0.1, 0.5, 0.9]) for values in pooled])
    axes.fill_between(2 ** (places / 6), low, high, color=color, alpha=0.25, lw=0)
    axes.plot(2 ** (places / 6), middle, color, lw=1.4, label=label)


SIZES, EPOCHS, SEEDS = (480, 120, 48, 16), 30, range(3)
runs = {size: [fit_in_batches(size, EPOCHS, seed) for seed in SEEDS] for size in SIZES}
top = max(values.max() for of_size in runs.values() for values, _ in of_size)
level = top - 0.2 * n_all  # a fifth of a nat a datum below the best

figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.5))
print(f"to come within {top - level:.0f} nats of the best, {top:.0f}:")
passes_needed = {}
for color, (size, of_size) in zip(("C6", "C0", "C1", "C2"), runs.items(), strict=True):
    a_pass = n_all // size
    first = [int((values >= level).argmax()) for values, _ in of_size]
    assert all(values.max() >= level for values, _ in of_size)
    passes_needed[size] = np.array(first) / a_pass
    print(f"batches of {size:3d}: {min(first)} to {max(first)} steps, ", end="")
    print(f"{passes_needed[size].min():.1f} to {passes_needed[size].max():.1f} passes")
    if size < n_all:
        assert max(lengths.max() for _, lengths in of_size) < 0.3 * (1 + 1e-9)
    passes = np.arange(1, EPOCHS * a_pass + 1) / a_pass
    label = "all data" if size == n_all else f"batches of {size}"
    draw_bands(left, passes, [top + 1 - values[1:] for values, _ in of_size], color, label)
    draw_bands(right, passes, [lengths for _, lengths in of_size], color, None)
left.axhline(top + 1 - level, color="0.5", ls=":", lw=1)
right.axhline(0.3, color="0.5", ls="--", lw=1, label="cap, batches only")
left.set(xlabel="passes over the data", ylabel="nats below the best, plus 1", xscale="log")
left.set(yscale="log")
left.legend(fontsize=8, loc="lower left")
right.set(xlabel="passes over the data", ylabel="length of a step (nats a datum)", xscale="log")
right.set(yscale="log")
right.legend(fontsize=8, loc="lower left")
plt.show()

assert passes_needed[16].max() < passes_needed[480].min()

# %% [markdown]
# Three starts of each size; lines are medians, shades hold 80 % of the steps. Every size gets to
# the dotted level in a similar number of *steps*, so small batches need far fewer passes over
# the data. In return they never come to rest: each batch pulls to its own optimum, and the lines
# stay noisy. What the rate does about it is section 4 once more: a larger rate remembers fewer
# data.

# %%
print("batches of 48, last ten of forty passes")
after = {}
for rate in (0.05, 0.1, 0.3, 1.0):
    last = np.array([fit_in_batches(48, 40, seed, rate)[0][-100:] for seed in SEEDS])
    after[rate] = last.mean()
    print(f"rate {rate:4.2f}: log joint {last.mean():6.1f} on average, {last.min():6.1f} at worst")
assert after[0.05] > after[0.3] > after[1.0]

# %% [markdown]
# What is the cap good for? Make the steps from their parts, as in tutorial
# [03](03_training.ipynb), with the cap and without. With it they are the steps of `BALI`.


# %%
def steps_from_parts(size, steps, seed, cap):
    """Log joint after each step of a loop that is `BALI.step`, but for the cap."""
    model = BALI(hidden=(units,), noise_variance=noise_variance, prior_precision=lam, seed=seed)
    layers = model.fit(X, Y, epochs=0).layers
    order, values = np.random.default_rng(seed), [log_joint(model.weights)]
    for t in range(1, steps + 1):
        rows, before = order.choice(n_all, size, replace=False), model.weights
        told = trace(network, likelihood, before, X[rows], Y[rows])
        proposals = [
            layer.propose(
                told.inputs[index],
                told.pseudo_targets[index],
                told.output_precisions[index],
                n_data=n_all,
                rate=max(0.02, min(0.5, size / n_all), t**-0.5),
                precision_is_known=told.precision_is_known[index],
            )
            for index, layer in enumerate(layers)
        ]
        chosen = joint_step(told, proposals, n_all, trust=cap)

        def gain(step, before=before, proposals=proposals, rows=rows):
            pairs = zip(before, proposals, strict=True)
            after = [W + step.factor * proposal.change for W, proposal in pairs]
            return log_joint(after, rows) - log_joint(before, rows)

        chosen, _ = shortened(chosen, gain, resolution=1e-9)
        for layer in layers:
            layer.accept(chosen.factor)
            layer.rebalance()
        values.append(log_joint(model.weights))
    return np.array(values)


def steps_of_bali(size, steps, seed):
    """The same with `BALI.step`."""
    model = BALI(
        hidden=(units,),
        noise_variance=noise_variance,
        prior_precision=lam,
        seed=seed,
    )
    model.fit(X, Y, epochs=0)
    order, values = np.random.default_rng(seed), [log_joint(model.weights)]
    for _ in range(steps):
        rows = order.choice(n_all, size, replace=False)
        model.step(X[rows], Y[rows], n_data=n_all)
        values.append(log_joint(model.weights))
    return np.array(values)


# By hand the H of every batch has a floor, in training the average of H (PT-5).
assert close(steps_from_parts(16, 10, 0, 0.3), steps_of_bali(16, 10, 0), rtol=1e-4)

CAPS = {"with the cap": (0.3, "C0"), "without": (None, "C1--")}
capped = {
    name: [steps_from_parts(8, 60, s, cap) for s in range(6)] for name, (cap, _) in CAPS.items()
}
for name, (_, style) in CAPS.items():
    for seed, values in enumerate(capped[name]):
        plt.plot(top + 1 - values, style, lw=1, label=name if seed == 0 else None)
plt.yscale("log")
plt.xlabel("step (batches of 8 of 480 data)")
plt.ylabel("nats below the best, plus 1")
plt.legend()
plt.show()
starts = min(values[0] for values in capped["with the cap"])
worst = {name: min(values[1:].min() for values in curves) for name, curves in capped.items()}
print(f"lowest log joint of six starts: at the start {starts:.0f}", end="")
for name, value in worst.items():
    print(f", {name} {value:.0f}", end="")
print()
pairs = zip(capped["without"], capped["with the cap"], strict=True)
faster = sum(free[10] > bound[10] for free, bound in pairs)
print(f"after ten steps {faster} of 6 runs are higher without it")
assert worst["with the cap"] > starts
assert worst["without"] < 1.5 * starts

# %% [markdown]
# The cap is a safety belt. In this regression it slows most runs down a little at first. Without it
# one run first gets far worse than its start, and recovers. For classes, whose curvature vanishes
# where the network is sure of itself, runs without the cap need not recover: see
# [12 Tried and failed](../derivations/12_tried_and_failed.md).
#
# ## Exercises
#
# Replace `None` by your answer and run the cell. Below it, in a cell that JupyterLab folds, is the
# reference answer; running it checks yours.
#
# **1.** Batches of equal size, the first with rate 1 and all others with rate 0.1. How many batches
# must a layer have seen for the first to have less than a hundredth of all the weight?

# %%
answer_1 = None  # a whole number

# %% tags=["answer"] jupyter={"source_hidden": true}
# The share of the first is 0.9^(t - 1).
reference_1 = 1 + int(np.ceil(np.log(0.01) / np.log(0.9)))
marked = MatrixNormalLayer(1, 1, bias=False)  # only the first batch has an input that is not 0
marked_shares = []
for t in range(60):
    one = [[1.0 if t == 0 else 0.0]]
    marked.observe(one, [[0.0]], [[1.0]], n_data=1, rate=1.0 if t == 0 else 0.1)
    marked_shares.append(marked.factors.A[0, 0])
assert reference_1 == 1 + int(np.argmax(np.array(marked_shares) < 0.01))
assert answer_1 is None or answer_1 == reference_1

# %% [markdown]
# **2.** A gain that does not drift is to be known as well as from 99 data alike, by a layer that
# forgets at a constant rate. Which rate?

# %%
answer_2 = None  # a number

# %% tags=["answer"] jupyter={"source_hidden": true}
# (2 - r) / r = 99
reference_2 = 0.02
shares = reference_2 * (1 - reference_2) ** np.arange(5000)
assert close(shares.sum(), 1.0)
assert close((shares**2).sum(), 1 / 99)
assert answer_2 is None or np.isclose(answer_2, reference_2)

# %% [markdown]
# **3.** In section 5, let both the noise variance $\sigma^2$ and the variance $q$ of a step be four
# times as large. By which factor does the best rate change, and by which the mean square error at
# it?

# %%
answer_3 = None  # two numbers

# %% tags=["answer"] jupyter={"source_hidden": true}
# E(r) is multiplied by four at every rate, so its minimum stays where it is.
reference_3 = (1.0, 4.0)
v = np.inf
for _ in range(2000):
    v = 1 / (1 / (v + 4 * q) + 1 / (4 * noise_std**2))
assert close((v / (4 * noise_std**2) / settled, v / kalman_variance[-1]), reference_3, rtol=1e-8)
assert answer_3 is None or np.allclose(answer_3, reference_3)

# %% [markdown]
# **4.** The gain stands still for a very long time and then jumps by 1, once. Forgetting at the
# best rate of section 5, how many data after the jump is the mean within 0.1 of the new gain, noise
# apart? The first datum after the jump is number 1.

# %%
answer_4 = None  # a whole number

# %% tags=["answer"] jupyter={"source_hidden": true}
# After k data the weight of all before the jump is (1 - r)^k.
reference_4 = int(np.ceil(np.log(0.1) / np.log(1 - best_rate)))
jump = np.r_[np.zeros(800), np.ones(200)]
followed, _ = layer_on(np.ones(1000), jump, best_rate)
assert reference_4 == 1 + int(np.argmax(followed[800:] > 0.9))
print(f"{reference_4} data")
assert answer_4 is None or answer_4 == reference_4

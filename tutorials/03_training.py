# %% [markdown]
# # 03 Training
#
# Tutorial [02](02_pseudo_targets_by_hand.ipynb) made one training step by hand. This one puts the
# step together from the parts that `balinp` offers, lets it run, and asks four questions. How fast
# is it? Where does it stop? What does the network believe there, about its weights and about the
# function? And what does that belief leave out?
#
# You need tutorials [01](01_bayesian_linear_regression.ipynb) and 02. Tags such as JS-2 name
# equations that are proved in [derivations/](../derivations/README.md).

# %%
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import norm

from balinp import BALI, MLP, Gaussian, dense
from balinp.evidence import HyperPrior
from balinp.joint_step import joint_step, shortened
from balinp.pseudo_targets import trace

plt.style.use("balinp.mplstyle")


def close(a, b, rtol=1e-10):
    """Whether two arrays agree, the error measured against the largest entry of b."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and np.abs(a - b).max() <= rtol * np.abs(b).max()


# %% [markdown]
# ## The data, the network, the objective
#
# There are $N = 80$ data with one input $x_n$ and one target $y_n$. The targets are a sine wave and
# noise of standard deviation 0.15. There are no data between $-0.8$ and $0.8$: what should a model
# say there?

# %%
rng = np.random.default_rng(3)
N, true_std = 80, 0.15


def truth(x):
    """The function behind the data."""
    return np.sin(1.5 * x)


x = np.sort(np.concatenate([rng.uniform(-3, -0.8, N // 2), rng.uniform(0.8, 3, N // 2)]))
y = truth(x) + true_std * rng.standard_normal(N)
X, Y = x[:, None], y[:, None]

# %% [markdown]
# The network has one hidden layer of $n = 20$ tanh units and computes
#
# $$f(x) = \sum_{k=1}^{n} v_k \tanh(a_k x + b_k) + c.$$
#
# The weights of the first layer are a matrix $W_1$ of shape $2 \times 20$, with the slopes $a_k$ in
# its first row and the biases $b_k$ in its second. Those of the second layer are a column $W_2$:
# the 20 numbers $v_k$ and the bias $c$. Together these are 61 numbers; where one long vector is
# handy we write $w$ for it, each matrix column by column.
#
# In sections 1 to 4 two numbers are given: the noise variance $\sigma^2 = 0.15^2$, and the prior
# precision $\lambda = 1$, which makes every weight $\mathcal N(0, 1/\lambda)$ before any data.
# Training climbs the **log joint density**
#
# $$\log p(y, w) = \sum_n \log \mathcal N(y_n;\ f(x_n), \sigma^2)
#   + \sum_i \log \mathcal N(w_i;\ 0, 1/\lambda).$$
#
# The next cell writes it and its gradient in NumPy. It uses nothing of `balinp`, so that it can
# judge `balinp`.

# %%
n, lam, noise_variance = 20, 1.0, true_std**2
design = np.column_stack([x, np.ones(N)])  # the first layer's inputs, with a 1 for the bias


def flat(matrices):
    """One long vector, each matrix column by column."""
    return np.concatenate([np.ravel(matrix, order="F") for matrix in matrices])


def matrices(w):
    """The weights W1 and W2 that a long vector holds."""
    return w[: 2 * n].reshape((2, n), order="F"), w[2 * n :].reshape((n + 1, 1), order="F")


def hidden(rows, W1):
    """The second layer's inputs, with a 1 for the bias."""
    return np.column_stack([np.tanh(rows @ W1), np.ones(len(rows))])


def log_normal(deviations, variance):
    """Sum of the log densities of N(0, variance) at these deviations."""
    return -0.5 * (
        deviations @ deviations / variance + len(deviations) * np.log(2 * np.pi * variance)
    )


def log_joint(w):
    """Log p(y, w), from the definition."""
    W1, W2 = matrices(w)
    f = (hidden(design, W1) @ W2)[:, 0]
    return log_normal(y - f, noise_variance) + log_normal(w, 1 / lam)


def gradient(w):
    """Derivative of the log joint by every weight: back-propagation, written out."""
    W1, W2 = matrices(w)
    H = hidden(design, W1)
    at_output = (Y - H @ W2) / noise_variance
    at_hidden = at_output @ W2[:n].T * (1 - H[:, :n] ** 2)
    return flat([design.T @ at_hidden, H.T @ at_output]) - lam * w


some = np.random.default_rng(0).standard_normal(61)
assert close(log_normal(some, 0.3), norm.logpdf(some, 0, np.sqrt(0.3)).sum())
little = 1e-5
differences = [
    (log_joint(some + little * unit) - log_joint(some - little * unit)) / (2 * little)
    for unit in np.eye(61)
]
assert close(gradient(some), differences, rtol=1e-7)  # the accuracy of a difference quotient

# %% [markdown]
# ## 1. One step, in words and in code
#
# 1. **Trace.** Run the data forward and gradients and curvature back. For every layer this gives
#    inputs, pseudo-targets and an output precision: a regression to be solved
#    ([PT-1](../derivations/06_pseudo_targets.md#pt-1-definition-and-why-the-gradient-is-right)).
# 2. **Propose.** Every layer solves its regression exactly and says how its mean should change.
#    It does not move yet.
# 3. **Joint step.** The network chooses how far all layers follow together. Two directions are
#    combined: the proposals, and the change made in the step before. Their two factors maximise a
#    quadratic that has the exact slope of the log joint
#    ([JS-2](../derivations/08_joint_step.md#js-2-two-directions)). If the log joint gains less than
#    a hundredth of what the quadratic promises, the step is halved
#    ([JS-3](../derivations/08_joint_step.md#js-3-gain-ratio)); if it gains less than a quarter, the
#    next regressions are damped ([JS-5](../derivations/08_joint_step.md#js-5-damped-regressions)),
#    which the six steps below do not need.
# 4. **Accept.** All layers move.
#
# A layer's two matrices (the second moment $A$ of its inputs and its output precision $H$) are
# moving averages over the steps; a new step has the weight $r$, called its *rate*. In step $t$ it
# is $1/\sqrt t$, but never less than 0.5. Tutorial
# [04](04_minibatches.ipynb) is about that.


# %%
network, likelihood = MLP([1, n, 1], "tanh"), Gaussian(noise_variance)


def step_from_parts(layers, rate):
    """One training step; the factors of the proposals and of the changes made before."""
    before = [layer.mean for layer in layers]
    told = trace(network, likelihood, before, X, Y)  # 1. trace
    proposals = [  # 2. propose
        layer.propose(
            told.inputs[index],
            told.pseudo_targets[index],
            told.output_precisions[index],
            n_data=N,
            rate=rate,
            precision_is_known=told.precision_is_known[index],
        )
        for index, layer in enumerate(layers)
    ]
    previous = [layer.last_change for layer in layers]
    chosen = joint_step(told, proposals, N, previous=previous)  # 3. joint step

    def gain(step):
        after = [
            W + step.factor * proposal.change + step.momentum * change
            for W, proposal, change in zip(before, proposals, previous, strict=True)
        ]
        return log_joint(flat(after)) - log_joint(flat(before))

    chosen, _ = shortened(chosen, gain, resolution=1e-10)
    for layer in layers:  # 4. accept
        layer.accept(chosen.factor, chosen.momentum)
        layer.rebalance()  # what is remembered is re-expressed about the new mean (NP-2)
    return chosen, told, proposals


def fresh_model(seed):
    """A network with the given hyper-parameters at its random start."""
    model = BALI(hidden=(n,), noise_variance=noise_variance, prior_precision=lam, seed=seed)
    return model.fit(X, Y, epochs=0)


model, twin = fresh_model(seed=1), fresh_model(seed=1)
print("step  proposals  last change  log joint")
for t in range(1, 7):
    start = twin.weights
    chosen, told, proposals = step_from_parts(twin.layers, rate=max(0.5, t**-0.5))
    record = model.step(X, Y)
    value = log_joint(flat(twin.weights))
    print(f"{t:4d}  {chosen.factor:9.3f}  {chosen.momentum:11.3f}  {value:9.2f}")

    # By hand each step's H has a floor; training floors the average of all steps (PT-5).
    assert close(flat(twin.weights), flat(model.weights), rtol=1e-5)
    assert close(record.log_joint, value, rtol=1e-5)
    assert record.gain_ratio > 0.25  # nothing is damped
    assert close(flat([p.gradient for p in proposals]), gradient(flat(start)), rtol=1e-9)
    if t == 1:
        for index, (proposal, inputs) in enumerate(zip(proposals, told.inputs, strict=True)):
            rows = np.column_stack([inputs, np.ones(N)])
            V = np.linalg.inv(told.output_precisions[index])
            size = proposal.change.size
            mean, covariance = dense.posterior(
                rows,
                told.pseudo_targets[index],
                (V + V.T) / 2,
                np.zeros_like(proposal.change),
                np.eye(size) / lam,
            )
            # the output precision of 20 units is ill-conditioned: its inverse has few digits
            assert close(start[index] + proposal.change, mean, rtol=1e-6)
            assert close(proposal.posterior.covariance(), covariance, rtol=1e-6)

# %% [markdown]
# The assertions say three things. The parts make the same steps as `model.step`. The layers'
# gradients are those of the log joint, written out above. And in the first step each layer's
# proposal is the Bayesian regression on its pseudo-targets, computed by `dense` with the full
# covariance. (Later steps use moving averages.)
#
# ## 2. Against Adam and BFGS
#
# Adam (Kingma and Ba, 2015) is what most networks are trained with. It needs the gradient only, and
# a learning rate. Here it is in four lines.


# %%
def adam(w, learning_rate, steps):
    """Log joint along the way, the start included."""
    w, m, s, values = w.copy(), np.zeros_like(w), np.zeros_like(w), [log_joint(w)]
    for t in range(1, steps + 1):
        g = gradient(w)
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
        w = w + learning_rate * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
        values.append(log_joint(w))
    return np.array(values)


# %% [markdown]
# Both climb the same function from the same start with all data in every step, and neither changes
# $\lambda$ or $\sigma^2$. Adam tries three learning rates, and we keep the best *with hindsight*:
# the one that is highest after 100 steps from this very start. The question is how many steps BALI
# needs to get that high.
#
# Steps are not a fair unit, since BALI does more in one. We count **passes** over the data: each
# time that all data go through the network once, forward or backward, with one vector each. A step
# of Adam is two passes. The passes of BALI are counted while it runs.
#
# A fair comparison also has a rival that is at home here. The network is small and all data are in
# every step, so a quasi-Newton method can be used: BFGS from `scipy`, which builds a $61 \times 61$
# matrix from gradients as it goes, and searches along lines. An evaluation of the log joint and its
# gradient is two passes.


# %%
class CountingMLP(MLP):
    """The same network, which counts passes over the data."""

    passes = 0

    def forward(self, *arguments, **known):
        self.passes += 1
        return super().forward(*arguments, **known)

    def backward(self, weights, forward, output_rows):
        self.passes += output_rows.shape[1]  # rows that are carried back for each datum
        return super().backward(weights, forward, output_rows)

    def tangent(self, *arguments):
        self.passes += 1
        return super().tangent(*arguments)


def climb(w, tolerance=1e-7):
    """Where BFGS ends from w, and the best log joint after each evaluation."""
    seen = []

    def negative(w):
        seen.append(log_joint(w))
        return -seen[-1], -gradient(w)

    options = {"gtol": tolerance, "maxiter": 5000}
    found = minimize(negative, w, jac=True, method="BFGS", options=options)
    return found, np.maximum.accumulate(seen)


RATES, SEEDS, LONG = (0.03, 0.1, 0.3), range(6), 400
bali_curves, bali_passes, steps_needed, passes_needed = [], [], [], []
adam_curves, bfgs_curves, bfgs_passes, bfgs_ends = [], [], [], []
for seed in SEEDS:
    model = fresh_model(seed)
    start = flat(model.weights)
    curves = {rate: adam(start, rate, LONG) for rate in RATES}
    best = max(RATES, key=lambda rate: curves[rate][100])
    goal = curves[best][100]

    model.network = CountingMLP([1, n, 1], "tanh")
    values, passes = [log_joint(start)], [0]
    for _ in range(LONG):
        model.step(X, Y)
        values.append(log_joint(flat(model.weights)))
        passes.append(model.network.passes)
    first = int(np.argmax(np.array(values) >= goal))
    assert values[first] >= goal > values[first - 1]
    bali_curves.append(np.array(values))
    bali_passes.append(np.array(passes))
    adam_curves.append(curves[best])
    steps_needed.append(first)
    passes_needed.append(passes[first])
    print(f"start {seed}: Adam (rate {best}) reaches {goal:7.1f} in 100 steps, 200 passes;", end="")
    print(f" BALI in {first:2d} steps, {passes[first]:3d} passes;", end="")
    found, seen = climb(start)
    bfgs_curves.append(seen)
    bfgs_passes.append(2 * int(np.argmax(seen >= goal)))
    bfgs_ends.append(-found.fun)
    print(f" BFGS in {bfgs_passes[-1]} passes")

# %%
top = max(values.max() for values in [*bali_curves, *adam_curves, *bfgs_curves])
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True)
for index in SEEDS:
    named = index == 0
    for axes, bali_unit, adam_unit in [(left, 1, 1), (right, bali_passes[index], 2)]:
        steps = np.arange(LONG + 1)
        across = steps if axes is left else bali_unit
        axes.plot(across, top + 1 - bali_curves[index], "C0", lw=1, label="BALI" if named else None)
        label = "Adam, best rate" if named else None
        axes.plot(steps * adam_unit, top + 1 - adam_curves[index], "C1--", lw=1, label=label)
    right.plot(
        2 * np.arange(len(bfgs_curves[index])),
        top + 1 - bfgs_curves[index],
        "C2:",
        lw=1.2,
        label="BFGS" if named else None,
    )
left.axvline(100, color="0.6", lw=0.8)
right.axvline(200, color="0.6", lw=0.8)
left.set(xlabel="steps", ylabel="nats below the best found, plus 1", xscale="log", yscale="log")
right.set(xlabel="passes over the data", xscale="log")
right.legend(*[entries[2:] for entries in right.get_legend_handles_labels()], loc="lower left")
left.legend()
plt.show()

assert max(steps_needed) <= 40  # seen: 6 to 13
assert max(passes_needed) <= 200
assert all(b < p for b, p in zip(bfgs_passes, passes_needed, strict=True))
early = [
    (adam_curves[index][15], np.interp(30, bali_passes[index], bali_curves[index]))
    for index in SEEDS
]
ahead = sum(of_adam > of_bali for of_adam, of_bali in early)
print(f"after 30 passes Adam is ahead of BALI from {ahead} of {len(early)} starts")
assert ahead > len(early) / 2
behind = [top - values[-1] for values in adam_curves]
print(f"BALI needs {min(steps_needed)} to {max(steps_needed)} steps,", end=" ")
print(f"{min(passes_needed)} to {max(passes_needed)} passes")
print(
    f"after {LONG} steps Adam is {min(behind):.1f} to {max(behind):.1f} nats below the top,", end=""
)
ends = [top - values[-1] for values in bali_curves]
print(f" BALI {min(ends):.2f} to {max(ends):.2f}")

# %% [markdown]
# Grey lines: 100 steps of Adam, 200 passes. Of BFGS the best value so far is drawn. Read the result
# with care.
#
# - BALI needs about a tenth of Adam's steps, but about half of the passes, since each of its steps
#   takes more. In the first thirty passes Adam is ahead. BALI also factorises matrices of the size
#   of a layer in each step, which passes do not count, and which matters for wide layers.
# - BFGS needs fewer passes than BALI from every start. Where its matrix of all weights can be
#   afforded and all data fit in a step, it is the better optimiser. It says nothing about
#   uncertainty, and it is not made for mini-batches.
# - With mini-batches BALI has one direction and not two, and no comparison here says how it does.
# - What BALI does not need is the learning rate.
#
# On real data see [results](../balinp/experiments/results/README.md#convergence).
#
# ## 3. Where training stops
#
# Training can only rest where no layer proposes a change. By PT-1 that is where the gradient of the
# log joint vanishes: pseudo-targets, curvature and moving averages decide the way, not the end. We
# train on and look.

# %%
model = fresh_model(seed=1)
path = [flat(model.weights)]
model.fit(X, Y, epochs=1500, callback=lambda m: path.append(flat(m.weights)))
end = path[-1]
largest = np.array([np.abs(gradient(w)).max() for w in path[::10]])
below = log_joint(end) - np.array([log_joint(w) for w in path[::10]])

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
left.plot(10 * np.arange(len(largest)), largest)
left.set(xlabel="step", ylabel="largest entry of the gradient", yscale="log")
right.plot(10 * np.arange(len(below))[below > 1e-9], below[below > 1e-9])
right.set(xlabel="step", ylabel="nats below the end", yscale="log")
plt.show()

# %% [markdown]
# A small gradient could also be a saddle. Two checks with tools that know nothing of layers:
# `scipy.optimize`, started where BALI stops, stays. And the matrix of second derivatives, by
# differences of the gradient, has negative eigenvalues only.


# %%
polished, _ = climb(end)
print(f"log joint at the start {log_joint(path[0]):.2f}, at the end {log_joint(end):.6f} nats")
print(f"scipy from there gains {-polished.fun - log_joint(end):.1e} nats")
assert largest[-1] < 1e-5 * largest[0]
assert -polished.fun - log_joint(end) < 1e-6
assert np.abs(polished.x - end).max() < 1e-3 * np.abs(end).max()

hessian = np.array(
    [(gradient(end + little * e) - gradient(end - little * e)) / (2 * little) for e in np.eye(61)]
)
curvatures = np.linalg.eigvalsh((hessian + hessian.T) / 2)
print(f"second derivatives between {curvatures[0]:.3g} and {curvatures[-1]:.3g}")
assert curvatures[-1] < 0

# %% [markdown]
# So it is a local maximum of the log joint. It is not the only one. From the six random starts of
# section 2, BALI and BFGS end here:

# %%
print("start  BALI, 400 steps     BFGS")
ends_of_both = []
for seed in SEEDS:
    ends_of_both.append((bali_curves[seed][-1], bfgs_ends[seed]))
    print(f"{seed:5d}  {ends_of_both[-1][0]:15.3f}  {ends_of_both[-1][1]:7.3f}")
assert np.ptp(ends_of_both) < 3  # all maxima that were found are about equally good

# %% [markdown]
# Which maximum is found depends on the start and on the way. They differ little in height here.
# Everything below describes the surroundings of one of them.
#
# ## 4. What each layer believes
#
# The mean is one point. Around it each layer has a Gaussian, with the precision
#
# $$P = N\thinspace H \otimes A + \lambda I,$$
#
# where $\otimes$ is the Kronecker product of tutorial 01, $A$ the second moment of the layer's
# inputs with their 1, and $H$ its output precision
# ([LR-1](../derivations/03_regression.md#lr-1-posterior-isotropic-prior)). For the output layer $H$
# is $1/\sigma^2$. For the hidden one it is the mean over data of $s_n s_n^\top$, with
# $s_{nk} = v_k (1 - \tanh^2(a_k x_n + b_k)) / \sigma$
# ([PT-4](../derivations/06_pseudo_targets.md#pt-4-the-curvature-factor)). We build both precisions
# with `np.kron`.


# %%
def layer_parts(w, variance):
    """A and H of both layers, by hand."""
    W1, W2 = matrices(w)
    rows = hidden(design, W1)
    s = W2[:n, 0] * (1 - rows[:, :n] ** 2) / np.sqrt(variance)
    first = design.T @ design / N, s.T @ s / N
    return [first, (rows.T @ rows / N, np.array([[1 / variance]]))]


covariances = []
for layer, (A, H) in zip(model.layers, layer_parts(end, noise_variance), strict=True):
    P = N * np.kron(H, A) + lam * np.eye(len(A) * len(H))
    covariances.append(np.linalg.inv(P))
    # balinp raises the smallest eigenvalues of H to 1e-8 of their mean (PT-5), hence the tolerance
    assert close(layer.exact_posterior.covariance(), covariances[-1], rtol=1e-4)
    stds = np.sqrt(layer.exact_posterior.marginal_variance())
    assert close(stds.ravel(order="F") ** 2, np.diag(covariances[-1]), rtol=1e-4)

# %% [markdown]
# Training works with this Gaussian. What a layer of a network reports as its `posterior`, and what
# predictions are made with, is simpler: a *matrix normal*, whose covariance is a single Kronecker
# product $V \otimes U$. Of all matrix normals it is the nearest to the Gaussian, in
# Kullback-Leibler divergence
# ([MN-8](../derivations/02_matrix_normal.md#mn-8-the-nearest-matrix-normal)). With $D$
# inputs and $K$ outputs it solves
#
# $$U = K \left[ N\thinspace \mathrm{tr}(HV)\thinspace A
#   + \lambda\thinspace \mathrm{tr}(V)\thinspace I \right]^{-1}, \qquad
# V = D \left[ N\thinspace \mathrm{tr}(AU)\thinspace H
#   + \lambda\thinspace \mathrm{tr}(U)\thinspace I \right]^{-1},$$
#
# and taking the two equations in turn finds it. For a layer with one output $P$ is a Kronecker
# product already, and nothing changes.


# %%
def nearest(A, H, lam):
    """Covariance of the matrix normal nearest to that of the precision N H x A + lam I."""
    (D, K), V = (len(A), len(H)), np.eye(len(H))
    for _ in range(2000):
        U = K * np.linalg.inv(N * np.trace(H @ V) * A + lam * np.trace(V) * np.eye(D))
        V = D * np.linalg.inv(N * np.trace(A @ U) * H + lam * np.trace(U) * np.eye(K))
    return np.kron(V, U)


def divergence(q, p):
    """KL(q | p) of two Gaussians of the same mean and these covariances, in nats."""
    ratio = np.linalg.solve(p, q)
    return 0.5 * (np.trace(ratio) - len(p) - np.linalg.slogdet(ratio)[1])


for name, layer, C, (A, H) in zip(
    ("hidden", "output"),
    model.layers,
    covariances,
    layer_parts(end, noise_variance),
    strict=True,
):
    reported = layer.posterior.covariance()
    assert close(reported, nearest(A, H, lam), rtol=1e-4)
    deviation = np.sqrt(np.diag(reported) / np.diag(C))
    print(f"{name} layer: {divergence(reported, C):.2f} nats from the exact one,", end=" ")
    print(f"standard deviations {deviation.min():.2f} to {deviation.max():.2f} times as large")
assert close(model.layers[1].posterior.covariance(), covariances[1], rtol=1e-4)

# %% [markdown]
# How many weights do the data determine? In an eigenvector of $P$ with eigenvalue $L$ the data
# contribute $L - \lambda$ and the prior $\lambda$. The share of the data is $1 - \lambda/L$. The
# sum of the shares is called the **effective number of parameters** $\gamma$
# ([EV-1](../derivations/09_evidence.md#ev-1-the-effective-number-of-parameters)). It is also the
# number of weights minus $\lambda$ times the trace of the covariance.

# %%
reported = model.history[-1].effective_parameters
gammas = [len(C) - lam * np.trace(C) for C in covariances]
for name, C, gamma in zip(("hidden", "output"), covariances, gammas, strict=True):
    print(f"{name} layer: {len(C)} weights, of which the data determine {gamma:.1f}")
assert np.allclose(reported, gammas, rtol=1e-4, atol=0)

# %%
W1, W2 = matrices(end)
angle = np.linspace(0, 2 * np.pi, 100)
circle = np.stack([np.cos(angle), np.sin(angle)])
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9, 3.3))
for k in range(n):
    block = covariances[0][2 * k : 2 * k + 2, 2 * k : 2 * k + 2]
    left.plot(*(W1[:, k : k + 1] + np.linalg.cholesky(block) @ circle), "C0", lw=0.7, alpha=0.6)
left.plot(*circle / np.sqrt(lam), "C1--", lw=1.2, label="prior")
left.plot(*W1, "C0.", label="units")
left.set(xlabel="slope $a_k$", ylabel="bias $b_k$", title="hidden layer")
left.set_aspect("equal", adjustable="datalim")
left.legend(loc="lower left")

order = np.argsort(-np.abs(W2[:n, 0]))
std = np.sqrt(np.diag(covariances[1]))[:n]
middle.axhspan(-(lam**-0.5), lam**-0.5, color="C1", alpha=0.15, lw=0)
middle.errorbar(np.arange(1, n + 1), W2[order, 0], std[order], fmt="C0.", elinewidth=1)
middle.set(xlabel="unit, largest weight first", ylabel="output weight $v_k$", title="output layer")
middle.set_xticks([1, 5, 10, 15, 20])

for C, color, name in zip(covariances, ("C0", "C2"), ("hidden", "output"), strict=True):
    values = np.linalg.eigvalsh(C)  # smallest variance first: largest precision first
    right.plot(np.arange(1, len(values) + 1), 1 / values, color + ".-", ms=4, lw=1, label=name)
right.axhline(lam, color="C1", ls="--", lw=1.2, label="prior")
right.set(xlabel="eigenvector", ylabel="eigenvalue of $P$", yscale="log", title="precisions")
right.legend()
plt.show()

# %% [markdown]
# Left and middle: means with one posterior standard deviation, and one of the prior in orange.
# Right: where an eigenvalue lies on the dashed line, the data say nothing and the layer believes
# what it believed before. That is so for most directions: 61 weights are many for one wave. There
# are not even 20 different units. Changing the signs of $a_k$, $b_k$ and $v_k$ changes no function,
# and up to this sign many units coincide:

# %%
different, copies = np.unique(
    (np.vstack([W1, W2[:n, 0]]) * np.sign(W2[:n, 0])).round(2), axis=1, return_counts=True
)
for (a, b, v), count in zip(different.T, copies, strict=True):
    print(f"{count:2d} units with slope {a:5.2f}, bias {b:5.2f}, output weight {v:4.2f}")
assert copies.sum() == n
assert copies.max() > 1

# %% [markdown]
# ## 5. Learning the noise and the prior precision
#
# Now nothing is given. `BALI` learns $\sigma^2$ and $\lambda$ while it trains, from
# approximations to the **evidence**, the probability of the data with all weights integrated out.
# Tutorial 01 did this for one layer, where it is exact. For a network the approximation is, at the
# current means, the sum
# ([EV-5](../derivations/09_evidence.md#ev-5-evidence-of-a-network))
#
# $$\log p(y \mid w) + \sum_{l=1}^{2} \tfrac12 \left[ \log \det (\lambda_l I)
#   - \log \det P_l - \lambda_l \lVert W_l \rVert^2 \right].$$
#
# The two layers do not have the same precision here: $\lambda_1 = \lambda$ and
# $\lambda_2 = 20 \lambda$, in proportion to their numbers of inputs
# ([EV-2](../derivations/09_evidence.md#ev-2-prior-precision-isotropic)). On $\lambda$ there is a
# prior density proportional to $\lambda^{50} e^{-50 \lambda}$; its mode is at 1. In each step
# $\log \lambda$ goes a twentieth of the way to where the derivative of all this vanishes.
#
# So does $\log \sigma^2$, but with a better sum. Where data are as few as here, the covariance of
# all weights together is affordable, and its precision $P$ stands in for both $P_l$
# ([EV-11](../derivations/09_evidence.md#ev-11-leverages-of-few-data)). We come to that below.

# %%
shape = 50.0
learners = []
for seed in range(3):
    learner = BALI(hidden=(n,), precision_prior=HyperPrior(shape, shape), seed=seed)
    learners.append(learner.fit(X, Y, epochs=2500))

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
for seed, learner in enumerate(learners):
    steps = np.arange(1, len(learner.history) + 1)
    left.plot(
        steps, [r.prior_precision for r in learner.history], f"C{seed}", label=f"start {seed}"
    )
    right.plot(steps, [np.sqrt(r.noise_variances[0]) for r in learner.history], f"C{seed}")
left.set(xlabel="step", ylabel=r"prior precision $\lambda$", xscale="log")
left.legend()
right.axhline(true_std, color="0.5", ls="--", lw=1, label="truth")
right.set(xlabel="step", ylabel=r"noise standard deviation $\sigma$", xscale="log", yscale="log")
right.set_yticks([0.1, 0.15, 0.2], ["0.1", "0.15", "0.2"])
right.yaxis.set_minor_formatter("")
right.legend()
plt.show()

# %% [markdown]
# The noise starts small, at a hundredth of the targets' mean square: then the data outweigh the
# prior while the hidden units form
# ([EV-8](../derivations/09_evidence.md#ev-8-from-a-small-noise-in-logarithms)).
# It rises while the network cannot yet follow the data that closely, for one start too far.
# Not all starts need settle at the same speed, or at the same place.
#
# Is the end of start 0 where it should be? For $\lambda$ we write the sum above with the means held
# fixed and both $P_l$ built with `np.kron`, add the log prior density of $\lambda$, and let `scipy`
# look for the maximum. For $\sigma^2$ we need the **Jacobian** $J$ of shape $80 \times 61$, the
# derivatives of the outputs by all weights: to first order in the weights, the network is a linear
# regression with $J$ as its design. With $\Lambda_0$ the diagonal matrix of prior precisions, the
# precision of all weights together is $J^\top J / \sigma^2 + \Lambda_0$.


# %%
def jacobian(rows, w):
    """Derivative of f by every weight, for rows (x, 1): shape (rows, 61)."""
    W1, W2 = matrices(w)
    basis = hidden(rows, W1)
    slopes = W2[:n, 0] * (1 - basis[:, :n] ** 2)
    first = (slopes[:, :, None] * rows[:, None, :]).reshape(len(rows), 2 * n)
    return np.hstack([first, basis])


def outputs(rows, w):
    """The network's output f for rows (x, 1)."""
    W1, W2 = matrices(w)
    return (hidden(rows, W1) @ W2)[:, 0]


learner = learners[0]
w = flat(learner.weights)
proportions = np.array([1.0, n])
residuals = y - (hidden(design, matrices(w)[0]) @ matrices(w)[1])[:, 0]


def layer_precisions(lam, variance):
    """P of both layers at w, by hand."""
    return [
        N * np.kron(H, A) + share * lam * np.eye(len(A) * len(H))
        for share, (A, H) in zip(proportions, layer_parts(w, variance), strict=True)
    ]


def evidence_of_lam(lam, variance):
    """Layers apart: the approximate log evidence and the log prior density of lambda."""
    value = shape * (np.log(lam) - lam)
    pairs = zip(proportions * lam, matrices(w), layer_precisions(lam, variance), strict=True)
    for lam_l, W, P in pairs:
        log_det = len(P) * np.log(lam_l) - np.linalg.slogdet(P)[1]
        value += 0.5 * (log_det - lam_l * (W**2).sum())
    return value


def evidence_of_noise(lam, variance):
    """All weights together: what of the approximate log evidence depends on the noise."""
    P = J.T @ J / variance + np.diag(lam * weights_of_layers)
    return log_normal(residuals, variance) - 0.5 * np.linalg.slogdet(P)[1]


differences = [
    (outputs(design, w + little * e) - outputs(design, w - little * e)) / (2 * little)
    for e in np.eye(61)
]
J = jacobian(design, w)
assert close(J, np.transpose(differences), rtol=1e-7)
weights_of_layers = np.repeat(proportions, [2 * n, n + 1])  # lambda_l / lambda, for each weight

learnt_lam = learner.prior_precision
learnt_variance = learner.likelihood.covariance(1)[0, 0]


def highest(function, low, high):
    """Where a function of a positive number has its maximum, to be looked for between two."""
    found = minimize_scalar(lambda v: -function(np.exp(v)), (np.log(low), np.log(high)))
    return np.exp(found.x)


best_variance = 0.1
for _ in range(20):  # each given the other, until both are at rest
    best_lam = highest(partial(evidence_of_lam, variance=best_variance), 0.3, 3)
    best_variance = highest(partial(evidence_of_noise, best_lam), 0.02, 0.1)
print(f"scipy: lambda {best_lam:.5f}, sigma {np.sqrt(best_variance):.5f}")
print(f"BALI:  lambda {learnt_lam:.5f}, sigma {np.sqrt(learnt_variance):.5f}")
# damped updates have come within about 1e-4 of their end
assert close([learnt_lam, learnt_variance], [best_lam, best_variance], rtol=2e-3)

# %% [markdown]
# Why two sums? At the maximum $\sigma^2$ is the sum of squared residuals over $N - \gamma$
# ([EV-3](../derivations/09_evidence.md#ev-3-noise)): the more parameters the data determine, the
# more of the noise has gone into them. With the layers apart there are too many, for two reasons:
# what two layers can do together is counted for each, and a Kronecker product stands in for each
# layer's own curvature
# ([why](../derivations/09_evidence.md#why-gamma-is-overestimated-in-a-deep-network)). The exact
# count comes from the Jacobian. It gives the learnt noise where data are few; with more data (times
# outputs) than 128 the layers' own counts have to do, and the noise comes out larger. The layers'
# count stays in charge of $\lambda$ always: a stronger prior keeps networks from following noise.


# %%
prior_diagonal = learnt_lam * weights_of_layers
full = np.linalg.inv(J.T @ J / learnt_variance + np.diag(prior_diagonal))
kronecker = [np.linalg.inv(P) for P in layer_precisions(learnt_lam, learnt_variance)]
reported = [
    nearest(A, H, share * learnt_lam)
    for share, (A, H) in zip(proportions, layer_parts(w, learnt_variance), strict=True)
]
split = 2 * n
exact_blocks = [
    np.linalg.inv(np.linalg.inv(full)[block, block]) for block in (slice(split), slice(split, 61))
]


def effective(blocks):
    """Effective number of parameters of a covariance that consists of these blocks."""
    return 61 - np.concatenate([np.diag(C) for C in blocks]) @ prior_diagonal


counts = [effective(blocks) for blocks in (kronecker, exact_blocks, [full])]
squares = residuals @ residuals
print("effective parameters, and the noise that would follow from them")
for name, count in zip(("Kronecker", "exact, by layer", "exact, all"), counts, strict=True):
    print(f"{name:15s} {count:5.1f}   {np.sqrt(squares / (N - count)):.4f}")
assert close(squares / (N - counts[2]), learnt_variance, rtol=2e-3)  # of the noise
assert close(sum(learner.history[-1].effective_parameters), counts[0], rtol=2e-3)  # of lambda
assert counts[2] <= counts[1] + 1e-9  # a theorem (EV-1)

# %% [markdown]
# ## 6. Functions
#
# What does all this say about $f(x)$? To first order in the weights, $f$ at an input is a linear
# function of them, and so Gaussian. With the layers independent, its variance is
#
# $$E(x) = J_1(x)\thinspace C_1\thinspace J_1(x)^\top
#   + J_2(x)\thinspace C_2\thinspace J_2(x)^\top,$$
#
# where $C_l$ is the layer's covariance, the nearest matrix normal's of section 4, and $J_l$ holds
# the columns of the Jacobian that belong to layer $l$
# ([PR-1](../derivations/10_prediction.md#pr-1-linearised-predictive)). This is the *epistemic*
# variance of tutorial 01; the *aleatoric* one is $\sigma^2$. `predict` does the same without
# forming any of these matrices.

# %%
fine = np.linspace(-5, 5, 201)
rows = np.column_stack([fine, np.ones_like(fine)])
J_fine = jacobian(rows, w)


def epistemic(blocks):
    """Variance of the linearised outputs at `fine` for layers with these covariances."""
    C_1, C_2 = blocks
    J_1, J_2 = J_fine[:, :split], J_fine[:, split:]
    return np.einsum("ni,ij,nj->n", J_1, C_1, J_1) + np.einsum("ni,ij,nj->n", J_2, C_2, J_2)


predictive = learner.predict(fine[:, None])
mean, layerwise = predictive.mean[:, 0], predictive.epistemic[:, 0, 0]
assert close(mean, outputs(rows, w))
# moving averages against the last step, and the floor of PT-5
assert close(layerwise, epistemic(reported), rtol=1e-3)
# with the layers' own covariances only rounding is left
assert close(layerwise, epistemic([layer.posterior.covariance() for layer in learner.layers]))
assert close(predictive.aleatoric[:, 0, 0], np.full(201, learnt_variance))

# %% [markdown]
# A Gaussian over weights is also one over functions. Middle: functions of the *linearised* network,
# for weights drawn from both layers. Right: the same weights in the network itself.

# %%
rng = np.random.default_rng(5)
draws = 400
drawn = np.array(
    [
        flat(pair)
        for pair in zip(*(q.posterior.sample(rng, draws) for q in learner.layers), strict=True)
    ]
)
linear_functions = mean + (drawn - w) @ J_fine.T
network_functions = np.array([outputs(rows, draw) for draw in drawn])

figure, panels = plt.subplots(1, 3, figsize=(9.5, 3.4), sharey=True)
left, middle, right = panels
total = np.sqrt(layerwise + learnt_variance)
for half_width, color, name in [
    (total, "C5", "a target"),
    (np.sqrt(layerwise), "C1", "the function"),
]:
    low, high = mean - 1.96 * half_width, mean + 1.96 * half_width
    left.fill_between(fine, low, high, color=color, alpha=0.5, lw=0, label=f"95 % for {name}")
left.plot(fine, mean, "C0", label="mean")
left.set(title="predictive distribution", ylabel="$y$", ylim=(-3.4, 3.4))
for axes, functions, title in [
    (middle, linear_functions, "linearised network"),
    (right, network_functions, "sampled network"),
]:
    axes.plot(fine, functions[:25].T, "C1", lw=0.6, alpha=0.6)
    axes.set_title(title)
for axes in panels:
    axes.plot(fine, truth(fine), "k--", lw=1, label="truth" if axes is left else None)
    axes.plot(x, y, "k.", ms=3, alpha=0.6)
    axes.set_xlabel("$x$")
left.legend(loc="upper center", ncols=2, fontsize=8)
plt.show()

spread = linear_functions.var(axis=0)
standard_errors = (spread / layerwise - 1) / np.sqrt(2 / draws)
assert np.abs(standard_errors).max() < 5  # of a variance of Gaussian draws
again = learner.sample_functions(fine[:, None], np.random.default_rng(6), draws)[:, :, 0]
assert np.abs(again.var(axis=0) / layerwise - 1).max() < 5 * np.sqrt(2 / draws)
at_data = (np.abs(fine) > 0.8) & (np.abs(fine) < 3)
middle_of_gap = np.argmin(np.abs(fine))
assert layerwise[middle_of_gap] > 4 * np.median(layerwise[at_data])
print(f"epistemic std among the data {np.sqrt(np.median(layerwise[at_data])):.3f}, ", end="")
print(f"in the gap {np.sqrt(layerwise[middle_of_gap]):.3f}; noise {np.sqrt(learnt_variance):.3f}")
far = np.argmin(np.abs(fine - 4.5))
print(f"at x = 4.5: epistemic std {np.sqrt(layerwise[far]):.2f}, ", end="")
print(f"error of the mean {abs(mean[far] - truth(4.5)):.2f}")
sampled = network_functions[:, at_data].std(axis=0).mean()
print(f"standard deviation of sampled networks among the data {sampled:.2f}")
assert sampled > 4 * np.sqrt(np.median(layerwise[at_data]))
assert abs(mean[far] - truth(4.5)) > 4 * np.sqrt(layerwise[far])

# %% [markdown]
# Four things to see.
#
# - In the gap the epistemic variance is many times that among the data, as it should be.
# - Outside of the data, on both sides, the mean goes wrong and the band does not notice. It is too
#   narrow there.
# - The draws of the linearised network fill the band: their variances agree with $E(x)$ up to the
#   error of 400 draws. `sample_functions` makes such draws, each with one set of weights for all
#   inputs ([PR-6](../derivations/10_prediction.md#pr-6-functions)).
# - The same weights in the network itself do not fit the data at all. The posterior is a statement
#   about the linearised network, and its draws go far beyond where the network is nearly linear in
#   its weights. So `predict` linearises, unless it is told otherwise.
#
# ## 7. What is left out
#
# The layerwise covariance makes two approximations: a Kronecker product in place of each layer's
# block $J_l^\top J_l / \sigma^2 + \lambda_l I$, and no correlations between layers. With 61 weights
# we can afford to make neither. `dense.ggn_posterior` inverts
# $J^\top J / \sigma^2 + \Lambda_0$ for all weights at once. $\Lambda_0$ is diagonal and holds the
# prior precisions. We have done so ourselves in section 5.

# %%
joint = dense.ggn_posterior(learner, X)
assert close(joint.covariance, full, rtol=1e-8)
full_variance = np.einsum("ni,ij,nj->n", J_fine, full, J_fine)
block_variance = epistemic(exact_blocks)
assert close(joint.epistemic(fine[:, None])[:, 0, 0], full_variance, rtol=1e-8)

# %% [markdown]
# `BALI` need not make them either. With `covariance="joint"` training is the same, and `fit` ends
# with one more pass over the data, which gives this matrix
# ([JP-1](../derivations/15_joint_posterior.md#jp-1-the-joint-posterior-in-two-forms)). One thing is
# added. As all weights together have fewer effective parameters than the layers have counted, the
# prior of training is too narrow, and its variance is multiplied by the factor that maximises the
# evidence ([JP-5](../derivations/15_joint_posterior.md#jp-5-the-priors-scale)). That is what
# `BALIRegressor` does by default.

# %%
options = {"precision_prior": HyperPrior(shape, shape), "seed": 0, "covariance": "joint"}
together = BALI(hidden=(n,), **options).fit(X, Y, epochs=2500)
joint_variance = together.predict(fine[:, None]).epistemic[:, 0, 0]
scale = together.uncertainty.joint.prior_scale
print(f"prior variance times {scale:.2f}")
scaled = np.linalg.inv(J.T @ J / learnt_variance + np.diag(prior_diagonal / scale))
assert close(flat(together.weights), w)
assert close(joint_variance, np.einsum("ni,ij,nj->n", J_fine, scaled, J_fine), rtol=1e-8)
# at the factor the squared size of the means is that of the parameters that the data determine
assert close(prior_diagonal @ w**2 / scale, 61 - np.diag(scaled) @ prior_diagonal / scale)

plt.axvspan(-3, -0.8, color="0.93", lw=0)
plt.axvspan(0.8, 3, color="0.93", lw=0)
for variance, style, name in [
    (joint_variance, "k:", 'covariance="joint"'),
    (full_variance, "k", "all weights jointly"),
    (block_variance, "C2-.", "layers apart"),
    (layerwise, "C1--", "layers apart, Kronecker (BALI)"),
]:
    plt.plot(fine, np.sqrt(variance), style, label=name)
plt.plot(fine, np.abs(mean - truth(fine)), "0.6", lw=1, label="actual error of the mean")
plt.xlabel("$x$  (data in the grey parts)")
plt.ylabel("epistemic standard deviation")
plt.ylim(0, 0.8)
plt.legend(fontsize=8, loc="upper center", ncols=2)
plt.show()

# %% [markdown]
# Which curve serves better can be scored: by the mean log density of new targets, drawn from the
# truth, for inputs among the data, in the gap and beyond the data. Higher is better. For a Gaussian
# prediction the mean over new noise has a closed form.

# %%
regions = {
    "among": at_data,
    "gap": np.abs(fine) < 0.8,
    "beyond": np.abs(fine) > 3,
}


def score(variance, where):
    """Mean over inputs and new targets y of log N(y; mean, variance + noise)."""
    total = (variance + learnt_variance)[where]
    squares = ((mean - truth(fine)) ** 2)[where] + true_std**2
    return (-0.5 * np.log(2 * np.pi * total) - 0.5 * squares / total).mean()


print("mean log density of a new target, nats  ", *(f"{name:>8s}" for name in regions))
scores = {}
for name, variance in [
    ("layers apart, Kronecker (BALI)", layerwise),
    ("layers apart", block_variance),
    ("all weights jointly", full_variance),
    ('covariance="joint"', joint_variance),
]:
    scores[name] = [score(variance, where) for where in regions.values()]
    print(f"{name:40s}", *(f"{value:8.3f}" for value in scores[name]))

new_targets = truth(fine[at_data]) + true_std * rng.standard_normal((4000, at_data.sum()))
drawn_scores = norm.logpdf(new_targets, mean[at_data], total[at_data]).mean(axis=1)
standard_error = drawn_scores.std() / np.sqrt(len(drawn_scores))
assert abs(drawn_scores.mean() - score(layerwise, at_data)) < 4 * standard_error
assert layerwise[middle_of_gap] < 0.6**2 * block_variance[middle_of_gap]
assert scores["layers apart, Kronecker (BALI)"][1] > scores["all weights jointly"][1] - 0.05
assert scores["all weights jointly"][2] > scores["layers apart, Kronecker (BALI)"][2]
assert scores['covariance="joint"'][2] > scores["all weights jointly"][2] + 3
assert scores['covariance="joint"'][1] > scores["all weights jointly"][1] - 0.15

# %% [markdown]
# Among the data little is lost, and in the gap too, although the nearest matrix normal has hardly
# more than half of the standard deviation there. Beyond the data much is lost: the joint covariance
# knows that several weights may change together without changing the function where the data are,
# and lets them; but even it is far from the truth there. With the wider prior that the evidence
# asks for it is less far, and pays a tenth of a nat for it in the gap. The joint covariance needs
# as many rows as there are weights, 61 here and millions elsewhere. That is the trade that BALI
# makes in every step of training; for predictions with up to some thousand weights it need not be
# made. Tutorial [07](07_criticise.ipynb) goes on from here, with the exact posterior of a smaller
# network.
#
# ## Exercises
#
# Replace `None` by your answer and run the cell. Below it, in a cell that JupyterLab folds, is the
# reference answer; running it checks yours.
#
# **1.** Section 2 gave Adam three learning rates. Give it 0.02, 0.05 and 0.2 as well. What is now
# the largest number of steps, over the six starts, that BALI needs to get as high as the best of
# Adam's six after 100 steps?

# %%
answer_1 = None  # a whole number

# %% tags=["answer"] jupyter={"source_hidden": true}
needed = []
for seed in SEEDS:
    start = flat(fresh_model(seed).weights)
    goal = max(adam(start, rate, 100)[100] for rate in (*RATES, 0.02, 0.05, 0.2))
    needed.append(int(np.argmax(bali_curves[seed] >= goal)))
    assert bali_curves[seed][needed[-1]] >= goal > bali_curves[seed][needed[-1] - 1]
reference_1 = max(needed)
print(f"{reference_1} steps, before {max(steps_needed)}")
assert all(new >= old for new, old in zip(needed, steps_needed, strict=True))
assert answer_1 is None or answer_1 == reference_1

# %% [markdown]
# **2.** At the end of section 3 the weights are `end`, and $c$, the bias of the output, is the last
# of them. Without calculating a gradient: what is the derivative of the log *likelihood* by $c$?

# %%
answer_2 = None  # a number

# %% tags=["answer"] jupyter={"source_hidden": true}
# The gradient of the log joint is zero, so the data pull as hard as the prior pulls back.
reference_2 = lam * end[-1]
residual_sum = (y - outputs(design, end)).sum()  # the derivative of f by c is 1
assert np.isclose(residual_sum / noise_variance, reference_2, rtol=0, atol=1e-4)
assert answer_2 is None or np.isclose(answer_2, reference_2, rtol=0, atol=1e-4)

# %% [markdown]
# **3.** Keep the weights of section 6. If the precision of the noise, $1/\sigma^2$, and both
# $\lambda_l$ were four times as large, by which factor would the epistemic standard deviation
# change?

# %%
answer_3 = None  # a number

# %% tags=["answer"] jupyter={"source_hidden": true}
# P is multiplied by four, the covariance by a quarter.
reference_3 = 0.5
quarter = [np.linalg.inv(P) for P in layer_precisions(4 * learnt_lam, learnt_variance / 4)]
assert close(np.sqrt(epistemic(quarter)), reference_3 * np.sqrt(epistemic(kronecker)), rtol=1e-8)
assert answer_3 is None or np.isclose(answer_3, reference_3)

# %% [markdown]
# **4.** Every row of the data is copied, so that there are 160. Keep weights, $\lambda_l$ and
# $\sigma^2$. By which factor does the epistemic standard deviation at $x = 0$ change, with all
# weights treated jointly? (Were it all due to the data, it would be $1/\sqrt 2$.)

# %%
answer_4 = None  # a number

# %% tags=["answer"] jupyter={"source_hidden": true}
# Data outside of the gap help less in it: part of the variance there is the prior's.
doubled = np.linalg.inv(2 * J.T @ J / learnt_variance + np.diag(prior_diagonal))
at_zero = J_fine[middle_of_gap]
reference_4 = np.sqrt(at_zero @ doubled @ at_zero / (at_zero @ full @ at_zero))
checked = dense.ggn_posterior(learner, X, n_data=2 * N).epistemic(np.zeros((1, 1)))[0, 0, 0]
assert np.isclose(reference_4**2, checked / full_variance[middle_of_gap], rtol=1e-8)
assert np.sqrt(0.5) < reference_4 < 1
print(f"factor {reference_4:.3f}")
assert answer_4 is None or np.isclose(answer_4, reference_4, rtol=1e-3)

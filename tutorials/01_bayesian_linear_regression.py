# %% [markdown]
# # 01 Bayesian linear regression, exactly
#
# A network in `balinp` is a stack of Bayesian linear regressions, one a layer. This tutorial is
# about one of them by itself. Everything in it can be computed exactly, so everything is checked
# twice: the layer against a calculation by hand, or against the definition on a fine grid.
#
# You need linear algebra and probability: the density of a Gaussian, Bayes' rule, the inverse of a
# 2 x 2 matrix. Tags such as LR-1 name equations that are proved in
# [derivations/](../derivations/README.md).

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import norm

from balinp import BALI, MatrixNormalLayer, dense

plt.style.use("balinp.mplstyle")
rng = np.random.default_rng(4)


def close(a, b, rtol=1e-10):
    """Whether two arrays agree, the error measured against the largest entry of b."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and np.abs(a - b).max() <= rtol * np.abs(b).max()


# %% [markdown]
# ## A line through a few points
#
# There are $N = 8$ data. Datum $n$ has an input $x_n$ and a target $t_n$, both numbers. The model
# says
#
# $$t_n = w\thinspace x_n + b + e_n, \qquad e_n \sim \mathcal N(0, \sigma^2) \text{ independent.}$$
#
# The slope $w$ and the intercept $b$ are not known. The noise variance $\sigma^2$ is, until
# section 7. We draw data from this very model, so that we know the truth.

# %%
N, noise_variance = 8, 0.09
true_slope, true_intercept = 0.8, -0.3
x = np.sort(rng.uniform(0.0, 1.5, N))
t = true_slope * x + true_intercept + np.sqrt(noise_variance) * rng.standard_normal(N)

plt.plot(x, t, "ko", label="data")
plt.plot(x, true_slope * x + true_intercept, label="truth")
plt.xlabel("input $x$")
plt.ylabel("target $t$")
plt.legend()
plt.show()

# %% [markdown]
# ## 1. The posterior from its definition
#
# Before seeing data we say how large $w$ and $b$ may be: both are independent
# $\mathcal N(0, 1/\lambda)$. The number $\lambda$ is the **prior precision** (a precision is the
# inverse of a variance). Bayes' rule gives the density of $(w, b)$ after seeing the data, the
# **posterior**:
#
# $$q(w, b) = \frac{p(t \mid w, b)\thinspace p(w, b)}{p(t)}, \qquad
# p(t \mid w, b) = \prod_n \mathcal N(t_n;\ w x_n + b,\ \sigma^2).$$
#
# The denominator is whatever makes the integral 1. There are only two unknowns, so we can evaluate
# the numerator on a grid and divide by its sum. No formula for posteriors is used.

# %%
lam = 2.0  # prior precision
slopes = np.linspace(-1.6, 2.6, 400)
intercepts = np.linspace(-1.8, 1.8, 401)
w_grid, b_grid = np.meshgrid(slopes, intercepts, indexing="ij")

log_prior = norm.logpdf(w_grid, 0, lam**-0.5) + norm.logpdf(b_grid, 0, lam**-0.5)
log_likelihood = sum(
    norm.logpdf(t_n, w_grid * x_n + b_grid, noise_variance**0.5)
    for x_n, t_n in zip(x, t, strict=True)
)
log_joint = log_likelihood + log_prior
share = np.exp(log_joint - log_joint.max())
share /= share.sum()  # probability of each cell of the grid

grid_mean = np.array([(share * w_grid).sum(), (share * b_grid).sum()])
dw, db = w_grid - grid_mean[0], b_grid - grid_mean[1]
off_diagonal = (share * dw * db).sum()
grid_covariance = np.array(
    [[(share * dw**2).sum(), off_diagonal], [off_diagonal, (share * db**2).sum()]]
)
print("mean of (slope, intercept):", grid_mean.round(4))
print("covariance:", *grid_covariance.round(5), sep="\n")

# %% [markdown]
# ## 2. The posterior by hand
#
# The logarithm of the numerator is a quadratic in $(w, b)$, and a density whose logarithm is a
# quadratic is Gaussian. To read off its mean and covariance, write the model with matrices. Put a 1
# behind each input. The rows $(x_n, 1)$ form the **design** $X$ of shape $(N, 2)$, the weights
# $W = (w, b)^\top$ are a column, and the model is $t = X W + e$. Up to a constant
#
# $$\log q(W) = -\frac{h}{2} \lVert t - X W \rVert^2 - \frac{\lambda}{2} \lVert W \rVert^2,
# \qquad h = 1/\sigma^2.$$
#
# The number $h$ is the **output precision**. The negative second derivative of $\log q$ is the
# **posterior precision** $P$. The first derivative vanishes at the posterior mean $M$:
#
# $$P = h X^\top X + \lambda I, \qquad h X^\top (t - X M) - \lambda M = 0
# \ \Rightarrow\ M = P^{-1} h X^\top t.$$
#
# This is [LR-1](../derivations/03_regression.md#lr-1-posterior-isotropic-prior) with one output.
# A 2 x 2 matrix can be inverted with the formula learnt in school.

# %%
h = 1 / noise_variance
p11 = h * (x * x).sum() + lam
p12 = h * x.sum()
p22 = h * N + lam
determinant = p11 * p22 - p12**2
hand_covariance = np.array([[p22, -p12], [-p12, p11]]) / determinant
hand_mean = hand_covariance @ (h * np.array([(x * t).sum(), t.sum()]))

assert np.allclose(
    hand_mean, grid_mean, rtol=0, atol=1e-6
)  # the grid is finite; this is its accuracy
assert np.allclose(hand_covariance, grid_covariance, rtol=0, atol=1e-6)
print("by hand:", hand_mean.round(4))

# %% [markdown]
# ## 3. The same from a layer
#
# `MatrixNormalLayer` appends the 1 itself. Data are rows and targets are matrices, so both columns
# have shape $(N, 1)$. `observe` wants the output precision as a matrix, here $1 \times 1$, and the
# number of data that the batch stands for.
#
# `balinp.dense` computes the same posterior in the most literal way, with the full covariance
# matrix and no cleverness. It shares no code with the layer.

# %%
x_column, t_column = x[:, None], t[:, None]
layer = MatrixNormalLayer(n_in=1, n_out=1, prior="isotropic", prior_precision=lam)
layer.observe(x_column, t_column, np.array([[h]]), n_data=N)

design = np.column_stack([x, np.ones(N)])
dense_mean, dense_covariance = dense.posterior(
    design, t_column, np.array([[noise_variance]]), np.zeros((2, 1)), np.eye(2) / lam
)
for mean, covariance in [
    (layer.mean, layer.posterior.covariance()),
    (dense_mean, dense_covariance),
]:
    assert close(mean[:, 0], hand_mean)
    assert close(covariance, hand_covariance)
print("the layer's mean:", layer.mean[:, 0].round(4))

# %% [markdown]
# Left: the posterior on the grid, and the ellipses that contain 50 % and 95 % of the layer's
# Gaussian (a Gaussian in two dimensions has the share $1 - e^{-r^2/2}$ within $r$ standard
# deviations). The wide circle is the 50 % line of the prior. Right: each weight is a line, so draws
# from the posterior are draws of lines.


# %%
def ellipse(mean, covariance, level):
    """Points around a two-dimensional Gaussian that enclose a share `level` of it."""
    radius = np.sqrt(-2 * np.log(1 - level))
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    return mean[:, None] + radius * np.linalg.cholesky(covariance) @ circle


figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6))
shades = share.max() * np.linspace(0.05, 1, 8)
left.contourf(slopes, intercepts, share.T, levels=shades, cmap="Greys")
left.plot(*ellipse(np.zeros(2), np.eye(2) / lam, 0.5), color="C4", label="prior, 50 %")
for level, style in [(0.5, "-"), (0.95, "--")]:
    curve = ellipse(layer.mean[:, 0], layer.posterior.covariance(), level)
    left.plot(*curve, "C1", ls=style, label=f"posterior, {100 * level:.0f} %")
left.plot(true_slope, true_intercept, "C0*", ms=11, label="truth")
left.set(xlabel="slope $w$", ylabel="intercept $b$", xlim=(-1.2, 1.8), ylim=(-1.3, 1.5))
left.set_aspect("equal")
left.legend(loc="upper right")

line_x = np.linspace(-1.5, 3, 100)
for weights in layer.posterior.sample(rng, 40):
    right.plot(line_x, weights[0] * line_x + weights[1], "C1", lw=0.6, alpha=0.5)
right.plot([], [], "C1", lw=0.6, label="posterior draws")
right.plot(line_x, true_slope * line_x + true_intercept, "C0", label="truth")
right.plot(x, t, "ko", label="data")
right.set(xlabel="input $x$", ylabel="target $t$")
right.legend()
plt.show()

# %% [markdown]
# The ellipses are those of the grid, as the contours show and as the assertions above say. The
# lines agree where there are data and spread where there are none.
#
# ## 4. Several outputs, and two priors
#
# Let a datum have $K$ targets. Now $t_n$ is a vector of $K$ numbers, $W$ a matrix of shape
# $(D, K)$ where $D$ counts the inputs with the 1, and the noise has a $K \times K$ covariance
# matrix $V$ with the inverse $H = V^{-1}$. To speak of the covariance of a matrix, stack its
# columns: $\mathrm{vec}\thinspace W$ is a vector of $DK$ numbers. The **Kronecker product**
# $H \otimes B$ is the block matrix whose block in row $i$ and column $j$ is $H_{ij} B$. With
# $B = X^\top X$ it is the precision that the data contribute
# ([KR-1](../derivations/01_kronecker.md#kr-1-the-vec-rule)).
#
# `balinp` offers two priors of zero mean:
#
# | `prior=` | prior precision of $\mathrm{vec}\thinspace W$ | posterior precision | equation |
# | --- | --- | --- | --- |
# | `"isotropic"` | $\lambda I$ | $H \otimes X^\top X + \lambda I$ | LR-1 |
# | `"conjugate"` | $\lambda H \otimes I$ | $H \otimes (X^\top X + \lambda I)$ | LR-2 |
#
# Under the first, all weights have the same size a priori. Under the second, weights are small
# where the noise is small. Only the second posterior precision is a Kronecker product itself; its
# inverse is the covariance $V \otimes U$ with $U = (X^\top X + \lambda I)^{-1}$. A Gaussian with
# such a covariance is called **matrix normal**
# ([LR-2](../derivations/03_regression.md#lr-2-posterior-conjugate-prior)).
#
# The next cell builds both posterior precisions with `np.kron` and asks the layers.

# %%
K = 2
V = np.array([[0.09, 0.05], [0.05, 0.16]])  # the two noises are correlated
H = np.linalg.inv(V)
true_W = np.array([[0.8, -0.5], [-0.3, 0.6]])
T = design @ true_W + rng.multivariate_normal(np.zeros(K), V, size=N)

prior_precisions = {
    "isotropic": lam * np.eye(2 * K),
    "conjugate": lam * np.kron(H, np.eye(2)),
}
layers = {}
for prior, prior_matrix in prior_precisions.items():
    layers[prior] = MatrixNormalLayer(1, K, prior=prior, prior_precision=lam)
    layers[prior].observe(x_column, T, H, n_data=N)

    P = np.kron(H, design.T @ design) + prior_matrix
    right_side = (design.T @ T @ H).ravel(order="F")  # order "F" stacks columns
    expected_mean = np.linalg.solve(P, right_side).reshape(2, K, order="F")
    posterior = layers[prior].posterior
    assert close(layers[prior].mean, expected_mean)
    assert close(posterior.covariance(), np.linalg.inv(P))
    print(f"{prior}: matrix normal? {posterior.is_matrix_normal}")

U = np.linalg.inv(design.T @ design + lam * np.eye(2))
assert close(layers["conjugate"].posterior.covariance(), np.kron(V, U))
assert layers["conjugate"].posterior.is_matrix_normal
assert not layers["isotropic"].posterior.is_matrix_normal

# %% [markdown]
# There is a difference in the means as well. Multiply the equation for the conjugate mean out, and
# $H$ cancels: each output is regressed by itself. Under the isotropic prior correlated noise lets
# one output inform the other.

# %%
alone = {}
for prior in layers:
    alone[prior] = MatrixNormalLayer(1, 1, prior=prior, prior_precision=lam)
    alone[prior].observe(x_column, T[:, :1], np.array([[1 / V[0, 0]]]), n_data=N)
    both = layers[prior].mean[:, 0]
    print(f"{prior}: first output with the second {both.round(4)}", end=", ")
    print(f"without {alone[prior].mean[:, 0].round(4)}")

assert close(layers["conjugate"].mean[:, :1], alone["conjugate"].mean)
assert not close(layers["isotropic"].mean[:, :1], alone["isotropic"].mean, rtol=1e-3)

# %% [markdown]
# ## 5. The evidence, by brute force
#
# The denominator in Bayes' rule is a number that the grid threw away. It is the **evidence**: the
# probability density of the targets, averaged over all weights that the prior allows,
#
# $$p(t) = \int p(t \mid W)\thinspace p(W)\thinspace dW.$$
#
# It says how well the *model* predicted the data, not how well one weight did. With a single weight
# (`bias=False`) the integral can be done numerically.
# [LR-4](../derivations/03_regression.md#lr-4-evidence) is the closed form.


# %%
def evidence_by_quadrature(prior_variance):
    """Log of the integral over the one weight, shifted so that it does not underflow."""

    def log_integrand(w):
        log_density = norm.logpdf(t, w * x, noise_variance**0.5).sum()
        return log_density + norm.logpdf(w, 0, prior_variance**0.5)

    peak = minimize_scalar(lambda w: -log_integrand(w)).x
    top = log_integrand(peak)
    integral, _ = quad(
        lambda w: np.exp(log_integrand(w) - top), peak - 10, peak + 10, points=[peak], epsabs=1e-13
    )
    return top + np.log(integral)


for prior, prior_variance in [("isotropic", 1 / lam), ("conjugate", noise_variance / lam)]:
    single = MatrixNormalLayer(1, 1, prior=prior, prior_precision=lam, bias=False)
    single.observe(x_column, t_column, np.array([[h]]), n_data=N)
    expected = evidence_by_quadrature(prior_variance)
    print(f"{prior}: quadrature {expected:.8f}, layer {single.log_evidence():.8f} nats")
    assert close(single.log_evidence(), expected, rtol=1e-9)

# %% [markdown]
# (A *nat* is the unit of natural logarithms of probabilities.) With slope and intercept the
# integral has two dimensions, and the grid of section 1 is good enough: the sum of its cells times
# the area of a cell.

# %%
cell_area = (slopes[1] - slopes[0]) * (intercepts[1] - intercepts[0])
grid_evidence = log_joint.max() + np.log(np.exp(log_joint - log_joint.max()).sum() * cell_area)
print(f"grid {grid_evidence:.6f}, layer {layer.log_evidence():.6f}")
assert np.isclose(layer.log_evidence(), grid_evidence, rtol=0, atol=1e-6)  # accuracy of the grid

# %% [markdown]
# ## 6. What to predict
#
# At a new input $x_*$ the target is $t_* = w x_* + b + e_*$: two independent Gaussian sources. The
# variance of $w x_* + b$ under the posterior is called **epistemic** (more data would reduce it).
# The noise is **aleatoric** (more data would not). Variances of independent terms add
# ([LR-5](../derivations/03_regression.md#lr-5-predictive-distribution)):
#
# $$\mathrm{Var}(t_*) = (x_*, 1)\thinspace P^{-1} (x_*, 1)^\top + \sigma^2.$$
#
# `BALI` is the whole network. With no hidden layers it is one layer, and one step of training is
# exact (PT-2, the subject of the next tutorial). Its `predict` keeps the two parts apart.

# %%
model = BALI(hidden=(), noise_variance=noise_variance, prior_precision=lam)
model.fit(x_column, t_column, epochs=1)
predictive = model.predict(line_x[:, None])

rows = np.column_stack([line_x, np.ones_like(line_x)])
expected_epistemic = np.einsum("ni,ij,nj->n", rows, hand_covariance, rows)
assert close(predictive.mean[:, 0], rows @ hand_mean)
assert close(predictive.epistemic[:, 0, 0], expected_epistemic)
assert (predictive.aleatoric == noise_variance).all()

# and from the definition: the mixture of all lines of the grid, at one input
lines = 2.5 * w_grid + b_grid
variance_of_lines = (share * lines**2).sum() - (share * lines).sum() ** 2
at = model.predict(np.array([[2.5]]))
assert np.isclose(at.epistemic[0, 0, 0], variance_of_lines, rtol=0, atol=1e-6)
assert x.min() < line_x[expected_epistemic.argmin()] < x.max()  # least uncertain among the data
print(f"at 2.5: epistemic {variance_of_lines:.4f}, aleatoric {noise_variance:.4f}")

# %%
mean = predictive.mean[:, 0]
epistemic_std = np.sqrt(predictive.epistemic[:, 0, 0])
total_std = predictive.std[:, 0]
plt.fill_between(
    line_x, mean - 1.96 * total_std, mean + 1.96 * total_std, color="C5", alpha=0.4, lw=0
)
plt.fill_between(
    line_x, mean - 1.96 * epistemic_std, mean + 1.96 * epistemic_std, color="C1", alpha=0.6, lw=0
)
plt.plot(line_x, mean, "k", lw=1, label="predictive mean")
plt.plot(line_x, true_slope * line_x + true_intercept, "C0--", label="truth")
plt.plot(x, t, "ko", label="data")
plt.fill_between([], [], color="C1", alpha=0.6, label="95 % for the line")
plt.fill_between([], [], color="C5", alpha=0.4, label="95 % for a target")
plt.xlabel("input $x$")
plt.ylabel("target $t$")
plt.legend(ncols=2)
plt.show()

# %% [markdown]
# ## 7. Hyper-parameters from the evidence
#
# So far $\lambda$ and $\sigma^2$ were given. The evidence is a function of both, and its maximum is
# a choice of both without a validation set. We compute it on a grid and let `scipy` climb it, using
# `dense.log_evidence` only. Then we ask a `BALI` that was given neither.
#
# `BALI` uses fixed-point equations. At the maximum the derivatives of the log evidence vanish, and
# solving for $\lambda$ and $\sigma^2$ gives (EV-2 and EV-3 in
# [09 Evidence](../derivations/09_evidence.md#ev-2-prior-precision-isotropic))
#
# $$\lambda = \frac{\gamma}{\lVert M \rVert^2}, \qquad
# \sigma^2 = \frac{\lVert t - X M \rVert^2}{N - \gamma}, \qquad
# \gamma = 2 - \lambda\thinspace \mathrm{tr}\thinspace P^{-1}.$$
#
# The number $\gamma$ lies between 0 and 2, the number of weights. It counts how many of them the
# data determine, as opposed to the prior
# ([EV-1](../derivations/09_evidence.md#ev-1-the-effective-number-of-parameters)). The right-hand
# sides depend on $\lambda$ and $\sigma^2$ themselves, so they are put in again and again, below by
# hand. All that they need of the data are sums. A single layer of `BALI` keeps these, and repeats
# the equations until nothing changes within its first pass over the data
# ([EX-3](../derivations/16_exact_regression.md#ex-3-the-fixed-point-of-the-evidence)).


# %%
def log_evidence(log_lam, log_noise):
    """Log evidence of the line with intercept, from the dense reference."""
    noise = np.array([[np.exp(log_noise)]])
    prior_covariance = np.eye(2) * np.exp(-log_lam)
    return dense.log_evidence(design, t_column, noise, np.zeros((2, 1)), prior_covariance)


best = minimize(
    lambda v: -log_evidence(*v), [0.0, -2.0], method="Nelder-Mead", options={"xatol": 1e-7}
)
best_lam, best_noise = np.exp(best.x)
print(f"scipy:   lambda {best_lam:.5f}, noise variance {best_noise:.6f}")

path = [(20.0, 1.0)]  # any start will do
for _ in range(100):
    by_hand_lam, by_hand_noise = path[-1]
    P = design.T @ design / by_hand_noise + by_hand_lam * np.eye(2)
    M = np.linalg.solve(P, design.T @ t / by_hand_noise)
    gamma = 2 - by_hand_lam * np.trace(np.linalg.inv(P))
    path.append((gamma / (M @ M), ((t - design @ M) ** 2).sum() / (N - gamma)))
print(f"by hand: lambda {path[-1][0]:.5f}, noise variance {path[-1][1]:.6f}")
assert close(path[-1], (best_lam, best_noise), rtol=1e-4)  # what Nelder-Mead leaves

learner = BALI(hidden=()).fit(x_column, t_column, epochs=1)
learnt = learner.prior_precision, learner.likelihood.covariance(1)[0, 0]
print(f"BALI:    lambda {learnt[0]:.5f}, noise variance {learnt[1]:.6f}")
# BALI has a Gamma prior of shape and rate 1e-6 on both, which moves the maximum by about as much.
assert close(learnt, path[-1], rtol=1e-5)
print(f"the data determine {gamma:.2f} of 2 weights")

# %%
log_lams, log_noises = np.linspace(-3.5, 5, 80), np.linspace(-3.5, 0.5, 80)
surface = np.array([[log_evidence(a, b) for a in log_lams] for b in log_noises])
plt.xscale("log")  # before the contours: their labels turn with the lines as they are drawn
plt.yscale("log")
contours = plt.contour(
    np.exp(log_lams),
    np.exp(log_noises),
    surface - surface.max(),
    levels=[-8, -4, -2, -1, -0.5, -0.1],
    colors="0.6",
    linestyles="-",
    linewidths=1,
)
plt.clabel(contours, fmt=lambda value: f"{-value:g}", fontsize=8, inline_spacing=2)
plt.plot([], [], "0.6", lw=1, label="nats of log evidence below its maximum")
plt.plot(*np.transpose(path), "C1.-", lw=1, ms=4, label="fixed-point equations, again and again")
plt.plot(best_lam, best_noise, "k*", ms=12, label="maximum found by scipy")
plt.plot(*learnt, "C0o", ms=4, label="BALI, one pass")
plt.xlabel(r"prior precision $\lambda$")
plt.ylabel(r"noise variance $\sigma^2$")
plt.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
plt.show()

# %% [markdown]
# The star is where the evidence of these few data is largest, not the truth: the noise variance
# was 0.09.
#
# ## 8. Data in batches
#
# The posterior precision is a sum over data, and so is $X^\top t$. Data may therefore come in
# batches. A layer keeps *averages* over the data, and each batch enters with a `rate`, its weight:
# old averages are multiplied by $1 - \mathrm{rate}$. If the rate is the batch's share of all data
# seen so far, every datum has the same weight in the end, and the posterior is that of all data at
# once, however they were cut
# ([NP-3](../derivations/04_forgetting.md#np-3-one-pass-over-all-data)).

# %%
for cut in range(20):
    order = rng.permutation(N)
    borders = np.sort(rng.choice(np.arange(1, N), size=rng.integers(1, N), replace=False))
    batches = np.split(order, borders)
    streamed = MatrixNormalLayer(1, 1, prior_precision=lam)
    seen = 0
    for batch in batches:
        seen += len(batch)
        streamed.observe(
            x_column[batch],
            t_column[batch],
            np.array([[h]]),
            n_data=N,
            rate=len(batch) / seen,
        )
    assert close(streamed.mean[:, 0], hand_mean)
    assert close(streamed.posterior.covariance(), hand_covariance)
    if cut < 3:
        print("batches of", [len(batch) for batch in batches], "->", streamed.mean[:, 0].round(6))

# %% [markdown]
# With a *constant* rate below 1 old data count less and less. That is forgetting: useless here,
# where every datum is as good as any other, and needed in a network, where targets become stale.
# See tutorial [04](04_minibatches.ipynb).

# %%
forgetful = MatrixNormalLayer(1, 1, prior_precision=lam)
for n in range(N):
    rate = 1.0 if n == 0 else 0.3
    forgetful.observe(
        x_column[n : n + 1], t_column[n : n + 1], np.array([[h]]), n_data=N, rate=rate
    )
print("all data alike:", hand_mean.round(4), " forgetting:", forgetful.mean[:, 0].round(4))

# the same as a regression with one weight for each datum, N times its share of the average
shares = 0.3 * 0.7 ** np.arange(N - 1, -1, -1)
shares[0] = 0.7 ** (N - 1)
assert np.isclose(shares.sum(), 1, rtol=1e-12)
root = np.sqrt(N * shares)
P = h * (root[:, None] * design).T @ (root[:, None] * design) + lam * np.eye(2)
assert close(forgetful.mean[:, 0], np.linalg.solve(P, h * design.T @ (N * shares * t)))

# %% [markdown]
# ## Exercises
#
# Replace `None` by your answer and run the cell. Below it, in a cell that JupyterLab folds, is the
# reference answer; running it checks yours.
#
# **1.** Somebody copies each of the eight rows, so that there are sixteen. Predict the posterior
# precision matrix of (slope, intercept) from `p11`, `p12`, `p22`, `lam` without a layer.

# %%
answer_1 = None  # a 2 x 2 array

# %% tags=["answer"] jupyter={"source_hidden": true}
# The data's part doubles; the prior's does not.
reference_1 = 2 * (np.array([[p11, p12], [p12, p22]]) - lam * np.eye(2)) + lam * np.eye(2)
twice = MatrixNormalLayer(1, 1, prior_precision=lam)
twice.observe(np.tile(x_column, (2, 1)), np.tile(t_column, (2, 1)), np.array([[h]]), n_data=2 * N)
assert close(np.linalg.inv(twice.posterior.covariance()), reference_1, rtol=1e-9)
assert answer_1 is None or np.allclose(answer_1, reference_1, rtol=1e-9)

# %% [markdown]
# **2.** One weight, no intercept, all inputs equal to 1, `lam` and `noise_variance` as above. How
# many data does it take until the posterior standard deviation of the weight is at most a tenth of
# the prior's?

# %%
answer_2 = None  # a whole number

# %% tags=["answer"] jupyter={"source_hidden": true}
# The precision must grow a hundredfold: n h + lam >= 100 lam.
reference_2 = int(np.ceil(99 * lam / h))


def ratio_of_deviations(n):
    """Posterior over prior standard deviation, from a layer; the targets do not matter."""
    counted = MatrixNormalLayer(1, 1, prior_precision=lam, bias=False)
    counted.observe(np.ones((n, 1)), np.zeros((n, 1)), np.array([[h]]), n_data=n)
    return np.sqrt(counted.posterior.marginal_variance()[0, 0] * lam)


assert ratio_of_deviations(reference_2) <= 0.1 < ratio_of_deviations(reference_2 - 1)
assert answer_2 is None or answer_2 == reference_2

# %% [markdown]
# **3.** Find the input $x_* > 0$ at which the epistemic standard deviation is exactly as large as
# that of the noise. (A quadratic equation.)

# %%
answer_3 = None  # a number

# %% tags=["answer"] jupyter={"source_hidden": true}
c11, c12, c22 = hand_covariance[0, 0], hand_covariance[0, 1], hand_covariance[1, 1]
reference_3 = (-c12 + np.sqrt(c12**2 - c11 * (c22 - noise_variance))) / c11
there = model.predict(np.array([[reference_3]]))
assert reference_3 > 0
assert close(there.epistemic[0, 0, 0], there.aleatoric[0, 0, 0], rtol=1e-9)
assert answer_3 is None or np.isclose(answer_3, reference_3, rtol=1e-3)

# %% [markdown]
# **4.** Is the slope needed? Compare the model of this tutorial with one that has only an intercept
# (a design of ones, the same prior on it): how many nats of log evidence is the line ahead?
# Negative if it is behind. Use any tool but a layer.

# %%
answer_4 = None  # a number, in nats

# %% tags=["answer"] jupyter={"source_hidden": true}
# Under the constant model the targets are jointly Gaussian, with the covariance below.
targets_covariance = noise_variance * np.eye(N) + np.ones((N, N)) / lam
constant = -0.5 * (
    t @ np.linalg.solve(targets_covariance, t)
    + np.linalg.slogdet(2 * np.pi * targets_covariance)[1]
)
reference_4 = grid_evidence - constant
only_intercept = MatrixNormalLayer(1, 1, prior_precision=lam, bias=False)
only_intercept.observe(np.ones((N, 1)), t_column, np.array([[h]]), n_data=N)
assert np.isclose(
    layer.log_evidence() - only_intercept.log_evidence(), reference_4, rtol=0, atol=1e-6
)
print(f"the line is ahead by {reference_4:.2f} nats")
assert answer_4 is None or np.isclose(answer_4, reference_4, atol=1e-3)

# %% [markdown]
# # 02 Pseudo-targets by hand
#
# If someone told us what each layer of a network should put out, each layer would be a regression
# as in tutorial [01](01_bayesian_linear_regression.ipynb), and its posterior would be exact. Nobody
# does. BALI makes such targets up from the data, and calls them **pseudo-targets**. This tutorial
# computes them for a network so small that every number can be written down, and compares each with
# `balinp`.
#
# You need tutorial 01 and the chain rule.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

from balinp import BALI, MLP, Gaussian, MatrixNormalLayer, dense, plain
from balinp.joint_step import joint_step
from balinp.pseudo_targets import trace

plt.style.use("balinp.mplstyle")


def close(a, b, rtol=1e-10):
    """Whether two arrays agree, the error measured against the largest entry of b."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and np.abs(a - b).max() <= rtol * np.abs(b).max()


# %% [markdown]
# ## The network, its weights and the data
#
# One input, two hidden units, one output. For an input $x$ the hidden units compute
#
# $$z_1 = w_1 x + b_1, \qquad z_2 = w_2 x + b_2,$$
#
# then $\tanh$ is applied, and the network's output is
#
# $$f = v_1 \tanh z_1 + v_2 \tanh z_2 + c.$$
#
# The numbers $z_k$ before $\tanh$ are the **outputs** of the first layer. As functions of $x$ they
# are straight lines, which will be useful in the pictures. The second layer has the inputs
# $\tanh z_1$ and $\tanh z_2$ and the output $f$. A target $y$ is $f$ and noise of variance
# $\sigma^2$; its precision is $h = 1/\sigma^2$. There are $N = 5$ data.

# %%
w1, w2, b1, b2 = 1.0, -0.5, 0.5, 1.0
v1, v2, c = 0.8, 1.2, -0.3
noise_variance = 0.1
h = 1 / noise_variance

x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
y = np.array([-0.4, 0.3, 1.0, 0.4, -0.5])
N = len(x)

# %% [markdown]
# `balinp` keeps the weights of a layer in one matrix, biases in the last row, and data as rows.
# `trace` does in one call all that sections 1 to 5 do by hand.

# %%
hidden_weights = np.array([[w1, w2], [b1, b2]])
output_weights = np.array([[v1], [v2], [c]])
network, likelihood = MLP([1, 2, 1], "tanh"), Gaussian(noise_variance)
X, Y = x[:, None], y[:, None]
traced = trace(network, likelihood, [hidden_weights, output_weights], X, Y)

# %% [markdown]
# ## 1. Forward
#
# One datum first, the fourth: $x = 1$, $y = 0.4$.

# %%
z1 = w1 * 1.0 + b1
z2 = w2 * 1.0 + b2
f = v1 * np.tanh(z1) + v2 * np.tanh(z2) + c
print(f"z1 = {z1}, z2 = {z2}, f = {f:.4f}, but y = 0.4")

assert close(traced.outputs[0][3], [z1, z2])
assert close(traced.outputs[1][3], [f])

# %% [markdown]
# Now all five data at once. Capital letters are for all data: $Z$ has a row for each datum and a
# column for each hidden unit, $F$ has one column. Below, $G$ and $T$ are laid out like $Z$, for the
# gradients and the pseudo-targets.

# %%
Z = np.column_stack([w1 * x + b1, w2 * x + b2])
F = v1 * np.tanh(Z[:, 0]) + v2 * np.tanh(Z[:, 1]) + c

assert close(traced.outputs[0], Z)
assert close(traced.outputs[1][:, 0], F)

# %% [markdown]
# ## 2. The gradient
#
# The log-likelihood of a datum is
# $\log \mathcal N(y; f, \sigma^2) = -\tfrac{h}{2} (y - f)^2$ and a constant. How does it change if
# an output of a layer is moved? At the network's output:
#
# $$g_{out} = \frac{\partial}{\partial f} \log \mathcal N(y; f, \sigma^2) = h\thinspace (y - f).$$
#
# At a hidden unit, by the chain rule, with $\tanh' = 1 - \tanh^2$:
#
# $$g_k = g_{out}\thinspace v_k\thinspace (1 - \tanh^2 z_k), \qquad k = 1, 2.$$
#
# These are [BP-4](../derivations/05_backward.md#bp-4-output-gradients-and-roots) and
# [BP-1](../derivations/05_backward.md#bp-1-gradients).

# %%
g_out = h * (0.4 - f)
g1 = g_out * v1 * (1 - np.tanh(z1) ** 2)
g2 = g_out * v2 * (1 - np.tanh(z2) ** 2)
print(f"datum 4: g_out = {g_out:.3f}, g1 = {g1:.4f}, g2 = {g2:.4f}")

assert close(traced.gradients[1][3], [g_out])
assert close(traced.gradients[0][3], [g1, g2])

# %% [markdown]
# Do not trust the chain rule either. Move each hidden output a little and watch the log-likelihood.


# %%
def log_likelihood_from(Z):
    """Log-likelihood of each datum, if the hidden outputs are Z."""
    f = v1 * np.tanh(Z[:, 0]) + v2 * np.tanh(Z[:, 1]) + c
    return norm.logpdf(y, f, np.sqrt(noise_variance))


little = 1e-5
differences = np.column_stack(
    [
        (log_likelihood_from(Z + little * unit) - log_likelihood_from(Z - little * unit))
        / (2 * little)
        for unit in np.eye(2)
    ]
)

slopes = 1 - np.tanh(Z) ** 2
G_out = h * (y - F)
G = G_out[:, None] * np.array([v1, v2]) * slopes
assert close(traced.gradients[0], G)
assert close(differences, G, rtol=1e-8)  # a central difference is good to about 1e-9 here

# %% [markdown]
# The gradients point where each hidden output should go. They do not say how far. That takes a
# second derivative.
#
# ## 3. The curvature, as a square root
#
# The second derivative of $-\tfrac{h}{2}(y - f)^2$ by $f$ is $-h$, for each datum. So the curvature
# at the output is $h$; its square root is $s_{out} = \sqrt h$. If a hidden output $z_k$ moves by
# one unit, $f$ moves by $v_k (1 - \tanh^2 z_k)$ to first order. Define
#
# $$s_k = s_{out}\thinspace v_k\thinspace (1 - \tanh^2 z_k), \qquad
# S = (s_1, s_2)^\top.$$
#
# It obeys the same rule as the gradient, only started from $\sqrt h$ and not from $h (y - f)$
# ([BP-2](../derivations/05_backward.md#bp-2-curvature-roots)). The $2 \times 2$ matrix $S S^\top$
# is the **Gauss-Newton curvature** of the datum: $-\tfrac12 \lVert S^\top d \rVert^2$ is the
# second-order change of the log-likelihood when $z$ moves by $d$, were the network a linear
# function of $z$.

# %%
s1 = np.sqrt(h) * v1 * (1 - np.tanh(z1) ** 2)
s2 = np.sqrt(h) * v2 * (1 - np.tanh(z2) ** 2)
print(f"datum 4: s1 = {s1:.4f}, s2 = {s2:.4f}")
assert close(traced.curvature_roots[0][3][:, 0], [s1, s2])  # K x C, here 2 x 1

S = np.sqrt(h) * np.array([v1, v2]) * slopes  # a row for each datum
assert close(traced.curvature_roots[0][:, :, 0], S)
assert close(traced.curvature_roots[1][:, 0, 0], np.full(N, np.sqrt(h)))

# and without the chain rule: how much does f move with each hidden output?
moves = np.column_stack(
    [
        (np.tanh(Z + little * unit) - np.tanh(Z - little * unit)) @ [v1, v2] / (2 * little)
        for unit in np.eye(2)
    ]
)
assert close(np.sqrt(h) * moves, S, rtol=1e-8)

# %% [markdown]
# ## 4. One output precision for the whole layer
#
# A layer's regression has *one* noise precision $H$, not one for each datum. BALI takes the mean
# curvature of the batch ([PT-4](../derivations/06_pseudo_targets.md#pt-4-the-curvature-factor)),
#
# $$H = \frac{1}{N} \sum_n S_n S_n^\top, \qquad V = H^{-1}.$$
#
# $H$ is the layer's output precision and $V$ plays the role of its noise covariance. Both are
# $2 \times 2$, and again the formula from school is enough.

# %%
h11 = (S[:, 0] ** 2).mean()
h12 = (S[:, 0] * S[:, 1]).mean()
h22 = (S[:, 1] ** 2).mean()
determinant = h11 * h22 - h12**2
H = np.array([[h11, h12], [h12, h22]])
V = np.array([[h22, -h12], [-h12, h11]]) / determinant
print("H =", *H.round(4), sep="\n")
print("V =", *V.round(4), sep="\n")

assert close(traced.output_precisions[0], H)
assert close(V, np.linalg.inv(H))
assert close(traced.output_precisions[1], [[h]])  # the output layer's is the known one

# %% [markdown]
# ## 5. The pseudo-targets
#
# Everything is ready. The pseudo-target of a datum is its output, moved along the gradient, by as
# much as the curvature allows
# ([PT-1](../derivations/06_pseudo_targets.md#pt-1-definition-and-why-the-gradient-is-right)):
#
# $$t = z + V g.$$
#
# This is a Newton step for the outputs, with the mean curvature in place of each datum's own.

# %%
t1 = z1 + V[0, 0] * g1 + V[0, 1] * g2
t2 = z2 + V[1, 0] * g1 + V[1, 1] * g2
print(f"datum 4: unit 1 is at {z1:.3f} and should be at {t1:.3f},")
print(f"         unit 2 is at {z2:.3f} and should be at {t2:.3f}")
assert close(traced.pseudo_targets[0][3], [t1, t2])

T = Z + G @ V  # all data; V is symmetric
assert close(traced.pseudo_targets[0], T)

# %% [markdown]
# Two statements follow, and both are worth checking.
#
# **The noise drops out** ([PT-3](../derivations/06_pseudo_targets.md#pt-3-the-noise-drops-out)).
# Multiply $T - Z = G V$ by $H$:
#
# $$(T - Z)\thinspace H = G.$$
#
# In a regression, $(T - Z) H$ is the gradient of the log-likelihood by the outputs. So the layer's
# regression on its pseudo-targets pulls in exactly the direction in which the whole network wants
# to go, whatever $H$ is.
#
# **At the output the pseudo-target is the observation**
# ([PT-2](../derivations/06_pseudo_targets.md#pt-2-a-gaussian-output-layer-sees-the-observations)).
# There $V = \sigma^2$ and $g = (y - f)/\sigma^2$, so $t = f + (y - f) = y$, from any weights. Only
# hidden layers need made-up targets.

# %%
assert close((T - Z) @ H, G)
assert close((traced.pseudo_targets[0] - Z) @ traced.output_precisions[0], G)
assert close(F + noise_variance * G_out, y)
assert close(traced.pseudo_targets[1], Y)

# and with any other precision in place of H
other = np.array([[2.0, 0.3], [0.3, 0.7]])
T_other = Z + G @ np.linalg.inv(other)
assert close((T_other - Z) @ other, G)

# %% [markdown]
# ## 6. Each layer's regression
#
# The first layer is now an ordinary Bayesian regression: inputs $x$, targets $T$, output precision
# $H$. Its design $X$ has the rows $(x_n, 1)$. With the isotropic prior of precision $\lambda$, and
# starting from the current weights $M$, tutorial 01 and
# [LR-3](../derivations/03_regression.md#lr-3-the-posterior-mean-as-a-change-of-any-mean) give the
# change $\Delta$ of the weights:
#
# $$P\thinspace \mathrm{vec}\thinspace \Delta = \mathrm{vec}\left( X^\top G - \lambda M \right),
# \qquad P = H \otimes X^\top X + \lambda I .$$
#
# The matrix on the right is the gradient of the log joint density $\log p(y, W)$ by the layer's
# weights, called $R$. We solve the four equations and compare with the layer and with the dense
# reference, which is told $T$ and $V$ and nothing of gradients.

# %%
lam = 1.0
design = np.column_stack([x, np.ones(N)])
R = design.T @ G - lam * hidden_weights
P = np.kron(H, design.T @ design) + lam * np.eye(4)
change = np.linalg.solve(P, R.ravel(order="F")).reshape(2, 2, order="F")

hidden_layer = MatrixNormalLayer(1, 2, prior_precision=lam, initial_mean=hidden_weights)
proposal = hidden_layer.propose(X, T, H, n_data=N)
dense_mean, dense_covariance = dense.posterior(design, T, V, np.zeros((2, 2)), np.eye(4) / lam)

assert close(proposal.gradient, R)
assert close(proposal.change, change)
assert close(hidden_weights + change, dense_mean)
assert close(proposal.posterior.covariance(), dense_covariance)
print("now:     ", *hidden_weights.round(3))
print("proposed:", *(hidden_weights + change).round(3))

# %% [markdown]
# The picture shows both hidden units. Filled: outputs $z_n$ now, on a line. Open: pseudo-targets
# $t_n$. Dashed: the line that the regression proposes. The pseudo-targets ask for more than a line
# can do, so the regression makes the best of them; and it weighs them by $H$, under which the two
# units are not independent, so a dashed line need not run through the middle of its own circles.


# %%
def draw_targets(axes, unit, outputs, targets, before, after):
    """Outputs of one hidden unit, their pseudo-targets, and the lines before and after."""
    ends = np.array([-2.3, 2.3])
    axes.plot(ends, before[0, unit] * ends + before[1, unit], "C0", lw=1)
    axes.plot(ends, after[0, unit] * ends + after[1, unit], "C1--", lw=1.2)
    axes.vlines(x, outputs[:, unit], targets[:, unit], color="0.7", zorder=1)
    axes.plot(x, outputs[:, unit], "C0o", label="outputs $z$")
    axes.plot(x, targets[:, unit], "o", mfc="white", mec="C1", label="pseudo-targets $t$")
    axes.set_xlabel("input $x$")


figure, both = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True)
for unit, axes in enumerate(both):
    draw_targets(axes, unit, Z, T, hidden_weights, hidden_weights + change)
    axes.set_title(f"hidden unit {unit + 1}")
both[0].set_ylabel("output before tanh")
both[0].plot([], [], "C1--", label="proposed line")
both[0].legend()
plt.show()

# %% [markdown]
# The second layer is a regression as well: its design has the rows
# $(\tanh z_{n1}, \tanh z_{n2}, 1)$, its targets are the observations, its output precision is $h$.

# %%
design_out = np.column_stack([np.tanh(Z), np.ones(N)])
R_out = design_out.T @ G_out[:, None] - lam * output_weights
P_out = h * design_out.T @ design_out + lam * np.eye(3)
change_out = np.linalg.solve(P_out, R_out)

output_layer = MatrixNormalLayer(2, 1, prior_precision=lam, initial_mean=output_weights)
proposal_out = output_layer.propose(np.tanh(Z), Y, np.array([[h]]), n_data=N)
assert close(proposal_out.change, change_out)
assert close(output_weights + change_out, np.linalg.solve(P_out, h * design_out.T @ Y))

# %% [markdown]
# ## 7. The joint step
#
# Each layer's proposal takes the other layer as it is. If both move all the way, they both correct
# the same error, and the network overshoots. So BALI moves all layers together by a common factor
# $s$. Along $s \Delta$ the log joint density is approximately a quadratic in $s$:
#
# $$\psi(s) = s\thinspace \beta - \tfrac12 s^2 \kappa, \qquad
# \beta = \sum_l \langle R_l, \Delta_l \rangle, \qquad
# \kappa = h \sum_n df_n^2 + \lambda \sum_l \lVert \Delta_l \rVert^2 .$$
#
# Here $l$ runs over the two layers, $\langle R, \Delta \rangle$ is the sum of the products of
# entries, and $df_n$ is the change of the output $f_n$ to first order if *both* layers move by
# their $\Delta$. (The factor $s$ is not one of the roots $s_k$ of section 3.)
# The maximum is at $s = \beta / \kappa$
# ([JS-1](../derivations/08_joint_step.md#js-1-one-direction)).
#
# By the product rule, $df_n$ has a part from each layer.

# %%
dZ = design @ change
df = (slopes * dZ) @ np.array([v1, v2]) + (design_out @ change_out)[:, 0]
beta = (R * change).sum() + (R_out * change_out).sum()
kappa = h * (df**2).sum() + lam * ((change**2).sum() + (change_out**2).sum())
s = beta / kappa
print(f"s = {beta:.4f} / {kappa:.4f} = {s:.4f}")

chosen = joint_step(
    traced,
    [proposal, proposal_out],
    N,
    previous=[np.zeros_like(change), np.zeros_like(change_out)],  # nothing has moved before
)
assert close(chosen.factor, s)
assert chosen.momentum == 0
assert close(chosen.predicted_gain, beta * s - 0.5 * s**2 * kappa)

# %% [markdown]
# The same factor from the definition: compute the true log joint density at many $s$, and look.


# %%
def log_joint(weights):
    """Log p(y | W) + log p(W) of the little network, from the definition."""
    first, second = weights
    f = np.column_stack([np.tanh(design @ first), np.ones(N)]) @ second
    log_prior = sum(norm.logpdf(W, 0, lam**-0.5).sum() for W in weights)
    return norm.logpdf(y, f[:, 0], np.sqrt(noise_variance)).sum() + log_prior


def moved(s):
    """The weights after following both proposals by a factor s."""
    return [hidden_weights + s * change, output_weights + s * change_out]


start = log_joint(moved(0.0))
factors = np.linspace(0, 1.3, 131)
true_change = np.array([log_joint(moved(factor)) - start for factor in factors])
plt.plot(factors, true_change, label="log joint density")
plt.plot(
    factors, beta * factors - 0.5 * kappa * factors**2, "C1--", label="its quadratic $\\psi(s)$"
)
plt.axvline(s, color="0.6", lw=1)
plt.plot(s, log_joint(moved(s)) - start, "C0o", label=f"chosen, $s = {s:.2f}$")
plt.plot(1, log_joint(moved(1.0)) - start, "C3s", label="both layers all the way")
plt.xlabel("common factor $s$")
plt.ylabel("gain (nats)")
plt.legend()
plt.show()

slope_at_zero = (log_joint(moved(1e-5)) - log_joint(moved(-1e-5))) / 2e-5
assert close(slope_at_zero, beta, rtol=1e-7)  # a difference quotient
assert log_joint(moved(1.0)) < start < log_joint(moved(s))  # all the way is worse than nothing
gain_ratio = (log_joint(moved(s)) - start) / (beta * s - 0.5 * s**2 * kappa)
print(f"promised {beta * s / 2:.2f} nats, gained {gain_ratio * beta * s / 2:.2f}")

# %% [markdown]
# Slopes at $s = 0$ agree, since gradients are exact. Further out the network is not linear, and
# the quadratic is not exact. BALI checks the ratio of the actual to the promised gain before it
# moves, and halves the step if the ratio is bad
# ([JS-3](../derivations/08_joint_step.md#js-3-gain-ratio)).
#
# ## 8. A whole step, against `BALI.step`
#
# Put sections 1 to 7 into one function of any weights of a 1-2-1 network, and compare with the
# first training step of the real model from its own random start.


# %%
def by_hand(first, second):
    """Hidden outputs, gradients, output precision, pseudo-targets; and the weights after a step."""
    Z = design @ first
    basis = np.column_stack([np.tanh(Z), np.ones(N)])
    G_out = h * (Y - basis @ second)
    jacobian = second[:2, 0] * (1 - np.tanh(Z) ** 2)
    G, S = G_out * jacobian, np.sqrt(h) * jacobian
    H = S.T @ S / N
    T = Z + G @ np.linalg.inv(H)

    R, R_out = design.T @ G - lam * first, basis.T @ G_out - lam * second
    P = np.kron(H, design.T @ design) + lam * np.eye(4)
    change = np.linalg.solve(P, R.ravel(order="F")).reshape(2, 2, order="F")
    change_out = np.linalg.solve(h * basis.T @ basis + lam * np.eye(3), R_out)
    df = (jacobian * (design @ change)).sum(axis=1) + (basis @ change_out)[:, 0]
    kappa = h * (df**2).sum() + lam * ((change**2).sum() + (change_out**2).sum())
    s = ((R * change).sum() + (R_out * change_out).sum()) / kappa
    return Z, G, H, T, [first + s * change, second + s * change_out]


assert close(by_hand(hidden_weights, output_weights)[3], T)

model = BALI(
    hidden=(2,), activation="tanh", noise_variance=noise_variance, prior_precision=lam, seed=0
)
model.fit(X, Y, epochs=0)  # lays out the network, with random weights
*_, weights_after = by_hand(*model.weights)
record = model.step(X, Y)
print(f"log joint after one step: BALI {record.log_joint:.6f}, by hand ", end="")
print(f"{log_joint(weights_after):.6f}; factor {record.step:.4f}")

for W, expected in zip(model.weights, weights_after, strict=True):
    assert close(W, expected)
assert close(record.log_joint, log_joint(weights_after))

# %% [markdown]
# ## 9. Targets that move
#
# After the step everything has changed: outputs, gradients, curvature, and so the pseudo-targets.
# Train on, and draw them after some of the steps. From the second step on BALI also uses moving
# averages of $H$ and $X^\top X$ and the direction of the previous step (JS-2, NP-2), so we no
# longer redo its steps. What it says to the layers, `model.trace`, is still what we compute by
# hand, at every step. Each panel shows the targets after so many steps, and dashed the line after
# the next one. Mind the scales.

# %%
shown = [1, 3, 5, 60]
figure, panels = plt.subplots(2, 4, figsize=(9, 4.6), sharex=True)
distances = []
for step in range(1, 61):
    now = model.trace(X, Y)
    Z_now, G_now, H_now, T_now, _ = by_hand(*model.weights)
    assert close(now.outputs[0], Z_now)
    assert close(now.gradients[0], G_now, rtol=1e-9)  # y - f cancels as the fit becomes good
    assert close(now.output_precisions[0], H_now)
    assert close(now.pseudo_targets[0], T_now, rtol=1e-8)  # divided by H, which is ill-conditioned
    assert close(now.pseudo_targets[1], Y)
    distances.append(np.sqrt(((T_now - Z_now) ** 2).mean()))
    before = model.weights[0]
    model.step(X, Y)
    if step in shown:
        column = panels[:, shown.index(step)]
        for unit, axes in enumerate(column):
            draw_targets(axes, unit, Z_now, T_now, before, model.weights[0])
        column[0].set_title(f"after {step} step{'s' * (step > 1)}")
        column[0].set_xlabel("")
panels[0, 0].set_ylabel("unit 1, before tanh")
panels[1, 0].set_ylabel("unit 2, before tanh")
plt.show()

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
left.plot(range(1, 61), distances, ".-")
left.set(xlabel="step", ylabel="root mean square of $t - z$", yscale="log", ylim=(0.1, 11))
fine = np.linspace(-2.5, 2.5, 200)
predictive = model.predict(fine[:, None])
mean, std = predictive.mean[:, 0], predictive.std[:, 0]
right.fill_between(fine, mean - 1.96 * std, mean + 1.96 * std, color="C5", alpha=0.4, lw=0)
right.plot(fine, mean, label="predictive mean, 95 % band")
right.plot(x, y, "ko", label="data")
right.set(xlabel="input $x$", ylabel="target $y$")
right.legend()
plt.show()

# %% [markdown]
# The targets come closer to the outputs but do not reach them: at the end the pull of the data,
# $X^\top G$, is balanced by the pull of the prior, $\lambda M$, and the sum $R$ is zero. That is
# what a fixed point is: the mean stays where it is although the pseudo-targets still ask for more.

# %%
for _ in range(300):
    model.step(X, Y)
Z_end, G_end, _, T_end, _ = by_hand(*model.weights)
pull_of_data, pull_of_prior = design.T @ G_end, lam * model.weights[0]
print("pull of the data: ", *pull_of_data.round(6))
print("pull of the prior:", *pull_of_prior.round(6))
assert np.abs(pull_of_data - pull_of_prior).max() < 1e-4 * np.abs(pull_of_prior).max()
assert np.abs(T_end - Z_end).max() > 0.01

# %% [markdown]
# ## 10. The whole method on one page
#
# [plain.py](../balinp/plain.py) has all of this for any tanh network and any number of outputs, in
# a hundred lines of NumPy with dense matrices: `forward`, `backward`, `regression`, `step`,
# `predict`. Its `step` is sections 1 to 7 and what section 9 left out: the moving averages of
# $X^\top X / B$ and $H$
# ([NP-1](../derivations/04_forgetting.md#np-1-the-moving-average-prior-outside)); with all data at
# once the direction of the previous step
# ([JS-2](../derivations/08_joint_step.md#js-2-two-directions)), and in batches a cap on how far
# predictions move
# ([JS-4](../derivations/08_joint_step.md#js-4-a-cap-for-pseudo-targets-that-are-local)). Read it
# now: you know every line.
#
# `balinp` computes the same with Kronecker factors in their eigenbases. Both are trained from one
# random start: forty steps on all data, then forty on batches of two and three. (After a step that
# gains less than a quarter of what it promised `balinp` damps the next; none of these does.)

# %%
model = BALI(
    hidden=(2,), activation="tanh", noise_variance=noise_variance, prior_precision=lam, seed=0
).fit(X, Y, epochs=0)  # fmt: skip
V = np.array([[noise_variance]])
weights, memories = model.weights, [None, None]
for step in range(80):
    rows = slice(None) if step < 40 else [slice(0, 2), slice(2, 5)][step % 2]
    record = model.step(X[rows], Y[rows], n_data=N)
    weights, memories, precisions = plain.step(
        weights, memories, X[rows], Y[rows], V, N, lam, record.rate
    )
    for W, expected in zip(model.weights, weights, strict=True):
        assert close(W, expected, rtol=1e-9)  # 80 steps magnify rounding
assert min(record.gain_ratio for record in model.history) > 0.25

predictive = model.predict(fine[:, None])
mean, covariance = plain.predict(weights, precisions, fine[:, None], V)
print(f"largest difference of the means {np.abs(predictive.mean - mean).max():.0e}, ", end="")
print(f"of the variances {np.abs(predictive.covariance - covariance).max():.0e}")
assert close(predictive.mean, mean, rtol=1e-9)
assert close(predictive.covariance, covariance, rtol=1e-9)

# %% [markdown]
# What is left is speed, choice and learning the noise: Kronecker factors in place of $P$
# ([01](../derivations/01_kronecker.md)), other likelihoods, priors and activations, and
# hyper-parameters from the evidence ([09](../derivations/09_evidence.md)).
#
# ## Exercises
#
# Replace `None` by your answer and run the cell. Below it, in a cell that JupyterLab folds, is the
# reference answer; running it checks yours. All are about the weights given at the start.
#
# **1.** The noise variance is halved, from 0.1 to 0.05. What happens to the hidden pseudo-targets?
# Answer with the ratio of the new $t - z$ to the old.

# %%
answer_1 = None  # a number

# %% tags=["answer"] jupyter={"source_hidden": true}
# g and H both double, so V g stays: pseudo-targets do not know how noisy the data are.
reference_1 = 1.0
quieter = trace(network, Gaussian(noise_variance / 2), [hidden_weights, output_weights], X, Y)
assert close(quieter.pseudo_targets[0] - Z, reference_1 * (T - Z))
assert answer_1 is None or np.isclose(answer_1, reference_1)

# %% [markdown]
# **2.** All weights of the *output* layer are set to zero, $v_1 = v_2 = c = 0$. What is the
# pseudo-target of the output layer for datum 4, and what is the gradient at its hidden units?

# %%
answer_2 = None  # three numbers: (t, g1, g2)

# %% tags=["answer"] jupyter={"source_hidden": true}
# The output layer sees the observation from any weights. Nothing comes back through zeros.
reference_2 = (0.4, 0.0, 0.0)
silent = trace(network, likelihood, [hidden_weights, np.zeros((3, 1))], X, Y)
assert close([silent.pseudo_targets[1][3, 0], *silent.gradients[0][3]], reference_2)
assert answer_2 is None or np.allclose(answer_2, reference_2)

# %% [markdown]
# **3.** Suppose datum 4 were the only one. Then $H = S S^\top$ has rank one and no inverse.
# `balinp` raises eigenvalues below $10^{-8}$ of their mean to that value
# ([PT-5](../derivations/06_pseudo_targets.md#pt-5-the-floor)). Give both eigenvalues of the $H$
# that it uses, the smaller first, in terms of `s1` and `s2`.

# %%
answer_3 = None  # two numbers

# %% tags=["answer"] jupyter={"source_hidden": true}
# S S^T has the eigenvalues 0 and |S|^2, with the mean |S|^2 / 2.
reference_3 = np.array([1e-8 * (s1**2 + s2**2) / 2, s1**2 + s2**2])
lonely = trace(network, likelihood, [hidden_weights, output_weights], X[3:4], Y[3:4])
eigenvalues = np.linalg.eigvalsh(lonely.output_precisions[0])
assert close(eigenvalues[1], reference_3[1])
assert close(eigenvalues[0], reference_3[0], rtol=1e-6)  # eigvalsh is good to 1e-16 of the larger
assert answer_3 is None or np.allclose(answer_3, reference_3, rtol=1e-6, atol=0)

# %% [markdown]
# **4.** Replace $\tanh$ by relu, $\max(z, 0)$, with slope 1 for $z > 0$ and 0 otherwise. For datum
# 1, $x = -2$, hidden unit 1 is off, so its gradient is zero. Is its pseudo-target equal to its
# output? Compute $t_1 - z_1$ for this datum.

# %%
answer_4 = None  # a number

# %% tags=["answer"] jupyter={"source_hidden": true}
# Not equal: V is not diagonal, and unit 2 is on.
on = (Z > 0).astype(float)
G_relu = h * (y - np.maximum(Z, 0) @ [v1, v2] - c)[:, None] * np.array([v1, v2]) * on
S_relu = np.sqrt(h) * np.array([v1, v2]) * on
reference_4 = (G_relu[0] @ np.linalg.inv(S_relu.T @ S_relu / N))[0]
relu = trace(MLP([1, 2, 1], "relu"), likelihood, [hidden_weights, output_weights], X, Y)
assert relu.gradients[0][0, 0] == 0
assert close(relu.pseudo_targets[0][0, 0] - Z[0, 0], reference_4)
assert abs(reference_4) > 0.1
print(f"t1 - z1 = {reference_4:.4f}")
assert answer_4 is None or np.isclose(answer_4, reference_4, rtol=1e-4)

# %% [markdown]
# # 00 Five minutes
#
# A neural network that says how sure it is: fit it, ask it, look at it, keep it. Nothing is derived
# here. If you have a table of your own, go on with [08](08_your_own_table.ipynb); if you want to
# know how it works, with [01](01_bayesian_linear_regression.ipynb). It needs scikit-learn.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

from balinp import BALIClassifier, BALIRegressor
from balinp.plot import predictive_band

plt.style.use("balinp.mplstyle")

# %% [markdown]
# ## A curve with a gap
#
# A hundred noisy observations of a sine, none of them between $-1$ and $1$. `BALIRegressor` is used
# as any regressor of scikit-learn. Nothing has to be tuned: the strength of regularisation and the
# noise are learnt from the data.

# %%
rng = np.random.default_rng(0)


def observed(x):
    """The sine at inputs (N,), with noise of standard deviation 0.1."""
    return np.sin(1.5 * x) + 0.1 * rng.standard_normal(len(x))


x = rng.uniform(1, 3, 100) * rng.choice([-1, 1], 100)
y = observed(x)
model = BALIRegressor(random_state=0).fit(x[:, None], y)

mean, std = model.predict([[2.0], [0.0]], return_std=True)
print(f"among the data {mean[0]:.2f} ± {std[0]:.2f}, in the gap {mean[1]:.2f} ± {std[1]:.2f}")
assert abs(mean[0] - np.sin(3.0)) < 0.1
assert std[1] > 2 * std[0]  # it knows less where it has seen nothing

# %% [markdown]
# The spread has two parts. *Noise* would remain however much you measured. *Epistemic* spread is
# what the weights do not know, and more data make it smaller. `predict_distribution` has both
# apart.

# %%
grid = np.linspace(-3.5, 3.5, 200)
distribution = model.predict_distribution(grid[:, None])
fig, ax = plt.subplots(figsize=(8, 4))
predictive_band(distribution, grid, data=(x[:, None], y[:, None]), ax=ax)
ax.plot(grid, np.sin(1.5 * grid), color="black", linestyle=":", label="truth")
ax.set(xlabel="x", ylabel="y", title="orange: not known; blue: with noise")
ax.legend(loc="upper right")
plt.show()

# %% [markdown]
# Are the 95 % intervals right? New observations tell, as long as they come from where the data
# were.

# %%
x_new = rng.uniform(1, 3, 2000) * rng.choice([-1, 1], 2000)
y_new = observed(x_new)
low, high = model.predict_interval(x_new[:, None], level=0.95)
inside = np.mean((low <= y_new) & (y_new <= high))
print(f"{inside:.1%} of new observations are in their 95 % interval")
assert 0.92 < inside < 0.99

# %% [markdown]
# ## Classes
#
# `BALIClassifier` gives probabilities that are averaged over what the weights may be. Irises of
# three kinds, a third of them kept for testing, and one flower the size of a tree:

# %%
flowers, kinds = load_iris(return_X_y=True)
parts = train_test_split(flowers, kinds, test_size=1 / 3, random_state=0)
irises = BALIClassifier(random_state=0).fit(parts[0], parts[2])
accuracy = irises.score(parts[1], parts[3])
tree = irises.predict_proba([[60.0, 3.0, 4.0, 1.3]])[0]
print(f"accuracy {accuracy:.2f}; a flower of 60 cm: probabilities {np.round(tree, 2)}")
assert accuracy > 0.9

# %% [markdown]
# ## Keep it
#
# A fitted estimator goes into one file of plain arrays, without pickle, and predicts the same to
# the last bit when it is back.

# %%
with tempfile.TemporaryDirectory() as directory:
    path = Path(directory) / "sine.npz"
    model.save(path)
    again = BALIRegressor.load(path)
assert np.array_equal(again.predict(grid[:, None]), model.predict(grid[:, None]))

# %% [markdown]
# ## Exercises
#
# 1. Which share of new observations should be in the intervals of `level=0.5`? Which is?

# %%
answer_1 = None  # replace None by the share that is

# %% tags=["answer"] jupyter={"source_hidden": true}
low, high = model.predict_interval(x_new[:, None], level=0.5)
reference_1 = np.mean((low <= y_new) & (y_new <= high))
assert 0.4 < reference_1 < 0.6
assert answer_1 is None or np.isclose(answer_1, reference_1)

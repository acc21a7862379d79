# %% [markdown]
# # 08 Your own table
#
# You have a table: some columns are numbers, some are words, some entries are missing, and one
# column is to be predicted. In fifteen minutes this goes from the data frame to predictions with
# intervals, asks what the model lacks, mends it, and keeps it. The table is generated, so that the
# truth is known; yours takes its place by `pandas.read_csv`.
#
# It needs scikit-learn, pandas and MAPIE. Read [00](00_five_minutes.ipynb) first. For a first look
# at a file without any programming, `balinp evaluate csv:flats.csv --target rent` compares ten
# methods on it.

# %%
import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from mapie.regression import SplitConformalRegressor
from scipy.special import expit
from scipy.stats import norm
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from balinp import BALIClassifier, BALIRegressor, metrics, plot
from balinp.diagnostics import diagnose

plt.style.use("balinp.mplstyle")

# %% [markdown]
# ## 1. A table
#
# Rents of 800 flats. The median rent depends on size, year and district; the actual one is off by a
# factor whose logarithm has standard deviation 0.15. So expensive flats are off by more: remember
# that. For one flat in ten nobody knows the year.

# %%
DISTRICTS = {"harbour": 0.15, "old town": 0.3, "hills": 0.1, "east": -0.15}


def flats(n, rng):
    """A table of n flats, and their median rents (n,)."""
    size, year = rng.uniform(20, 140, n), rng.integers(1900, 2021, n)
    district, balcony = rng.choice(list(DISTRICTS), n), rng.random(n) < 0.4
    district_factor = np.array([DISTRICTS[name] for name in district])
    age_factor = 0.12 * (year - 1960) / 60
    median = np.exp(2.9 + 0.85 * np.log(size) + district_factor + 0.08 * balcony + age_factor)
    table = pd.DataFrame(
        {
            "size": size.round(1),
            "year": np.where(rng.random(n) < 0.1, np.nan, year),
            "district": district,
            "balcony": balcony,
            "rent": (median * np.exp(0.15 * rng.standard_normal(n))).round(),
        }
    )
    return table, median


rng = np.random.default_rng(0)
table, median = flats(800, rng)
table.head()

# %% [markdown]
# Three parts: 400 flats to train on, 200 to test on, and 200 for section 5.

# %%
X, y = table.drop(columns="rent"), table["rent"]
X_train, X_rest, y_train, y_rest = train_test_split(X, y, test_size=0.5, random_state=0)
X_more, X_test, y_more, y_test = train_test_split(X_rest, y_rest, test_size=0.5, random_state=0)

# %% [markdown]
# ## 2. A pipeline
#
# A network takes numbers. Words become columns of 0 and 1, one a district. Where a number is
# missing its mean is put, and a column is added that says so: that a year is unknown may itself
# tell something. Scales need no care, `BALIRegressor` standardises. What is learnt in these steps,
# too, is learnt from training rows only.

# %%
columns = ColumnTransformer(
    [
        ("numbers", SimpleImputer(add_indicator=True), ["size", "year"]),
        ("words", OneHotEncoder(handle_unknown="ignore"), ["district"]),
    ],
    remainder="passthrough",
    verbose_feature_names_out=False,
)
rents = make_pipeline(columns, BALIRegressor(random_state=0)).fit(X_train, y_train)

mean, std = rents.predict(X_test, return_std=True)
error = np.sqrt(np.mean((mean - y_test) ** 2))
print(f"off by {error:.0f} where rents have a spread of {y_test.std():.0f}; a few predictions:")
pd.DataFrame({"mean": mean, "std": std, "rent": y_test}).head().round()

# %%
assert error < 0.5 * y_test.std()
assert np.array_equal(
    rents[0].get_feature_names_out()[:3], ["size", "year", "missingindicator_year"]
)

# %% [markdown]
# More than mean and standard deviation is asked of the last step of the pipeline, given what the
# steps before make of a row.


# %%
def distribution(pipeline, X):
    """The predictive distribution of rows of the table."""
    return pipeline[-1].predict_distribution(pipeline[:-1].transform(X))


def inside(low, high):
    """Whether the rents of the test flats are between two ends (N,)."""
    return (low <= y_test.to_numpy()) & (y_test.to_numpy() <= high)


low, high = (end[:, 0] for end in distribution(rents, X_test).interval(0.95))
in_95 = inside(low, high)
print(f"{in_95.mean():.1%} of rents are in their 95 % interval")
assert 0.9 < in_95.mean() < 0.99

# %% [markdown]
# ## 3. What the model lacks
#
# The average is right. Is all of it? `diagnose` holds new data against what was predicted for them.


# %%
def diagnosis(pipeline, y):
    """What predictions of the test flats lack, whose targets are y (N,)."""
    predicted, seen = distribution(pipeline, X_test), pipeline[:-1].transform(X_test)
    return diagnose(predicted, np.asarray(y, dtype=float)[:, None], seen.astype(float))


first = diagnosis(rents, y_test)
print(first)

# %% [markdown]
# The noise rises with the rent, and the model has one noise for all flats: its intervals are too
# wide for cheap ones and too narrow for expensive ones. The remedy is known to whoever knows rents:
# they differ by factors. So predict the logarithm.

# %%
log_rents = make_pipeline(columns, BALIRegressor(random_state=0)).fit(X_train, np.log(y_train))
second = diagnosis(log_rents, np.log(y_test))
print(*second.found, sep="\n")

# %% [markdown]
# The spread is even now, and what is left shows: errors go with input 0, the size. As a function of
# it the log rent is steep where flats are small and flat where they are large, and a network from
# so few data makes it smoother than it is. Factors again: a tenth larger is so many percent dearer.
# So the size goes in as its logarithm, too.

# %%
logs = ColumnTransformer(
    [
        ("size", FunctionTransformer(np.log), ["size"]),
        ("year", SimpleImputer(add_indicator=True), ["year"]),
        ("words", OneHotEncoder(handle_unknown="ignore"), ["district"]),
    ],
    remainder="passthrough",
)
log_rents = make_pipeline(logs, BALIRegressor(random_state=0)).fit(X_train, np.log(y_train))
third = diagnosis(log_rents, np.log(y_test))
print(third)
noise = np.sqrt(distribution(log_rents, X_test).noise_covariance[0, 0])
print(f"\nnoise of log rents: {noise:.3f}; the truth is 0.15 and what unknown years add")

assert first["spread"].found
assert [finding.name for finding in second.found] == ["trend"]
assert not third.found
assert 0.14 < noise < 0.2

# %% [markdown]
# Each look at the test flats that leads to a change makes them a little less new. Here they are
# generated; with your table, keep some rows for the very end.
#
# Quantiles go through the exponential, so intervals of rents are those of log rents, exponentiated.

# %%
log_low, log_high = (np.exp(end[:, 0]) for end in distribution(log_rents, X_test).interval(0.95))
in_log_95 = inside(log_low, log_high)
expensive = mean > np.median(mean)
for name, found in (("rent", in_95), ("log rent", in_log_95)):
    shares = found[~expensive].mean(), found[expensive].mean()
    print(f"{name:8}: in 95 % intervals, cheap {shares[0]:.0%}, expensive {shares[1]:.0%}")
assert in_95[~expensive].mean() - in_95[expensive].mean() > 0.05
assert in_log_95[expensive].mean() > 0.92

# %% [markdown]
# ## 4. Pictures
#
# Coverage and residuals of the first model and the last, and what the last has learnt of a flat in
# the hills: a column of the table is varied, and the others stay.

# %%
fig, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
for (left, right), pipeline, y_shown, name in (
    (axes[0], rents, y_test, "rent"),
    (axes[1], log_rents, np.log(y_test), "log rent"),
):
    predicted, targets = distribution(pipeline, X_test), y_shown.to_numpy()[:, None]
    plot.coverage(predicted, targets, ax=left)
    plot.residuals(predicted, targets, ax=right)
    left.set_title(f"{name}: coverage")
    right.set_title(f"{name}: residuals")
plt.show()

# %%
sizes = np.linspace(20, 140, 100)
flat = pd.DataFrame({"size": sizes, "year": 1980.0, "district": "hills", "balcony": False})
fig, ax = plt.subplots(figsize=(8, 4))
plot.predictive_band(distribution(log_rents, flat), sizes, ax=ax)
truth = 2.9 + 0.85 * np.log(sizes) + DISTRICTS["hills"] + 0.12 * 20 / 60
ax.plot(sizes, truth, color="black", linestyle=":", label="true median")
ax.set(xlabel="size, square metres", ylabel="log rent", title="a flat of 1980 in the hills")
ax.legend(loc="lower right")
plt.show()
off = distribution(log_rents, flat).mean[:, 0] - truth
print(f"off by {np.sqrt(np.mean(off**2)):.3f} from the true median, where noise is 0.15")
assert np.sqrt(np.mean(off**2)) < 0.08

# %% [markdown]
# ## 5. Conformal intervals on top
#
# Every interval so far is right if the model is. *Split conformal* intervals need less: that rows
# come in no particular order. They take rows the model was not trained on, look how far off it was,
# and make intervals as wide as would have been enough there. MAPIE does it for any fitted
# regressor.


# %%
def conformal(fitted):
    """Ends of 95 % intervals for the test flats, from the errors at the 200 flats kept for this."""
    wrapped = SplitConformalRegressor(fitted, confidence_level=0.95, prefit=True)
    ends = wrapped.conformalize(X_more, y_more).predict_interval(X_test)[1]
    return ends[:, 0, 0], ends[:, 1, 0]


ends = conformal(rents)
# The same by hand: the ceil(.95 (n + 1))-th smallest of n errors.
errors = np.sort(np.abs(y_more - rents.predict(X_more)))
rank = int(np.ceil(0.95 * (len(errors) + 1)))
assert np.allclose(ends[1] - ends[0], 2 * errors[rank - 1])

for name, found, width in (
    ("BALI, rent", in_95, high - low),
    ("conformal, rent", inside(*ends), ends[1] - ends[0]),
    ("BALI, log rent", in_log_95, log_high - log_low),
):
    cheap, dear = found[~expensive].mean(), found[expensive].mean()
    print(f"{name:16} {found.mean():.1%} inside: cheap {cheap:.0%}, expensive {dear:.0%}; "
          f"mean width {width.mean():.0f}")  # fmt: skip
assert 0.9 < inside(*ends).mean() < 0.99
assert inside(*ends)[~expensive].mean() > inside(*ends)[expensive].mean()

# %% [markdown]
# The promise is kept: about 95 %, within what 200 flats to set it and 200 to test it allow. And it
# is kept on average only. A model that is wrong about the spread stays wrong about it: expensive
# flats are still inside less often. Mend the model first. Then conformal intervals are a check of
# it that costs some rows: they should hardly change anything.

# %%
log_errors = np.sort(np.abs(np.log(y_more) - log_rents.predict(X_more)))
half = np.mean(np.log(log_high / log_low)) / 2
print(f"half width for log rents: conformal {log_errors[rank - 1]:.3f}, BALI {half:.3f}")
assert abs(log_errors[rank - 1] / half - 1) < 0.25

# %% [markdown]
# ## 6. Classes
#
# Is a flat let within a week? The cheaper for what it is, the likelier. The column `let` holds
# words; `BALIClassifier` takes them as they are.

# %%
surprise = np.log(table["rent"] / median)
p_truth = expit(1 - 12 * surprise.to_numpy())
let = pd.Series(np.where(rng.random(len(table)) < p_truth, "yes", "no"), name="let")
with_rent = ColumnTransformer(
    [
        ("amounts", FunctionTransformer(np.log), ["size", "rent"]),
        ("year", SimpleImputer(add_indicator=True), ["year"]),
        ("words", OneHotEncoder(handle_unknown="ignore"), ["district"]),
    ],
    remainder="passthrough",
)
is_test = ~table.index.isin(X_train.index)
week = make_pipeline(with_rent, BALIClassifier(random_state=0)).fit(table[~is_test], let[~is_test])
predicted = distribution(week, table[is_test])
assert np.array_equal(predicted.probabilities, week.predict_proba(table[is_test]))

labels = (let[is_test] == "yes").to_numpy().astype(int)
share = np.full(len(labels), np.mean(let[~is_test] == "yes"))
truth, base = (np.stack([1 - p, p], axis=1) for p in (p_truth[is_test], share))
scores = [metrics.nll(labels, p) for p in (truth, predicted.probabilities, base)]
print("nats a flat: truth {:.3f}, BALI {:.3f}, the share of yes {:.3f}".format(*scores))
verdict = diagnose(predicted, np.eye(2)[labels])
print(verdict)
assert "under-confident" in verdict["confidence"].verdict
assert list(week.classes_) == ["no", "yes"]
assert scores[0] < scores[1] < scores[2]

# %% [markdown]
# Far better than the share, and not as sure as it could be: more flats are told rightly than it
# claims. The probabilities are averages over all that 400 times yes or no leave open, which here is
# more than they should. Points above the line say the same. Scikit-learn's `CalibratedClassifierCV`
# is a remedy that costs rows, as conformal intervals do.

# %%
fig, ax = plt.subplots(figsize=(5, 4.5))
plot.reliability(predicted.probabilities, labels, n_bins=5, ax=ax)
ax.set_title("let within a week")
plt.show()

# %% [markdown]
# ## 7. Save and load
#
# `save` writes the estimator alone, to plain arrays that open without pickle. A whole pipeline,
# with what the steps before have learnt, is kept by joblib; open such files only if you trust where
# they come from, and with the versions that wrote them.

# %%
with tempfile.TemporaryDirectory() as directory:
    estimator, whole = Path(directory) / "rents.npz", Path(directory) / "pipeline.joblib"
    log_rents[-1].save(estimator)
    joblib.dump(log_rents, whole)
    loaded, pipeline = BALIRegressor.load(estimator), joblib.load(whole)
assert np.array_equal(pipeline.predict(X_test), log_rents.predict(X_test))
assert np.array_equal(loaded.predict(logs.transform(X_test)), log_rents.predict(X_test))

# %% [markdown]
# ## 8. Targets without noise
#
# A simulation gives the same answer each time. The noise that is learnt is then small, and stands
# for what the network does not follow. It may also be given (`noise_variance`, in units of $y^2$),
# but not too small: with $10^{-8}$ the network is to hit every answer to four digits, which makes
# its training hard and its predictions worse. Here are 60 runs of a simulation with two inputs:


# %%
def simulated(X):
    """A simulation's answers (N,)."""
    return np.sin(3 * X[:, 0]) * X[:, 1] + X[:, 0] ** 2


runs, new = rng.uniform(-1, 1, (60, 2)), rng.uniform(-1, 1, (500, 2))
found = {}
for given in (None, 1e-8):
    model = BALIRegressor(noise_variance=given, random_state=0).fit(runs, simulated(runs))
    mean, std = model.predict(new, return_std=True)
    found[given] = np.sqrt(np.mean((mean - simulated(new)) ** 2))
    print(f"noise variance {given}: off by {found[given]:.3f}, predicted {std.mean():.3f}")
assert found[None] < 0.06
assert found[1e-8] > 2 * found[None]

# %% [markdown]
# ## 9. Looking for the minimum
#
# If each run takes a day, the next input should be chosen well. *Bayesian optimisation* takes the
# one with the largest expected improvement: with predictive mean $m$, standard deviation $s$, the
# best value so far $b$ and $z = (b - m) / s$ it is $s (z \Phi(z) + \varphi(z))$. After four runs
# nothing is known about noise: all they show could be noise, and the model that learns it says so.
# So here it is given.


# %%
def run(x):
    """What is to be minimised, on [0, 1]."""
    return x * np.sin(12 * x) + 0.5 * (x - 0.3) ** 2


def next_input(seen, noise_variance):
    """The place in `candidates` with the largest expected improvement, and its prediction."""
    model = BALIRegressor((20,), noise_variance=noise_variance, random_state=0)
    model.fit(candidates[seen, None], run(candidates[seen]))
    mean, std = model.predict(candidates[:, None], return_std=True)
    z = (run(candidates[seen]).min() - mean) / std
    improvement = std * (z * norm.cdf(z) + norm.pdf(z))
    improvement[seen] = -1
    return int(improvement.argmax()), mean, std


candidates = np.linspace(0, 1, 101)
seen = [5, 35, 65, 95]
_, mean, std = next_input(seen, None)
print(f"noise learnt: standard deviations from {std.min():.2f} to {std.max():.2f}, all is noise")
assert std.min() > 0.5 * std.max()

for _ in range(12):
    place, mean, std = next_input(seen, 1e-5)
    seen.append(place)

fig, ax = plt.subplots(figsize=(8, 4))
ax.fill_between(candidates, mean - 2 * std, mean + 2 * std, alpha=0.2, label="before the last run")
ax.plot(candidates, mean)
ax.plot(candidates, run(candidates), color="black", linestyle=":", label="truth")
ax.plot(candidates[seen], run(candidates[seen]), "o", color="black", label="runs")
ax.set(xlabel="x", ylabel="what is minimised", title="twelve runs after the first four")
ax.legend(loc="lower left")
plt.show()
lowest = run(candidates[seen]).min()
print(f"lowest run {lowest:.3f}, lowest of all {run(candidates).min():.3f}")
assert lowest == run(candidates).min()

# %% [markdown]
# ## Exercises
#
# 1. What is the 80 % interval, in rent, of a flat of 60 square metres in the east, built 1950,
#    without a balcony? Give its two ends.

# %%
answer_1 = None  # replace None by a pair of numbers

# %% tags=["answer"] jupyter={"source_hidden": true}
one = pd.DataFrame({"size": [60.0], "year": [1950.0], "district": ["east"], "balcony": [False]})
reference_1 = [float(np.exp(end[0, 0])) for end in distribution(log_rents, one).interval(0.8)]
log_median = 2.9 + 0.85 * np.log(60) + DISTRICTS["east"] + 0.12 * -10 / 60
assert reference_1[0] < np.exp(log_median) < reference_1[1]
assert answer_1 is None or np.allclose(answer_1, reference_1, rtol=0.01)

# %% [markdown]
# 2. How wide, in log rent, is half of a split conformal interval of level 80 % for the last model?
#    (By hand: which of the sorted errors in `log_errors` is it?)

# %%
answer_2 = None

# %% tags=["answer"] jupyter={"source_hidden": true}
reference_2 = log_errors[int(np.ceil(0.8 * (len(log_errors) + 1))) - 1]
wrapped = SplitConformalRegressor(log_rents, confidence_level=0.8, prefit=True)
intervals = wrapped.conformalize(X_more, np.log(y_more)).predict_interval(X_test)[1][:, :, 0]
assert np.allclose(intervals[:, 1] - intervals[:, 0], 2 * reference_2)
assert answer_2 is None or np.isclose(answer_2, reference_2)
print("all exercises checked")

"""Where a library does what lines of ours do: how near the two are, and what each takes.

    python tests/libraries.py [NAME ...]

Needs the extra `experiments` and, outside of all extras, scoringrules, arviz-stats and pyperf. What
was decided from it is in tests/README.md.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np

Call = Callable[[], object]


def seconds(call: Call, repeats: int = 5) -> float:
    """Median processor seconds of a call, after one that does not count."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return median(times)


def say(name: str, *rows: str) -> None:
    """Print what was found."""
    print(f"{name}\n    " + "\n    ".join(rows))


def crps() -> None:
    """Scores of Gaussians, Student tails and mixtures, against scoringrules."""
    import scoringrules

    from balinp import metrics

    rng = np.random.default_rng(0)
    S, N = 20, 2000
    Y, means = 3 * rng.standard_normal((N, 1)), rng.standard_normal((S, N, 1))
    stds = rng.uniform(0.5, 2, (S, N, 1))
    weights = np.full((N, S), 1 / S)

    def theirs() -> float:
        m, s = means[:, :, 0].T, stds[:, :, 0].T
        return float(scoringrules.crps_mixnorm(Y[:, 0], m, s, weights).mean())

    def ours() -> float:
        return metrics.crps_mixture(Y, means, stds)

    say(
        "CRPS of a mixture of 20 Gaussians, 2,000 data",
        f"relative difference {abs(ours() / theirs() - 1):.1e}",
        f"ours {1e3 * seconds(ours):.1f} ms, scoringrules {1e3 * seconds(theirs):.1f} ms",
    )

    def student(nu: float) -> tuple[float, float]:
        scale = stds[0] * np.sqrt(1 - 2 / nu)
        their = float(scoringrules.crps_t(Y[:, 0], nu, means[0, :, 0], scale[:, 0]).mean())
        return their, metrics.crps_student(Y, means[0], stds[0], nu)

    rows = []
    for nu in (2.1, 3.0, 5.0, 30.0):
        their, our = student(nu)
        gaussian = metrics.crps_gaussian(Y, means[0], stds[0])
        rows.append(
            f"freedom {nu:g}: relative difference {abs(our / their - 1):.1e}; "
            f"the Gaussian of the same moments {gaussian / our - 1:+.1%}"
        )
    say("CRPS of Student tails, 2,000 data", *rows)


def permutations() -> None:
    """Permutation tests of diagnostics, against scipy.stats.permutation_test."""
    from scipy.stats import permutation_test, rankdata

    from balinp.diagnostics.residuals import (
        PERMUTATIONS,
        _standard,
        pair_association,
        strongest_association,
    )

    for N in (50, 1000, 20_000):
        rng = np.random.default_rng(N)
        scores, first = rng.standard_normal(N), np.arange(N - 1)
        features = {f"input {k}": rng.standard_normal(N) for k in range(8)}

        def theirs_pairs(scores=scores, first=first) -> float:
            def agreement(r, axis=-1):
                return np.mean(r[..., first] * r[..., first + 1], axis=-1)

            return permutation_test(
                (_standard(rankdata(scores)),), agreement, permutation_type="pairings",
                vectorized=True, n_resamples=PERMUTATIONS, batch=50, alternative="greater",
                rng=np.random.default_rng(0),
            ).pvalue  # fmt: skip

        def ours_pairs(scores=scores, first=first) -> float:
            return pair_association(scores, first, first + 1, np.random.default_rng(0))[1]

        columns = np.stack([_standard(rankdata(x)) for x in features.values()], axis=1)
        columns = np.hstack([columns, np.stack([_standard(c**2) for c in columns.T], axis=1)])

        def theirs_strongest(scores=scores, columns=columns) -> float:
            def largest(r, axis=-1):
                return np.abs(r @ columns).max(axis=-1)

            return permutation_test(
                (_standard(rankdata(scores)),), largest, permutation_type="pairings",
                vectorized=True, n_resamples=PERMUTATIONS, batch=50, alternative="greater",
                rng=np.random.default_rng(0),
            ).pvalue  # fmt: skip

        def ours_strongest(scores=scores, features=features) -> float:
            found = strongest_association(scores, features, np.random.default_rng(0))
            return found.p_value

        say(
            f"permutation tests, {N} data",
            f"pairs: p {ours_pairs():.3f} ours, {theirs_pairs():.3f} scipy.stats; "
            f"{1e3 * seconds(ours_pairs):.0f} ms and {1e3 * seconds(theirs_pairs):.0f} ms",
            f"8 inputs: p {ours_strongest():.3f} ours, {theirs_strongest():.3f} scipy.stats; "
            f"{1e3 * seconds(ours_strongest):.0f} ms and {1e3 * seconds(theirs_strongest):.0f} ms",
        )


def mixing() -> None:
    """Effective draws of the chains of `balinp truths`, by emcee and by arviz-stats."""
    from arviz_stats.base import array_stats

    from balinp.experiments import exact_posterior, truths

    for widths, seed in (((1, 3, 1), 0), ((2, 2, 1), 1)):
        problem = exact_posterior.problem(widths, seed)
        chains = exact_posterior.Chains()
        draws, _ = exact_posterior.hidden_weights(problem, chains, seed)
        X_new, _ = next(iter(problem.tests.values()))
        reference, means, _ = exact_posterior.exact(problem, draws, X_new)
        means = means.reshape(*draws.shape[:2], -1)
        effective, halves = truths._mixing(means, reference.std)
        walkers = means.transpose(1, 0, 2)  # arviz: chain, draw, output
        ess = array_stats.ess(walkers, chain_axis=0, draw_axis=1, method="mean").min()
        rhat = array_stats.rhat(walkers, chain_axis=0, draw_axis=1).max()

        def ours(means=means, std=reference.std) -> object:
            return truths._mixing(means, std)

        def theirs(walkers=walkers) -> object:
            return array_stats.ess(walkers, chain_axis=0, draw_axis=1, method="mean")

        say(
            f"mixing, network {widths}, {draws.shape[1]} walkers of {draws.shape[0]} draws",
            f"effective draws {effective:.0f} by emcee, {ess:.0f} by arviz-stats",
            f"halves differ by {halves:.3f} std; R-hat {rhat:.4f}",
            f"{seconds(ours, 1):.2f} s and {seconds(theirs, 1):.2f} s",
        )


def splits() -> None:
    """Rows that scikit-learn's generators choose, against those of recorded results."""
    from sklearn.datasets import load_wine
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    from balinp.experiments.splits import random_split, stratified_split

    y = load_wine().target
    n = len(y)
    ours = random_split(0, n=n, test_fraction=0.1).test
    theirs = next(ShuffleSplit(1, test_size=0.1, random_state=0).split(y))[1]
    rows = [f"random: {len(np.intersect1d(ours, theirs))} of {len(ours)} test rows in common"]
    counts = []
    for k in range(20):
        ours = stratified_split(k, labels=y, test_fraction=0.1).test
        generator = StratifiedShuffleSplit(1, test_size=0.1, random_state=k)
        theirs = next(generator.split(y, y))[1]
        counts.append((np.bincount(y[ours]), np.bincount(y[theirs])))
    for name, which in (("ours", 0), ("scikit-learn", 1)):
        found = {tuple(int(c) for c in pair[which]) for pair in counts}
        rows.append(f"stratified, test rows a class in 20 splits, {name}: {sorted(found)}")
    say("splits of wine", *rows)


def timing() -> None:
    """A call by the benchmark's loop and by pyperf, five times each."""
    from balinp.experiments.benchmark import seconds_of

    A = np.random.default_rng(0).standard_normal((60, 60))
    command = [
        *(sys.executable, "-m", "pyperf", "timeit", "--quiet", "-p", "5", "-n", "3"),
        *("--inherit-environ", "OMP_NUM_THREADS"),
        *("-s", "import numpy as np; A = np.random.default_rng(0).standard_normal((60, 60))"),
        "np.linalg.eigh(A @ A.T)",
    ]

    def by_pyperf() -> float:
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        number, unit = text.split("Mean +- std dev: ")[1].split(" ")[:2]
        return float(number) * {"us": 1e-6, "ms": 1e-3}[unit]

    rows = []
    calls = {"ours": lambda: seconds_of(lambda: np.linalg.eigh(A @ A.T), 200), "pyperf": by_pyperf}
    for name, call in calls.items():
        start = time.perf_counter()
        found = [call() for _ in range(5)]
        took = (time.perf_counter() - start) / 5
        spread = max(found) / min(found) - 1
        rows.append(f"{name}: {1e6 * median(found):.0f} us, spread {spread:.0%}, {took:.1f} s each")
    say("timing of an eigendecomposition, five times", *rows)


ALL = {call.__name__: call for call in (crps, permutations, mixing, splits, timing)}

if __name__ == "__main__":
    for name in sys.argv[1:] or ALL:
        ALL[name]()

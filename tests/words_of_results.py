"""Sentences of the page of results that quote records."""

from __future__ import annotations

import numpy as np
from quoted import (
    CONJUGATE,
    DROPOUT,
    FIVE,
    GAPS,
    GP,
    GUARANTEES,
    KRONECKER,
    LINEAR,
    MIXTURE,
    MLPS,
    ONE,
    PUBLISHED,
    RESULTS,
    Claim,
    apart,
    below,
    gain,
    in_seconds,
    least,
    lost,
    mean,
    paired,
    ranked,
    ratio,
    records,
    scores,
    shown,
    single,
    starts,
    width,
    within,
)

REGRESSIONS = [
    Claim(
        RESULTS,
        "BALI (isotropic) has the highest mean of all methods that train one network on all five "
        "sets. On boston and wine MC dropout is level ({} and {} by split), elsewhere the next is "
        "{} nats or more behind.",
        (
            paired("uci_boston", DROPOUT, ONE, 3),
            paired("uci_wine", DROPOUT, ONE, 3),
            lambda: shown(
                min(
                    gain(run, ONE, single(run)[1])[0]
                    for run in ("uci_concrete", "uci_energy", "uci_yacht")
                ),
                2,
            ),
        ),
        lambda: (
            all(single(run)[0] == ONE for run in PUBLISHED)
            and single("uci_boston")[1] == single("uci_wine")[1] == DROPOUT
        ),
    ),
    Claim(
        RESULTS,
        "It is **not** ahead of the Gaussian process on yacht ({}) and boston ({}, level).",
        (paired("uci_yacht", GP, ONE), paired("uci_boston", GP, ONE)),
        lambda: all(
            gain(run, ONE, GP)[0] > 0 for run in ("uci_concrete", "uci_energy", "uci_wine")
        ),
    ),
    Claim(
        RESULTS,
        "As a mixture over weights it has {} on boston, {} on concrete, {} on energy, {} on wine "
        "and {} on yacht, where -2.33, -2.92, -.45, -.94 and -.32 were aimed at: short on boston "
        "and yacht.",
        tuple(mean(run, ONE, 3, MIXTURE) for run in PUBLISHED),
    ),
    Claim(
        RESULTS,
        "An ensemble of 5, the mixture of independent starts, gains {} on boston, {} on concrete, "
        "{} on energy, {} on wine and {} on yacht, for about five times the time.",
        tuple(paired(run, FIVE, ONE, 3) for run in PUBLISHED),
    ),
    Claim(
        RESULTS,
        "Of all other methods only the Gaussian process on yacht is ahead of it ({}).",
        (paired("uci_yacht", GP, FIVE),),
        lambda: (
            all(ranked(run)[0] == FIVE for run in PUBLISHED if run != "uci_yacht")
            and ranked("uci_yacht")[:2] == [GP, FIVE]
        ),
    ),
    Claim(
        RESULTS,
        "Its mixture has {}, {}, {}, {} and {}, where -2.28, -2.86, -.40, -.93 and -.25 were "
        "aimed at: short on boston.",
        tuple(mean(run, FIVE, 3, MIXTURE) for run in PUBLISHED),
    ),
    Claim(
        RESULTS,
        "With the conjugate prior a network is over-fitted and mostly too sure: it is behind the "
        "isotropic one on all five sets and on diabetes, on boston ({}), wine ({}) and diabetes "
        "({}) behind the linear model as well, and its 95 % intervals hold {} of boston's test "
        "targets, {} of concrete's, {} of energy's, {} of wine's and {} of diabetes'. On yacht "
        "they hold {}, and are far too wide.",
        (
            *(mean(run, CONJUGATE) for run in ("uci_boston", "uci_wine", "diabetes")),
            *(
                mean(run, CONJUGATE, 2, "coverage_95")
                for run in (*PUBLISHED[:4], "diabetes", "uci_yacht")
            ),
        ),
        lambda: all(
            gain(run, CONJUGATE, ONE)[0] < 0
            and (gain(run, CONJUGATE, LINEAR)[0] < 0)
            == (run in ("uci_boston", "uci_wine", "diabetes"))
            for run in (*PUBLISHED, "diabetes")
        ),
    ),
    Claim(
        GUARANTEES,
        "With the conjugate prior 95 % intervals of a network hold {} to {} of the test targets of "
        "boston, concrete, energy and wine",
        tuple(
            lambda of=of: shown(
                of(scores(run, CONJUGATE, "coverage_95").mean() for run in PUBLISHED[:4]), 2
            )
            for of in (min, max)
        ),
    ),
    Claim(
        RESULTS,
        "the network is behind the exact linear model by {} nats a datum.",
        (paired("diabetes", LINEAR, ONE, 3),),
    ),
]
"""Of the published splits."""

CLASSES = [
    Claim(
        RESULTS,
        "On digits BALI (isotropic) is level with the single MLP ({} ahead), and **not** ahead of "
        "the ensemble of 5 MLPs ({} behind, where one standard error was aimed at) nor of MC "
        "dropout ({}), and an ensemble of 5 of BALI is {} behind that of MLPs.",
        (
            paired("digits", "MLP", ONE, 3),
            paired("digits", ONE, MLPS, 3),
            paired("digits", ONE, DROPOUT, 3),
            paired("digits", FIVE, MLPS, 3),
        ),
        lambda: (
            within("digits", ONE, "MLP")
            and not any(within("digits", ONE, name) for name in (MLPS, DROPOUT))
        ),
    ),
    Claim(
        RESULTS,
        "On wine and breast cancer it has a lower mean than all three, within two standard errors.",
        (),
        lambda: all(
            gain(run, ONE, name)[0] < 0 and within(run, ONE, name)
            for run in ("wine", "breast_cancer")
            for name in ("MLP", MLPS, DROPOUT)
        ),
    ),
    Claim(
        RESULTS,
        "BALI (isotropic) has a lower NLL than both Laplace approximations.",
        (),
        lambda: all(
            gain(run, ONE, name)[0] < 0
            for run in ("digits", "wine", "breast_cancer")
            for name in (KRONECKER, "last-layer Laplace")
        ),
    ),
    Claim(
        RESULTS,
        "With 50 units it has NLL {} and AUROC {}, where .115 and .995 were aimed at: short of "
        "both, with the conjugate prior ({} and {}) of the first alone. An ensemble of 5 has both "
        "({} and {}).",
        tuple(
            mean("mnist", name, 3, key) for name in (ONE, CONJUGATE, FIVE) for key in ("", "auroc")
        ),
        lambda: (
            scores("mnist", FIVE) <= 0.115 < scores("mnist", CONJUGATE) < scores("mnist", ONE)
            and scores("mnist", ONE, "auroc") < 0.995 <= scores("mnist", FIVE, "auroc")
            and scores("mnist", CONJUGATE, "auroc") > 0.995
        ),
    ),
    Claim(
        RESULTS,
        "MC dropout is level with BALI (isotropic) in NLL, and better calibrated.",
        (),
        lambda: (
            abs(scores("mnist", DROPOUT, "nll") - scores("mnist", ONE, "nll")) < 0.001
            and scores("mnist", DROPOUT, "ece") < scores("mnist", ONE, "ece")
        ),
    ),
]
"""Of classes."""

TRUTHS = [
    Claim(
        RESULTS,
        "Layerwise it loses {} and {} nats a datum to the exact posterior (mean over the five "
        "problems ± standard error), with all weights together {} and {}.",
        tuple(
            lost(network, "data", f"BALI ({kind})")
            for kind in ("layerwise", "joint")
            for network in ("1-3-1", "2-2-1")
        ),
    ),
    Claim(
        RESULTS,
        "{} and {} of the exact one (1-3-1), {} and {} (2-2-1), geometric means; in single "
        "problems {} to {} in the gap.",
        (
            *(
                ratio(network, place, "BALI (joint)")
                for network in ("1-3-1", "2-2-1")
                for place in ("data", "gap")
            ),
            *(
                lambda of=of: shown(
                    of([of(width(n, "gap", "BALI (joint)")) for n in ("1-3-1", "2-2-1")]), 2
                )
                for of in (min, max)
            ),
        ),
    ),
    Claim(
        RESULTS,
        "different starts ended at different ones in three of the ten problems, up to {} nats "
        "apart.",
        (lambda: shown(max(apart()), 1),),
        lambda: sum(one > 0.01 for one in apart()) == 3,
    ),
    Claim(
        RESULTS,
        "In one 2-2-1 problem (seed 4) all three starts have {} nats a datum outside, layerwise; "
        "the exact posterior has {}.",
        (
            lambda: shown(starts("2-2-1", 4, "log_likelihood_outside").max(), 2),
            lambda: shown(starts("2-2-1", 4, "log_likelihood_outside", "MCMC")[0], 2),
        ),
        lambda: np.ptp(starts("2-2-1", 4, "log_likelihood_outside")) < 0.01,
    ),
    Claim(
        RESULTS,
        "*In the data layerwise BALI is too unsure*, {} and {} times",
        tuple(ratio(network, "data", "BALI (layerwise)", 1) for network in ("1-3-1", "2-2-1")),
    ),
    Claim(
        RESULTS,
        "*In the gap it is too sure*: {} and {} of the exact standard deviations, in the worst "
        "problem {}. It loses {} and {} nats there, with all weights together {} and {}.",
        (
            *(ratio(network, "gap", "BALI (layerwise)") for network in ("1-3-1", "2-2-1")),
            lambda: shown(width("2-2-1", "gap", "BALI (layerwise)").min(), 1),
            *(
                lost(network, "gap", f"BALI ({kind})")
                for kind in ("layerwise", "joint")
                for network in ("1-3-1", "2-2-1")
            ),
        ),
    ),
    Claim(
        RESULTS,
        "Layerwise it is too sure, {} and {}; together too unsure, {} and {}. For 1-3-1 that cost "
        "nothing that five problems could show ({} and {} nats), for 2-2-1 {} and {}.",
        (
            *(
                ratio(network, "outside", f"BALI ({kind})")
                for kind in ("layerwise", "joint")
                for network in ("1-3-1", "2-2-1")
            ),
            *(
                lost(network, "outside", f"BALI ({kind})")
                for network in ("1-3-1", "2-2-1")
                for kind in ("layerwise", "joint")
            ),
        ),
    ),
]
"""Of `balinp truths`."""

CONVERGED = [
    Claim(
        RESULTS,
        "prior precision 1 and noise variance .01 fixed, the same start) by BALI and by Adam with "
        "the rates .001, .01 and .1.",
        (),
        lambda: (
            sorted(r["learning_rate"] for r in records("convergence_energy")[1:])
            == [0.001, 0.01, 0.1]
        ),
    ),
    Claim(
        RESULTS,
        "in seconds BALI is ahead of Adam on energy, by a factor of {}, and behind it elsewhere, "
        "by {} to {}.",
        (
            lambda: shown(1 / in_seconds("energy"), 1),
            lambda: shown(min(in_seconds(name) for name in ("boston", "concrete", "yacht")), 1),
            lambda: shown(max(in_seconds(name) for name in ("boston", "concrete", "yacht")), 1),
        ),
    ),
]
"""Of `balinp convergence`."""

GAP_CLAIMS = [
    Claim(
        RESULTS,
        "The worst of one network's 46 gaps has {} nats a datum (energy), {} with its Student "
        "tails, where the Gaussian process has {}, the ensemble of MLPs {} and Adam + Kronecker "
        "Laplace {}.",
        (
            lambda: shown(min(scores(run, ONE).min() for run in GAPS), 2),
            lambda: shown(min(scores(run, ONE, MIXTURE).min() for run in GAPS), 2),
            *(least("published_gap_energy", name) for name in (GP, MLPS, KRONECKER)),
        ),
        lambda: (
            sum(len(scores(run, ONE)) for run in GAPS) == 46
            and min(scores(run, ONE).min() for run in GAPS)
            == scores("published_gap_energy", ONE).min()
        ),
    ),
    Claim(
        GUARANTEES,
        "of the 46 published ones, which cut through ties, {}, and {} as a Gaussian.",
        tuple(
            lambda key=key: shown(min(scores(run, ONE, key).min() for run in GAPS), 2)
            for key in (MIXTURE, "")
        ),
    ),
    Claim(
        RESULTS,
        "Below -10 it falls in {} gap of 46, its ensemble in {}, the others in {}, {} and {}.",
        tuple(below(name) for name in (ONE, FIVE, GP, MLPS, KRONECKER)),
    ),
    Claim(
        RESULTS,
        "By the median it is ahead of all others on no set, and on wine behind the linear model "
        "({} and {}).",
        (
            lambda: shown(np.median(scores("published_gap_wine", ONE)), 2),
            lambda: shown(np.median(scores("published_gap_wine", LINEAR)), 2),
        ),
        lambda: all(
            np.median(scores(run, ONE)) < max(np.median(scores(run, m)) for m in (LINEAR, GP, MLPS))
            for run in GAPS
        ),
    ),
    Claim(
        RESULTS,
        "on yacht its 95 % intervals hold {} to {} % of the targets, in energy's worst gap {} %.",
        (
            lambda: f"{100 * scores('published_gap_yacht', ONE, 'coverage_95').min():.0f}",
            lambda: f"{100 * scores('published_gap_yacht', ONE, 'coverage_95').max():.0f}",
            lambda: f"{100 * scores('published_gap_energy', ONE, 'coverage_95').min():.0f}",
        ),
    ),
]
"""Of published gaps."""

CLAIMS = [*REGRESSIONS, *CLASSES, *GAP_CLAIMS, *TRUTHS, *CONVERGED]

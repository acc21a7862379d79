#!/bin/sh
# BlackJAX 1.7.1 and NumPyro 0.22.0, Python 3.11: chains that drift together have an R-hat of 1.000.
#
# Expected: four chains of 1000 draws move from -2 to 2 while they run, as chains do that are still on their way. Their
# first halves disagree with their second halves by two standard deviations, and R-hat says so: chains have been split
# in two before they are compared since Gelman et al. (2013).
#
# What happens: blackjax.diagnostics.potential_scale_reduction compares whole chains, as in 1992, and is 1.000.
# numpyro.diagnostics.gelman_rubin is the same; split_gelman_rubin, which NumPyro's summary prints, is 1.35. The two
# libraries' effective sample sizes agree, and are 21 of 4000.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 jax==0.10.2 jaxlib==0.10.2 blackjax==1.7.1 numpyro==0.22.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import blackjax.diagnostics
import numpy as np
import numpyro.diagnostics

chains = np.random.default_rng(0).normal(size=(4, 1000)) + np.linspace(-2, 2, 1000)
halves = chains.reshape(4, 2, 500).mean(axis=2)
print("means of the halves:", np.round(halves.mean(axis=0), 2))
blackjax_value = float(blackjax.diagnostics.potential_scale_reduction(chains))
whole = float(numpyro.diagnostics.gelman_rubin(chains))
split = float(numpyro.diagnostics.split_gelman_rubin(chains))
sizes = [float(f(chains)) for f in (blackjax.diagnostics.effective_sample_size,
                                    numpyro.diagnostics.effective_sample_size)]
print(f"R-hat: BlackJAX {blackjax_value:.4f}, NumPyro {whole:.4f}, split {split:.4f}; "
      f"effective draws {sizes[0]:.1f}, {sizes[1]:.1f}")
assert abs(halves[:, 0].mean() - halves[:, 1].mean()) > 1.9
assert abs(blackjax_value - 1) < 0.001
assert abs(whole - 1) < 0.001
assert split > 1.3
assert all(size < 25 for size in sizes)
PYTHON

#!/bin/sh
# MAPIE 1.6.0, Python 3.11: the expected calibration error depends on the order of the rows, and uses one bin less
# than asked for.
#
# Expected: 1000 forecasts, of .1 where nine in ten happen and of .9 where one in ten does. With two bins of equal
# width, as with any number from two on, the expected calibration error is .8, for these rows in any order.
#
# What happens: num_bins is the number of edges from 0 to 1, so two bins are one, in which mean forecast and
# frequency are both .5: the error is 0. One bin gives NaN. With split_strategy="array split" the edges are the largest
# forecasts of consecutive blocks of rows as they come: .8 if the rows are sorted by forecast, 0 if they are shuffled.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 MAPIE==1.6.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from mapie.metrics.calibration import expected_calibration_error

forecast = np.repeat([0.1, 0.9], 500)
happened = np.repeat([0, 1, 0, 1], [50, 450, 450, 50])
order = np.random.default_rng(0).permutation(1000)

for bins, expected in ((1, np.nan), (2, 0.0), (3, 0.8), (10, 0.8)):
    error = expected_calibration_error(happened, forecast, num_bins=bins)
    print(f"equal widths, {bins:2} bins: {error:.3f}")
    assert np.isclose(error, expected, atol=1e-12, equal_nan=True)
for name, rows, expected in (("sorted", np.arange(1000), 0.8), ("shuffled", order, 0.0)):
    error = expected_calibration_error(
        happened[rows], forecast[rows], num_bins=10, split_strategy="array split"
    )
    print(f"array split, 10 bins, rows {name}: {error:.3f}")
    assert np.isclose(error, expected, atol=1e-12)
PYTHON

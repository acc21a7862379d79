#!/bin/sh
# torchmetrics 1.9.0, PyTorch 2.13.0, Python 3.11: the score of a classifier depends on how its outputs are cut into batches.
#
# Expected: an accuracy, a calibration error or an AUROC that is accumulated over batches is that of all data at once.
#
# What happens: outputs are taken for logits if any of a batch is outside [0, 1], for probabilities if all are inside.
# A batch of logits that all happen to be small and positive is read as probabilities: .2 in place of sigmoid(.2) = .55.
# A classifier that is always right has an accuracy of 1.000 at once, and of .976 in batches of five; so the last,
# smaller batch of a data loader can change a test score, and batches of one do so most.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0 torchmetrics==1.9.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch
from torchmetrics.classification import BinaryAccuracy, BinaryCalibrationError

logits = torch.linspace(-2, 2, 41)
labels = (logits > 0).long()


def score(metric, batch, values):
    for z, t in zip(values.split(batch), labels.split(batch)):
        metric.update(z, t)
    return float(metric.compute())


for name, make in (("accuracy", BinaryAccuracy), ("calibration error", BinaryCalibrationError)):
    found = {size: score(make(), size, logits) for size in (41, 5, 1)}
    told = {size: score(make(), size, torch.sigmoid(logits)) for size in (41, 5, 1)}
    print(name, "of logits in batches of 41, 5, 1:", found, "of probabilities:", told)
    assert max(told.values()) - min(told.values()) < 1e-6
    assert max(found.values()) - min(found.values()) > 0.02
assert score(BinaryAccuracy(), 41, logits) == 1.0
assert score(BinaryAccuracy(), 5, logits) < 0.98
assert score(BinaryAccuracy(), 1, logits) < 0.95
PYTHON

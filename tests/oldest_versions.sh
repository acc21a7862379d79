#!/bin/sh
# Run what needs no extra with the oldest versions that setup.cfg admits.
#
#     tests/oldest_versions.sh [python]      # python3.10 unless told otherwise
#
# The lower bounds of install_requires, and of pytest and hypothesis, become the versions that are
# installed into a fresh environment. Tests that import anything else are left out.
set -eu
cd "$(dirname "$0")/.."
python=${1:-python3.10}
environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT

"$python" -m venv "$environment"
pins=$("$environment/bin/python" - <<'END'
from configparser import ConfigParser

config = ConfigParser()
config.read("setup.cfg")
test = config["options.extras_require"]["test"].split()
tools = [line for line in test if line.split(">=")[0] in ("pytest", "hypothesis")]
print(*(line.replace(">=", "==") for line in config["options"]["install_requires"].split() + tools))
END
)
"$environment/bin/pip" install --quiet --disable-pip-version-check $pins
"$environment/bin/python" --version
"$environment/bin/pip" list --disable-pip-version-check 2>/dev/null |
    grep -iE '^(numpy|scipy|numba|matplotlib|pytest|hypothesis) '

extras='sklearn|joblib|pandas|tqdm|threadpoolctl|mnist1d|emcee|torch|laplace|jupytext|nbformat|nbclient'
own='balinp\.(experiments|estimators|cli)|BALI(Regressor|Classifier|Estimator)'
files=$(grep -LE "^ *(import|from) ($extras)|$own" tests/*/test_*.py)
# What old packages deprecate of each other's is none of ours.
PYTHONPATH=. "$environment/bin/python" -m pytest -q -p no:cacheprovider -W ignore::DeprecationWarning \
    --ignore=balinp/experiments --ignore=balinp/estimators $files balinp

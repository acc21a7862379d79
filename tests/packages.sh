#!/usr/bin/env bash
# Build what is published and look at it: source distribution, wheel, and the reference of the
# installed wheel.
#
#     tests/packages.sh [directory]      # where they are to stay; a temporary one unless told
#
# Needs the extras `test` and `publish`.
set -euo pipefail
cd "$(dirname "$0")/.."
place="${1:-}"
if [ -z "$place" ]; then
  place="$(mktemp -d)"
  trap 'rm -rf "$place"' EXIT
fi
mkdir -p "$place"
place="$(cd "$place" && pwd)"

echo "== docstrings in the form of numpydoc"
find balinp -name '*.py' -print0 | xargs -0 numpydoc lint

echo "== source distribution and wheel"
quietly() { # the output of a command only if it fails
  "$@" >"$place/log" 2>&1 || { cat "$place/log"; exit 1; }
}
quietly python -m build --no-isolation --outdir "$place/dist" .
quietly twine check --strict "$place"/dist/*
quietly check-sdist --no-isolation # has what git has
ls -l "$place"/dist

echo "== the wheel, installed: the reference without a warning"
python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
  --target "$place/site" "$place"/dist/*.whl
(cd "$place" && PYTHONPATH="$place/site" python -W error::UserWarning -m balinp.reference reference)
test -e "$place/site/balinp/py.typed"

echo "== the source distribution, unpacked: tests"
tar -xzf "$place"/dist/*.tar.gz -C "$place"
cd "$place"/balinp-*/
quietly python -m pytest --collect-only -q -p no:cacheprovider
python -m pytest -q -p no:cacheprovider tests/documents/test_packages.py \
  tests/layer/test_matrix_normal.py

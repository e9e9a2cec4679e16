#!/bin/bash
# compare.sh FOLDER: runs both workflows of this folder on this machine, and leaves what they came to in FOLDER. Needs
# sheaf on PATH, git, Python 3.11 and PyPI (once: the packages are kept in FOLDER/wheels).
set -euo pipefail
out=$(realpath -m "${1:?a folder for packages, state and reports}")
cd "$(dirname "$0")"
mkdir -p "$out"
if [ ! -e "$out/wheels/complete" ]; then
  python3 -m venv "$out/tools"
  for version in 1.5.2 1.6.1 1.7.2 1.8.0 1.9.1; do
    "$out/tools/bin/pip" --disable-pip-version-check download --quiet --only-binary :all: --dest "$out/wheels" \
      "scikit-learn==$version" -r requirements.txt
  done
  touch "$out/wheels/complete"
fi
export PIP_NO_INDEX=1 PIP_FIND_LINKS="$out/wheels" PIP_DISABLE_PIP_VERSION_CHECK=1

# A repository of its own: what is compared are commits.
code="$out/code"
rm -rf "$code" "$out/state"
mkdir "$code"
cp -- *.yml *.py *.txt "$code"
git -C "$code" init -q -b main
commit() { git -C "$code" add -A && git -C "$code" -c user.name=A -c user.email=a@example.com commit -qm "$1"; }
run() { # NAME EXPECTED FILE [option…]: runs a workflow, and keeps its report under NAME
  local name=$1 expected=$2 file=$3 code_seen=0
  shift 3
  sheaf run "$code/$file" --tree "$code" --state "$out/state" --show "$out/wheels" --pass-env PIP_NO_INDEX \
    --pass-env PIP_FIND_LINKS --pass-env PIP_DISABLE_PIP_VERSION_CHECK "$@" >"$out/$name.txt" 2>"$out/$name.log" || code_seen=$?
  echo "$name: exit code $code_seen"
  [ "$code_seen" = "$expected" ] || { tail -n 20 "$out/$name.txt" "$out/$name.log"; exit 1; }
}

sed -i 's/pin: {type: string, default: ""}/pin: {type: string, default: "1.5.2"}/' "$code/versions.yml"
commit "Measure 1.5.2 in every cell"
run reference 0 versions.yml --baseline sklearn-1.5
cp versions.yml "$code/versions.yml"
commit "Measure each version"
run versions 1 versions.yml
sed -n '/^Why/,/^Gates/p' "$out/versions.txt"

run first-model 0 models.yml --baseline model
cat >"$code/model.py" <<'PYTHON'
"""Another model: a single tree."""

from sklearn.tree import DecisionTreeClassifier


def make():
    return DecisionTreeClassifier(random_state=0)
PYTHON
commit "A tree instead of a linear model"
run other-model 1 models.yml
sed -n '/^Why/,/^Gates/p' "$out/other-model.txt"

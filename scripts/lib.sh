# shellcheck shell=bash
# What the scripts share: sourced by them, never run. What they say goes to stderr; stdout is the program's.
set -euo pipefail

ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV=$ROOT/.venv
export ROOT VENV

say() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
  say "$@"
  exit 1
}

# The Python to build on: $PYTHON when it is set, else the first on the path that is new enough.
find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  die "no Python 3.11 or newer found: install one, or name it with PYTHON=/path/to/python3"
}

# make_venv PYTHON DIR: an empty virtual environment. Debian keeps ensurepip in a package of its own (python3-venv);
# where it is missing the environment goes without a pip of its own, and venv_pip borrows the one outside.
make_venv() {
  local options=(--clear)
  "$1" -c 'import ensurepip' 2>/dev/null || options+=(--without-pip)
  "$1" -m venv "${options[@]}" "$2"
}

# venv_pip PYTHON DIR ARGUMENT...: pip, at work in that environment.
venv_pip() {
  local python=$1 venv=$2
  shift 2
  if [[ -e $venv/bin/pip ]]; then
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@" >&2
  else
    "$python" -m pip --disable-pip-version-check --no-input --python "$venv/bin/python" "$@" >&2
  fi
}

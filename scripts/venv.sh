#!/usr/bin/env bash
# Make or refresh .venv from the hashed lock. `make` calls this when constraints.txt or pyproject.toml is newer than the last install.
# PYTHON=/path/to/python chooses the interpreter; without it the first of the list below that is 3.11 or newer.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf 'tradewinds: %s\n' "$*"; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3 python3.12 python3.13; do
    # Run it: a pyenv shim exists for versions that are not active, and fails.
    if new_enough "$candidate"; then command -v "$candidate"; return; fi
    if [ "$candidate" = "${PYTHON:-}" ]; then say "PYTHON=$PYTHON is not a working Python 3.11 or newer" >&2; return 1; fi
  done
  say "no Python 3.11 or newer found (looked for python3.11, python3, python3.12, python3.13)" >&2
  say "install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.11) or set PYTHON=/path/to/python" >&2
  return 1
}

make_venv() {
  local python=$1 log
  log=$(mktemp)
  trap 'rm -f "$log"' RETURN
  rm -rf .venv
  "$python" -m venv .venv >"$log" 2>&1 && return
  rm -rf .venv
  "$python" -m virtualenv -q .venv >>"$log" 2>&1 && return
  rm -rf .venv
  # Debian without python3-venv has no ensurepip, but perhaps a pip that can serve another interpreter.
  "$python" -m venv --without-pip .venv >>"$log" 2>&1 && "$python" -m pip --python .venv/bin/python --version >>"$log" 2>&1 && return
  rm -rf .venv
  cat "$log" >&2
  say "$python can make no virtual environment: install its venv module (Debian, Ubuntu: apt install python3-venv) and run make again" >&2
  return 1
}

if ! new_enough .venv/bin/python; then
  python=$(find_python)
  say "creating .venv with $("$python" --version) ($python)"
  make_venv "$python"
fi

pip=(.venv/bin/python -m pip)
"${pip[@]}" --version >/dev/null 2>&1 || pip=("$(find_python)" -m pip --python .venv/bin/python)
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1

say "installing $(grep -c '^[a-z0-9].*==' constraints.txt) pinned packages"
"${pip[@]}" install --quiet --require-hashes -r constraints.txt
"${pip[@]}" install --quiet --no-deps --require-hashes -r requirements-nodeps.txt
say "installing tradewinds itself"
"${pip[@]}" install --quiet --no-deps --no-build-isolation -e .
touch .venv/.installed
say "ready"

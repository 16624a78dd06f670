#!/usr/bin/env bash
# Make or refresh .venv from the hashed lock. `make` calls this when constraints.txt or pyproject.toml is newer than the last install.
# With the name of another lock it adds what that one has to a .venv that is there.
# PYTHON=/path/to/python chooses the interpreter; without it the first of the list below that is 3.11 or newer.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf 'tradewinds: %s\n' "$*"; }

log=$(mktemp)
ticker=
trap 'hush; rm -f "$log" "$log.begun"' EXIT

# What pip has done so far, from what it has written. $1: how many packages its requirements name; 0: nothing can be counted.
progress() {
  local total fetching wanted installed
  if [ "$1" -eq 0 ]; then return; fi
  total=$(($1 - $(grep -c '^Ignoring ' "$log" || true))) # the lock names packages of other systems too
  fetching=$(grep -cE '^(Collecting|Processing|Obtaining|Requirement already satisfied:) ' "$log" || true)
  wanted=$(sed -n 's/^Installing collected packages: //p' "$log" | awk -F ', ' '{ print NF }')
  if [ -z "$wanted" ]; then echo "fetching $((fetching < total ? fetching : total)) of $total, "; return; fi
  installed=$(find .venv/lib/python*/site-packages -maxdepth 1 -name '*.dist-info' -newer "$log.begun" 2>/dev/null | wc -l)
  echo "installed $((installed)) of $wanted, "
}

# Says how far the step $1 with its $2 packages is until `hush`: one line written over on a terminal, elsewhere one every 15 seconds.
tick() {
  : >"$log"
  : >"$log.begun"
  (
    trap - EXIT
    began=$SECONDS
    while sleep "$([ -t 2 ] && echo 0.3 || echo 15)"; do
      text="tradewinds: $1: $(progress "$2")$((SECONDS - began)) s"
      if [ -t 2 ]; then printf '\r\033[K%s' "$text" >&2; else printf '%s\n' "$text" >&2; fi
    done
  ) &
  ticker=$!
}

hush() {
  if [ -z "$ticker" ]; then return 0; fi # in a trap a bare return keeps the failure that led there
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  ticker=
  if [ -t 2 ]; then printf '\r\033[K' >&2; fi
}

# Runs pip for one step; its whole output is shown when it fails, else its first warnings. $1: the step, $2: its packages, then pip's
# arguments.
step() {
  local title=$1 packages=$2 code=0 began=$SECONDS
  shift 2
  say "$title"
  tick "$title" "$packages"
  "${pip[@]}" install --progress-bar off --no-color "$@" >"$log" 2>&1 || code=$?
  hush
  if [ "$code" -ne 0 ]; then
    cat "$log" >&2
    say "$title: pip failed with exit code $code; what it said is above" >&2
    return "$code"
  fi
  grep -E '^(WARNING|DEPRECATION)' "$log" | awk 'NR <= 3 { print } END { if (NR > 3) print "... and " NR - 3 " more warnings of pip" }' >&2 || true
  say "$title: done in $((SECONDS - began)) s"
}

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
  local python=$1
  rm -rf .venv
  "$python" -m venv .venv >"$log" 2>&1 && return
  rm -rf .venv
  "$python" -m virtualenv -q .venv >>"$log" 2>&1 && return
  rm -rf .venv
  # Debian without python3-venv has no ensurepip, but perhaps a pip that can serve another interpreter.
  "$python" -m venv --without-pip .venv >>"$log" 2>&1 && "$python" -m pip --python .venv/bin/python --version >>"$log" 2>&1 && return
  rm -rf .venv
  hush
  cat "$log" >&2
  say "$python can make no virtual environment: install its venv module (Debian, Ubuntu: apt install python3-venv) and run make again" >&2
  return 1
}

if ! new_enough .venv/bin/python; then
  python=$(find_python)
  say "creating .venv with $("$python" --version) ($python)"
  tick "creating .venv" 0
  make_venv "$python"
  hush
fi

pip=(.venv/bin/python -m pip)
"${pip[@]}" --version >/dev/null 2>&1 || pip=("$(find_python)" -m pip --python .venv/bin/python)
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1

named() { grep -c '^[a-z0-9].*==' "$1"; }

if [ $# -gt 0 ]; then
  step "what $1 adds" "$(named "$1")" --require-hashes -r "$1"
  exit
fi
step "1 of 3, pinned packages" "$(named constraints.txt)" --require-hashes -r constraints.txt
step "2 of 3, packages without those they name" "$(named requirements-nodeps.txt)" --no-deps --require-hashes -r requirements-nodeps.txt
step "3 of 3, tradewinds itself" 1 --no-deps --no-build-isolation -e .
touch .venv/.installed
say "ready"

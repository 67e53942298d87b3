# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154  # bats' run sets status and output
# Loaded by each suite: the program under test, and a folder of its own for each test ($work).

repository=$(cd -- "$BATS_TEST_DIRNAME/../.." && pwd)
build=${PRUNE2TO4_BUILD:-$repository/build}
# shellcheck disable=SC2034
python=${PRUNE2TO4_PYTHON:-$repository/.venv/bin/python}
# shellcheck disable=SC2034
ops=$build/libprune2to4_ops.so
export PATH=$build:$PATH

common_setup() {
  work=$BATS_TEST_TMPDIR/work
  mkdir -p "$work"
  cd "$work" || return 1
  cp "$repository/tests/data/tiny_bert.pt" model.pt
}
setup() { common_setup; }

# `expect STATUS TEXT... -- COMMAND...`: the exit status, and each text in what the command printed.
expect() {
  local status_wanted=$1 text
  local -a texts=()
  shift
  while [[ $1 != -- ]]; do
    texts+=("$1")
    shift
  done
  shift
  run "$@"
  if [[ $status -ne $status_wanted ]]; then
    printf 'exit status %s, not %s, of: %s\n%s\n' "$status" "$status_wanted" "$*" "$output"
    return 1
  fi
  for text in "${texts[@]}"; do
    if [[ $output != *"$text"* ]]; then
      printf 'not in the output of %s: %s\n%s\n' "$*" "$text" "$output"
      return 1
    fi
  done
}

# Fails unless the folder holds exactly the named files.
expect_files() {
  local folder=$1 found
  shift
  found=$(cd "$folder" && find . -mindepth 1 -printf '%P\n' | sort)
  if [[ $found != "$(printf '%s\n' "$@" | sort)" ]]; then
    printf 'files in %s:\n%s\n' "$folder" "$found"
    return 1
  fi
}

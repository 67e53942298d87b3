# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the other scripts: moves to the repository's root, reads no terminal.

called_from=$PWD
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 1
exec </dev/null

step() { printf '\n== %s\n' "$*"; }

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# `configure_and_build PRESET [CMAKE_ARGUMENT...]`: where it builds is the preset's affair.
configure_and_build() {
  step "Configure ($1)"
  cmake --preset "$@"
  step "Build ($1)"
  cmake --build --preset "$1"
}

# `use_libraries PYTHON BUILD`: a program built on another machine finds LibTorch's libraries and its own.
use_libraries() {
  local torch_lib
  torch_lib=$("$1" -c 'import torch; print(torch.__path__[0])')/lib
  export LD_LIBRARY_PATH=$torch_lib:$2:$2/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

# `bench_beside_pytorch SCRIPT ARGUMENT...`: a Python script of this folder, which is given the program of BUILD. The
# file behind --real is meant from where the caller stood.
bench_beside_pytorch() {
  local script=$1 build=${BUILD:-build} python=${PYTHON:-python3} arguments=()
  shift
  while [[ $# -gt 0 ]]; do
    arguments+=("$1")
    if [[ $1 == --real && $# -ge 2 ]]; then
      arguments+=("$(cd -- "$called_from" && realpath -- "$2")")
      shift
    fi
    shift
  done
  [[ -n ${PYTHON:-} || ! -x .venv/bin/python ]] || python=.venv/bin/python
  [[ -x $build/prune2to4 ]] || fail "$build/prune2to4 is missing; run scripts/quickstart.sh first"
  use_libraries "$python" "$build"
  "$python" "scripts/$script" "$build/prune2to4" --folder "$build/bench" "${arguments[@]}"
}

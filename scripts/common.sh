# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the other scripts: moves to the repository's root, reads no terminal.

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 1
exec </dev/null

step() { printf '\n== %s\n' "$*"; }

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# `configure_and_build PRESET`: where it builds is the preset's affair.
configure_and_build() {
  step "Configure ($1)"
  cmake --preset "$1"
  step "Build ($1)"
  cmake --build --preset "$1"
}

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds with the tests and runs them all.
#
#   scripts/test.sh [--preset dev|asan] [CTEST_ARGUMENT...]
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

preset=dev
if [[ ${1:-} == --preset ]]; then
  [[ $# -ge 2 ]] || { echo "usage: scripts/test.sh [--preset dev|asan] [CTEST_ARGUMENT...]" >&2; exit 2; }
  preset=$2
  shift 2
fi

step "Set up"
scripts/setup.sh
configure_and_build "$preset"

step "Test ($preset)"
ctest --preset "$preset" "$@"

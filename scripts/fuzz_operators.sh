#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Calls each registered operator with many drawn sets of arguments; the test suite does so with 2,000.
#
#   scripts/fuzz_operators.sh [EXAMPLES [SEED]]     (100,000 and 0)
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

library=build/libprune2to4_ops.so
[[ -f $library ]] || fail "$library is missing; run scripts/test.sh first"
.venv/bin/python tests/ops/fuzz_operators.py "$library" --examples "${1:-100000}" --seed "${2:-0}"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures `prune2to4 prune` beside `cp` + `sha256sum` of the same file, and LibTorch's own start-up
# (`prune2to4 --version`) apart. Without a model: a BERT-base with random weights, float32.
#
#   scripts/bench_prune.sh [MODEL.pt]
set -euo pipefail
given=${1:+$(realpath -- "$1")}
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

[[ $# -le 1 ]] || { echo "usage: scripts/bench_prune.sh [MODEL.pt]" >&2; exit 2; }
[[ -x build/prune2to4 ]] || fail "build/prune2to4 is missing; run scripts/quickstart.sh first"

mkdir -p build/bench
model=${given:-build/bench/bert_base.pt}
if [[ -z $given && ! -f $model ]]; then
  step "Export a BERT-base with random weights"
  .venv/bin/python scripts/export_bert.py bert-base "$model" --random
fi
step "Measure"
.venv/bin/python scripts/bench_prune.py build/prune2to4 "$model" --folder build/bench

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures training steps a second of `prune2to4 finetune` and `prune --train` beside PyTorch, with the same random
# weights on the same windows: random ones, or with --real those of a tokenized file. BERT-base on a GPU, unless
# told otherwise; --device cpu --model tiny --steps 5 runs anywhere.
#
#   scripts/bench_train.sh [--real TOKENIZED.safetensors] [--steps N] [--batch N] [--length N] [--precision P]
#                          [--device cuda|cpu] [--model base|tiny]
#
# BUILD names the folder with the program (build), PYTHON one with torch and transformers (.venv's, else python3).
set -euo pipefail
arguments=()
while [[ $# -gt 0 ]]; do
  if [[ $1 == --real && $# -ge 2 ]]; then
    arguments+=(--real "$(realpath -- "$2")")
    shift 2
  else
    arguments+=("$1")
    shift
  fi
done
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

build=${BUILD:-build}
python=${PYTHON:-python3}
[[ -n ${PYTHON:-} || ! -x .venv/bin/python ]] || python=.venv/bin/python
[[ -x $build/prune2to4 ]] || fail "$build/prune2to4 is missing; run scripts/quickstart.sh first"
torch_lib=$("$python" -c 'import torch; print(torch.__path__[0])')/lib
# A program built on another machine finds its libraries here.
export LD_LIBRARY_PATH=$torch_lib:$build:$build/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
"$python" scripts/bench_train.py "$build/prune2to4" --folder "$build/bench" "${arguments[@]}"

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
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
bench_beside_pytorch bench_train.py "$@"

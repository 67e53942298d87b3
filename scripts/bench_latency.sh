#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures the latency of `prune2to4 bench`, 2:4 and dense, beside PyTorch's ways to run the same BERT: at full length,
# or with --real on the windows of a tokenized file. BERT-base on a GPU, unless told otherwise.
#
#   scripts/bench_latency.sh [--real TOKENIZED.safetensors] [--batches 4,16,64,256] [--length N] [--pytorch WAY,...]
#                            [--dtype fp32|fp16|bf16] [--device cuda|cpu] [--model base|large|minilm|tiny]
#
# BUILD names the folder with the program (build), PYTHON one with torch and transformers (.venv's, else python3).
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
bench_beside_pytorch bench_latency.py "$@"

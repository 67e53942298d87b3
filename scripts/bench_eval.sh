#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures questions per second of `prune2to4 eval` beside the same model in PyTorch on the CPU. CHECKPOINT is the
# folder of a Hugging Face question-answering model with its tokenizer, QUESTIONS.json[.gz] is in SQuAD's format.
#
#   scripts/bench_eval.sh CHECKPOINT QUESTIONS.json[.gz] [--limit N] [--repetitions N] [--batch N] [--threads N]
set -euo pipefail
[[ $# -ge 2 && $1 != -* && $2 != -* ]] || {
  echo "usage: scripts/bench_eval.sh CHECKPOINT QUESTIONS.json[.gz] [--limit N] [--repetitions N] ..." >&2
  exit 2
}
checkpoint=$(realpath -- "$1")
questions=$(realpath -- "$2")
shift 2
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

[[ -x build/prune2to4 ]] || fail "build/prune2to4 is missing; run scripts/quickstart.sh first"
folder=build/bench
mkdir -p "$folder"

step "Export and tokenize"
.venv/bin/python scripts/export_bert.py "$checkpoint" "$folder/eval.pt"
.venv/bin/python scripts/tokenize_squad.py "$questions" "$folder/eval.safetensors" --tokenizer "$checkpoint"
step "Measure"
.venv/bin/python scripts/bench_eval.py build/prune2to4 "$folder/eval.pt" "$checkpoint" "$folder/eval.safetensors" \
  --folder "$folder" "$@"

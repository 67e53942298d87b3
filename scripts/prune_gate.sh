#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# For CI: prunes a model to 2:4 and fails when it answers too much worse than the dense one.
#
#   scripts/prune_gate.sh MODEL.pt DATA.safetensors MAX_F1_DROP OUTPUT_FOLDER
#
# OUTPUT_FOLDER gets sparse.pt, sparse.report.{json,md,html}, evaluation.json and predictions.json, also when the gate
# is missed. Exit status: 0 passed, 1 F1 fell by more than MAX_F1_DROP points, otherwise as README.md has it.
# PRUNE2TO4 names the program, if it is not build/prune2to4; any option can be set as PRUNE2TO4_<OPTION>.
set -euo pipefail

[[ $# -eq 4 ]] || {
  printf 'usage: scripts/prune_gate.sh MODEL.pt DATA.safetensors MAX_F1_DROP OUTPUT_FOLDER\n' >&2
  exit 2
}
model=$1 data=$2 max_f1_drop=$3 output=$4
program=${PRUNE2TO4:-$(dirname -- "${BASH_SOURCE[0]}")/../build/prune2to4}

# The program compares the files of one command, which DATA is not of when sparse.pt is written.
for file in sparse.pt sparse.report.{json,md,html} predictions.json evaluation.json; do
  for input in "$model" "$data"; do
    [[ ! $input -ef $output/$file ]] || {
      printf '[prune_gate] %s in OUTPUT_FOLDER is the file of %s, which would be overwritten; name another folder\n' \
        "$file" "$input" >&2
      exit 2
    }
  done
done
mkdir -p "$output"
"$program" prune "$model" --output "$output/sparse.pt" --quiet
"$program" eval "$output/sparse.pt" --data "$data" --baseline "$model" --max-f1-drop "$max_f1_drop" \
  --predictions "$output/predictions.json" --export-json "$output/evaluation.json" --quiet

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh clone to a pruned model and its F1: installs what is missing, builds build/prune2to4, prunes a small
# BERT, trains it under the masks, asks it questions before and after, and times dense and 2:4 on this CPU.
#
#   scripts/quickstart.sh [--gpu]     --gpu: builds the kernels for NVIDIA GPUs also where there is none
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

case "${1:-}" in
  "") kernels=() ;;
  --gpu) kernels=(-DPRUNE2TO4_CUDA_KERNELS=ON) ;;
  *) echo "usage: scripts/quickstart.sh [--gpu]" >&2; exit 2 ;;
esac

step "Set up"
scripts/setup.sh
configure_and_build release "${kernels[@]}"

step "Tokenize tests/data/tiny_squad (questions in SQuAD's format)"
folder=build/quickstart
mkdir -p "$folder"
for part in train dev; do
  .venv/bin/python scripts/tokenize_squad.py "tests/data/tiny_squad/$part.json" "$folder/$part.safetensors" \
    --tokenizer tests/data/tiny_squad
done

step "Prune tests/data/tiny_bert.pt (a BERT with 2 layers, trained to answer such questions) to 2:4, and fine-tune it"
cp tests/data/tiny_bert.pt "$folder/tiny_bert.pt"
build/prune2to4 prune "$folder/tiny_bert.pt" --train "$folder/train.safetensors" --eval "$folder/dev.safetensors"

step "Time both on this CPU, and one layer of a BERT-base (its weights, unlike the small model's, are worth 2:4 kernels)"
# `median_ms ARGUMENT...`: of 2:4 and dense, and how often the one fits into the other.
median_ms() {
  build/prune2to4 bench "$@" --device cpu --min-seconds 1 --quiet --format json |
    jq -r '.points[0] | [.timings[:2][].median_ms, (.speedup * 100 | round / 100)] | @tsv'
}
read -r sparse dense _ < <(median_ms "$folder/tiny_bert.2to4.pt" --lengths "$folder/dev.safetensors" --batch 16)
read -r layer_sparse layer_dense ratio < <(median_ms --layer 3072x768 --tokens 384)
read -r f1_dense f1_pruned f1 < <(jq -r '.evaluation.models | map({(.name): (.f1 * 100 | round / 100)}) | add |
  [.dense, .masked, .packed] | @tsv' "$folder/tiny_bert.2to4.report.json")

step "Done"
printf '%-42s %8s %8s\n' "" dense 2:4
printf '%-42s %8.2f %8.2f  (%s)\n' \
  "F1" "$f1_dense" "$f1" "$f1_pruned before it was fine-tuned" \
  "ms for 16 questions" "$dense" "$sparse" "layers so small run dense in both" \
  "ms for a layer of a BERT-base, 384 tokens" "$layer_dense" "$layer_sparse" "$ratio times as fast"
cat <<END

program         build/prune2to4
sparse model    $folder/tiny_bert.2to4.pt
report          $folder/tiny_bert.2to4.report.html (and .md, .json)

Try next
  build/prune2to4 eval $folder/tiny_bert.pt --data $folder/dev.safetensors --compare $folder/tiny_bert.2to4.pt
and with a Hugging Face folder or hub name of a question-answering BERT for MODEL:
  .venv/bin/python scripts/export_bert.py MODEL bert.pt && build/prune2to4 prune bert.pt
END

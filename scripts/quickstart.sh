#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh clone to a pruned model and its F1: installs what is missing, builds build/prune2to4, prunes a small
# BERT, trains it under the masks, and asks it questions before and after.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

step "Set up"
scripts/setup.sh
configure_and_build release

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

step "Done"
cat <<END
program         build/prune2to4
sparse model    $folder/tiny_bert.2to4.pt
report          $folder/tiny_bert.2to4.report.html (and .md, .json)

Try next
  build/prune2to4 eval $folder/tiny_bert.pt --data $folder/dev.safetensors --compare $folder/tiny_bert.2to4.pt
and with a Hugging Face folder or hub name of a question-answering BERT for MODEL:
  .venv/bin/python scripts/export_bert.py MODEL bert.pt && build/prune2to4 prune bert.pt
END

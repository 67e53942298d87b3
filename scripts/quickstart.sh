#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh clone to a pruned model: installs what is missing, builds build/prune2to4, prunes a small BERT.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

step "Set up"
scripts/setup.sh
configure_and_build release

step "Prune tests/data/tiny_bert.pt (a BERT with 2 layers, random weights) to 2:4"
mkdir -p build/quickstart
cp tests/data/tiny_bert.pt build/quickstart/tiny_bert.pt
build/prune2to4 prune build/quickstart/tiny_bert.pt

step "Done"
cat <<'END'
program         build/prune2to4
sparse model    build/quickstart/tiny_bert.2to4.pt
report          build/quickstart/tiny_bert.2to4.report.html (and .md, .json)

Try next, with a Hugging Face folder or hub name of a question-answering BERT for MODEL:
  .venv/bin/python scripts/export_bert.py MODEL bert.pt && build/prune2to4 prune bert.pt
END

#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every kind of model, pruned and compared in Python with PyTorch's own masks on the same dense model.
load common

@test "models traced and scripted by this transformers are pruned as PyTorch would prune them" {
  "$python" "$repository/tests/export_models.py" models
  "$python" "$BATS_TEST_DIRNAME/check_models.py" "$build" models/manifest.json
}

@test "eleven kinds of model are packed, and compared without a hint" {
  "$python" "$BATS_TEST_DIRNAME/check_kinds.py" "$build"
}

@test "models traced by transformers 4 are pruned as PyTorch would prune them" {
  local file
  for file in "$repository"/tests/data/*_tf4.pt; do
    "$python" "$BATS_TEST_DIRNAME/check_models.py" "$build" "$file"
  done
}

@test "a real question-answering BERT, exported in fp32 and fp16, is pruned as PyTorch would prune it" {
  local data=${PRUNE2TO4_TEST_DATA:-$repository/../shared/data}
  [[ -d $data/minilm_qa ]] || skip "no model in $data/minilm_qa; name its parent folder by PRUNE2TO4_TEST_DATA"
  local dtype
  for dtype in fp32 fp16; do
    "$python" "$repository/scripts/export_bert.py" "$data/minilm_qa" "minilm_$dtype.pt" --dtype "$dtype"
    "$python" "$BATS_TEST_DIRNAME/check_models.py" "$build" "minilm_$dtype.pt" --questions "$data"
  done
}

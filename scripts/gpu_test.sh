#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks the built program and operator library on an NVIDIA GPU; needs Python with torch and transformers there.
#
#   scripts/gpu_test.sh [BUILD]     BUILD: folder with prune2to4 and libprune2to4_ops.so (build)
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

build=${1:-build}
python=python3
[[ ! -x .venv/bin/python ]] || python=.venv/bin/python
"$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || fail "no CUDA device is usable here"
torch_lib=$("$python" -c 'import torch; print(torch.__path__[0])')/lib
# A program built on another machine finds its libraries here.
export LD_LIBRARY_PATH=$torch_lib:$build:$build/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for dtype in fp32 fp16 bf16; do
  step "BERT-base, $dtype"
  "$python" scripts/export_bert.py bert-base "$work/$dtype.pt" --random --dtype "$dtype"
  "$build/prune2to4" prune "$work/$dtype.pt" --device cuda --quiet --format json >"$work/$dtype.json"
  "$python" tests/cli/check_gpu.py "$build/libprune2to4_ops.so" "$work/$dtype"
done
step "Questions"
cp tests/data/tiny_bert.pt "$work/tiny.pt"
"$python" scripts/tokenize_squad.py tests/data/tiny_squad/dev.json "$work/dev.safetensors" \
  --tokenizer tests/data/tiny_squad
"$build/prune2to4" prune "$work/tiny.pt" --device cuda --eval "$work/dev.safetensors" --quiet
for model in tiny tiny.2to4; do
  for device in cpu cuda; do
    "$build/prune2to4" eval "$work/$model.pt" --data "$work/dev.safetensors" --device "$device" --quiet \
      --predictions "$work/$model.$device.json"
  done
  cmp "$work/$model.cpu.json" "$work/$model.cuda.json"
done
echo
echo "gpu: all checks passed"

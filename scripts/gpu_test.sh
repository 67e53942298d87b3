#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks the built program and its libraries on an NVIDIA GPU; builds nothing. Needs Python with torch and transformers.
#
#   scripts/gpu_test.sh [--sanitize] [BUILD]
#
# BUILD: folder with prune2to4, prune2to4_sweep, the libraries, tests/cuda_tests and tests/eval_tests (build). --sanitize also runs our
# kernels under compute-sanitizer's memcheck and racecheck.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

sanitize=
[[ ${1:-} != --sanitize ]] || { sanitize=yes && shift; }
build=${1:-build}
python=python3
[[ ! -x .venv/bin/python ]] || python=.venv/bin/python
"$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || fail "no CUDA device is usable here"
use_libraries "$python" "$build"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
step "Kernels"
"$build/tests/cuda_tests"
# `sanitize TOOL TESTS`: our kernels alone; LibTorch's, which make what ours are held against, would take most of the time.
# Without LibTorch's cache of memory: within it one tensor's end is another's beginning.
sanitize() {
  step "Kernels under $1"
  PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --tool "$1" --kernel-name kernel_substring=prune2to4 --kernel-name kernel_substring=device_kernel \
    --error-exitcode 1 "$build/tests/cuda_tests" "$2"
}
if [[ -n $sanitize ]]; then
  sanitize memcheck "[sanitized]"
  sanitize racecheck "[sanitized]~[cutlass]"  # CUTLASS's products end in an error of racecheck's own
fi
step "Engine"
PRUNE2TO4_TEST_MODELS=$PWD/tests/data "$build/tests/eval_tests" "on a GPU*"
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
step "F1 by engine"
"$build/prune2to4" prune "$work/tiny.pt" --dtype fp16 --device cuda --output "$work/half.pt" --quiet
scores=()
for how in "--engine interpreter" "--padding keep" "--padding remove --batch-size 1" "--padding remove"; do
  read -ra flags <<<"$how"
  "$build/prune2to4" eval "$work/half.pt" --data "$work/dev.safetensors" --device cuda "${flags[@]}" --quiet \
    --export-json "$work/eval.json" >/dev/null
  scores+=("$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["evaluation"]["models"][0]["f1"])' \
    "$work/eval.json")")
  echo "F1 ${scores[-1]}  $how"
done
"$python" -c 'import sys; f1 = [float(each) for each in sys.argv[1:]]; sys.exit(max(f1) - min(f1) > 0.1)' "${scores[@]}" ||
  fail "F1 depends on what runs the model by more than 0.1"
echo
echo "gpu: all checks passed"

#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Success means packed and compared: what `prune` says of models where that is not so, or where a user should know.
load common

setup_file() {
  mkdir -p "$BATS_FILE_TMPDIR/odd"
  cd "$BATS_FILE_TMPDIR/odd" || return 1
  "${PRUNE2TO4_PYTHON:-$BATS_TEST_DIRNAME/../../.venv/bin/python}" "$BATS_TEST_DIRNAME/odd_models.py"
}

setup() {
  common_setup
  rm model.pt
  cp "$BATS_FILE_TMPDIR"/odd/*.pt .
}

# `refused STATUS TEXT... -- COMMAND...`: as expect, and an output of before is as it was.
refused() {
  echo before >out.pt
  expect "$@" --output out.pt
  [[ $(<out.pt) == before && -z $(compgen -G '*.report.*') ]]
}

@test "nothing packed is an error with the reason by layer, and masks alone are made when asked" {
  refused 4 "[layers] no selected layer can be packed to 2:4" \
    "'layer1.weight': its input width 30 is not a multiple of 4" "'layer2.weight'" "--allow-unpacked" \
    -- prune2to4 prune narrow.pt
  expect 4 "no selected layer can be packed" -- prune2to4 prune narrow.pt --dry-run
  expect 0 "None of 2 linear layers packed" "masked" -- prune2to4 prune narrow.pt --allow-unpacked
  jq -e '.totals.masked == 2 and .totals.packed == 0' narrow.2to4.report.json
}

@test "a layer that cannot be packed stays as it is, and the report says why" {
  prune2to4 prune half_narrow.pt --format json --quiet >report.json 2>messages
  jq -e '.totals | .packed == 1 and .masked == 0' report.json
  jq -e '.layers[0] | .outcome == "dense" and .zeros == 0 and .mask == null and (.reason | test("width 30"))' report.json
  grep -q "stay dense, as they cannot be packed: 'layer1.weight': its input width 30" messages
  prune2to4 prune half_narrow.pt --allow-unpacked --format json --quiet | jq -e '.totals | .packed == 1 and .masked == 1'
}

@test "where no comparison can run, stderr and all reports say so, and what --probe needs" {
  expect 0 "warning: the packed model was not compared with the masked dense one: forward takes arguments" \
    "--probe FILE.safetensors" "left (float32" "rest (List[Tensor])" -- prune2to4 prune pair.pt
  jq -e '(.probe | .ran == false and (.needs | test("left"))) and any(.warnings[]; test("not compared"))' \
    pair.2to4.report.json
  grep -q "was not compared" pair.2to4.report.md
  grep -q "was not compared" pair.2to4.report.html
  rm pair.2to4.*
  refused 4 "[compare]" "was not compared" "--probe" -- prune2to4 prune pair.pt --require-comparison
}

@test "inputs of a file are compared on, and checked" {
  "$python" -c '
import torch
from safetensors.torch import save_file
left, rest = torch.randn(3, 32), {"rest.0": torch.randn(3, 32), "rest.1": torch.randn(1)}
save_file({"left": left, **rest}, "probe.safetensors")
save_file({"lefd": left, **rest}, "typo.safetensors")
save_file({"left": left}, "missing.safetensors")
save_file({"left": torch.ones(3, 5), **rest}, "shape.safetensors")
save_file({"left": left.long(), **rest}, "integers.safetensors")'
  expect 0 "On the inputs of probe.safetensors, left float32 [3, 32], rest.0 float32 [3, 32]" \
    -- prune2to4 prune pair.pt --probe probe.safetensors --require-comparison
  jq -e '.probe | .ran and .source == "probe.safetensors" and .largest_logit > 0' pair.2to4.report.json
  rm pair.2to4.*
  refused 3 "[probe] typo.safetensors: 'lefd' is no argument of forward (did you mean 'left'?)" \
    -- prune2to4 prune pair.pt --probe typo.safetensors
  refused 3 "the tensors of 'rest' are not named rest.0, rest.1" -- prune2to4 prune pair.pt --probe missing.safetensors
  refused 3 "forward failed" -- prune2to4 prune pair.pt --probe shape.safetensors
  refused 5 "nowhere" -- prune2to4 prune pair.pt --probe nowhere.safetensors
  expect 2 "--probe" -- prune2to4 prune pair.pt --probe probe.safetensors --dry-run
}

@test "classes and booleans are compared by count" {
  prune2to4 prune classes.pt --format json --quiet | jq -e '.probe | .ran and .integers == 66 and .changed_integers == 0'
}

@test "what hides linear layers is named with the mend" {
  refused 4 "fast path of torch.nn.TransformerEncoder" "set_fastpath_enabled(False)" -- prune2to4 prune fast_path.pt
  refused 4 "fast path of torch.nn.TransformerEncoder" "layers.0.linear1.weight" -- prune2to4 prune fast_path_script.pt
  refused 4 "frozen" "optimize_for_inference" -- prune2to4 prune inference.pt
  refused 4 "'first.weight'" "Conv1D (GPT-2)" "torch.nn.Linear with the transposed weight" -- prune2to4 prune conv1d.pt
  refused 4 "quantised" "floating-point model" -- prune2to4 prune quantized.pt
  refused 4 "torch.nn.utils.prune.remove" "'second.weight'" -- prune2to4 prune pruned.pt
  refused 4 "remove_parametrizations" -- prune2to4 prune weight_norm.pt
  refused 4 "remove_parametrizations" "squash_mask()" -- prune2to4 prune unsquashed.pt
}

@test "where no name contains layer, the names are listed" {
  refused 2 "no layer is selected" "'first.weight' (32x32)" "'second.weight' (8x32)" '[{"match": "*"}]' \
    -- prune2to4 prune plain.pt
}

@test "warnings that were collected are not lost with an error" {
  refused 2 "no layer is selected" "warning: forward drops elements at random" -- prune2to4 prune plain_training.pt
}

@test "training mode, adapters and lost methods are warned of, and nothing is said where nothing is lost" {
  expect 0 "2 of 2" "drops elements at random in 1 place" "model.eval()" -- prune2to4 prune training.pt
  expect 0 "2 of 2" "batch's own statistics in 1 batch norm" -- prune2to4 prune norm_training.pt
  expect 0 "2 linear layers of LoRA adapters" "lora_A.default.weight" "merge_and_unload()" -- prune2to4 prune lora.pt
  expect 0 "inner.twice" -- prune2to4 prune method.pt
  expect 0 "1 of 1" -- prune2to4 prune same_block.pt
  [[ $output != *warning* ]]
}

@test "running a model in training mode leaves its statistics as they were" {
  prune2to4 prune norm_training.pt --quiet >/dev/null 2>&1
  "$python" - "$ops" <<'END'
import sys, torch
torch.ops.load_library(sys.argv[1])
before, after = (dict(torch.jit.load(name).named_buffers()) for name in ("norm_training.pt", "norm_training.2to4.pt"))
assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before), after
END
}

#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Bad input: the message, the exit status, and no file touched. The table in README.md has the same rows.
load common

setup_file() {
  cd "$BATS_FILE_TMPDIR" || return 1
  cp "$BATS_TEST_DIRNAME/../data/tiny_bert.pt" model.pt
  "${PRUNE2TO4_PYTHON:-$BATS_TEST_DIRNAME/../../.venv/bin/python}" "$BATS_TEST_DIRNAME/broken_models.py"
}

# `refused STATUS TEXT... -- COMMAND...`: as expect, and the folder is as it was.
refused() {
  local before
  before=$(ls -la --time-style=full-iso)
  expect "$@"
  [[ $(ls -la --time-style=full-iso) == "$before" ]]
}

config() { printf '%s' "$1" >layers.json; }

@test "usage errors" {
  refused 2 "[usage]" "--help" -- prune2to4
  refused 2 "[usage]" "frobnicate" "inspect, prune" -- prune2to4 frobnicate
  refused 2 "[usage]" "--confg" -- prune2to4 prune model.pt --confg x
  refused 2 "[usage]" "yaml" -- prune2to4 prune model.pt --format yaml
  refused 2 "[usage]" "MODEL is required" "prune2to4 prune --help" -- prune2to4 prune
  refused 2 '[prune] --output "./model.pt" is the file of MODEL "model.pt"' -- prune2to4 prune model.pt --output ./model.pt
}

@test "a model that cannot be read" {
  refused 5 "nowhere.pt" -- prune2to4 prune nowhere.pt
  mkdir folder
  refused 5 "folder" -- prune2to4 prune folder
  : >empty.pt
  refused 5 "empty.pt" "it is empty" -- prune2to4 prune empty.pt
}

@test "a file that is no TorchScript archive" {
  cp "$repository/LICENSE" text.pt
  refused 4 "text.pt" "torch.jit.trace" -- prune2to4 prune text.pt
  cp "$BATS_FILE_TMPDIR/state_dict.pt" .
  refused 4 "torch.jit.trace" -- prune2to4 prune state_dict.pt
}

@test "a Hugging Face folder in the place of a model names the export" {
  mkdir minilm
  echo '{}' >minilm/config.json
  refused 5 '"minilm"' "Hugging Face" "scripts/export_bert.py minilm minilm.pt" -- prune2to4 prune minilm
  refused 5 "scripts/export_bert.py minilm minilm.pt" -- prune2to4 inspect minilm/
  refused 5 "scripts/export_bert.py minilm minilm.pt" -- prune2to4 bench minilm --device cpu
  mkdir other
  refused 5 '"other": it is a folder' -- prune2to4 inspect other
  refused 5 '"other": it is a folder' -- prune2to4 prune model.pt --config other
}

@test "an archive of torch.export is called so" {
  cp "$BATS_FILE_TMPDIR"/{exported,exported_old}.pt2 .
  refused 4 "exported.pt2 is an archive of torch.export (.pt2)" "scripts/export_bert.py" -- prune2to4 prune exported.pt2
  refused 4 "is an archive of torch.export" "torch.jit.trace" -- prune2to4 inspect exported_old.pt2
}

@test "an output that is an input or another output" {
  ln -s model.pt soft.pt
  ln model.pt hard.pt
  local name
  for name in model.pt ./model.pt "$PWD/model.pt" soft.pt hard.pt; do
    refused 2 "[prune] --export-json" 'MODEL "model.pt"' -- prune2to4 prune model.pt --export-json "$name"
  done
  refused 2 "--output" "--export-json" "one file" -- prune2to4 prune model.pt -o out.pt --export-json ./out.pt
  refused 2 "--export-json" "the report beside --output" -- prune2to4 prune model.pt --export-json model.2to4.report.md
  cp model.pt data
  refused 2 "--predictions" "--data" -- prune2to4 eval soft.pt --data data --predictions ./data
  refused 2 "--checkpoint" "was not written by prune2to4" -- prune2to4 finetune soft.pt --train x --checkpoint "$(basename "$(mktemp -p . other.XXX)")"
  refused 2 "--output cannot be stdout" -- prune2to4 prune model.pt -o -
}

@test "what stdout leads to is appended to, and not replaced" {
  echo before >log
  prune2to4 inspect model.pt --export-json /dev/stdout --format csv >>log
  head -1 log | grep -qx before
  grep -q '"sha256"' log
  tail -1 log | grep -q qa_outputs.weight,
}

@test "JSON on stdout in the place of the table" {
  prune2to4 inspect model.pt --export-json - | jq -e .sha256
  prune2to4 prune model.pt --dry-run --format md --export-json - | jq -e .dry_run
  [[ ! -e - ]]
}

@test "a variable of the environment that nothing reads is warned of" {
  expect 0 "PRUNE2TO4_MINF1 is set, but nothing reads it; did you mean PRUNE2TO4_MIN_F1?" -- \
    env PRUNE2TO4_MINF1=70 PRUNE2TO4_MIN_EM=1 PRUNE2TO4_CPU=avx2 prune2to4 inspect model.pt
  [[ $(grep -c '^prune2to4: warning' <<<"$output") -eq 1 ]]
  # Whoever reads such a variable names it in one place.
  run grep -rnE 'getenv\("PRUNE2TO4_' "$repository/src"
  [[ $status -eq 1 ]]
}

@test "a truncated and a damaged model" {
  head -c 300000 model.pt >cut.pt
  refused 4 "[archive]" "cut.pt" -- prune2to4 prune cut.pt
  "$python" - <<'END'
data = bytearray(open("model.pt", "rb").read())
data[len(data) // 3] ^= 1
open("flipped.pt", "wb").write(data)
END
  refused 4 "CRC" "data/" -- prune2to4 prune flipped.pt
  refused 4 "CRC" -- prune2to4 inspect flipped.pt
}

@test "a model that could touch files is refused before it is loaded" {
  cp "$BATS_FILE_TMPDIR"/{saves,reads,setstate}.pt .
  refused 4 "save" "--trust-model" -- prune2to4 prune saves.pt
  refused 4 "from_file" "--trust-model" -- prune2to4 prune reads.pt
  refused 4 "__setstate__" "--trust-model" -- prune2to4 prune setstate.pt
  [[ ! -e stolen ]]
}

@test "a model whose code LibTorch cannot read" {
  cp "$BATS_FILE_TMPDIR/bad_code.pt" .
  refused 4 "[load] LibTorch cannot load the model: expected (" -- prune2to4 prune bad_code.pt
}

@test "a model that cannot be pruned says how to export it" {
  cp "$BATS_FILE_TMPDIR"/{frozen,no_linear}.pt .
  refused 4 "frozen" "without torch.jit.freeze" -- prune2to4 prune frozen.pt
  refused 4 "no linear layer" -- prune2to4 prune no_linear.pt
  prune2to4 prune model.pt --quiet >/dev/null
  refused 2 "no layer is selected" "packed already" -- prune2to4 prune model.2to4.pt
}

@test "NaN in a weight" {
  cp "$BATS_FILE_TMPDIR/nan.pt" .
  refused 4 "bert.encoder.layer.0.output.dense.weight" "1 NaN" "--allow-nonfinite" -- prune2to4 prune nan.pt
  expect 0 -- prune2to4 prune nan.pt --allow-nonfinite
}

@test "a layer config that is wrong" {
  refused 5 "absent.json" -- prune2to4 prune model.pt --config absent.json
  config '{"version": 1, "layers": [}'
  refused 2 "layers.json:1:27: syntax error" -- prune2to4 prune model.pt --config layers.json
  config '{"version": 1, "defaults": {"sparsity_level": "all"}}'
  refused 2 "/defaults/sparsity_level" -- prune2to4 prune model.pt --config layers.json
  config '{"version": 1, "defaults": {"sparsity_levl": 1}}'
  refused 2 "sparsity_levl" "sparsity_level" -- prune2to4 prune model.pt --config layers.json
  config '{"version": 1, "version": 1}'
  refused 2 "/version: the key appears twice" -- prune2to4 prune model.pt --config layers.json
  config '{"version": 2}'
  refused 2 "/version" -- prune2to4 prune model.pt --config layers.json
}

@test "a layer config that fits no layer lists the nearest" {
  config '[{"tensor_fqn": "bert.encoder.layer.0.attention.self.qury.weight"}]'
  refused 2 "/0" "bert.encoder.layer.0.attention.self.query.weight" -- prune2to4 prune model.pt --config layers.json
  config '{"version": 1, "layers": [{"match": "gpt.*"}]}'
  refused 2 "/layers/0" "gpt.*" -- prune2to4 prune model.pt --config layers.json
  config '[{"tensor_fqn": "bert.embeddings.word_embeddings.weight"}]'
  refused 2 "not the weight of a linear" -- prune2to4 prune model.pt --config layers.json
  config '{"version": 1, "layers": [{"match": "*", "skip": true}]}'
  refused 2 "no layer is selected" -- prune2to4 prune model.pt --config layers.json
}

@test "a device that is not there" {
  refused 2 "[device]" "gpu" -- prune2to4 prune model.pt --device gpu
  refused 7 "[device]" -- prune2to4 prune model.pt --device cuda:99
}

@test "a place that cannot be written" {
  refused 5 "[write]" "nowhere" -- prune2to4 prune model.pt --output nowhere/sparse.pt
  refused 5 "[write]" "/dev/full" -- prune2to4 prune model.pt --output /dev/full
  mkdir folder
  refused 5 "[write]" "folder" -- prune2to4 prune model.pt --output folder
}

@test "stdout that cannot be written" {
  refused 5 "stdout" -- bash -c 'prune2to4 prune model.pt --dry-run >/dev/full'
}

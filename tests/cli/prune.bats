#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What `prune2to4 prune` and `inspect` do on a good model.
load common

@test "prune writes the sparse model and the report in three forms" {
  expect 0 "12 of 13" -- prune2to4 prune model.pt
  expect_files . model.pt model.2to4.pt model.2to4.report.json model.2to4.report.md model.2to4.report.html
  jq -e '.version == 1 and .totals.packed == 12 and .probe.ran and .probe.largest_logit_difference < 1e-5' \
    model.2to4.report.json
  [[ $(jq -r .output.sha256 model.2to4.report.json) == $(sha256sum model.2to4.pt | cut -d' ' -f1) ]]
  [[ $(jq -r .input.sha256 model.2to4.report.json) == $(sha256sum model.pt | cut -d' ' -f1) ]]
}

@test "written to a device, the model has no report beside it" {
  expect 0 "12 of 13" -- prune2to4 prune model.pt --output /dev/null
  [[ -c /dev/null && -z $(find /dev -maxdepth 1 -name 'null.*') ]]
  expect_files . model.pt
}

@test "stdout holds the results alone, in the format asked for" {
  prune2to4 prune model.pt --format json 2>messages | jq -e '.layers | length == 13'
  prune2to4 prune model.pt --format csv --quiet >out.csv 2>messages
  [[ ! -s messages ]]
  [[ $(wc -l <out.csv) -eq 14 ]]
  prune2to4 prune model.pt --format md --quiet | grep -q '^| '
  prune2to4 prune model.pt --quiet --export-json all.json >/dev/null
  jq -e .totals all.json
}

@test "messages off a terminal are plain lines without colour or carriage returns" {
  prune2to4 prune model.pt >/dev/null 2>messages
  [[ -s messages ]]
  ! grep -q $'[\r\033]' messages
}

@test "a dry run lists the layers and writes nothing" {
  prune2to4 prune model.pt --dry-run --format json >list.json
  jq -e '.dry_run and .totals.packed == 12 and .output == null' list.json
  expect_files . model.pt list.json
}

@test "the layer config chooses, skips and names its rule" {
  cat >layers.json <<'END'
{"version": 1, "defaults": {"norm": 1},
 "layers": [{"match": "*layer.0*"}, {"regex": ".*\\.query\\.weight", "skip": true}]}
END
  prune2to4 prune model.pt --config layers.json --format json --quiet >report.json
  jq -e '.totals.packed == 5' report.json
  jq -e '[.layers[] | select(.outcome == "dense" and (.rule | contains("/layers/1")))] | length == 2' report.json
}

@test "PyTorch's plain list is a layer config" {
  echo '[{"tensor_fqn": "bert.encoder.layer.1.output.dense.weight"}]' >layers.json
  prune2to4 prune model.pt --config layers.json --format json --quiet | jq -e '.totals.packed == 1'
}

@test "the shipped layer configs work as they are" {
  prune2to4 prune model.pt --config "$repository/configs/bert_2to4.json" --format json --quiet | jq -e '.totals.packed == 12'
  prune2to4 prune model.pt --config "$repository/configs/ffn_only.json" --format json --quiet | jq -e '.totals.packed == 4'
  prune2to4 prune model.pt --config "$repository/configs/pytorch_ties.json" --format json --quiet | jq -e '.layers[0].mask.ties == "torch"'
}

@test "a layer that is not 2:4 is masked only when asked, stays dense and says why" {
  echo '{"version": 1, "defaults": {"sparsity_level": 0.5}}' >layers.json
  expect 4 "no selected layer can be packed" "not 2:4: row" "--allow-unpacked" -- prune2to4 prune model.pt \
    --config layers.json
  expect_files . layers.json model.pt
  prune2to4 prune model.pt --config layers.json --allow-unpacked --format json --quiet >report.json
  jq -e '.totals.packed == 0 and ([.layers[] | select(.outcome == "masked")] | length == 12)' report.json
  jq -e '.layers[0].reason | contains("not 2:4: row")' report.json
}

@test "settings come from flags, then from the environment" {
  PRUNE2TO4_FORMAT=json prune2to4 prune model.pt --dry-run | jq -e .dry_run
  PRUNE2TO4_FORMAT=json prune2to4 prune model.pt --dry-run --format csv | head -1 | grep -q ,
  PRUNE2TO4_DRY_RUN=true prune2to4 prune model.pt --format json | jq -e .dry_run
}

@test "pruning twice gives the same model" {
  prune2to4 prune model.pt --quiet >/dev/null
  prune2to4 prune model.pt --output again.pt --quiet >/dev/null
  [[ $(prune2to4 inspect again.pt --format csv) == "$(prune2to4 inspect model.2to4.pt --format csv)" ]]
}

@test "what is dense in a sparse model can be pruned later" {
  echo '{"version": 1, "layers": [{"match": "*layer.0*"}]}' >first.json
  echo '{"version": 1, "layers": [{"match": "*layer.1*"}]}' >second.json
  prune2to4 prune model.pt --config first.json --output half.pt --quiet >/dev/null
  prune2to4 prune half.pt --config second.json --output whole.pt --quiet >/dev/null
  prune2to4 prune model.pt --quiet >/dev/null
  packed='[.layers[] | select(.packing == "packed 2:4") | [.name, .zeros, .bytes]] | sort'
  prune2to4 inspect whole.pt --format json | jq "$packed" >whole.json
  prune2to4 inspect model.2to4.pt --format json | jq "$packed" >once.json
  jq -e 'length == 12' once.json
  diff whole.json once.json
}

@test "converting on the way writes the smaller dtype" {
  prune2to4 prune model.pt --dtype bf16 --quiet --output half.pt >/dev/null
  prune2to4 inspect half.pt --format json | jq -e '[.layers[] | select(.packing == "packed 2:4") | .dtype] | unique == ["bfloat16"]'
}

@test "inspect lists a dense and a sparse model without LibTorch running it" {
  prune2to4 inspect model.pt --format json >dense.json
  jq -e '[.layers[] | select(.packing == "can be pruned to 2:4")] | length == 13' dense.json
  jq -e '.made_by == null' dense.json
  prune2to4 prune model.pt --quiet >/dev/null
  prune2to4 inspect model.2to4.pt --format json >sparse.json
  jq -e '[.layers[] | select(.packing == "packed 2:4")] | length == 12' sparse.json
  jq -e --arg sha "$(sha256sum model.pt | cut -d' ' -f1)" '.made_by.source.sha256 == $sha' sparse.json
  jq -e '.parts."packed weights" > 0' sparse.json
  expect 0 "Sparse: made by prune2to4" -- prune2to4 inspect model.2to4.pt
}

@test "records that an author put beside the model go with the sparse model" {
  "$python" - <<'END'
import torch
module = torch.jit.load("model.pt")
torch.jit.save(module, "noted.pt", _extra_files={"note.txt": "kept"})
END
  prune2to4 prune noted.pt --quiet >/dev/null
  unzip -p noted.2to4.pt '*/extra/note.txt' | grep -qx kept
  unzip -p noted.2to4.pt '*/extra/prune2to4.json' | jq -e '.layers | length == 12'
}

@test "version and help" {
  expect 0 "prune2to4 0." "LibTorch   2.11.0" "CUDA" "cuSPARSELt" "backends" -- prune2to4 --version
  expect 0 "Exit status: 0 ok, 1 a gate failed, 2 usage" -- prune2to4 --help
  expect 0 "Examples:" "--trust-model" "PRUNE2TO4_" -- prune2to4 prune --help
}

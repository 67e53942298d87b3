#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `prune2to4 prune` with --calibrate, --permute and --sensitivity, on the embedded model and texts.
load common

# Windows of tests/data/tiny_squad, with labels, and of a few lines of text, without.
calibration_files() {
  local tiny=$repository/tests/data/tiny_squad
  "$python" "$repository/scripts/tokenize_squad.py" --quiet "$tiny/dev.json" dev.safetensors --tokenizer "$tiny"
  jq -r '.data[].paragraphs[].context' "$tiny/train.json" >text.txt
  "$python" "$repository/scripts/tokenize_squad.py" --quiet text.txt text.safetensors --tokenizer "$tiny"
  rm text.txt
}

@test "calibrated on text alone, a model keeps more of its F1 than under weight-norm masks" {
  calibration_files
  local method
  for method in weight-norm wanda sparsegpt reconstruction; do
    prune2to4 prune model.pt --calibrate text.safetensors --method $method --windows 200 --eval dev.safetensors \
      --output $method.pt --quiet --format json >$method.json
    jq -e --arg method $method '.calibration | .method == $method and .data == "text.safetensors" and .windows > 0
      and .tokens > .windows and .seconds > 0' $method.json
    jq -e '.totals | .packed == 12 and .zeros * 2 >= .elements' $method.json
    jq -e 'all(.layers[] | select(.outcome == "packed"); .output_error.chosen > 0)' $method.json
  done
  jq -e 'all(.layers[] | select(.outcome == "packed"); .output_error | .chosen == .weight_norm)' weight-norm.json
  jq -e 'all(.layers[] | select(.outcome == "packed"); .output_error | .chosen < .weight_norm)' reconstruction.json
  jq -es '[.[].evaluation.models[] | select(.name == "masked").f1] | .[1] > .[0]' weight-norm.json reconstruction.json
  grep -q "^## Calibration" reconstruction.report.md
  grep -q "<h2>Calibration</h2>" reconstruction.report.html
  prune2to4 prune model.pt --calibrate text.safetensors --windows 200 --quiet >/dev/null
  jq -es '.[0].calibration.method == "reconstruction" and (map([.layers[].output_error]) | .[0] == .[1])' \
    model.2to4.report.json reconstruction.json
}

@test "calibration does what is most accurate, where the model allows it, and --fast does not" {
  calibration_files
  local flags wanted
  while IFS='|' read -r flags wanted; do
    # shellcheck disable=SC2086
    prune2to4 prune model.pt --calibrate text.safetensors $flags --quiet --format json >report.json
    jq -e "[.calibration.sequential, .permutation != null, .calibration.windows] == $wanted" report.json
  done <<<$'|[true, true, 128]\n--fast --windows 9|[false, false, 9]\n--fast --permute --windows 9|[false, true, 9]\n--method wanda --windows 9|[false, false, 9]'
}

@test "a layer config decides what is calibrated" {
  calibration_files
  echo '{"version": 1, "layers": [{"match": "*layer.0*"}, {"regex": ".*\\.query\\.weight", "skip": true}]}' >layers.json
  prune2to4 prune model.pt --config layers.json --calibrate dev.safetensors --format json --quiet >report.json
  jq -e '.totals.packed == 5 and ([.layers[] | select(.output_error)] | length) == 5' report.json
  echo '{"version": 1, "layers": [{"match": "*layer.0*", "ties": "torch"}]}' >layers.json
  expect 2 "[calibration]" "ties" -- prune2to4 prune model.pt --config layers.json --calibrate dev.safetensors
}

@test "a fine-tuning without labels begins with calibrated weights and learns from the dense model" {
  calibration_files
  export OMP_NUM_THREADS=1 CUDA_VISIBLE_DEVICES=
  prune2to4 prune model.pt --calibrate text.safetensors --train text.safetensors --teacher self --epochs 1 \
    --max-steps 20 --eval dev.safetensors --quiet --format json >report.json
  jq -e '.totals | .packed == 12 and .zeros * 2 >= .elements' report.json
  jq -e '.training[0] | (.teacher | startswith("the dense model itself")) and .recipe.distill_weight == "1"
    and all(.points[]; .label_loss == 0 and .loss == .distill_loss)' report.json
  jq -e '[.evaluation.models[].name] == ["dense", "masked", "fine-tuned", "packed"]' report.json
  jq -e '.calibration.method == "reconstruction"' report.json
}

@test "a checkpoint of another calibration is refused" {
  calibration_files
  export OMP_NUM_THREADS=1 CUDA_VISIBLE_DEVICES=
  local -a run=(prune model.pt --calibrate dev.safetensors --train dev.safetensors --epochs 400
    --max-steps 2000 --checkpoint-steps 1)
  prune2to4 "${run[@]}" --quiet >stopped.log 2>&1 3>&- &
  local pid=$! i
  for ((i = 0; i < 600; ++i)); do
    [[ -e model.2to4.checkpoint.safetensors.previous ]] && break
    sleep 0.05
  done
  kill $pid
  wait $pid || true
  expect 2 "[checkpoint]" "calibrated by wanda on" -- prune2to4 "${run[@]}" --method wanda --resume auto
  expect 0 "resumed at step" -- prune2to4 "${run[@]/2000/20}" --resume auto
}

@test "in another order of channels 2:4 keeps more, and the model can be calibrated and trained as ever" {
  calibration_files
  prune2to4 prune model.pt --output given.pt --quiet --format json >given.json
  prune2to4 prune model.pt --permute --eval dev.safetensors --quiet --format json >permuted.json
  jq -e '.permutation | .layers == 4 and .kept_after > .kept_before and .largest_logit > 0
    and .largest_logit_difference < 1e-6 and .dtype == "float64"' permuted.json
  jq -e '.totals.packed == 12 and .probe.ran and ([.timing[].stage] | index("permute"))' permuted.json
  # Only what reads reordered channels, and no layer worse.
  jq -es '[.[].layers] | transpose | map(select(.[0].relative_error - .[1].relative_error | fabs > 1e-9)) | length == 4
    and all(.[]; .[1].relative_error < .[0].relative_error and (.[0].name | test("output.dense.weight")))' \
    given.json permuted.json
  grep -q "^## Permutation" model.2to4.report.md
  grep -q "<h2>Permutation</h2>" model.2to4.report.html
  prune2to4 prune model.pt --eval dev.safetensors --output plain.pt --quiet --format json >plain.json
  jq -es '[.[].evaluation.models[] | select(.name == "dense").f1] | .[0] == .[1]' plain.json permuted.json
  prune2to4 prune model.pt --permute --output again.pt --quiet >/dev/null
  [[ $(prune2to4 inspect again.pt --format csv) == "$(prune2to4 inspect model.2to4.pt --format csv)" ]]
  OMP_NUM_THREADS=1 CUDA_VISIBLE_DEVICES= PRUNE2TO4_PERMUTE=true prune2to4 prune model.pt --dtype bf16 \
    --calibrate text.safetensors --windows 8 --sequential --skip-worst 1 --train dev.safetensors --epochs 1 \
    --max-steps 5 --quiet --format json | jq -e '.permutation.layers == 4 and .totals.packed == 11 and .probe.ran'
}

@test "a model that has a BERT's names, and computes something else, is not reordered" {
  "$python" - <<'END'
import torch
from transformers import BertConfig, BertForQuestionAnswering
class ByPlace(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x) * torch.arange(32)
torch.manual_seed(0)
model = BertForQuestionAnswering(BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                                            intermediate_size=32, max_position_embeddings=32, return_dict=False)).eval()
model.bert.encoder.layer[0].intermediate.intermediate_act_fn = ByPlace()
ids = torch.ones(2, 16, dtype=torch.long)
torch.jit.trace(model, (ids, ids, torch.zeros_like(ids)), check_trace=False).save("other.pt")
END
  expect 4 "[permute] in another order of channels the dense model's outputs change by" "leave --permute out" \
    -- prune2to4 prune other.pt --permute
  expect 0 "6 of 7" -- prune2to4 prune other.pt
}

@test "channels of a model that is no BERT stay, and so does a dry run" {
  "$python" -c 'import torch
torch.jit.script(torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 8))).save("other.pt")'
  echo '{"version": 1, "layers": [{"match": "*"}]}' >layers.json
  expect 4 "[permute] the model is no BERT encoder as known here: it has no embeddings.word_embeddings" \
    "leave --permute out" -- prune2to4 prune other.pt --config layers.json --permute
  expect 2 "--permute" -- prune2to4 prune model.pt --permute --dry-run
  expect_files . layers.json model.pt other.pt
}

@test "what each layer costs is reported, and the worst stay dense" {
  calibration_files
  prune2to4 prune model.pt --skip-worst 2 --eval dev.safetensors --eval-limit 30 --quiet >report.txt
  grep -q "^Each layer pruned alone by weight-norm, on .* windows of dev.safetensors, .* the worst 2 stay dense" report.txt
  jq -e '.sensitivity | .dense_f1 > 0 and (.layers | length) == 12 and ([.layers[].f1] | . == sort)
    and ([.layers[].skipped] == [true, true] + [range(10) | false])' model.2to4.report.json
  jq -e '.totals.packed == 10 and ([.layers[] | select(.rule == "--skip-worst 2") | .name] | sort)
    == ([.sensitivity.layers[:2][].name] | sort)' model.2to4.report.json
  jq -e '.sensitivity.dense_f1 == (.evaluation.models[] | select(.name == "dense").f1)' model.2to4.report.json
  grep -q "^## Sensitivity" model.2to4.report.md
  grep -q "<title id=\"cost-title\">" model.2to4.report.html
}

@test "layer after layer, with biases, and measured by the logits where there are no questions" {
  calibration_files
  prune2to4 prune model.pt --calibrate text.safetensors --windows 8 --sequential --correct-bias --sensitivity \
    --quiet --format json >report.json
  jq -e '.calibration | .sequential and .correct_bias and .peak_bytes > 1e7' report.json
  jq -e '.totals.packed == 12 and .probe.ran' report.json
  jq -e '.sensitivity | .method == "reconstruction" and .dense_f1 == null and .windows == 8
    and all(.layers[]; .f1 == null and .divergence > 0 and .logit_error > 0)' report.json
}

@test "calibration and sensitivity that cannot be are refused" {
  calibration_files
  expect 2 "--sensitivity needs text" "--eval" "--calibrate" -- prune2to4 prune model.pt --sensitivity
  expect 2 "--skip-worst 12 leaves none of 12 layers" -- prune2to4 prune model.pt --skip-worst 12 \
    --calibrate text.safetensors --method weight-norm --windows 2
  expect 2 "--sequential changes nothing for --method weight-norm" -- prune2to4 prune model.pt --sequential \
    --method weight-norm --calibrate text.safetensors
  expect 2 "--method wanda" "--calibrate" -- prune2to4 prune model.pt --method wanda
  expect 2 "--method" -- prune2to4 prune model.pt --calibrate dev.safetensors --method magic
  expect 2 "--calibrate" -- prune2to4 prune model.pt --windows 5
  expect 2 "--windows" -- prune2to4 prune model.pt --calibrate dev.safetensors --windows 0
  expect 2 "--calibrate" -- prune2to4 prune model.pt --calibrate dev.safetensors --dry-run
  expect 2 "--mask-policy gradual" -- prune2to4 prune model.pt --calibrate dev.safetensors --train dev.safetensors \
    --mask-policy gradual
  expect 5 "nowhere.safetensors" -- prune2to4 prune model.pt --calibrate nowhere.safetensors
  head -c 1000 dev.safetensors >cut.safetensors
  expect 3 "[data] cut.safetensors" -- prune2to4 prune model.pt --calibrate cut.safetensors
  expect 0 "12 of 13" -- prune2to4 prune model.pt --method weight-norm
  expect_files . model.pt {cut,dev,text}.safetensors model.2to4.{pt,report.html,report.json,report.md}
}

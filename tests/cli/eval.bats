#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `prune2to4 eval` on the embedded model and questions: what it prints, writes, gates and refuses.
load common

setup_file() {
  local tests=$BATS_TEST_DIRNAME/.. part
  for part in dev train; do
    "${PRUNE2TO4_PYTHON:-$tests/../.venv/bin/python}" "$tests/../scripts/tokenize_squad.py" --quiet \
      "$tests/data/tiny_squad/$part.json" "$BATS_FILE_TMPDIR/$part.safetensors" --tokenizer "$tests/data/tiny_squad"
  done
}

setup() {
  common_setup
  cp "$BATS_FILE_TMPDIR/dev.safetensors" dev.safetensors
}

# `field FILTER FILE`: what jq finds, raw.
field() { jq -er "$1" "$2"; }

@test "eval prints EM and F1 of the dense model, and pruning costs some" {
  prune2to4 prune model.pt --quiet >/dev/null
  prune2to4 eval model.pt --data dev.safetensors --quiet --format json >dense.json
  prune2to4 eval model.2to4.pt --data dev.safetensors --quiet --format json >sparse.json
  jq -e '.version == 1 and .evaluation.data.squad_version == "1.1" and (.evaluation.data.limited | not)' dense.json
  jq -e '.evaluation.models[0] | .f1 >= 70 and .exact_match <= .f1 and .questions >= 200' dense.json
  local dense sparse
  dense=$(field '.evaluation.models[0].f1' dense.json)
  sparse=$(field '.evaluation.models[0].f1' sparse.json)
  jq -en "$dense - $sparse > 3"
}

@test "the official script's own arithmetic agrees with eval's on its predictions" {
  prune2to4 eval model.pt --data dev.safetensors --quiet --predictions answers.json --format json >eval.json
  PYTHONPATH=$BATS_TEST_DIRNAME "$python" - "$repository/tests/data/tiny_squad/dev.json" eval.json answers.json <<'END'
import json, sys
import squad_reference
document, report, answers = (json.load(open(name)) for name in sys.argv[1:])
ours = report["evaluation"]["models"][0]
f1, exact = squad_reference.official_scores(document, answers, second_version=False)
assert len(answers) == ours["questions"], len(answers)
assert abs(f1 - ours["f1"]) < 1e-9 and abs(exact - ours["exact_match"]) < 1e-9, (f1, exact, ours)
END
}

@test "answers do not depend on batch size, threads or a second model" {
  prune2to4 prune model.pt --quiet >/dev/null
  prune2to4 eval model.pt --data dev.safetensors --quiet --predictions first.json >/dev/null
  local how
  for how in "--batch-size 1" "--batch-size 7" "--batch-tokens 100" "--threads 1" "--compare model.2to4.pt" \
    "--padding keep" "--engine interpreter"; do
    # shellcheck disable=SC2086  # an option and its value
    prune2to4 eval model.pt --data dev.safetensors --quiet --predictions other.json $how >/dev/null
    cmp first.json other.json
  done
}

@test "eval says what ran the model, and knows no other engine" {
  prune2to4 eval model.pt --data dev.safetensors --quiet --limit 2 --device cpu --format json >eval.json
  jq -e '.settings | .engine == "encoder engine" and .padding == "remove"' eval.json
  expect 2 "--engine" "fast" -- prune2to4 eval model.pt --data dev.safetensors --engine fast
  expect 2 "--padding" "half" -- prune2to4 eval model.pt --data dev.safetensors --padding half
}

@test "--dtype runs dense and packed models in it, as if their archives were of it" {
  prune2to4 prune model.pt --quiet >/dev/null
  prune2to4 prune model.pt --quiet --dtype bf16 --output half.pt >/dev/null
  local dtype name
  for dtype in fp32 fp16 bf16; do
    for name in model.pt model.2to4.pt half.pt; do
      prune2to4 eval "$name" --data dev.safetensors --quiet --device cpu --dtype $dtype \
        --predictions "$name.$dtype.json" --export-json "$name.$dtype.report.json" >/dev/null
      jq -e ".settings.dtype == \"$dtype\"" "$name.$dtype.report.json"
    done
  done
  jq -e '.settings.engine | startswith("interpreter (on a CPU")' model.2to4.pt.fp16.report.json
  jq -es '[.[].evaluation.models[0].f1] | max - min < 0.5' model.pt.{fp32,fp16,bf16}.report.json
  prune2to4 eval half.pt --data dev.safetensors --quiet --device cpu --predictions kept.json >/dev/null
  cmp model.2to4.pt.bf16.json kept.json
  cmp half.pt.bf16.json kept.json
  prune2to4 eval model.2to4.pt --data dev.safetensors --quiet --device cpu --predictions kept.json >/dev/null
  cmp model.2to4.pt.fp32.json kept.json
  expect 0 -- env PRUNE2TO4_DTYPE=bf16 prune2to4 eval model.2to4.pt --data dev.safetensors --device cpu --export-json env.json
  jq -e '.settings | .dtype == "bf16" and .engine == "encoder engine"' env.json
}

@test "--dtype refuses what it does not know, and models whose trace knows only another" {
  expect 2 "--dtype" "fp8" -- prune2to4 eval model.pt --data dev.safetensors --dtype fp8
  cp "$repository/tests/data/bert_eager_tf4.pt" eager.pt
  expect 4 "[run] eager.pt" "leave --dtype out" "export_bert.py --dtype" -- \
    prune2to4 eval eager.pt --data dev.safetensors --device cpu --dtype bf16
}

@test "the best answers' list begins with the answer, its probabilities add up, its texts differ" {
  prune2to4 eval model.pt --data dev.safetensors --quiet --predictions answers.json --nbest best.json --n-best-size 5 >/dev/null
  jq -es '.[0] as $answers | .[1] | to_entries | all(
      (.value[0].text == $answers[.key]) and (.value | length <= 5)
      and ((([.value[].probability] | add) - 1) | fabs) < 1e-6)' answers.json best.json
}

@test "--limit asks the first questions only, and says so" {
  prune2to4 eval model.pt --data dev.safetensors --quiet --limit 10 --predictions few.json --export-json few.report.json >few.txt
  jq -e '.evaluation.data | .questions == 10 and .limited' few.report.json
  jq -e 'length == 10' few.json
  grep -qi "first 10" few.txt
}

@test "--compare tells how many answers changed and shows those that changed most" {
  prune2to4 prune model.pt --quiet >/dev/null
  prune2to4 eval model.pt --data dev.safetensors --quiet --compare model.2to4.pt --export-json both.json >both.txt
  jq -e '.evaluation.models | length == 2 and .[0].name == "model.pt" and .[1].name == "model.2to4.pt"' both.json
  jq -e '.comparison | .changed > 0 and (.most_changed | length == 10)
    and (.most_changed[0] | .first != .second and .question != "" and (.answers | length > 0))' both.json
  grep -q "changed" both.txt
}

@test "a test set without answers is answered and compared, and neither scored nor gated" {
  local tiny=$repository/tests/data/tiny_squad
  jq 'del(.data[].paragraphs[].qas[].answers)' "$tiny/dev.json" >test.json
  "$python" "$repository/scripts/tokenize_squad.py" --quiet test.json test.safetensors --tokenizer "$tiny"
  expect 0 "Answered, and not scored, since test.safetensors has no answers" -- prune2to4 eval model.pt --data test.safetensors \
    --predictions test_answers.json --export-json report.json
  prune2to4 eval model.pt --data dev.safetensors --predictions answers.json --quiet >/dev/null
  cmp answers.json test_answers.json
  jq -e '.evaluation.models[0] | .f1 == null and .exact_match == null and .questions >= 200' report.json
  expect 0 "0 of" -- prune2to4 eval model.pt --data test.safetensors --compare model.pt
  expect 3 "no question has an answer" "--predictions" -- prune2to4 eval model.pt --data test.safetensors
  expect 3 "no question has an answer" -- prune2to4 eval model.pt --data test.safetensors --predictions a.json --min-f1 1
  expect 3 "has no windows to train on" -- prune2to4 finetune model.pt --train test.safetensors
  [[ ! -e a.json ]]
}

@test "options without effect are warned of" {
  expect 0 "a copy of the model itself" "--null-threshold has no effect" -- \
    prune2to4 eval model.pt --data dev.safetensors --limit 5 --compare model.pt --null-threshold 1
}

@test "a gate that is met lets eval pass, one that is missed exits 1 and says by how much" {
  expect 0 "F1" -- prune2to4 eval model.pt --data dev.safetensors --min-f1 60 --min-em 40
  expect 1 "[gate] F1" "below --min-f1 99.9" -- prune2to4 eval model.pt --data dev.safetensors --min-f1 99.9 --export-json gate.json
  jq -e '.gates | length == 1 and (.[0] | .name == "min-f1" and (.passed | not))' gate.json
  expect 1 "below --min-em 100" -- prune2to4 eval model.pt --data dev.safetensors --min-em 100
}

@test "the baseline of the gate on the drop is a model or a report of the same questions" {
  prune2to4 prune model.pt --quiet --eval dev.safetensors >/dev/null
  prune2to4 eval model.pt --data dev.safetensors --quiet --export-json dense.json >/dev/null
  local baseline
  for baseline in model.pt dense.json model.2to4.report.json; do
    expect 1 "more than --max-f1-drop 1" -- prune2to4 eval model.2to4.pt --data dev.safetensors --max-f1-drop 1 --baseline "$baseline"
    expect 0 -- prune2to4 eval model.2to4.pt --data dev.safetensors --max-f1-drop 90 --baseline "$baseline"
  done
  expect 2 "[baseline]" "same --limit" -- prune2to4 eval model.2to4.pt --data dev.safetensors --limit 5 --max-f1-drop 1 --baseline dense.json
  expect 2 "needs --baseline" -- prune2to4 eval model.2to4.pt --data dev.safetensors --max-f1-drop 1
}

@test "the script for CI passes, and fails when the gate is missed, leaving its files" {
  expect 0 -- env PRUNE2TO4="$build/prune2to4" "$repository/scripts/prune_gate.sh" model.pt dev.safetensors 90 out
  expect_files out sparse.pt sparse.report.json sparse.report.md sparse.report.html evaluation.json predictions.json
  expect 1 "more than --max-f1-drop 0.5" -- env PRUNE2TO4="$build/prune2to4" "$repository/scripts/prune_gate.sh" model.pt dev.safetensors 0.5 out
  expect 5 -- env PRUNE2TO4="$build/prune2to4" "$repository/scripts/prune_gate.sh" nowhere.pt dev.safetensors 1 out
  mkdir taken
  ln dev.safetensors taken/sparse.report.md
  expect 2 "sparse.report.md" "dev.safetensors" -- "$repository/scripts/prune_gate.sh" model.pt dev.safetensors 1 taken
}

@test "prune --eval puts dense, masked and packed into table, picture and JSON" {
  prune2to4 prune model.pt --quiet --eval dev.safetensors >pruned.txt
  jq -e '.evaluation.models | [.[].name] == ["dense", "masked", "packed"] and .[0].f1 > .[1].f1
    and ((.[1].f1 - .[2].f1) | fabs) < 0.5' model.2to4.report.json
  grep -q packed pruned.txt
  grep -q "<svg" model.2to4.report.html
  grep -q "| packed" model.2to4.report.md
  prune2to4 prune model.pt --quiet --eval dev.safetensors --eval-limit 7 --format json | jq -e '.evaluation.data | .questions == 7 and .limited'
  expect 2 "--dry-run" -- prune2to4 prune model.pt --dry-run --eval dev.safetensors
}

@test "without a model, eval takes it and its options from prune2to4.json; flags and the environment win" {
  prune2to4 prune model.pt --quiet --eval dev.safetensors --eval-limit 5 --save-settings >/dev/null
  jq -e '.version == 1 and .model == "model.2to4.pt" and .eval.data == "dev.safetensors"' prune2to4.json
  prune2to4 eval --quiet --format json >eval.json
  jq -e '.evaluation.models[0].name == "model.2to4.pt"' eval.json
  jq '.eval += {"limit": 9, "min-f1": 99.9, "format": "json", "quiet": true}' prune2to4.json >more.json
  mv more.json prune2to4.json
  expect 1 "below --min-f1 99.9" '"questions": 9' -- prune2to4 eval
  expect 0 '"questions": 4' -- prune2to4 eval --limit 4 --min-f1 0
  expect 0 '"questions": 3' -- env PRUNE2TO4_LIMIT=3 PRUNE2TO4_MIN_F1=0 prune2to4 eval
  expect 0 '"questions": 2' -- env PRUNE2TO4_LIMIT=3 prune2to4 eval --limit 2 --min-f1 0
  # Saving again keeps what stands there.
  prune2to4 prune model.pt --quiet --output again.pt --save-settings >/dev/null
  jq -e '.model == "again.pt" and .eval.limit == 9 and .eval.data == "dev.safetensors"' prune2to4.json
}

@test "settings that are wrong are refused with their place" {
  echo '{"version": 1, "model": "model.pt", "eval": {"data": "dev.safetensors", "limt": 3}}' >prune2to4.json
  expect 2 "[settings] prune2to4.json: /eval/limt" "limit" -- prune2to4 eval
  echo '{"version": 1, "model": "model.pt", "eval": {"limit": "three"}}' >prune2to4.json
  expect 2 "/eval/limit" -- prune2to4 eval
  rm prune2to4.json
  expect 2 "no model" "--save-settings" -- prune2to4 eval
  expect 2 "no --data" "tokenize_squad.py" -- prune2to4 eval model.pt
}

@test "data that does not fit the model, or is none, exits 3 and names the place" {
  expect 5 "nowhere.safetensors" -- prune2to4 eval model.pt --data nowhere.safetensors
  head -c 5000 dev.safetensors >cut.safetensors
  expect 3 "[data]" "cut.safetensors" -- prune2to4 eval model.pt --data cut.safetensors
  cp model.pt data.safetensors
  expect 3 "[data]" "data.safetensors" -- prune2to4 eval model.pt --data data.safetensors
  cp "$repository/tests/data/bert_sdpa_tf4.pt" small.pt
  expect 3 "input_ids" "row" "vocabulary" -- prune2to4 eval small.pt --data dev.safetensors
  prune2to4 prune model.pt --quiet --output kept.pt >/dev/null
  expect 3 "[data]" -- prune2to4 prune model.pt --eval cut.safetensors
  expect_files . cut.safetensors data.safetensors dev.safetensors kept.pt kept.report.html kept.report.json kept.report.md model.pt small.pt
}

@test "a file that cannot be written is known before the questions are asked, and nothing is left" {
  expect 5 "nowhere/answers.json" -- prune2to4 eval model.pt --data dev.safetensors --predictions nowhere/answers.json --nbest best.json
  expect_files . dev.safetensors model.pt
  expect 7 "--device cpu" -- env CUDA_VISIBLE_DEVICES= prune2to4 eval model.pt --data dev.safetensors --device cuda:99
}

@test "an interrupted eval leaves no file" {
  cp "$BATS_FILE_TMPDIR/train.safetensors" .
  local delay interrupted=0
  for delay in 0.2 0.5 0.8 1.1 1.4; do
    run timeout --foreground --preserve-status --signal=INT $delay prune2to4 eval model.pt --data train.safetensors \
      --batch-size 1 --threads 1 --compare model.pt --predictions answers.json --export-json report.json
    [[ $status -eq 130 ]] || continue
    interrupted=$((interrupted + 1))
    expect_files . dev.safetensors model.pt train.safetensors
  done
  [[ $interrupted -ge 2 ]]
}

@test "25,000 questions need no more memory than 1,000, beyond the file itself" {
  PYTHONPATH=$repository/scripts "$python" "$BATS_TEST_DIRNAME/check_eval_memory.py" "$build" model.pt \
    "$BATS_FILE_TMPDIR/train.safetensors"
}

@test "real questions: F1, EM and answers are PyTorch's, of the dense and the pruned model, at any batch size" {
  local data=${PRUNE2TO4_TEST_DATA:-$repository/../shared/data}
  [[ -d $data/minilm_qa ]] || skip "no model in $data/minilm_qa; name its parent folder by PRUNE2TO4_TEST_DATA"
  local questions=$data/squadshifts/dev.json.gz
  "$python" "$BATS_TEST_DIRNAME/check_eval.py" "$build" "$data/minilm_qa" "$questions" --limit 200 --batch-sizes 1,8,64
  "$python" "$BATS_TEST_DIRNAME/check_eval.py" "$build" "$data/minilm_qa" "$questions" --limit 200 --pruned
}

#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `prune2to4 finetune` and `prune2to4 prune --train` on the embedded model and questions, on a CPU.
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
  cp "$BATS_FILE_TMPDIR"/{dev,train}.safetensors .
  # More threads than cores would slow the small model down.
  export OMP_NUM_THREADS=1 CUDA_VISIBLE_DEVICES=
  inputs=(dev.safetensors model.pt train.safetensors)
}

# Processes that a failed test left.
teardown() {
  local pid
  for pid in $(jobs -p); do kill -KILL "$pid" || true; done
}

# `change_data FROM TO CODE`: Python that changes `tensors` and `metadata`.
change_data() {
  "$python" - "$@" <<'END'
import sys
import safetensors, safetensors.numpy
source, target, code = sys.argv[1:]
with safetensors.safe_open(source, "np") as file:
    tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
exec(code)
safetensors.numpy.save_file(tensors, target, metadata)
END
}

# Fails unless the two models hold the same parameters, bit by bit.
same_weights() {
  "$python" - "$@" <<'END'
import sys
import torch
first, second = (torch.jit.load(name).state_dict() for name in sys.argv[1:])
assert first and first.keys() == second.keys(), (len(first), len(second))
different = [name for name in first if first[name].numpy().tobytes() != second[name].numpy().tobytes()]
assert not different, different
END
}

free_port() {
  "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# `two_ranks ARGUMENT...`: the program as torchrun starts it twice: rank 0 here, rank 1 in the folder `other`.
two_ranks() {
  local port first=0 second=0
  port=$(free_port)
  mkdir -p other
  cp "${inputs[@]}" other
  local -a launch=(env WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 "MASTER_PORT=$port")
  (cd other && exec "${launch[@]}" RANK=1 LOCAL_RANK=1 timeout 60 prune2to4 "$@") >other.log 2>&1 3>&- &
  local pid=$!
  "${launch[@]}" RANK=0 LOCAL_RANK=0 timeout 60 prune2to4 "$@" >first.log 2>&1 || first=$?
  wait $pid || second=$?
  [[ $first -eq 0 && $second -eq 0 ]] || { cat first.log other.log; return 1; }
  expect_files other "${inputs[@]}"
}

# A run of some seconds, with dropout, that is saved on its way.
long_run=(finetune model.pt --train train.safetensors --output out.pt --epochs 1 --batch-size 8 --max-steps 70
  --checkpoint-steps 5 --dropout 0.1 --seed 3)

# Puts the model of the long run that nobody stopped into whole.pt.
whole_run() {
  local kept=$BATS_FILE_TMPDIR/whole.pt
  if [[ ! -e $kept ]]; then
    prune2to4 "${long_run[@]}" --quiet >/dev/null
    cp out.pt "$kept"
    rm out.*
  fi
  cp "$kept" whole.pt
}

# `stop_run SIGNAL STATUS`: stops the long run when it has saved twice.
stop_run() {
  local signal=$1 wanted=$2 got=0 i
  prune2to4 "${long_run[@]}" >stopped.log 2>&1 3>&- &
  local pid=$!
  for ((i = 0; i < 600; ++i)); do
    [[ -e out.checkpoint.safetensors.previous && -e out.checkpoint.safetensors ]] && break
    sleep 0.05
  done
  kill "-$signal" $pid
  wait $pid || got=$?
  [[ $got -eq $wanted && ! -e out.pt ]] || { echo "exit status $got"; cat stopped.log; return 1; }
}

@test "prune --train gives back most of the F1 that masks cost, and reports a control and the curves" {
  expect 0 "fine-tuned" -- prune2to4 prune model.pt --train train.safetensors --eval dev.safetensors --epochs 1 --max-steps 30 \
    --control
  jq -e '[.evaluation.models[].name] == ["dense", "dense + same budget", "masked", "fine-tuned", "packed"]' model.2to4.report.json
  jq -e '[.evaluation.models[] | {(.name): .f1}] | add | .["fine-tuned"] > .masked + 5
    and ((.["fine-tuned"] - .packed) | fabs) < 0.5' model.2to4.report.json
  jq -e '[.layers[] | select(.outcome == "packed")] | length == 12' model.2to4.report.json
  jq -e '.totals | .selected == .packed and .zeros * 2 == .elements' model.2to4.report.json
  jq -e '.training | length == 2 and ([.[].name] | sort) == ["dense + same budget", "sparse"]
    and all(.[]; .steps == 30 and (.points | length) == 30)' model.2to4.report.json
  grep -q "<svg" model.2to4.training.svg
  grep -q "<svg" model.2to4.report.html
  grep -q "fine-tuned" model.2to4.report.md
  expect_files . "${inputs[@]}" model.2to4.{pt,report.html,report.json,report.md,training.svg}
  prune2to4 eval model.2to4.pt --data dev.safetensors --quiet --format json >eval.json
  jq -es '(.[0].evaluation.models[4].f1 - .[1].evaluation.models[0].f1 | fabs) < 1e-9' model.2to4.report.json eval.json
}

@test "a gradual mask ends with every pruned layer at 2:4" {
  prune2to4 prune model.pt --train dev.safetensors --epochs 1 --mask-policy gradual --mask-score momentum \
    --mask-interval 3 --quiet --format json >report.json
  jq -e '.totals | .packed == 12 and .zeros * 2 == .elements' report.json
  jq -e '.training[0].recipe.mask_policy == "gradual"' report.json
}

@test "finetune writes a dense model that eval takes, a report and a table of epochs" {
  expect 0 "fine-tuned" -- prune2to4 finetune model.pt --train dev.safetensors --eval dev.safetensors --eval-limit 50 \
    --epochs 2 --max-steps 20 --export-json copy.json
  jq -e '[.layers[] | select(.outcome == "packed")] == []' model.finetuned.report.json
  jq -e '[.evaluation.models[].name] == ["as given", "fine-tuned"]' copy.json
  jq -e '.training | length == 1 and (.[0] | .steps == 20 and (.epochs | length) == 2 and .epochs[1].step == 20)' copy.json
  expect 0 "F1" -- prune2to4 eval model.finetuned.pt --data dev.safetensors --min-f1 60
  prune2to4 finetune model.pt --train train.safetensors --max-steps 3 --output few.pt --quiet --format csv >epochs.csv
  grep -q "^epoch,\|,epoch," epochs.csv
  [[ $(wc -l <epochs.csv) -ge 2 ]]
  expect_files . "${inputs[@]}" copy.json epochs.csv {few,model.finetuned}.{pt,report.html,report.json,report.md,training.svg}
}

@test "two ranks learn and answer what one process does, and rank 1 writes nothing" {
  local -a run=(finetune model.pt --train train.safetensors --eval dev.safetensors --max-steps 6 --epochs 1 --dropout 0)
  prune2to4 "${run[@]}" --output one.pt --quiet >/dev/null
  two_ranks "${run[@]}" --output two.pt
  jq -es '.[1].training[0].ranks == 2
    and (.[0].evaluation.models[1].f1 - .[1].evaluation.models[1].f1 | fabs) < 1e-9
    and ([.[].training[0].epochs[0].loss] | (.[0] - .[1] | fabs) < 1e-3)' one.report.json two.report.json
  prune2to4 eval one.pt --data dev.safetensors --quiet --predictions one.json >/dev/null
  inputs+=(one.pt)
  two_ranks eval one.pt --data dev.safetensors --predictions two.json
  cmp one.json two.json
}

@test "an environment of a launcher that is half set exits 2" {
  expect 2 "[ranks]" "MASTER_ADDR" -- env RANK=0 WORLD_SIZE=2 LOCAL_RANK=0 prune2to4 finetune model.pt --train train.safetensors
  expect 2 "[ranks]" "WORLD_SIZE" -- env RANK=0 prune2to4 finetune model.pt --train train.safetensors
  expect 2 "[ranks]" "RANK" -- env RANK=2 WORLD_SIZE=2 LOCAL_RANK=0 prune2to4 eval model.pt --data dev.safetensors
  expect_files . "${inputs[@]}"
}

@test "a rank that fails says why where torchrun reads it" {
  expect 5 "nowhere.pt" -- env RANK=0 WORLD_SIZE=1 LOCAL_RANK=0 MASTER_ADDR=127.0.0.1 MASTER_PORT=29400 \
    TORCHELASTIC_ERROR_FILE="$PWD/error.json" prune2to4 finetune nowhere.pt --train train.safetensors
  jq -e '.message.message | contains("nowhere.pt")' error.json
}

@test "SIGTERM saves the run and says how to go on, and it ends with the bits of one that nobody stopped" {
  whole_run
  stop_run TERM 143
  grep -q "saved out.checkpoint.safetensors at step" stopped.log
  grep -q -- "--resume auto" stopped.log
  expect 2 "[checkpoint]" "learning_rate was" -- prune2to4 "${long_run[@]}" --resume auto --learning-rate 0.123
  change_data train.safetensors other.safetensors 'metadata["source"] = "other.json"'
  expect 2 "[checkpoint]" "data was" -- prune2to4 "${long_run[@]/train.safetensors/other.safetensors}" --resume auto
  expect 0 "resumed at step" -- prune2to4 "${long_run[@]}" --resume auto
  same_weights whole.pt out.pt
  jq -e '.training[0] | .steps == 70 and .resumed_at >= 10' out.report.json
  expect_files . "${inputs[@]}" other.safetensors stopped.log whole.pt out.{pt,report.html,report.json,report.md,training.svg}
}

@test "SIGKILL costs the steps since the last checkpoint; a damaged one falls back to the one before" {
  whole_run
  stop_run KILL 137
  mkdir kept
  cp out.checkpoint.safetensors* kept
  expect 0 "resumed at step" -- prune2to4 "${long_run[@]}" --resume auto
  same_weights whole.pt out.pt
  rm out.*
  cp kept/* .
  "$python" - out.checkpoint.safetensors <<'END'
import pathlib, sys
path = pathlib.Path(sys.argv[1])
content = bytearray(path.read_bytes())
content[-100] ^= 1
path.write_bytes(content)
END
  expect 0 "out.checkpoint.safetensors is damaged" "resumed at step" -- prune2to4 "${long_run[@]}" --resume auto
  same_weights whole.pt out.pt
}

@test "a loss that stays infinite exits 6, names the questions and leaves no model" {
  local id
  expect 6 "[train]" "--learning-rate" "Questions of the last step: " -- prune2to4 finetune model.pt --train train.safetensors \
    --learning-rate 1e30 --warmup 0 --max-nan-steps 2 --batch-size 4 --max-steps 30
  id=${output##*Questions of the last step: }
  id=${id%%[,[:space:]]*}
  jq -e --arg id "$id" '[.. | .id? // empty] | index($id) != null' "$repository/tests/data/tiny_squad/train.json"
  expect_files . "${inputs[@]}"
}

@test "a run that breaks within a few steps exits 6 and leaves the output of before" {
  echo "what was there" >broken.pt
  local command
  for command in finetune prune; do
    expect 6 "[train]" "diverged" "of its 5 steps" "--learning-rate" -- prune2to4 "$command" model.pt --train train.safetensors \
      --learning-rate 1e30 --warmup 0 --max-steps 5 --output broken.pt
    [[ $(<broken.pt) == "what was there" ]]
    expect_files . "${inputs[@]}" broken.pt
  done
}

@test "a run that ends worse than it began says so on stderr and in all reports" {
  expect 0 "training made 'dense' worse" "F1 fell from" "(as given)" -- prune2to4 finetune model.pt --train train.safetensors \
    --eval dev.safetensors --learning-rate 5 --warmup 0 --max-steps 12
  local form
  for form in json md html; do
    grep -q "worse: its loss" "model.finetuned.report.$form"
    grep -q "F1 fell from" "model.finetuned.report.$form"
  done
}

@test "data without labels and models that cannot be trained are refused" {
  change_data train.safetensors unlabelled.safetensors 'del tensors["start"], tensors["end"]'
  expect 3 "[data]" "no labels" -- prune2to4 finetune model.pt --train unlabelled.safetensors
  expect 5 "nowhere.safetensors" -- prune2to4 finetune model.pt --train nowhere.safetensors
  prune2to4 prune model.pt --quiet --output packed.pt >/dev/null
  expect 4 "packed" "prune --train" -- prune2to4 finetune packed.pt --train train.safetensors
  expect_files . "${inputs[@]}" unlabelled.safetensors packed.{pt,report.html,report.json,report.md}
}

@test "a recipe is used, flags go before it, and faults are told with their place" {
  local -a run=(finetune model.pt --train train.safetensors --max-steps 2)
  echo '{"version": 1, "learning_rate": 0.00025, "batch_size": 8, "schedule": "cosine"}' >recipe.json
  prune2to4 "${run[@]}" --recipe recipe.json --batch-size 4 --quiet --format json >report.json
  jq -e '.training[0].recipe | (.learning_rate, .batch_size, .schedule, .max_steps | tostring)' report.json | tee values
  [[ $(tr '\n' ' ' <values) == '"0.00025" "4" "cosine" "2" ' ]]
  echo '{"version": 1, "warmup": 2}' >recipe.json
  expect 2 "[recipe] recipe.json: /warmup" -- prune2to4 "${run[@]}" --recipe recipe.json
  echo '{"version": 1, "learning_rte": 1}' >recipe.json
  expect 2 "[recipe] recipe.json: /learning_rte" "learning_rate" -- prune2to4 "${run[@]}" --recipe recipe.json
  expect 2 "--learning-rate takes a number above 0, not '-1'" -- prune2to4 "${run[@]}" --learning-rate -1
  expect 2 "--precision" -- prune2to4 "${run[@]}" --precision int8
}

@test "a teacher's logits are kept and read again; those of another teacher are made anew" {
  local -a run=(finetune model.pt --train dev.safetensors --max-steps 2 --teacher-cache logits.safetensors --quiet --format json)
  cp model.pt teacher.pt
  prune2to4 "${run[@]}" --teacher teacher.pt >first.json
  jq -e '.training[0].teacher | startswith("teacher.pt") and contains("computed")' first.json
  [[ -s logits.safetensors ]]
  prune2to4 "${run[@]}" --teacher teacher.pt >second.json
  jq -e '.training[0].teacher | startswith("teacher.pt") and contains("cache")' second.json
  jq -es '.[0].training[0].points == .[1].training[0].points' first.json second.json
  expect 0 "made anew" -- prune2to4 "${run[@]}" --teacher model.finetuned.pt --output other.pt
}

@test "the benchmark of training runs beside PyTorch and writes into its folder alone" {
  mkdir build
  ln -s "$build"/prune2to4 "$build"/*.so build
  touch stamp
  expect 0 "PyTorch, fp32" "prune2to4 finetune" "prune2to4 prune --train" "windows/s" -- \
    env BUILD="$work/build" PYTHON="$python" "$repository/scripts/bench_train.sh" --device cpu --model tiny --steps 5 \
    --warm-up 2 --batch 4 --length 64 --precision fp32
  rm -r build/bench
  expect_files . "${inputs[@]}" build build/* stamp
  [[ -z $(find "$repository" -maxdepth 1 -type f -newer stamp -not -name '.*') ]]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `prune2to4 bench` on the embedded model: what it prints, writes, gates and refuses. Nothing here asks how long it took.
load common

setup_file() {
  local tests=$BATS_TEST_DIRNAME/..
  "${PRUNE2TO4_PYTHON:-$tests/../.venv/bin/python}" "$tests/../scripts/tokenize_squad.py" --quiet \
    "$tests/data/tiny_squad/dev.json" "$BATS_FILE_TMPDIR/dev.safetensors" --tokenizer "$tests/data/tiny_squad"
  "${PRUNE2TO4_BUILD:-$tests/../build}/prune2to4" prune "$tests/data/tiny_bert.pt" --quiet \
    --output "$BATS_FILE_TMPDIR/model.2to4.pt" >/dev/null
}

setup() {
  common_setup
  cp "$BATS_FILE_TMPDIR"/{dev.safetensors,model.2to4.pt} .
  export PRUNE2TO4_DEVICE=cpu
}

# The quickest run that is one.
quick() { prune2to4 bench --repeats 2 --min-seconds 0 --warmup 0 --threads 1 "$@"; }

@test "a sparse model is timed beside its dense twin, which gives the same logits on a CPU" {
  quick model.2to4.pt --batch 1,3 --length 8,16 --format json >bench.json
  jq -e '.version == 1 and .kind == "bench" and .device == "cpu" and .data == null and .layer == null' bench.json
  jq -e '[.models[].name] == ["model.2to4.pt", "dense twin"] and .models[0].weight_bytes < .models[1].weight_bytes' bench.json
  jq -e '[.points[] | [.batch, .length]] == [[1, 8], [3, 8], [1, 16], [3, 16]]' bench.json
  jq -e '.points | all(.largest_difference == 0 and .speedup > 0 and .tokens == .batch * .length
    and (.timings | length == 2 and all(.repeats >= 2 and .median_ms > 0 and .p99_ms >= .median_ms and .tflops > 0)))' bench.json
  jq -e '.command[1] == "bench" and .settings.repeats == "2" and .environment.LibTorch != null and .gpu.before == null' bench.json
}

@test "text, Markdown and CSV show the same run" {
  expect 0 "against dense twin" "no padding to remove" "each call timed by itself" "speed-up" "Logits of the two differ by at most 0" -- \
    quick model.2to4.pt --batch 2 --length 8 --export-json bench.json
  jq -e '.points | length == 1' bench.json
  expect 0 "| batch | length | model " "| dense twin " -- quick model.2to4.pt --batch 2 --length 8 --format md
  quick model.2to4.pt --batch 2 --length 8 --format csv >bench.csv
  [[ $(head -1 bench.csv) == model,dtype,batch,length,batches,tokens,repeats,calls,median_ms,* ]]
  [[ $(wc -l <bench.csv) -eq 3 ]]
}

@test "a dense model runs by itself, or against the model that --baseline names" {
  quick model.pt --batch 1 --length 8 --format json >alone.json
  jq -e '(.models | length == 1) and .points[0].speedup == null and .points[0].largest_difference == null' alone.json
  quick model.2to4.pt --no-baseline --batch 1 --length 8 --format json >alone.json
  jq -e '.models | length == 1 and .[0].name == "model.2to4.pt"' alone.json
  quick model.2to4.pt --baseline model.pt --batch 1 --length 8 --format json >both.json
  jq -e '.models[1].name == "model.pt" and .models[1].sha256 != null and .points[0].largest_difference > 0' both.json
  expect 0 "a copy of the model itself" "model.pt (baseline)" -- quick model.pt --baseline model.pt --batch 1 --length 8
  expect 2 "--no-baseline" -- quick model.2to4.pt --no-baseline --baseline model.pt
}

@test "--dtype converts both models, --engine and --padding are told" {
  quick model.2to4.pt --dtype bf16 --engine interpreter --padding keep --batch 1 --length 8 --format json >bench.json
  jq -e '.models | all(.dtype == "bfloat16" and .engine == "interpreter" and (.removes_padding | not))' bench.json
  jq -e '.settings | .dtype == "bf16" and .engine == "interpreter" and .padding == "keep"' bench.json
  cp "$repository/tests/data/bert_eager_tf4.pt" eager.pt
  expect 4 "[run] eager.pt" "leave --dtype out" -- quick eager.pt --dtype bf16 --batch 1 --length 8
}

@test "--lengths runs the windows of a file in order, with their padding" {
  quick model.2to4.pt --lengths dev.safetensors --windows 7 --batch 2 --format json >bench.json
  jq -e '.data | .name == "dev.safetensors" and .windows == 7 and .limited and (.sha256 | length == 64)' bench.json
  jq -e '.points[0] | .batches == 3 and .tokens < .batch * .length' bench.json
  expect 0 "The first 7 windows of dev.safetensors in order" "real" -- \
    quick model.2to4.pt --lengths dev.safetensors --windows 7 --batch 2
  expect 2 "fill no batch of 8" -- quick model.pt --lengths dev.safetensors --windows 7 --batch 8
  expect 2 "has only" "windows" -- quick model.pt --lengths dev.safetensors --batch 100000
  expect 2 "--length 3" "tokens" -- quick model.pt --lengths dev.safetensors --length 3
  cp "$repository/tests/data/bert_sdpa_tf4.pt" small.pt
  expect 3 "input_ids" "vocabulary" -- quick small.pt --lengths dev.safetensors
  head -c 5000 dev.safetensors >cut.safetensors
  expect 3 "[data]" "cut.safetensors" -- quick model.pt --lengths cut.safetensors
}

@test "--layer times one linear layer, packed, dense and by LibTorch" {
  quick --layer 24x64 --tokens 5,9 --format json >layer.json
  jq -e '.layer == {"rows": 24, "cols": 64} and [.models[].name] == ["2:4", "dense", "LibTorch"] and [.points[].tokens] == [5, 9]' layer.json
  jq -e '.points | all(.batch == null and .largest_difference < 1e-5 and (.timings | all(.kernels | length == 1)))' layer.json
  expect 0 "One linear layer, 64 to 24" "tokens" -- quick --layer 24x64 --tokens 5 --dtype bf16
  expect 2 "OUTxIN" -- quick --layer 24
  expect 2 "multiple of 4" -- quick --layer 24x63
  expect 2 "--layer" -- quick model.pt --layer 24x64
  expect 2 "--tokens" -- quick model.pt --tokens 5
}

@test "--export-logits writes the first batch, and what each model makes of it" {
  quick model.2to4.pt --baseline model.pt --batch 2,3 --length 16 --export-logits random.safetensors
  expect 0 "2 16 tokens, 32 real" -- "$python" "$repository/tests/cli/check_logits.py" "$ops" random.safetensors model.2to4.pt model.pt
  quick model.pt --lengths dev.safetensors --windows 8 --batch 4 --export-logits real.safetensors
  expect 0 "4 120 tokens, 301 real" -- "$python" "$repository/tests/cli/check_logits.py" "$ops" real.safetensors model.pt
  expect 5 "nowhere/logits" -- quick model.pt --batch 1 --length 8 --export-logits nowhere/logits.safetensors
  expect 2 "--export-logits" -- quick --layer 24x64 --tokens 5 --export-logits logits.safetensors
  expect_files . dev.safetensors model.2to4.pt model.pt random.safetensors real.safetensors
}

@test "the benchmark beside PyTorch compares all logits, and fails where they differ" {
  mkdir build wrong
  ln -s "$build"/prune2to4 "$build"/*.so build
  ln -s "$build"/*.so wrong
  local -a small=(--device cpu --model tiny --dtype fp32 --batches 2 --length 32 --min-seconds 0 --repeats 1)
  expect 0 "PyTorch, eager" "prune2to4, 2:4" "logits off by" -- \
    env BUILD="$work/build" PYTHON="$python" "$repository/scripts/bench_latency.sh" "${small[@]}" --pytorch eager
  # Prunes fewer layers than the script has PyTorch prune.
  printf '#!/bin/sh\nif [ "$1" = prune ]; then set -- "$@" --config %s; fi\nexec %s "$@"\n' \
    "$repository/configs/ffn_only.json" "$build/prune2to4" >wrong/prune2to4
  chmod +x wrong/prune2to4
  expect 1 "not the same logits: prune2to4, 2:4; prune2to4, dense" -- \
    env BUILD="$work/wrong" PYTHON="$python" "$repository/scripts/bench_latency.sh" "${small[@]}" --pytorch ""
}

@test "a gate that is met lets bench pass, one that is missed exits 1 and says by how much" {
  expect 0 "gate min-speedup passed" "gate max-latency-ms passed" -- \
    quick model.2to4.pt --batch 1 --length 8 --min-speedup 0 --max-latency-ms 1000000
  expect 1 "[gate] speed-up at batch 1, length 8" "below --min-speedup 1000" -- \
    quick model.2to4.pt --batch 1 --length 8 --min-speedup 1000 --export-json gate.json
  jq -e '.gates | length == 1 and (.[0] | .name == "min-speedup" and (.passed | not))' gate.json
  expect 1 "above --max-latency-ms 0" -- quick model.pt --batch 1 --length 8 --max-latency-ms 0
  expect 2 "--min-speedup needs a baseline" -- quick model.pt --batch 1 --length 8 --min-speedup 1
}

@test "wrong sizes, flags and models are refused, and nothing is left" {
  expect 2 "no list of positive numbers" -- quick model.pt --batch 4,x
  expect 2 "no list of positive numbers" -- quick model.pt --length 0
  expect 2 "at most" "tokens" -- quick model.pt --length 100000
  expect 2 "--dtype" "fp8" -- quick model.pt --dtype fp8
  expect 2 "no model" "--layer" -- quick
  expect 5 "nowhere.pt" -- quick nowhere.pt
  cp dev.safetensors data.pt
  expect 4 "data.pt" -- quick data.pt
  expect 4 -- quick model.pt --baseline data.pt
  expect 5 "nowhere/bench.json" -- quick model.pt --export-json nowhere/bench.json
  expect 7 "--device cpu" -- env CUDA_VISIBLE_DEVICES= prune2to4 bench model.pt --device cuda:99
  expect_files . data.pt dev.safetensors model.2to4.pt model.pt
}

@test "without a model, bench takes it and its options from prune2to4.json; flags and the environment win" {
  echo '{"version": 1, "model": "model.2to4.pt", "bench": {"batch": "2,3", "length": "8", "repeats": 2,
    "min-seconds": 0, "warmup": 0, "format": "json", "min-speedup": 1000}}' >prune2to4.json
  expect 1 "below --min-speedup 1000" '"batch": 2' '"batch": 3' -- prune2to4 bench
  expect 0 '"batch": 5' -- prune2to4 bench --batch 5 --min-speedup 0
  expect 0 '"batch": 4' -- env PRUNE2TO4_BATCH=4 PRUNE2TO4_MIN_SPEEDUP=0 prune2to4 bench
  expect 0 "One linear layer" -- quick --layer 8x8 --tokens 2
  echo '{"version": 1, "model": "model.pt", "bench": {"batches": "2"}}' >prune2to4.json
  expect 2 "[settings] prune2to4.json: /bench/batches" -- prune2to4 bench
}

@test "an interrupted bench exits 130 and leaves no file" {
  local delay interrupted=0
  for delay in 0.5 1 1.5 2; do
    run timeout --foreground --preserve-status --signal=INT $delay prune2to4 bench model.2to4.pt --min-seconds 30 \
      --export-json bench.json
    [[ $status -eq 130 ]] || continue
    interrupted=$((interrupted + 1))
    expect_files . dev.safetensors model.2to4.pt model.pt
  done
  [[ $interrupted -ge 2 ]]
}

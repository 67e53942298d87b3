// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "prune2to4/measure.h"
#include "prune2to4/span_search.h"
#include "prune2to4/table.h"
#include "prune2to4/training_options.h"

namespace prune2to4 {

struct OutputOptions {
  Format format = Format::kText;
  std::string export_json;     // also write the JSON form here; empty: no
  bool prints_results = true;  // on stdout; false where another output goes there
  bool quiet = false;
  bool verbose = false;
};

// What "-" is written as.
inline constexpr const char* kStdoutFile = "/dev/stdout";

struct PruneOptions {
  OutputOptions results;
  std::string model;
  std::string config;           // empty: every Linear whose name contains "layer", 2:4 by weight norm
  std::string output;           // empty: MODEL.2to4.pt
  std::string dtype = "keep";   // keep, fp32, fp16, bf16: what the sparse model is written in
  std::string device = "auto";  // where the models are compared and evaluated
  uint64_t seed = 0;            // of the batch they are compared on
  std::string eval;             // tokenized file: F1 of the dense, masked and packed model; empty: no
  int64_t eval_limit = 0;       // ask only the first so many questions; 0: all
  bool permute = false;         // reorder channels first, so that 2:4 keeps more; an error where it cannot be
  std::string calibrate;        // tokenized file: masks and weights for what the layers see; empty: no
  std::string method;           // of kCalibrationMethods; empty: the best that the data allow
  bool fast = false;            // calibrate without what is the default where the graph allows it
  int64_t windows = 0;          // of `calibrate`, at most; 0: what suits the device
  bool sequential = false;      // calibrate layer after layer, from the pruned layers' outputs
  bool correct_bias = false;    // add the mean of what calibrated layers lose to their biases
  bool sensitivity = false;     // prune one layer at a time, and report what it costs
  int64_t skip_worst = 0;       // keep so many layers dense that cost most; implies `sensitivity`
  TrainingOptions training;     // under the masks
  bool save_settings = false;   // write prune2to4.json, which `eval` without a model reads
  bool dry_run = false;         // list layers, shapes and bytes; write nothing
  bool allow_nonfinite = false;
  bool allow_unpacked = false;      // mask also layers that cannot be packed
  std::string probe;                // safetensors file: inputs to compare on; empty: random ones
  bool require_comparison = false;  // an error where packed and masked cannot be compared
  bool trust_model = false;
  std::vector<std::string> command;  // argv, for the report
};

struct FinetuneOptions {
  OutputOptions results;
  std::string model;
  std::string output;  // empty: MODEL.finetuned.pt
  std::string device = "auto";
  TrainingOptions training;
  uint64_t seed = 0;
  std::string eval;  // tokenized file: F1 and EM before, after each epoch and at the end; empty: no
  int64_t eval_limit = 0;
  bool trust_model = false;
  std::vector<std::string> command;
};

struct InspectOptions {
  OutputOptions results;
  std::string model;
  bool trust_model = false;
};

struct EvalOptions {
  OutputOptions results;
  std::string model;
  std::string data;  // tokenized by scripts/tokenize_squad.py
  std::string device = "auto";
  std::string dtype = "keep";      // keep, fp32, fp16, bf16
  int64_t batch_tokens = 0;        // padding included; 0: what suits the device
  int64_t batch_size = 0;          // windows at most; 0: any number
  int threads = 0;                 // of the CPU; 0: all cores
  std::string padding = "remove";  // by the encoder engine: remove, keep
  std::string engine = "auto";     // auto, interpreter
  int64_t limit = 0;               // ask only the first so many questions; 0: all
  SpanOptions spans;
  std::string predictions;  // files to write; empty: no
  std::string n_best;
  std::string compare;  // another model
  std::optional<double> min_f1;
  std::optional<double> min_exact_match;
  std::optional<double> max_f1_drop;  // points below the baseline
  std::string baseline;               // a model, or a JSON report of `eval` or `prune --eval`
  bool trust_model = false;
  std::vector<std::string> command;  // argv, for the report
};

struct BenchOptions {
  OutputOptions results;
  std::string model;
  std::vector<int64_t> batches;  // sequences; empty: what suits the device
  std::vector<int64_t> lengths;  // tokens of a sequence; empty: 384, or what the model or the data take
  std::string data;              // --lengths: tokenized file whose windows run; empty: random tokens
  int64_t windows = 0;           // of it, the first so many; 0: what suits the device
  std::string baseline;          // a model; empty: the dense twin of a sparse one
  bool no_baseline = false;
  std::string export_logits;    // file for the first batch and what becomes of it; empty: none
  std::string layer;            // "OUTxIN": one linear layer in the place of a model
  std::vector<int64_t> tokens;  // of the layer; empty: what suits the device
  std::string device = "auto";
  std::string dtype = "keep";      // keep, fp32, fp16, bf16
  std::string padding = "remove";  // remove, keep
  std::string engine = "auto";     // auto, interpreter
  int threads = 0;                 // of the CPU; 0: all cores
  MeasureOptions measure;
  bool profile = false;  // also each kernel's share of a GPU's time
  uint64_t seed = 0;     // of random tokens and weights
  std::optional<double> min_speedup;
  std::optional<double> max_latency_ms;
  bool trust_model = false;
  std::vector<std::string> command;  // argv, for the report
};

// Results go to `out`, messages to stderr. Errors: see error.h.
void run_prune(const PruneOptions& options, std::ostream& out);
void run_finetune(const FinetuneOptions& options, std::ostream& out);
void run_inspect(const InspectOptions& options, std::ostream& out);
void run_eval(const EvalOptions& options,
              std::ostream& out);  // a missed gate is Error(kGate), after the results
void run_bench(const BenchOptions& options, std::ostream& out);  // so too

// Says why this rank fails where its launcher reads it (torchrun's TORCHELASTIC_ERROR_FILE); nothing without
// one.
void report_to_launcher(const std::string& message) noexcept;

// Parses and runs; returns the exit status of help, version and usage errors. Others are thrown.
int run_command_line(int argc, const char* const* argv, std::ostream& out);

// "prune2to4 0.1.0" and the versions and backends it was built with, a line each.
std::string version_text();

// What the machine and the build are, for reports.
std::vector<std::pair<std::string, std::string>> environment();

}  // namespace prune2to4

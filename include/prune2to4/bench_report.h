// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "prune2to4/gate.h"
#include "prune2to4/gpu_state.h"
#include "prune2to4/layer_kernel.h"
#include "prune2to4/statistics.h"
#include "prune2to4/table.h"

namespace prune2to4 {

// A contestant: the model in question, first, and the baseline it is held against.
struct BenchModel {
  std::string name;    // the file's; "dense twin"; of a layer "2:4", "dense" and "LibTorch"
  std::string sha256;  // of the model's file; empty for what has none of its own
  std::string engine;  // what runs it
  std::string dtype;   // of its weights as they run
  bool removes_padding = false;
  int64_t weight_bytes = 0;  // parameters and buffers; packed weights in packed form
  // What the device could do in dense products of that dtype, 10^12 operations a second; 0: not known.
  double peak_teraflops = 0;
};

// What a GPU's kernels of one name took in one batch.
struct KernelTime {
  std::string name;
  double calls = 0;
  double seconds = 0;
};

// How fast one contestant was at one point.
struct BenchTiming {
  Statistics seconds;  // of one batch
  std::vector<LayerKernel> kernels;
  std::vector<KernelTime> profile;  // longest first; empty: not asked for
};

// One size of batch. All contestants ran the same batches.
struct BenchPoint {
  int64_t batch = 0;    // sequences of a batch; 0: a single layer
  int64_t length = 0;   // tokens of a sequence, padding included; 0: a single layer
  int64_t batches = 1;  // different ones, run in turn
  double tokens = 0;    // of a batch on average, without padding
  int64_t calls = 1;    // of the contestant in a row, before one wait for the GPU: each covers all batches
  double flops = 0;     // that a dense model needs for the tokens of a batch; 0: not known
  std::optional<double> largest_difference;  // between the contestants' outputs at real tokens
  std::optional<double> largest_output;      // absolute, of the model
  std::optional<int64_t> peak_bytes;  // of GPU memory in use at once, all contestants and batches together
  std::vector<BenchTiming> timings;   // of each contestant
};

// The questions' file whose windows the batches are.
struct BenchData {
  std::string name;    // file name only
  std::string sha256;  // of the tokenized file
  int64_t windows = 0;
  bool limited = false;  // not all windows of the file ran
};

struct BenchLayer {
  int64_t rows = 0;  // out
  int64_t cols = 0;  // in
};

// Everything `bench` says about a run. The JSON form is versioned (configs/bench.schema.json).
struct BenchReport {
  static constexpr int kVersion = 1;
  static constexpr double kMostSpread = 0.025;  // more is worth a warning

  std::vector<std::string> command;  // argv
  std::string started;               // UTC, ISO 8601
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::pair<std::string, std::string>> settings;  // device, threads, repeats, ...
  std::string device;                                         // "cpu", "cuda:0"
  std::optional<BenchLayer> layer;                            // --layer: no model ran
  std::optional<BenchData> data;                              // none: random tokens, no padding
  std::vector<BenchModel> models;
  std::vector<BenchPoint> points;
  std::optional<GpuState> before;
  std::optional<GpuState> after;
  std::vector<GateResult> gates;
  std::vector<std::string> warnings;
};

// What follows from a point. NaN where it does not: without a second contestant, or for a single layer.
double speedup(const BenchPoint& point);  // median of the baseline by median of the model
double samples_per_second(const BenchPoint& point, const BenchTiming& timing);
double tokens_per_second(const BenchPoint& point, const BenchTiming& timing);
double teraflops(const BenchPoint& point, const BenchTiming& timing);
// Of teraflops() in the device's peak for dense products: a BERT of some thousand tokens is bound by
// arithmetic. 2:4 may exceed it.
double peak_share(const BenchModel& model, const BenchPoint& point, const BenchTiming& timing);

// "batch 4, length 384"; "batch 4, padded to 384"; "1,536 tokens".
std::string point_name(const BenchReport& report, const BenchPoint& point);

// One line when medians stand on samples that spread by more than kMostSpread; otherwise empty.
std::string spread_warning(const BenchReport& report);

// A row a point and contestant. kCsv: raw numbers, times in milliseconds.
Table bench_table(const BenchReport& report, Format format);
// Which kernels the layers took, counted; a row a contestant, kernel and point at which that changes.
Table kernel_table(const BenchReport& report);
// Where the GPU's time went: a row a point, contestant and kernel, with its share; no rows without profiles.
Table profile_table(const BenchReport& report);
// Plain text: what ran, how padding was treated, how outputs differ, what the GPU did; one line each.
std::vector<std::string> bench_sentences(const BenchReport& report);

std::string bench_json(const BenchReport& report);  // ends with a newline; NaN and infinity are null
// What `bench` prints: for text and Markdown sentences, tables and gates; CSV the table; JSON the report.
std::string bench_summary(const BenchReport& report, Format format);

}  // namespace prune2to4

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "prune2to4/evaluation.h"
#include "prune2to4/mask.h"
#include "prune2to4/table.h"
#include "prune2to4/training_report.h"

namespace prune2to4 {

// |(W - W') X| / |W X| of a layer's outputs on the inputs it was calibrated on, bias apart, Frobenius norm.
struct OutputError {
  double weight_norm = 0;  // had the weight norm chosen the mask
  double chosen = 0;       // of the weight in the model, before training
};

// What became of one linear layer.
struct LayerReport {
  enum class Outcome {
    kDense,   // not selected
    kMasked,  // masked, but not packed: it stays dense with its zeros; `reason` says why
    kPacked,
  };
  std::string name;  // fully qualified name of the weight
  int64_t rows = 0;
  int64_t cols = 0;
  std::string dtype;  // "float32", "float16", "bfloat16", ...
  std::string rule;   // which rule chose or left it, see LayerChoice::rule
  Outcome outcome = Outcome::kDense;
  std::string reason;               // why it is not packed; empty when packed
  std::string shares_with;          // another layer's name whose weight it shares; empty: none
  std::optional<MaskOptions> mask;  // of a selected layer
  int64_t zeros = 0;                // elements equal to zero after masking
  int64_t negative_zeros = 0;       // pruned -0.0 that read back as +0.0; 0 in a dry run
  int64_t dense_bytes = 0;
  int64_t stored_bytes = 0;                 // packed values + positions, or the dense bytes
  double relative_error = 0;                // ||W - mask * W|| / ||W||, Frobenius norm
  std::optional<OutputError> output_error;  // of a calibrated layer
};

// How --permute reordered the input channels of layers, which leaves the dense model's function as it is.
struct PermutationReport {
  int64_t layers = 0;      // whose order changed; the shares are their means
  double kept_before = 0;  // share of a weight's squared magnitude that 2:4 keeps, in the given order
  double kept_after = 0;
  std::string dtype;                    // in which the outputs of both dense models were compared
  double largest_logit = 0;             // absolute
  double largest_logit_difference = 0;  // absolute
  double seconds = 0;
};

// How masks and weights were calibrated.
struct CalibrationReport {
  std::string method;  // as --method names it
  std::string data;    // file name only
  std::string data_sha256;
  int64_t windows = 0;
  int64_t tokens = 0;  // of them, without padding
  double seconds = 0;
  int64_t peak_bytes = 0;                    // of the process, until the calibration was done
  std::optional<int64_t> device_peak_bytes;  // of GPU memory during it; none on a CPU
  bool sequential = false;                   // --sequential
  bool correct_bias = false;                 // --correct-bias
};

// What pruning one layer alone costs, all others dense: the logits l' that it makes of the dense model's l.
struct LayerCost {
  std::string name;          // of the weight; of a shared one the first layer's
  double logit_error = 0;    // |l' - l| / |l| over all real tokens, start and end logits together
  double divergence = 0;     // nats: mean over windows of the KL divergence of start and end, halved
  std::optional<double> f1;  // per cent; none when no questions were asked
  bool skipped = false;      // kept dense by --skip-worst
};

// How --sensitivity was measured, and what it found.
struct SensitivityReport {
  std::string method;  // as --method names it
  std::string data;    // file name only
  std::string data_sha256;
  int64_t windows = 0;
  std::optional<double> dense_f1;  // per cent; none when no questions were asked
  std::vector<LayerCost> layers;   // the worst first: by F1 where there is one, then by divergence
  double seconds = 0;
};

// An input that the packed model was compared on.
struct ProbeInput {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
};

// One forward pass of the masked dense model beside the packed one, on the same batch.
struct ProbeReport {
  bool ran = false;
  std::string reason;  // why it did not run
  int64_t batch = 0;
  int64_t sequence = 0;
  std::string device;
  std::string dtype;                    // of the logits
  double largest_logit = 0;             // absolute
  double largest_logit_difference = 0;  // absolute
  std::string source{};                 // file name of --probe; empty: the batch is random
  std::vector<ProbeInput> inputs{};     // in forward's order
  std::string needs{};                  // what forward asks for, where it did not run
  int64_t integers = 0;                 // outputs that are integers or booleans
  int64_t changed_integers = 0;
};

struct FileReport {
  std::string name;  // file name only: a report holds no path of a machine
  int64_t bytes = 0;
  std::string sha256;
};

// Everything `prune` or `finetune` says about a run. The JSON form is versioned (configs/report.schema.json);
// Markdown and HTML are views of it. With training and no layer selected it is a report of `finetune`, whose
// views for people leave the layers out.
struct Report {
  static constexpr int kVersion = 1;
  std::vector<std::string> command;  // argv
  std::string started;               // UTC, ISO 8601
  bool dry_run = false;
  std::vector<std::pair<std::string, std::string>> environment;
  FileReport input;
  std::optional<FileReport> output;  // none in a dry run
  std::vector<LayerReport> layers;
  std::optional<ProbeReport> probe;              // none in a dry run
  std::optional<PermutationReport> permutation;  // none without --permute
  std::optional<CalibrationReport> calibration;  // none without --calibrate
  std::optional<SensitivityReport> sensitivity;  // none without --sensitivity
  std::vector<TrainingRun> training;             // none without --train
  std::optional<Evaluation> evaluation;  // of the dense, the masked and the packed model, in this order
  std::vector<std::string> warnings;
  std::vector<std::pair<std::string, double>> seconds;  // by stage, in order
};

// A weight shared by several layers (LayerReport::shares_with) counts once in elements, zeros and bytes.
struct ReportTotals {
  int64_t linear_layers = 0;
  int64_t selected = 0;
  int64_t packed = 0;        // in a dry run: would be packed
  int64_t masked = 0;        // and not packed
  int64_t elements = 0;      // of packed layers
  int64_t zeros = 0;         // of packed layers
  int64_t dense_bytes = 0;   // of packed layers
  int64_t packed_bytes = 0;  // of packed layers
  int64_t negative_zeros = 0;
};
ReportTotals totals(const Report& report);

std::string report_json(
    const Report& report);  // pretty-printed, ends with a newline; NaN and infinity are null
std::string report_markdown(const Report& report);
std::string report_html(const Report& report);  // one file, inline CSS and SVG, no script
// A picture of all runs as a file of its own: loss, learning rate, and F1 after each epoch when there are
// scores.
std::string training_plot(const std::vector<TrainingRun>& runs);
// kCsv: one column a field, raw numbers; otherwise fewer columns, for people.
Table layer_table(const Report& report, Format format);
// What goes to stdout: for text and Markdown a short summary with the layer table, CSV the table (of
// `finetune`: of the epochs), JSON the report.
std::string report_summary(const Report& report, Format format);

// Writes <stem>.report.html, .md and .json, the JSON last: its presence means that all is complete.
void write_report(const Report& report, const std::filesystem::path& stem);

}  // namespace prune2to4

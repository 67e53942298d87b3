// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "prune2to4/table.h"

namespace prune2to4 {

struct OutputOptions {
  Format format = Format::kText;
  std::string export_json;  // also write the JSON form here; empty: no
  bool quiet = false;
  bool verbose = false;
};

struct PruneOptions {
  OutputOptions results;
  std::string model;
  std::string config;           // empty: every Linear whose name contains "layer", 2:4 by weight norm
  std::string output;           // empty: MODEL.2to4.pt
  std::string dtype = "keep";   // keep, fp32, fp16, bf16: what the sparse model is written in
  std::string device = "auto";  // where the masked dense and the packed model are compared
  uint64_t seed = 0;            // of that comparison's batch
  bool dry_run = false;         // list layers, shapes and bytes; write nothing
  bool allow_nonfinite = false;
  bool trust_model = false;
  std::vector<std::string> command;  // argv, for the report
};

struct InspectOptions {
  OutputOptions results;
  std::string model;
  bool trust_model = false;
};

// Results go to `out`, messages to stderr. Errors: see error.h.
void run_prune(const PruneOptions& options, std::ostream& out);
void run_inspect(const InspectOptions& options, std::ostream& out);

// Parses and runs; returns the exit status of help, version and usage errors. Others are thrown.
int run_command_line(int argc, const char* const* argv, std::ostream& out);

// "prune2to4 0.1.0" and the versions and backends it was built with, a line each.
std::string version_text();

// What the machine and the build are, for reports.
std::vector<std::pair<std::string, std::string>> environment();

}  // namespace prune2to4

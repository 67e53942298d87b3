// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <ostream>
#include <string>

#include "commands/provenance.h"
#include "prune2to4/archive.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/commands.h"
#include "prune2to4/report.h"

// What `prune` and `finetune` do alike with the model they read and the one they write.
namespace prune2to4 {

// Reads and checks an archive, and tells the report of it.
Archive read_model_archive(const std::string& path, bool trust_model, Report& report);

// What --dtype names; none for "keep".
std::optional<at::ScalarType> chosen_dtype(const std::string& name);

void write_model(const torch::jit::Module& module, const std::filesystem::path& path,
                 const ExtraRecords& extra, AtomicFile& file, Report& report);

// Warnings to the log, results to `out` and where else the options say.
void print_results(const Report& report, const OutputOptions& results, std::ostream& out);

// MODEL.report.{html,md,json} beside the model, and with training MODEL.training.svg; nothing beside a device
// or a pipe. Returns "" or what was written, for a message.
std::string write_reports(const Report& report, const std::filesystem::path& model);

// Runs a command's body; LibTorch's exceptions become Error.
void with_torch_errors(const std::string& command, const std::function<void()>& body);

}  // namespace prune2to4

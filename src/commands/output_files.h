// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "prune2to4/commands.h"
#include "prune2to4/file_set.h"

// The files that a command writes without being told each by an option: what writes them and what checks them
// beforehand ask here for their names.
namespace prune2to4 {

inline constexpr const char* kPrunedSuffix = ".2to4.pt";
inline constexpr const char* kFinetunedSuffix = ".finetuned.pt";

// Where the model goes: `output`, or the input's name with `suffix` in the place of its extension.
std::filesystem::path model_output(const std::string& output, const std::string& input,
                                   const std::string& suffix);

// The reports beside a model at `output` are named by this stem; a device or pipe has none beside it.
bool has_reports(const std::filesystem::path& output);
std::filesystem::path report_stem(const std::filesystem::path& output);
std::filesystem::path training_plot_file(const std::filesystem::path& output);

// The checkpoint belongs to the model itself, or to the dense one that is trained for comparison.
std::filesystem::path checkpoint_file(const TrainingOptions& options, const std::filesystem::path& output,
                                      bool control);

// What no option names; nothing of a dry run.
std::vector<UsedFile> derived_files(const PruneOptions& options);
std::vector<UsedFile> derived_files(const FinetuneOptions& options);

}  // namespace prune2to4

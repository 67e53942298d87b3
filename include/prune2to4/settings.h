// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace prune2to4 {

// prune2to4.json, which a command without a model reads in the current folder: its model, and options of
// commands by their long names. A flag wins over PRUNE2TO4_*, which wins over this file
// (configs/settings.schema.json).
//
//   {"version": 1, "model": "bert.2to4.pt", "eval": {"data": "dev.safetensors", "min-f1": 70}}
struct Settings {
  static constexpr const char* kFileName = "prune2to4.json";
  using Options =
      std::map<std::string, std::string>;  // "min-f1" to "70"; a flag's value is "true" or "false"

  std::string model;                        // empty: none
  std::map<std::string, Options> commands;  // "eval" to its options
};

// Throws Error: kFileSystem when the file cannot be read, kUsage for what does not fit the schema: unknown
// keys, wrong types, keys given twice; "[settings] FILE: /json/pointer: reason".
Settings read_settings(const std::filesystem::path& path);

// As JSON, with numbers and booleans as such; read_settings gives it back. Throws Error(kUsage) for what
// read_settings would refuse, and for text that is not UTF-8.
std::string settings_json(const Settings& settings);

}  // namespace prune2to4

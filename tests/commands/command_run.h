// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "commands/command_line.h"
#include "core/temporary_folder.h"
#include "prune2to4/error.h"

namespace prune2to4 {

// A fresh current folder, while this lives.
class WorkFolder {
 public:
  WorkFolder() : before_(std::filesystem::current_path()) { std::filesystem::current_path(folder_.path()); }
  ~WorkFolder() { std::filesystem::current_path(before_); }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

 private:
  TemporaryFolder folder_;
  std::filesystem::path before_;
};

inline void put(const std::filesystem::path& path, const std::string& text) { std::ofstream(path) << text; }

// Parses "prune2to4 WORDS...".
inline Command& parse(CommandLine& line, std::vector<std::string> words) {
  words.insert(words.begin(), "prune2to4");
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  return line.parse(static_cast<int>(argv.size()), argv.data());
}

// What "prune2to4 WORDS..." says when its options are refused; "" when they are not.
inline std::string refusal(const std::vector<std::string>& words) {
  CommandLine line;
  try {
    parse(line, words);
  } catch (const CLI::ParseError& error) {
    return error.what();
  } catch (const Error& error) {
    return error.status() == ExitStatus::kUsage ? error.what()
                                                : std::string("no usage error: ") + error.what();
  }
  return "";
}

}  // namespace prune2to4

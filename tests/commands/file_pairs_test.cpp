// SPDX-License-Identifier: Apache-2.0
// Pairs of files that a command reads and writes, made of what the commands register: each pair is given one
// file under several names, and must be refused with everything as it was.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <sstream>

#include "command_run.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/hash.h"

namespace prune2to4 {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

using Arguments = std::map<std::string, std::string>;  // option or positional to its value

// Files that exist, and what else makes the command name all files that it can.
struct Base {
  std::string command;
  Arguments arguments;
  std::vector<std::string> flags;
};

const std::vector<Base>& bases() {
  static const std::vector<Base> kBases{
      {"prune",
       {{"MODEL", "model.pt"}, {"--output", "out.pt"}, {"--train", "train"}},
       {"--control", "--save-settings"}},
      {"finetune", {{"MODEL", "model.pt"}, {"--output", "out.pt"}, {"--train", "train"}}, {}},
      {"prune", {{"MODEL", "model.pt"}, {"--train", "train"}}, {}},
      {"finetune", {{"MODEL", "model.pt"}, {"--train", "train"}}, {}},
      {"eval", {{"MODEL", "model.pt"}}, {}},
      {"bench", {{"MODEL", "model.pt"}}, {}},
      {"inspect", {{"MODEL", "model.pt"}}, {}}};
  return kBases;
}

std::vector<std::string> words_of(const Base& base, const Arguments& changed) {
  Arguments arguments = changed;
  arguments.insert(base.arguments.begin(), base.arguments.end());
  std::vector<std::string> words{base.command, arguments.at("MODEL")};
  for (const auto& [option, value] : arguments) {
    if (option == "MODEL") continue;
    words.push_back(option);
    words.push_back(value);
  }
  words.insert(words.end(), base.flags.begin(), base.flags.end());
  return words;
}

// A place in a command line that a file can have: an option, or what the command names itself.
struct Place {
  std::string role;
  FileUse use;
  std::string path;  // of what the command names itself; empty: an option, which can have any
};

std::vector<Place> places_of(const Base& base) {
  CommandLine line;
  const Command& command = parse(line, words_of(base, {}));
  std::vector<Place> places;
  for (const FileOption& file : command.file_options())
    places.push_back({file.option->get_name(), file.use, ""});
  for (const UsedFile& file : line.used_files(command)) {
    const auto same = [&](const Place& place) { return place.role == file.role; };
    if (std::none_of(places.begin(), places.end(), same)) places.push_back({file.role, file.use, file.path});
  }
  return places;
}

// Every file and link below the current folder, with the hash of what it holds.
std::string state() {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(".")) {
    std::string text = entry.is_symlink() ? "link to " + fs::read_symlink(entry).string() + " " : "";
    if (entry.is_regular_file()) {
      Sha256 hash;
      const std::string bytes = read_text_file(entry.path(), 1 << 20);
      hash.update(std::as_bytes(std::span(bytes)));
      text += hash.hex();
    }
    files[entry.path().string()] = text;
  }
  std::string all;
  for (const auto& [path, text] : files) all.append(path).append(" ").append(text).append("\n");
  return all;
}

// Other names of the file at `path`: plain, by "./", by "..", as a symbolic link, and as a hard link, which
// only what exists has.
std::vector<std::string> spellings(const std::string& path, bool exists) {
  fs::create_directories("folder");
  fs::create_symlink(fs::path("..") / path, "folder/soft");
  std::vector<std::string> names{path, "./" + path, "folder/../" + path, "folder/soft"};
  if (!exists) return names;
  fs::create_hard_link(path, "folder/hard");
  names.emplace_back("folder/hard");
  return names;
}

void check_refused(const Base& base, const Arguments& arguments, const std::string& first,
                   const std::string& second) {
  const std::vector<std::string> words = words_of(base, arguments);
  CATCH_CAPTURE(words);
  const std::string before = state();
  std::vector<const char*> argv{"prune2to4"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  std::ostringstream out;
  std::string message;
  try {
    static_cast<void>(run_command_line(static_cast<int>(argv.size()), argv.data(), out));
  } catch (const Error& error) {
    message = (error.status() == ExitStatus::kUsage ? "" : "not a usage error: ") + std::string(error.what());
  }
  CATCH_CHECK_THAT(message, Catch::StartsWith("[" + base.command + "] ") && Contains(first + " \"") &&
                                Contains(second + " \""));
  CATCH_CHECK(out.str().empty());
  CATCH_CHECK(state() == before);
}

// Whether a file that the command names itself goes elsewhere with this option's value.
bool moves_with(const Base& base, const Place& derived, const std::string& option) {
  if (derived.role == "the file of --save-settings") return false;
  if (option == "MODEL") return !base.arguments.contains("--output");
  return option == "--output" ||
         (option == "--checkpoint" && derived.role.find("checkpoint") != std::string::npos);
}

// How many pairs of the command were checked.
size_t check_pairs(const Base& base, bool exists) {
  size_t count = 0;
  const std::vector<Place> places = places_of(base);
  for (size_t i = 0; i < places.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const bool fixed_first = !places[j].path.empty();
      const Place& fixed = fixed_first ? places[j] : places[i];
      const Place& free = fixed_first ? places[i] : places[j];
      if (!free.path.empty() || (fixed.use == FileUse::kInput && free.use == FileUse::kInput)) continue;
      if (!fixed.path.empty() && moves_with(base, fixed, free.role)) continue;
      if (!exists && (fixed.use == FileUse::kInput || free.use == FileUse::kInput)) continue;
      const WorkFolder folder;
      put("model.pt", "a model");
      put("train", "questions");
      const std::string path = fixed.path.empty() ? "file" : fixed.path;
      if (exists) put(path, "what must stay");
      for (const std::string& name : spellings(path, exists)) {
        Arguments arguments{{free.role, name}};
        if (fixed.path.empty()) arguments[fixed.role] = path;
        check_refused(base, arguments, places[i].role, places[j].role);
      }
      ++count;
    }
  }
  return count;
}

}  // namespace

CATCH_TEST_CASE("an output that is an input or another output is refused, whatever the names") {
  size_t count = 0;
  for (const Base& base : bases()) count += check_pairs(base, /*exists=*/true);
  CATCH_CHECK(count >= 200);
}

CATCH_TEST_CASE("two outputs that would be one new file are refused") {
  for (const Base& base : bases()) check_pairs(base, /*exists=*/false);
}

CATCH_TEST_CASE("the settings file is an input where it is read") {
  const WorkFolder folder;
  put("prune2to4.json", R"({"version": 1, "model": "model.pt", "eval": {"data": "dev"}})");
  CATCH_CHECK_THAT(refusal({"eval", "--predictions", "./prune2to4.json"}),
                   Contains("--predictions") && Contains("the settings file"));
  CATCH_CHECK_THAT(refusal({"eval", "--nbest", "./dev"}),
                   Contains("--nbest") && Contains("--data (prune2to4.json: /eval/data)"));
  CATCH_CHECK_THAT(refusal({"bench", "--export-json", "model.pt"}),
                   Contains("MODEL (prune2to4.json: /model)"));
  CATCH_CHECK(refusal({"eval", "other.pt", "--predictions", "prune2to4.json"}).empty());
}

CATCH_TEST_CASE("a default output is compared as one that is given") {
  const WorkFolder folder;
  put("model.pt", "a model");
  fs::create_symlink("model.pt", "model.2to4.pt");
  fs::create_symlink("model.pt", "model.finetuned.pt");
  CATCH_CHECK_THAT(refusal({"prune", "model.pt"}), Contains("the default of --output \"model.2to4.pt\""));
  CATCH_CHECK(refusal({"prune", "model.pt", "--dry-run"}).empty());
  CATCH_CHECK_THAT(refusal({"finetune", "model.pt", "--train", "x"}), Contains("\"model.finetuned.pt\""));
  CATCH_CHECK(refusal({"prune", "model.pt", "-o", "out.pt", "--teacher", "model.pt"}).empty());
}

CATCH_TEST_CASE("a file that training did not write is no place for a checkpoint or a teacher's logits") {
  const WorkFolder folder;
  put("theirs", "something else");
  put("mine", R"(8       {"__metadata__":{"format":"prune2to4.checkpoint"}})");
  fs::create_directory("directory");
  for (const char* option : {"--checkpoint", "--teacher-cache"}) {
    for (const char* file : {"theirs", "directory", "/dev/null"}) {
      const std::string message = refusal({"finetune", "model.pt", "--train", "x", option, file});
      CATCH_CHECK_THAT(message, Contains(option) && Contains(file) && Contains("name "));
    }
    CATCH_CHECK(refusal({"finetune", "model.pt", "--train", "x", option, "new"}).empty());
  }
  put("model.finetuned.checkpoint.safetensors.previous", "theirs");
  CATCH_CHECK_THAT(refusal({"finetune", "model.pt", "--train", "x"}),
                   Contains("model.finetuned.checkpoint.safetensors.previous"));
  CATCH_CHECK(read_text_file("theirs", 100) == "something else");
}

CATCH_TEST_CASE("one output may go to stdout in the place of the table, a model may not") {
  const WorkFolder folder;
  put("model.pt", "a model");
  CommandLine line;
  parse(line, {"eval", "model.pt", "--export-json", "-", "--format", "csv"});
  CATCH_CHECK(line.eval.results.export_json.empty());
  CATCH_CHECK(line.eval.results.format == Format::kJson);
  CommandLine other;
  parse(other, {"eval", "model.pt", "--predictions", "-"});
  CATCH_CHECK(other.eval.predictions == kStdoutFile);
  CATCH_CHECK_FALSE(other.eval.results.prints_results);
  CATCH_CHECK_THAT(refusal({"eval", "model.pt", "--predictions", "-", "--export-json", "-"}),
                   Contains("--predictions") && Contains("--export-json"));
  for (const Base& base : bases()) {
    CommandLine all;
    const Command& command = parse(all, words_of(base, {}));
    for (const FileOption& file : command.file_options()) {
      if (file.use == FileUse::kInput) continue;
      const std::string name = file.option->get_name();
      const std::string message = refusal(words_of(base, {{name, "-"}}));
      const bool is_text = name == "--export-json" || name == "--predictions" || name == "--nbest";
      CATCH_CAPTURE(base.command, name, message);
      CATCH_CHECK(is_text == message.empty());
      if (!is_text) CATCH_CHECK_THAT(message, Contains(name) && Contains("stdout"));
    }
  }
  CATCH_CHECK(refusal({"eval", "model.pt", "--predictions", "/dev/stdout", "--nbest", "/dev/stdout",
                       "--export-json", "/dev/null"})
                  .empty());
}

}  // namespace prune2to4

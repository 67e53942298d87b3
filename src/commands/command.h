// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/App.hpp>
#include <map>
#include <string>
#include <vector>

#include "prune2to4/file_set.h"
#include "prune2to4/settings.h"

namespace prune2to4 {

// Whether "-" names stdout for an output, which then gets it in the place of the table, or is refused.
enum class Dash { kRefused, kStdout };

// An option or positional whose values are paths.
struct FileOption {
  CLI::Option* option = nullptr;
  FileUse use = FileUse::kInput;
  Dash dash = Dash::kRefused;
  std::string own_format = {};  // see UsedFile
  std::string no_file = {};     // a value that names no file: "self" of --teacher; empty: none
};

// A sub-command: what CLI11 knows of its options, which of them name files, and where their values come from.
// A flag wins over PRUNE2TO4_*, which wins over the settings file. Flags that exclude or miss each other are
// errors, as CLI11 has it; a value from the environment or the settings that cannot apply beside what wins
// over it is left out.
class Command : public CLI::App {
 public:
  Command(const std::string& name, const std::string& description) : CLI::App(description, name) {}

  // Every option whose value is a path says so once, here or by add_input_file() and its like.
  void register_file(const FileOption& file) { files_.push_back(file); }
  const std::vector<FileOption>& file_options() const { return files_; }
  // What the options name in this run, after finish().
  std::vector<UsedFile> used_files() const;

  // A value of `option` from the environment or the settings is left out unless one of `others` is given; a
  // flag without them is for the command to refuse.
  void apply_only_with(CLI::Option* option, const std::vector<CLI::Option*>& others) {
    companions_[option] = others;
  }

  // Once all options are set up, before parsing: from here on this class, not CLI11, looks after the
  // environment and after options that are required, need or exclude others.
  void take_over();
  // Gives them back to CLI11, whose help shows them.
  void hand_back();
  // After parsing, in this order. Values of options that were given already are not looked at.
  void take_environment();
  void take_settings(const Settings& settings);
  // Sets the options. Throws CLI::ParseError about flags, Error(kUsage) about other values, naming where each
  // comes from.
  void finish();

  // Which values were left out, and why; after finish().
  const std::vector<std::string>& notes() const { return notes_; }
  // " (--min-f1 is set by PRUNE2TO4_MIN_F1)", for each option in a message that no flag gave; "": none.
  std::string origins_of(const std::string& message) const;
  bool given(const std::string& option) const;
  std::vector<std::string> environment_names() const;

 private:
  struct Relations {
    CLI::Option* option = nullptr;
    bool required = false;
    std::string variable;
    std::vector<CLI::Option*> needs;
    std::vector<CLI::Option*> excludes;
  };
  enum class Source { kEnvironment, kSettings };
  struct Value {
    const Relations* relations = nullptr;
    std::string text;
    Source source = Source::kEnvironment;
    std::string origin;  // "PRUNE2TO4_LIMIT", "prune2to4.json: /eval/limit"
    bool left_out = false;
  };

  const Value* value_of(const CLI::Option* option) const;
  bool is_on(const CLI::Option* option) const;
  void add_value(const CLI::Option* option, const std::string& text, Source source,
                 const std::string& origin);
  void leave_out(Value& value, const std::string& reason);
  std::string missing_for(const Relations& relations) const;
  void leave_out_unneeded();
  void leave_out_excluded();
  void check_flags() const;
  void set(const Value& value) const;

  std::vector<FileOption> files_;
  std::map<const CLI::Option*, std::vector<CLI::Option*>> companions_;
  std::vector<Relations> relations_;  // in the order of the options
  std::vector<Value> values_;         // the environment's first
  std::vector<std::string> notes_;
};

// Adds the sub-command to the program.
Command& add_command(CLI::App& app, const std::string& name, const std::string& description);

// An option that the environment can set too: "--allow-nonfinite" by PRUNE2TO4_ALLOW_NONFINITE.
CLI::Option* from_environment(CLI::Option* option);

// Options of files, which the environment can set too. `name`: "--data", or a positional's, "MODEL", which
// the environment cannot set.
CLI::Option* add_input_file(Command& command, const std::string& name, std::string& value,
                            const std::string& description);
CLI::Option* add_output_file(Command& command, const std::string& name, std::string& value,
                             const std::string& description, Dash dash = Dash::kRefused);
// A file that only this program writes, in the format that its metadata name; it may be read first.
CLI::Option* add_own_file(Command& command, const std::string& name, std::string& value,
                          const std::string& own_format, const std::string& description);

}  // namespace prune2to4

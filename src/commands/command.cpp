// SPDX-License-Identifier: Apache-2.0
#include "commands/command.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <set>
#include <utility>

#include "prune2to4/environment_names.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

// Whether `text` turns the flag on; what is no answer to that is an error later.
bool turns_on(const std::string& text) {
  try {
    return CLI::detail::to_flag_value(text) > 0;
  } catch (const std::invalid_argument&) {
    return true;
  }
}

}  // namespace

std::vector<UsedFile> Command::used_files() const {
  std::vector<UsedFile> used;
  for (const FileOption& file : files_) {
    const Value* value = value_of(file.option);
    const std::string role = file.option->get_name() + (value != nullptr ? " (" + value->origin + ")" : "");
    for (const std::string& path : file.option->results()) {
      const bool is_stdout = path == "-" && file.dash == Dash::kStdout;
      if (path.empty() || path == file.no_file || is_stdout) continue;
      if (path == "-" && file.use != FileUse::kInput) {
        throw Error(ExitStatus::kUsage, get_name(),
                    role + " cannot be stdout, where the results go; name a file (./- if it is called so)");
      }
      used.push_back({role, file.use, path, file.own_format});
    }
  }
  return used;
}

void Command::take_over() {
  const std::vector<CLI::Option*> options = get_options();
  const auto among = [&](const std::set<CLI::Option*>& wanted) {
    std::vector<CLI::Option*> ordered;
    std::copy_if(options.begin(), options.end(), std::back_inserter(ordered),
                 [&](CLI::Option* option) { return wanted.contains(option); });
    return ordered;
  };
  for (CLI::Option* option : options) {
    relations_.push_back({option, option->get_required(), option->get_envname(), among(option->get_needs()),
                          among(option->get_excludes())});
  }
  for (const Relations& each : relations_) {
    each.option->required(false)->envname("");
    for (CLI::Option* other : each.needs) each.option->remove_needs(other);
    for (CLI::Option* other : each.excludes) each.option->remove_excludes(other);
  }
}

void Command::hand_back() {
  for (const Relations& each : relations_) {
    each.option->required(each.required)->envname(each.variable);
    for (CLI::Option* other : each.needs) each.option->needs(other);
    for (CLI::Option* other : each.excludes) each.option->excludes(other);
  }
  relations_.clear();
}

void Command::take_environment() {
  for (const Relations& each : relations_) {
    if (each.variable.empty()) continue;
    const char* text = std::getenv(each.variable.c_str());
    if (text != nullptr && *text != '\0') {
      add_value(each.option, text, Source::kEnvironment, each.variable);
    }
  }
}

void Command::take_settings(const Settings& settings) {
  const std::string file = std::string(Settings::kFileName) + ": /";
  if (!settings.model.empty())
    add_value(get_option("MODEL"), settings.model, Source::kSettings, file + "model");
  const auto own = settings.commands.find(get_name());
  if (own == settings.commands.end()) return;
  for (const auto& [name, text] : own->second) {
    add_value(get_option("--" + name), text, Source::kSettings, file + get_name() + "/" + name);
  }
}

void Command::finish() {
  leave_out_unneeded();
  leave_out_excluded();
  leave_out_unneeded();
  check_flags();
  for (const Value& value : values_) {
    if (!value.left_out) set(value);
  }
}

std::string Command::origins_of(const std::string& message) const {
  std::string origins;
  for (const Value& value : values_) {
    const std::string name = value.relations->option->get_name();
    const size_t at = message.find(name);
    if (value.left_out || at == std::string::npos || message.find(value.origin) != std::string::npos)
      continue;
    const size_t end = at + name.size();
    if (end < message.size() &&
        (std::isalnum(static_cast<unsigned char>(message[end])) != 0 || message[end] == '-')) {
      continue;  // a longer name
    }
    origins += (origins.empty() ? " (" : "; ") + name + " is set by " + value.origin;
  }
  return origins.empty() ? "" : origins + ")";
}

bool Command::given(const std::string& option) const {
  const CLI::Option* wanted = get_option(option);
  return wanted->count() > 0 || value_of(wanted) != nullptr;
}

std::vector<std::string> Command::environment_names() const {
  std::vector<std::string> names;
  for (const Relations& each : relations_) {
    if (!each.variable.empty()) names.push_back(each.variable);
  }
  return names;
}

const Command::Value* Command::value_of(const CLI::Option* option) const {
  const auto value = std::find_if(values_.begin(), values_.end(), [&](const Value& each) {
    return each.relations->option == option && !each.left_out;
  });
  return value == values_.end() ? nullptr : &*value;
}

// Given, and no flag that was given as false.
bool Command::is_on(const CLI::Option* option) const {
  const Value* value = value_of(option);
  if (value == nullptr && option->count() == 0) return false;
  return !is_flag(*option) || turns_on(value != nullptr ? value->text : option->results().back());
}

void Command::add_value(const CLI::Option* option, const std::string& text, Source source,
                        const std::string& origin) {
  if (option->count() > 0 || value_of(option) != nullptr) return;
  const auto relations = std::find_if(relations_.begin(), relations_.end(),
                                      [&](const Relations& each) { return each.option == option; });
  values_.push_back({&*relations, text, source, origin});
}

void Command::leave_out(Value& value, const std::string& reason) {
  value.left_out = true;
  notes_.push_back(value.origin + " is left out: " + reason);
}

// What the option cannot apply without, where it is not given.
std::string Command::missing_for(const Relations& relations) const {
  for (const CLI::Option* needed : relations.needs) {
    if (!is_on(needed)) return needed->get_name();
  }
  const auto companions = companions_.find(relations.option);
  if (companions == companions_.end()) return "";
  const auto& others = companions->second;
  const bool is_there =
      std::any_of(others.begin(), others.end(), [this](const CLI::Option* other) { return is_on(other); });
  return is_there ? "" : others.front()->get_name();
}

void Command::leave_out_unneeded() {
  for (bool changed = true; changed;) {
    changed = false;
    for (Value& value : values_) {
      if (value.left_out || !is_on(value.relations->option)) continue;
      const std::string missing = missing_for(*value.relations);
      if (missing.empty()) continue;
      leave_out(value, "there is no " + missing);
      changed = true;
    }
  }
}

void Command::leave_out_excluded() {
  for (Value& value : values_) {
    if (value.left_out || !is_on(value.relations->option)) continue;
    for (const CLI::Option* other : value.relations->excludes) {
      if (value.left_out || !is_on(other)) continue;
      const Value* winner = value_of(other);
      if (winner != nullptr && winner->source > value.source) continue;  // it is left out in its turn
      if (winner != nullptr && winner->source == value.source) {
        throw Error(ExitStatus::kUsage, "usage",
                    value.origin + " excludes " + winner->origin + "; leave one of them out");
      }
      leave_out(value, (winner != nullptr ? winner->origin : other->get_name()) + " excludes it");
    }
  }
}

void Command::check_flags() const {
  for (const Relations& each : relations_) {
    if (each.required && !is_on(each.option)) throw CLI::RequiredError(each.option->get_name());
    if (each.option->count() == 0 || !is_on(each.option)) continue;
    for (const CLI::Option* needed : each.needs) {
      if (!is_on(needed)) throw CLI::RequiresError(each.option->get_name(), needed->get_name());
    }
    for (const CLI::Option* other : each.excludes) {
      if (other->count() > 0 && is_on(other))
        throw CLI::ExcludesError(each.option->get_name(), other->get_name());
    }
  }
}

void Command::set(const Value& value) const {
  CLI::Option* option = value.relations->option;
  const auto fail = [&](const std::string& what) {
    throw Error(ExitStatus::kUsage, value.source == Source::kSettings ? "settings" : "usage",
                value.origin + ": " + what);
  };
  try {
    option->add_result(value.text);
    option->run_callback();
  } catch (const CLI::Error& error) {
    if (is_flag(*option)) fail(option->get_name() + " takes true or false, not '" + value.text + "'");
    fail(error.what());
  }
}

Command& add_command(CLI::App& app, const std::string& name, const std::string& description) {
  auto command = std::make_shared<Command>(name, description);
  app.add_subcommand(command);
  return *command;
}

CLI::Option* from_environment(CLI::Option* option) {
  std::string name(kEnvironmentPrefix);
  name += option->get_lnames().front();
  for (char& letter : name) letter = letter == '-' ? '_' : static_cast<char>(std::toupper(letter));
  return option->envname(name);
}

namespace {

CLI::Option* add_file(Command& command, const std::string& name, std::string& value,
                      const std::string& description, FileOption file) {
  file.option = command.add_option(name, value, description);
  command.register_file(file);
  return file.option->get_lnames().empty() ? file.option : from_environment(file.option)->type_name("FILE");
}

}  // namespace

CLI::Option* add_input_file(Command& command, const std::string& name, std::string& value,
                            const std::string& description) {
  return add_file(command, name, value, description, {});
}

CLI::Option* add_output_file(Command& command, const std::string& name, std::string& value,
                             const std::string& description, Dash dash) {
  return add_file(command, name, value, description, {.use = FileUse::kOutput, .dash = dash});
}

CLI::Option* add_own_file(Command& command, const std::string& name, std::string& value,
                          const std::string& own_format, const std::string& description) {
  return add_file(command, name, value, description,
                  {.use = FileUse::kInputOutput, .own_format = own_format});
}

}  // namespace prune2to4

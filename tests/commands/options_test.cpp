// SPDX-License-Identifier: Apache-2.0
// What holds for every option of every command, by what the commands register.
#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "command_run.h"
#include "core/schemas.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Json = nlohmann::json;

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

bool has_validator(CLI::Option& option) {
  try {
    return option.get_validator(0) != nullptr;
  } catch (const CLI::OptionNotFound&) {
    return false;
  }
}

// "COMMAND ... OPTION VALUE" with what the command cannot do without.
std::vector<std::string> words_with(const std::string& command, const std::string& option,
                                    const std::string& value) {
  std::vector<std::string> words{command, "model.pt"};
  if (option == "--layer" || option == "--tokens") words.pop_back();
  if (command == "finetune") words.insert(words.end(), {"--train", "train"});
  if (option == "--tokens") words.insert(words.end(), {"--layer", "8x8"});
  if (option == "--windows")
    words.insert(words.end(), {command == "bench" ? "--lengths" : "--calibrate", "data"});
  if (option == "--eval-limit") words.insert(words.end(), {"--eval", "data"});
  words.push_back(option + "=" + value);
  return words;
}

}  // namespace

CATCH_TEST_CASE("an option whose value can be any text is registered as a file") {
  const std::set<std::string> kNoPaths{"--device"};
  CommandLine line;
  for (Command* command : line.commands) {
    for (CLI::Option* option : command->get_options()) {
      if (!takes_value(*option)) continue;
      const auto& files = command->file_options();
      const bool is_file = std::any_of(files.begin(), files.end(),
                                       [&](const FileOption& file) { return file.option == option; });
      CATCH_CAPTURE(command->get_name(), option->get_name());
      CATCH_CHECK(is_file == (!has_validator(*option) && !kNoPaths.contains(option->get_name())));
      const std::string type = option->get_type_name();
      if (type == "FILE" || type.starts_with("MODEL")) CATCH_CHECK(is_file);
    }
  }
}

CATCH_TEST_CASE("a number that an option does not take is refused in words that say which it does") {
  CommandLine line;
  size_t count = 0;
  for (Command* command : line.commands) {
    for (CLI::Option* option : command->get_options()) {
      const std::string type = option->get_type_name();
      if (type != "N" && type != "X" && type != "S") continue;
      const std::string name = option->get_name();
      for (const std::string value :
           {"x", "1x", "nan", "inf", "1e999", "0x10", " ", "99999999999999999999999999e999"}) {
        const std::string message = refusal(words_with(command->get_name(), name, value));
        CATCH_CAPTURE(command->get_name(), name, value);
        CATCH_CHECK_THAT(message,
                         Contains(name + " takes a ") && Contains("number") && !Contains("1797693134"));
      }
      ++count;
    }
  }
  CATCH_CHECK(count > 50);
  CATCH_CHECK_THAT(refusal({"eval", "m.pt", "--limit", "0"}),
                   Catch::Equals("--limit takes a whole number of 1 or more, not '0'"));
  CATCH_CHECK_THAT(refusal({"eval", "m.pt", "--limit", "1.5"}),
                   Contains("a whole number of 1 or more, not '1.5'"));
  CATCH_CHECK_THAT(refusal({"eval", "m.pt", "--threads", "4097"}), Contains("a whole number from 1 to 4096"));
  CATCH_CHECK_THAT(refusal({"eval", "m.pt", "--min-f1", "100.5"}), Contains("a number from 0 to 100, not"));
  CATCH_CHECK_THAT(refusal({"finetune", "m.pt", "--train", "t", "--dropout", "1"}),
                   Contains("a number of 0 or more, below 1"));
}

CATCH_TEST_CASE("the settings' schema and the options take the same") {
  const Json schema = Json::parse(kSettingsSchema).at("properties");
  const std::vector<std::string> kValues{
      "-1",   "-0.5",   "0",    "0.5",   "1",     "2",     "100",   "101",         "1000",
      "1001", "4096",   "4097", "10000", "10001", "86400", "86401", "1000000000",  "1000000001",
      "keep", "remove", "auto", "text",  "fp32",  "4,16",  "4,0",   "interpreter", "x"};
  const std::set<std::string> kNoSettings{"help", "layer", "tokens"};
  CommandLine line;
  for (const std::string command : {"eval", "bench"}) {
    const Json& properties = schema.at(command).at("properties");
    const auto* registered = line.app.get_subcommand(command);
    for (const CLI::Option* option : registered->get_options()) {
      if (option->get_lnames().empty()) continue;
      const std::string& name = option->get_lnames().front();
      CATCH_CAPTURE(command, name);
      CATCH_CHECK(properties.contains(name) != kNoSettings.contains(name));
      if (!takes_value(*option) || !properties.contains(name)) continue;
      for (const std::string& value : kValues) {
        CATCH_CAPTURE(value);
        Settings settings;
        settings.commands[command][name] = value;
        if (command == "bench" && name == "windows") settings.commands[command]["lengths"] = "data";
        std::string refused;
        try {
          settings_json(settings);
        } catch (const Error& error) {
          refused = error.what();
        }
        CATCH_CHECK(refused.empty() == refusal(words_with(command, "--" + name, value)).empty());
      }
    }
    for (const auto& [name, property] : properties.items())
      CATCH_CHECK(registered->get_option("--" + name) != nullptr);
  }
}

}  // namespace prune2to4

// SPDX-License-Identifier: Apache-2.0
// Where options get their values from: flags, then PRUNE2TO4_*, then prune2to4.json.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <sstream>

#include "command_run.h"
#include "core/environment_variable.h"
#include "prune2to4/atomic_file.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Variable = EnvironmentVariable;

// What goes to stderr during the call.
template <typename Call>
std::string stderr_of(Call call) {
  const TemporaryFolder folder;
  const std::string file = folder / "stderr";
  const int before = ::dup(STDERR_FILENO);
  std::FILE* const opened = std::freopen(file.c_str(), "w", stderr);
  call();
  std::fflush(opened);
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  return read_text_file(file, 1 << 20);
}

std::string warnings() {
  CommandLine line;
  parse(line, {"inspect", "model.pt"});
  return stderr_of([&] { warn_of_unknown_variables(line.commands); });
}

}  // namespace

CATCH_TEST_CASE("a flag wins over a variable that excludes it or that needs what is not there") {
  const WorkFolder folder;
  {
    const Variable windows("PRUNE2TO4_WINDOWS", "3");
    CommandLine line;
    CATCH_CHECK(parse(line, {"prune", "model.pt"}).notes().size() == 1);
    CATCH_CHECK(line.prune.windows == PruneOptions{}.windows);
    CommandLine calibrated;
    parse(calibrated, {"prune", "model.pt", "--calibrate", "text"});
    CATCH_CHECK(calibrated.prune.windows == 3);
    const Variable calibrate("PRUNE2TO4_CALIBRATE", "text");
    CommandLine both;
    parse(both, {"prune", "model.pt"});
    CATCH_CHECK(both.prune.windows == 3);
    CATCH_CHECK(both.prune.calibrate == "text");
    CommandLine dry;
    CATCH_CHECK(parse(dry, {"prune", "model.pt", "--dry-run"}).notes().size() == 2);
    CATCH_CHECK(dry.prune.calibrate.empty());
  }
  const Variable quiet("PRUNE2TO4_QUIET", "1");
  CommandLine line;
  parse(line, {"prune", "model.pt", "-v"});
  CATCH_CHECK(line.prune.results.verbose);
  CATCH_CHECK_FALSE(line.prune.results.quiet);
  const Variable baseline("PRUNE2TO4_BASELINE", "dense.pt");
  CommandLine bench;
  parse(bench, {"bench", "model.pt", "--no-baseline"});
  CATCH_CHECK(bench.bench.baseline.empty());
  CATCH_CHECK(bench.bench.results.quiet);
}

CATCH_TEST_CASE("a variable that only applies beside another option is left out without it") {
  const Variable method("PRUNE2TO4_METHOD", "wanda");
  const Variable sensitivity("PRUNE2TO4_SENSITIVITY", "true");
  const Variable skip("PRUNE2TO4_SKIP_WORST", "2");
  CommandLine line;
  CATCH_CHECK(parse(line, {"prune", "model.pt"}).notes().size() == 3);
  CATCH_CHECK(line.prune.method.empty());
  CATCH_CHECK_FALSE(line.prune.sensitivity);
  CommandLine asked;
  CATCH_CHECK(parse(asked, {"prune", "model.pt", "--eval", "dev"}).notes().size() == 1);
  CATCH_CHECK(asked.prune.skip_worst == 2);
  CommandLine calibrated;
  parse(calibrated, {"prune", "model.pt", "--calibrate", "text"});
  CATCH_CHECK(calibrated.prune.method == "wanda");
  CommandLine flag;
  parse(flag, {"prune", "model.pt", "--method", "wanda"});
  CATCH_CHECK(flag.prune.method == "wanda");  // which the command then refuses
}

CATCH_TEST_CASE("an error about an option that a variable set names the variable") {
  const Variable drop("PRUNE2TO4_MAX_F1_DROP", "1");
  const char* const words[] = {"prune2to4", "eval", "model.pt", "--data", "dev"};
  std::ostringstream out;
  CATCH_CHECK_THROWS_WITH(run_command_line(5, words, out),
                          Catch::StartsWith("[eval] --max-f1-drop needs --baseline") &&
                              Catch::EndsWith("(--max-f1-drop is set by PRUNE2TO4_MAX_F1_DROP)"));
}

CATCH_TEST_CASE("a flag's variable may say no") {
  const Variable dry_run("PRUNE2TO4_DRY_RUN", "false");
  const Variable eval("PRUNE2TO4_EVAL", "dev");
  CommandLine line;
  parse(line, {"prune", "model.pt"});
  CATCH_CHECK_FALSE(line.prune.dry_run);
  CATCH_CHECK(line.prune.eval == "dev");
}

CATCH_TEST_CASE("a variable that cannot be is an error that names it") {
  const WorkFolder folder;
  {
    const Variable limit("PRUNE2TO4_LIMIT", "0");
    CATCH_CHECK_THAT(refusal({"eval", "model.pt"}),
                     Contains("PRUNE2TO4_LIMIT: --limit takes a whole number of 1 or more, not '0'"));
    CATCH_CHECK(refusal({"eval", "model.pt", "--limit", "2"}).empty());
    CATCH_CHECK(refusal({"inspect", "model.pt"}).empty());
  }
  {
    const Variable format("PRUNE2TO4_FORMAT", "yaml");
    CATCH_CHECK_THAT(refusal({"eval", "model.pt"}), Contains("PRUNE2TO4_FORMAT: ") && Contains("yaml"));
  }
  {
    const Variable quiet("PRUNE2TO4_QUIET", "maybe");
    CATCH_CHECK_THAT(refusal({"eval", "model.pt"}), Contains("PRUNE2TO4_QUIET: --quiet takes true or false"));
  }
  {
    const Variable predictions("PRUNE2TO4_PREDICTIONS", "./dev");
    CATCH_CHECK_THAT(refusal({"eval", "model.pt", "--data", "dev"}),
                     Contains("--predictions (PRUNE2TO4_PREDICTIONS)"));
  }
  const Variable quiet("PRUNE2TO4_QUIET", "1");
  const Variable verbose("PRUNE2TO4_VERBOSE", "1");
  CATCH_CHECK_THAT(refusal({"eval", "model.pt"}),
                   Contains("PRUNE2TO4_QUIET") && Contains("PRUNE2TO4_VERBOSE"));
}

CATCH_TEST_CASE("flags that exclude, miss or need others are errors as ever") {
  CATCH_CHECK_THAT(refusal({"prune"}), Contains("MODEL is required"));
  CATCH_CHECK_THAT(refusal({"finetune", "model.pt"}), Contains("--train is required"));
  CATCH_CHECK_THAT(refusal({"prune", "model.pt", "--windows", "3"}),
                   Contains("--windows requires --calibrate"));
  CATCH_CHECK_THAT(refusal({"eval", "model.pt", "-q", "-v"}), Contains("excludes"));
  const Variable train("PRUNE2TO4_TRAIN", "train");
  CATCH_CHECK(refusal({"finetune", "model.pt"}).empty());
}

CATCH_TEST_CASE("the settings file comes last, and what excludes a flag there is left out") {
  const WorkFolder folder;
  put("prune2to4.json", R"({"version": 1, "model": "model.pt", "eval": {"limit": 3, "quiet": true},
                            "bench": {"no-baseline": true, "windows": 5}})");
  {
    const Variable limit("PRUNE2TO4_LIMIT", "4");
    CommandLine line;
    parse(line, {"eval", "-v"});
    CATCH_CHECK(line.eval.model == "model.pt");
    CATCH_CHECK(line.eval.limit == 4);
    CATCH_CHECK_FALSE(line.eval.results.quiet);
  }
  CommandLine line;
  CATCH_CHECK(parse(line, {"bench", "--baseline", "dense.pt"}).notes().size() == 2);
  CATCH_CHECK_FALSE(line.bench.no_baseline);
  CommandLine layer;
  parse(layer, {"bench", "--layer", "8x8"});
  CATCH_CHECK(layer.bench.model.empty());
}

CATCH_TEST_CASE("a variable that nothing reads is warned of, with the nearest that something reads") {
  CATCH_CHECK(warnings().empty());
  {
    const Variable misspelt("PRUNE2TO4_MINF1", "70");
    CATCH_CHECK_THAT(warnings(), Contains("PRUNE2TO4_MINF1") && Contains("did you mean PRUNE2TO4_MIN_F1?"));
  }
  {
    const Variable lower_case("PRUNE2TO4_min_f1", "70");
    CATCH_CHECK_THAT(warnings(), Contains("PRUNE2TO4_min_f1") && Contains("did you mean PRUNE2TO4_MIN_F1?"));
  }
  const Variable other_command("PRUNE2TO4_MIN_F1", "70");
  const Variable cache("PRUNE2TO4_CACHE", "");
  const Variable cpu("PRUNE2TO4_CPU", "avx2");
  const Variable timeout("PRUNE2TO4_RANKS_TIMEOUT", "9");
  const Variable others("PRUNE2", "1");
  CATCH_CHECK(warnings().empty());
}

}  // namespace prune2to4

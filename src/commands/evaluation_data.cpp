// SPDX-License-Identifier: Apache-2.0
#include "commands/evaluation_data.h"

#include <algorithm>
#include <filesystem>

#include "prune2to4/error.h"
#include "prune2to4/hash.h"

namespace prune2to4 {

std::string sha256_of(std::span<const std::byte> bytes) {
  Sha256 digest;
  digest.update(bytes);
  return digest.hex();
}

EvaluationInput::EvaluationInput(const std::string& path, int64_t limit, bool needs_answers)
    : squad_(TokenizedSquad::read(path)),
      name_(std::filesystem::path(path).filename().string()),
      questions_(choose_questions(squad_, limit)) {
  if (needs_answers && !squad_.has_answers()) {
    throw Error(
        ExitStatus::kData, "data",
        squad_.file() +
            ": no question has an answer to compare with; this is a test set without labels, of which "
            "eval --predictions FILE writes what a model answers");
  }
  sha256_ = std::async(std::launch::async, [bytes = squad_.bytes()] { return sha256_of(bytes); });
}

EvaluationData EvaluationInput::describe() const {
  const bool limited = questions_.examples < static_cast<int64_t>(squad_.examples().size());
  return {name_,   sha256_.get(),       squad_.version(), questions_.examples, questions_.windows,
          limited, squad_.has_answers()};
}

ModelScore evaluate_stage(const std::string& name, const torch::jit::Module& model, at::Device device,
                          const Questions& questions, Comm* comm) {
  Runner runner(name, model, device);
  const auto answers = evaluate({&runner}, questions, {{}, {default_batch_tokens(device), 0}, false, comm});
  return model_score(name, "", answers.front());
}

ModelScore model_score(const std::string& name, const std::string& sha256, const ModelAnswers& answers) {
  return {name, sha256, answers.score, answers.seconds};
}

int64_t default_batch_tokens(at::Device device) { return device.is_cpu() ? 1024 : 32768; }

}  // namespace prune2to4

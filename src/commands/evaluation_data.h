// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <cstddef>
#include <future>
#include <span>
#include <string>

#include "prune2to4/evaluate.h"
#include "prune2to4/evaluation.h"
#include "prune2to4/tokenized_squad.h"

namespace prune2to4 {

std::string sha256_of(std::span<const std::byte> bytes);

// A tokenized file, checked, and hashed by another thread while models load.
class EvaluationInput {
 public:
  // `limit`: only the first so many questions; 0: all. Throws as TokenizedSquad::read does, and Error(kData)
  // when the questions have no answers to compare with, which `needs_answers`.
  EvaluationInput(const std::string& path, int64_t limit, bool needs_answers = true);
  EvaluationInput(const EvaluationInput&) = delete;  // its questions refer to its data
  EvaluationInput& operator=(const EvaluationInput&) = delete;

  const Questions& questions() const { return questions_; }
  EvaluationData describe() const;

 private:
  TokenizedSquad squad_;
  std::string name_;
  Questions questions_;
  std::shared_future<std::string> sha256_;
};

// A model that exists in memory only, on `device`: a stage of pruning.
ModelScore evaluate_stage(const std::string& name, const torch::jit::Module& model, at::Device device,
                          const Questions& questions, Comm* comm);

ModelScore model_score(const std::string& name, const std::string& sha256, const ModelAnswers& answers);

// Tokens of a batch that keep the device busy without much memory.
int64_t default_batch_tokens(at::Device device);

}  // namespace prune2to4

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

namespace prune2to4 {

// tests/data/NAME.pt as one graph: "tiny_bert" (width 64), "bert_eager_tf4", ... (width 16).
torch::jit::Module traced_model(const std::string& name, at::ScalarType dtype = at::kFloat);

// All of them.
inline constexpr const char* kTracedModels[] = {"tiny_bert",         "bert_eager_tf4",
                                                "bert_sdpa_tf4",     "roberta_sdpa_tf4",
                                                "electra_eager_tf4", "distilbert_sdpa_tf4"};

}  // namespace prune2to4

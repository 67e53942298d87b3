// SPDX-License-Identifier: Apache-2.0
#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "prune2to4/error.h"
#include "prune2to4/model.h"

namespace prune2to4 {
namespace {

// Reads of at least this size are tensors, which LibTorch reads once.
constexpr size_t kTensorRead = size_t{1} << 20;

// Hands LibTorch the verified bytes, each large record once.
class ConsumingAdapter final : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit ConsumingAdapter(Archive archive) : archive_(std::move(archive)) {}

  size_t size() const override { return archive_.bytes().size(); }

  size_t read(uint64_t position, void* buffer, size_t count, const char* what) const override {
    const auto bytes = archive_.bytes();
    if (position >= bytes.size()) return 0;
    count = std::min(count, bytes.size() - static_cast<size_t>(position));
    for (const auto& [from, to] : released_) {
      if (position < to && from < position + count) {
        throw Error(ExitStatus::kModel, "load", std::string("LibTorch read a record twice (") + what + ")");
      }
    }
    std::memcpy(buffer, bytes.data() + position, count);
    if (count >= kTensorRead) {
      archive_.release(position, count);
      released_.emplace_back(position, position + count);
    }
    return count;
  }

 private:
  mutable Archive archive_;
  mutable std::vector<std::pair<uint64_t, uint64_t>> released_;
};

}  // namespace

torch::jit::Module load_model(Archive archive) {
  try {
    auto module = torch::jit::load(std::make_shared<ConsumingAdapter>(std::move(archive)), at::kCPU);
    module.eval();
    return module;
  } catch (const c10::Error& error) {
    throw Error(ExitStatus::kModel, "load",
                std::string("LibTorch cannot load the model: ") + error.what_without_backtrace());
  } catch (const std::runtime_error& error) {  // from LibTorch's lexer, or our own
    if (dynamic_cast<const Error*>(&error) != nullptr) throw;
    throw Error(ExitStatus::kModel, "load", std::string("LibTorch cannot load the model: ") + error.what());
  }
}

torch::jit::Module load_model(const std::filesystem::path& path, bool trust_model, std::string& sha256) {
  Archive archive = Archive::read(path);
  gate_archive(archive, trust_model);
  sha256 = archive.sha256();
  return load_model(std::move(archive));
}

}  // namespace prune2to4

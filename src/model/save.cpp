// SPDX-License-Identifier: Apache-2.0
#include <torch/csrc/jit/serialization/export.h>

#include <exception>
#include <span>
#include <vector>

#include "prune2to4/error.h"
#include "prune2to4/hash.h"
#include "prune2to4/model.h"

namespace prune2to4 {
namespace {

// Gathers the exporter's small writes, hashes them, and keeps the first failure: the exporter's destructor
// throws while it unwinds when a write fails, which ends the process, so it is told that every byte was
// written.
class Sink {
 public:
  explicit Sink(AtomicFile& file) : file_(file) { buffer_.reserve(kCapacity); }

  void write(std::span<const std::byte> bytes) noexcept {
    if (buffer_.size() + bytes.size() > kCapacity) flush();
    if (bytes.size() > kCapacity) {
      pass_on(bytes);
    } else {
      buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    }
  }

  // The SHA-256 of all that was written, or the failure.
  std::string finish() {
    flush();
    if (failure_) std::rethrow_exception(failure_);
    return hash_.hex();
  }

 private:
  static constexpr size_t kCapacity = size_t{1} << 20;

  void flush() noexcept {
    pass_on(buffer_);
    buffer_.clear();
  }

  void pass_on(std::span<const std::byte> bytes) noexcept {
    if (failure_) return;
    try {
      file_.write(bytes);
      hash_.update(bytes);
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  AtomicFile& file_;
  Sha256 hash_;
  std::vector<std::byte> buffer_;
  std::exception_ptr failure_;
};

}  // namespace

std::string save_model(const torch::jit::Module& module, const std::map<std::string, std::string>& extra,
                       AtomicFile& file) {
  Sink sink(file);
  const auto write = [&](const void* data, size_t size) {
    sink.write({static_cast<const std::byte*>(data), size});
    return size;
  };
  const torch::jit::ExtraFilesMap records(extra.begin(), extra.end());
  try {
    torch::jit::ExportModule(module, write, records);
  } catch (const c10::Error& error) {
    throw Error(ExitStatus::kModel, "write",
                std::string("LibTorch cannot write the model: ") + error.what_without_backtrace());
  }
  return sink.finish();
}

}  // namespace prune2to4

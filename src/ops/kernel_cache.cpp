// SPDX-License-Identifier: Apache-2.0
#include "ops/kernel_cache.h"

#include <c10/util/Exception.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <sstream>

#include "prune2to4/environment_names.h"

namespace prune2to4 {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormat = "prune2to4 kernels 3";  // also of how they are timed
constexpr size_t kKeyFields = 6;
constexpr std::string_view kFailed = "failed\t";

// As it stands in the file; the device is the environment's.
std::string key_of(const ProductShape& shape) {
  std::ostringstream key;
  key << c10::toString(shape.dtype) << '\t' << shape.out << '\t' << shape.in << '\t' << shape.tokens << '\t'
      << (shape.epilogue.norm ? "norm " : "")
      << (shape.epilogue.activation == Activation::kGelu ? "gelu"
          : shape.epilogue.residual                      ? "residual"
                                                         : "none")
      << '\t' << (shape.sparse ? "2:4" : "dense");
  return key.str();
}

// The environment stands in one line.
std::string one_line(std::string text) {
  for (char& each : text) {
    if (static_cast<unsigned char>(each) < ' ') each = ' ';
  }
  return text;
}

// Splits a line behind its key; the kernel is empty where there is none.
std::pair<std::string, std::string> split(const std::string& line) {
  size_t at = 0;
  for (size_t field = 0; field < kKeyFields; ++field) {
    at = line.find('\t', at);
    if (at == std::string::npos) return {};
    ++at;
  }
  return {line.substr(0, at - 1), line.substr(at)};
}

std::optional<fs::path> cache_folder() {
  if (const char* named = std::getenv(kCacheVariable)) {
    return *named == '\0' ? std::nullopt : std::optional<fs::path>(named);
  }
  if (const char* base = std::getenv("XDG_CACHE_HOME"); base != nullptr && fs::path(base).is_absolute()) {
    return fs::path(base) / "prune2to4";
  }
  const char* home = std::getenv("HOME");
  return home == nullptr || *home == '\0' ? std::nullopt
                                          : std::optional(fs::path(home) / ".cache" / "prune2to4");
}

}  // namespace

KernelCache::KernelCache(fs::path file, std::string environment)
    : file_(std::move(file)), environment_(one_line(std::move(environment))), contents_(read()) {}

std::optional<std::string> KernelCache::find(const ProductShape& shape) const {
  const auto found = contents_.kernels.find(key_of(shape));
  return found == contents_.kernels.end() ? std::nullopt : std::optional(found->second);
}

void KernelCache::add(const ProductShape& shape, std::string kernel) {
  add({{{key_of(shape), std::move(kernel)}}, {}});
}

void KernelCache::add_failed(const std::set<std::string>& kernels) {
  if (!kernels.empty()) add({{}, kernels});
}

void KernelCache::add(Contents more) {
  if (writable_) {  // with what other processes have found meanwhile
    Contents others = read();
    contents_.kernels.merge(others.kernels);
    contents_.failed.merge(others.failed);
  }
  contents_.failed.merge(more.failed);
  for (auto& [key, kernel] : more.kernels) contents_.kernels[key] = std::move(kernel);
  writable_ = writable_ && write();
}

KernelCache::Contents KernelCache::read() const {
  std::ifstream in(file_);
  std::string line;
  if (!in || !std::getline(in, line)) return {};
  const auto ignored = [&](const std::string& why) {
    TORCH_WARN("[prune2to4] the kernel cache '", file_.string(), "' is ignored: ", why);
    return Contents();
  };
  if (line != kFormat) return ignored("it is damaged, or of another version");
  if (!std::getline(in, line) || line != environment_) {
    return ignored("it was made on another device or with other libraries");
  }
  Contents contents;
  while (std::getline(in, line)) {
    if (!read_line(line, contents)) return ignored("it is damaged");
  }
  return contents;
}

bool KernelCache::read_line(const std::string& line, Contents& contents) {
  if (line.starts_with(kFailed)) {
    const std::string kernel = line.substr(kFailed.size());
    contents.failed.insert(kernel);
    return !kernel.empty();
  }
  auto [key, kernel] = split(line);
  const bool whole = !kernel.empty();
  contents.kernels.emplace(std::move(key), std::move(kernel));
  return whole;
}

bool KernelCache::write() const {
  std::error_code error;
  fs::create_directories(file_.parent_path(), error);
  const fs::path temporary = file_.string() + "." + std::to_string(::getpid()) + ".tmp";
  std::ofstream out(temporary);
  out << kFormat << '\n' << environment_ << '\n';
  for (const std::string& kernel : contents_.failed) out << kFailed << kernel << '\n';
  for (const auto& [key, kernel] : contents_.kernels) out << key << '\t' << kernel << '\n';
  out.close();
  if (out) fs::rename(temporary, file_, error);
  if (out && !error) return true;
  fs::remove(temporary, error);
  TORCH_WARN("[prune2to4] the kernel cache '", file_.string(),
             "' cannot be written: kernels are timed again in every process; set PRUNE2TO4_CACHE to a folder "
             "for it, or to nothing");
  return false;
}

fs::path kernel_cache_file(const fs::path& folder, std::string_view environment) {
  std::ostringstream name;
  name << "kernels-" << std::hex << std::hash<std::string_view>{}(environment) << ".txt";
  return folder / name.str();
}

KernelCache* kernel_cache(const std::string& environment) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<KernelCache>> caches;
  const std::scoped_lock lock(mutex);
  const auto found = caches.find(environment);
  if (found != caches.end()) return found->second.get();
  const auto folder = cache_folder();
  auto cache =
      folder ? std::make_unique<KernelCache>(kernel_cache_file(*folder, environment), environment) : nullptr;
  return caches.emplace(environment, std::move(cache)).first->second.get();
}

}  // namespace prune2to4

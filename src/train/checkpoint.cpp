// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.h"

#include <algorithm>

#include "prune2to4/atomic_file.h"
#include "prune2to4/error.h"
#include "prune2to4/file_set.h"
#include "prune2to4/hash.h"
#include "prune2to4/log.h"
#include "prune2to4/safetensors.h"
#include "prune2to4/tensor_view.h"
#include "prune2to4/train.h"

namespace prune2to4 {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStage = "checkpoint";
constexpr const char* kHashKey = "sha256";

std::string hash_of(std::vector<TensorView> views, const std::map<std::string, std::string>& texts) {
  std::sort(views.begin(), views.end(),
            [](const TensorView& a, const TensorView& b) { return a.name < b.name; });
  Sha256 hash;
  const auto add = [&](const std::string& text) {
    hash.update(std::as_bytes(std::span(text.data(), text.size() + 1)));
  };
  for (const auto& [key, text] : texts) {
    if (key == kHashKey) continue;
    add(key);
    add(text);
  }
  for (const TensorView& view : views) {
    add(view.name);
    add(view.dtype);
    for (const uint64_t size : view.shape) add(std::to_string(size));
    hash.update(view.bytes);
  }
  return hash.hex();
}

std::optional<Checkpoint> read_one(const fs::path& path, std::string& damage) {
  if (!fs::exists(path)) return std::nullopt;
  try {
    const Safetensors file = Safetensors::open(path, kStage);
    const auto hash = file.metadata().find(kHashKey);
    if (hash == file.metadata().end() || hash->second != hash_of(file.tensors(), file.metadata())) {
      throw Error(ExitStatus::kData, kStage, path.string() + " is damaged: its hash is another one");
    }
    Checkpoint checkpoint;
    checkpoint.texts = file.metadata();
    for (const TensorView& view : file.tensors()) {
      const auto tensor = copy_of(view);
      if (!tensor) throw Error(ExitStatus::kData, kStage, path.string() + " is no checkpoint");
      checkpoint.tensors.push_back({view.name, *tensor});
    }
    return checkpoint;
  } catch (const Error& error) {
    damage = error.what();
    log::warn(damage);
    return std::nullopt;
  }
}

}  // namespace

const at::Tensor* Checkpoint::find(const std::string& name) const {
  for (const NamedTensor& each : tensors) {
    if (each.name == name) return &each.tensor;
  }
  return nullptr;
}

void write_checkpoint(const fs::path& file, const Checkpoint& checkpoint) {
  std::vector<TensorView> views;
  for (const NamedTensor& named : checkpoint.tensors) views.push_back(view_of(named));
  auto texts = checkpoint.texts;
  texts[kHashKey] = hash_of(views, texts);
  AtomicFile target(file);
  write_safetensors(std::move(views), texts, target);
  std::error_code failed;
  if (const fs::path newest = resolve_links(file); fs::exists(newest)) {  // a link stays
    fs::rename(newest, previous_checkpoint(file), failed);
    if (failed) {
      throw Error(ExitStatus::kFileSystem, kStage,
                  "cannot rename " + file.string() + ": " + failed.message() + "; check the folder");
    }
  }
  target.commit();
}

std::optional<Checkpoint> read_checkpoint(const fs::path& file) {
  std::string damage;
  auto newest = read_one(file, damage);
  if (!newest) newest = read_one(previous_checkpoint(file), damage);
  if (!newest && !damage.empty()) {
    throw Error(ExitStatus::kData, kStage,
                "no whole checkpoint is left of " + file.string() + "; run without --resume to begin anew");
  }
  return newest;
}

fs::path previous_checkpoint(const fs::path& file) { return resolve_links(file).concat(".previous"); }

void remove_checkpoint(const fs::path& file) {
  std::error_code ignored;
  fs::remove(previous_checkpoint(file), ignored);
  fs::remove(resolve_links(file), ignored);
}

}  // namespace prune2to4

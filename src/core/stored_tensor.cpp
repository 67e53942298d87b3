// SPDX-License-Identifier: Apache-2.0
#include "core/stored_tensor.h"

#include <algorithm>

#include "core/zip_directory.h"

namespace prune2to4 {
namespace {

constexpr size_t kMaxDimensions = 64;  // LibTorch's own limit in many kernels
constexpr int64_t kMaxExpandedBytes = int64_t{64} << 20;

std::string in_words(const std::vector<int64_t>& values) {
  std::string text = "[";
  for (const int64_t value : values) text += (text.size() > 1 ? ", " : "") + std::to_string(value);
  return text + "]";
}

// The tensor's number of elements, or -1 where a number is negative, overflows, or points out of the storage.
int64_t elements_within(const PickleTensor& tensor, int64_t storage_elements) {
  if (tensor.offset < 0 || tensor.shape.size() != tensor.strides.size()) return -1;
  int64_t count = 1;
  int64_t last = tensor.offset;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    int64_t step = 0;
    if (tensor.shape[i] < 0 || tensor.strides[i] < 0 ||
        __builtin_mul_overflow(count, tensor.shape[i], &count)) {
      return -1;
    }
    if (tensor.shape[i] == 0) continue;
    if (__builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &step) ||
        __builtin_add_overflow(last, step, &last)) {
      return -1;
    }
  }
  if (count == 0) return tensor.offset <= storage_elements ? 0 : -1;
  return last < storage_elements ? count : -1;
}

}  // namespace

Pickle read_pickle(const Archive& archive, const std::string& name) {
  const ArchiveEntry* entry = archive.find(name);
  if (entry == nullptr)
    refuse_archive(archive.file(), "has no record \"" + name + "\"; it is not a TorchScript model");
  const std::string where = archive.file() + ": record \"" + name + "\"";
  if (!entry->deflated) return parse_pickle(archive.stored(*entry), where);
  const std::string inflated = archive.text(*entry);
  return parse_pickle(std::as_bytes(std::span(inflated)), where);
}

void check_storage(const Archive& archive, const std::string& folder, const PickleStorage& storage) {
  const std::string name = folder + "/" + storage.key;
  int64_t bytes = 0;
  if (storage.elements < 0 || __builtin_mul_overflow(storage.elements, storage.element_size, &bytes)) {
    refuse_record(archive.file(), name, "is said to have " + std::to_string(storage.elements) + " elements");
  }
  if (bytes == 0) return;
  const ArchiveEntry* entry = archive.find(name);
  if (entry == nullptr)
    refuse_record(archive.file(), name, "is missing, though a tensor needs it; export the model again");
  if (entry->deflated || entry->size != static_cast<uint64_t>(bytes)) {
    refuse_record(archive.file(), name,
                  "has " + std::to_string(entry->size) + " bytes where its tensor claims " +
                      std::to_string(bytes) + " (" + std::to_string(storage.elements) + " of " +
                      std::string(storage.dtype) +
                      "); the file is damaged or forged: export the model again");
  }
}

StoredTensor checked_tensor(const Archive& archive, const std::string& folder, const Pickle& pickle,
                            size_t index) {
  const PickleTensor& tensor = pickle.tensors[index];
  const PickleStorage& storage = pickle.storages[tensor.storage];
  check_storage(archive, folder, storage);
  StoredTensor result;
  result.record = folder + "/" + storage.key;
  const int64_t count =
      tensor.shape.size() <= kMaxDimensions ? elements_within(tensor, storage.elements) : int64_t{-1};
  if (count < 0) {
    refuse_record(archive.file(), result.record,
                  "of " + std::to_string(storage.elements) +
                      " elements has a tensor that reaches out of it (offset " +
                      std::to_string(tensor.offset) + ", shape " + in_words(tensor.shape) + ", strides " +
                      in_words(tensor.strides) + "); the file is damaged or forged: export the model again");
  }
  const int64_t most = std::max(storage.elements, kMaxExpandedBytes / storage.element_size);
  if (count > most) {
    refuse_record(archive.file(), result.record,
                  "of " + std::to_string(storage.elements) + " elements has a tensor of " +
                      std::to_string(count) +
                      ", by strides of 0; export the model with that tensor as it is (contiguous)");
  }
  result.dtype = storage.dtype;
  result.shape = tensor.shape;
  result.strides = tensor.strides;
  result.storage_offset = tensor.offset;
  result.element_size = storage.element_size;
  return result;
}

int64_t element_count(const StoredTensor& tensor) {
  int64_t count = 1;
  for (const int64_t size : tensor.shape) count *= size;
  return count;
}

}  // namespace prune2to4

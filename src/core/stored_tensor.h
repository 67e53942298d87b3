// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/pickle.h"
#include "prune2to4/archive.h"
#include "prune2to4/model_contents.h"

namespace prune2to4 {

// Parses record `name` ("data.pkl"). Throws Error(kModel), also when there is none.
Pickle read_pickle(const Archive& archive, const std::string& name);

// That the record "<folder>/<key>" exists, is not deflated and has exactly the claimed size: LibTorch takes
// the size from the pickle and never compares. A storage without elements needs no record. Throws
// Error(kModel).
void check_storage(const Archive& archive, const std::string& folder, const PickleStorage& storage);

// `index`: into pickle.tensors. The result has all but name and module_class. Checks that each element lies
// in the storage, and that a tensor with strides of 0 does not stand for a huge one. Throws Error(kModel).
StoredTensor checked_tensor(const Archive& archive, const std::string& folder, const Pickle& pickle,
                            size_t index);

// Product of `shape`, whose numbers checked_tensor() has seen.
int64_t element_count(const StoredTensor& tensor);

}  // namespace prune2to4

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "prune2to4/archive.h"

namespace prune2to4 {

// A tensor attribute as data.pkl describes it; nothing of Torch is run to learn it.
struct StoredTensor {
  std::string name;          // fully qualified: "bert.encoder.layer.0.attention.self.query.weight"
  std::string module_class;  // the owning module's Python class, last part, without mangling: "Linear"
  std::string dtype;         // "float32", "float16", "bfloat16", "int64", ...
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  int64_t storage_offset = 0;  // in elements
  std::string record;          // "data/7"; two tensors of one record share memory
  int64_t element_size = 0;    // bytes
};

// A packed 2:4 weight as prune2to4::PackedWeight pickles it.
struct StoredPackedWeight {
  std::string name;  // fully qualified
  std::string module_class;
  int64_t rows = 0;
  int64_t cols = 0;
  StoredTensor values;     // [rows, cols / 2], the weight's dtype
  StoredTensor positions;  // [rows, ceil(cols / 8)], uint8
};

struct ModelContents {
  std::string root_class;
  std::vector<StoredTensor> tensors;
  std::vector<StoredPackedWeight> packed;
};

// Reads the module tree from the archive's data.pkl with a pickle reader that builds data only. Order: as in
// the pickle. A module, list or dict that is reachable by two paths is listed under the first alone; a tensor
// that is (tied weights) under each of its names. The tensors of a list are "name.0", "name.1", ..., those of
// a dict "name.key". Every tensor's elements lie within its record. Throws Error(kModel) naming the byte
// where the pickle is malformed; quantised and sparse-layout tensors are refused.
ModelContents read_model_contents(const Archive& archive);

// Number of elements that are zero (+0.0 or -0.0; of a complex number both parts); reads the stored bytes of
// a contiguous or strided tensor. `tensor` comes from read_model_contents(archive).
int64_t count_zeros(const Archive& archive, const StoredTensor& tensor);

// Of a [rows, cols] floating tensor: how many groups of four along a row have fewer than two zeros (0: it can
// be packed as it is). Needs cols % 4 == 0.
int64_t count_dense_groups(const Archive& archive, const StoredTensor& tensor);

}  // namespace prune2to4

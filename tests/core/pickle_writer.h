// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "zip_builder.h"

namespace prune2to4 {

// Writes pickles as LibTorch's Pickler does, one call an opcode or a common run of them.
class PickleWriter {
 public:
  PickleWriter& raw(std::string_view bytes) {
    out_ += bytes;
    return *this;
  }
  PickleWriter& global(std::string_view module, std::string_view name) {
    return raw("c").raw(module).raw("\n").raw(name).raw("\n");
  }
  PickleWriter& text(std::string_view value) {
    return raw("X").raw(bytes_of(static_cast<uint32_t>(value.size()))).raw(value);
  }
  PickleWriter& integer(int64_t value) { return raw("\x8a\x08").raw(bytes_of(value)); }
  PickleWriter& put(uint8_t slot) { return raw("q").raw(bytes_of(slot)); }
  PickleWriter& get(uint8_t slot) { return raw("h").raw(bytes_of(slot)); }
  PickleWriter& integers(const std::vector<int64_t>& values) {
    raw("(");
    for (const int64_t value : values) integer(value);
    return raw("t");
  }
  // An object of class `name` whose state follows; close() with end_object().
  PickleWriter& object(std::string_view module, std::string_view name) {
    return global(module, name).raw(")\x81}(");
  }
  PickleWriter& end_object() { return raw("ub"); }
  PickleWriter& storage(std::string_view type, std::string_view key, int64_t elements) {
    return raw("(").text("storage").global("torch", type).text(key).text("cpu").integer(elements).raw("tQ");
  }
  PickleWriter& tensor(std::string_view type, std::string_view key, int64_t elements,
                       const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
                       int64_t offset = 0) {
    return global("torch._utils", "_rebuild_tensor_v2")
        .raw("(")
        .storage(type, key, elements)
        .integer(offset)
        .integers(shape)
        .integers(strides)
        .raw("\x89")
        .global("collections", "OrderedDict")
        .raw(")RtR");
  }
  // The whole pickle.
  std::string done() const { return "\x80\x02" + out_ + "."; }

 private:
  std::string out_;
};

}  // namespace prune2to4

// SPDX-License-Identifier: Apache-2.0
#include "model_fixture.h"

#include <algorithm>

#include "prune2to4/archive.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

constexpr const char* kTop = "net/";

constexpr const char* kSource = R"(class Net(Module):
  __parameters__ = []
  __buffers__ = ["steps", ]
  linear : __torch__.torch.nn.modules.linear.___torch_mangle_0.Linear
  steps : Tensor
  tables : List[Tensor]
  def forward(self: __torch__.Net,
    x: Tensor) -> Tensor:
    linear = self.linear
    _0 = annotate(List[int], [int(ops.prim.NumToTensor(torch.size(x, 0))), 8])
    x0 = torch.view(torch.mul(x, CONSTANTS.c0), _0)
    return torch.linear(x0, linear.weight, linear.bias)
)";

std::string floats(const std::vector<float>& values) {
  std::string out;
  for (const float value : values) out += bytes_of(value);
  return out;
}

std::string weight_bytes() {
  std::vector<float> values;
  for (int i = 0; i < 32; ++i) values.push_back(i % 4 < 2 ? 0.0F : 0.37F * static_cast<float>(i - 11));
  return floats(values);
}

std::string data_pickle() {
  PickleWriter w;
  w.object("__torch__", "Net").text("training").raw("\x89").text("linear");
  w.object("__torch__.torch.nn.modules.linear.___torch_mangle_0", "Linear");
  w.text("weight").tensor("FloatStorage", "0", 32, {4, 8}, {8, 1});
  w.text("bias").tensor("FloatStorage", "1", 4, {4}, {1}).end_object();
  w.text("steps").tensor("LongStorage", "2", 1, {}, {});
  w.text("tables").global("torch.jit._pickle", "build_tensorlist").raw("(](");
  w.tensor("HalfStorage", "3", 6, {3, 2}, {1, 3}).tensor("HalfStorage", "3", 6, {2}, {1}, 4).raw("etR");
  return w.end_object().done();
}

ZipPart stored(const std::string& name, const std::string& data) {
  return {.name = kTop + name, .data = data};
}

ZipPart code(const std::string& name, const std::string& data) {
  return {.name = kTop + name, .data = data, .deflated = true};
}

}  // namespace

std::vector<ZipPart> model_parts() {
  return {stored("data/0", weight_bytes()),
          stored("data/1", floats({1.0F, -0.0F, 0.0F, 2.5F})),
          stored("data/2", bytes_of(int64_t{7})),
          stored("data/3", std::string("\0\x3c\0\x80\0\0\0\x40\0\x3c\0\0", 12)),
          stored("data.pkl", data_pickle()),
          code("code/__torch__.py", kSource),
          code("code/__torch__.py.debug_pkl",
               PickleWriter().text("FORMAT_WITH_STRING_TABLE").raw(")\x86").done()),
          stored("constants/0", floats({0.5F})),
          stored("constants.pkl", PickleWriter().tensor("FloatStorage", "0", 1, {}, {}).raw("\x85").done()),
          stored("traced_inputs/0", ""),
          stored(".data/version", "3\n"),
          stored("byteorder", "little"),
          stored(".data/serialization_id", "0123456789")};
}

std::vector<ZipPart> with_record(std::vector<ZipPart> parts, const std::string& name,
                                 const std::string& data) {
  for (ZipPart& part : parts) {
    if (part.name == kTop + name) part.data = data;
  }
  return parts;
}

std::vector<ZipPart> without_record(std::vector<ZipPart> parts, const std::string& name) {
  std::erase_if(parts, [&](const ZipPart& part) { return part.name == kTop + name; });
  return parts;
}

std::vector<ZipPart> model_with_pickle(const PickleWriter& root) {
  return with_record(model_parts(), "data.pkl", root.done());
}

std::vector<ZipPart> model_with_code(const std::string& source) {
  return with_record(model_parts(), "code/__torch__.py", source);
}

std::string gate_message(const std::string& bytes, bool trust_model) {
  const TemporaryFile file(bytes);
  try {
    gate_archive(Archive::read(file.path()), trust_model);
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace prune2to4

// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/model_contents.h"

#include <string_view>
#include <utility>

#include "core/printable.h"
#include "core/stored_tensor.h"
#include "core/zip_directory.h"
#include "prune2to4/packed_matrix.h"

namespace prune2to4 {
namespace {

constexpr size_t kMaxTensors = 100'000;
constexpr size_t kMaxName = 1024;
constexpr std::string_view kPackedClass = "__torch__.torch.classes.prune2to4.PackedWeight";
constexpr const char* kRecord = "data.pkl";

// "__torch__.torch.nn.modules.linear.___torch_mangle_5.Linear" to "Linear".
std::string class_name(std::string_view qualified) {
  while (true) {
    const size_t dot = qualified.rfind('.');
    const std::string_view last = qualified.substr(dot == std::string_view::npos ? 0 : dot + 1);
    if (dot == std::string_view::npos || !last.starts_with("___torch_mangle_")) return std::string(last);
    qualified = qualified.substr(0, dot);
  }
}

// Walks objects, lists, tuples and dicts; recursion is bounded by kMaxPickleDepth. Each container is entered
// once.
class ContentsReader {
 public:
  explicit ContentsReader(const Archive& archive)
      : archive_(archive), pickle_(read_pickle(archive, kRecord)), entered_(pickle_.nodes.size(), false) {}

  ModelContents run() {
    const PickleNode& root = pickle_.nodes[pickle_.root];
    if (root.kind != PickleKind::kObject) refuse("does not hold a module");
    contents_.root_class = class_name(root.text);
    walk(pickle_.root, {}, contents_.root_class);
    return std::move(contents_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const { refuse_record(archive_.file(), kRecord, what); }

  const PickleNode& node(uint32_t index) const { return pickle_.nodes[index]; }

  void walk(uint32_t index, const std::string& name, const std::string& module_class) {
    const PickleNode& here = node(index);
    if (here.kind == PickleKind::kTensor) return add_tensor(here, name, module_class);
    if (here.items.empty() || entered_[index]) return;
    entered_[index] = true;
    if (here.kind == PickleKind::kObject) {
      if (here.text == kPackedClass) return add_packed(node(here.items[0]), name, module_class);
      return walk(here.items[0], name, class_name(here.text));
    }
    const bool dict = here.kind == PickleKind::kDict;
    for (size_t i = 0; i < here.items.size(); i += dict ? 2 : 1) {
      const std::string part = dict ? key_text(node(here.items[i]), i / 2) : std::to_string(i);
      walk(here.items[dict ? i + 1 : i], joined(name, part), module_class);
    }
  }

  static std::string key_text(const PickleNode& key, size_t position) {
    if (key.kind == PickleKind::kString) return key.text;
    return std::to_string(key.kind == PickleKind::kInt ? key.integer : static_cast<int64_t>(position));
  }

  std::string joined(const std::string& name, const std::string& part) const {
    if (name.size() + part.size() > kMaxName) {
      refuse("has an attribute whose full name is longer than " + std::to_string(kMaxName) + " bytes");
    }
    return name.empty() ? part : name + "." + part;
  }

  StoredTensor tensor_of(const PickleNode& here, const std::string& name,
                         const std::string& module_class) const {
    StoredTensor tensor = checked_tensor(archive_, "data", pickle_, static_cast<size_t>(here.integer));
    tensor.name = name;
    tensor.module_class = module_class;
    return tensor;
  }

  void add_tensor(const PickleNode& here, const std::string& name, const std::string& module_class) {
    if (contents_.tensors.size() == kMaxTensors)
      refuse("has more than " + std::to_string(kMaxTensors) + " tensors");
    contents_.tensors.push_back(tensor_of(here, name, module_class));
  }

  void add_packed(const PickleNode& state, const std::string& name, const std::string& module_class) {
    const std::string what = "has a packed weight \"" + printable(name) + "\" ";
    if (state.kind != PickleKind::kTuple || state.items.size() != 5 ||
        node(state.items[0]).kind != PickleKind::kInt) {
      refuse(what + "that is malformed");
    }
    if (const int64_t version = node(state.items[0]).integer; version != 1) {
      refuse(what + "of version " + std::to_string(version) + "; this program reads version 1");
    }
    const PickleNode& shape = node(state.items[2]);
    const PickleNode& values = node(state.items[3]);
    const PickleNode& positions = node(state.items[4]);
    const bool sequence = shape.kind == PickleKind::kList || shape.kind == PickleKind::kTuple;
    if (!sequence || shape.items.size() != 2 || node(shape.items[0]).kind != PickleKind::kInt ||
        node(shape.items[1]).kind != PickleKind::kInt || values.kind != PickleKind::kTensor ||
        positions.kind != PickleKind::kTensor) {
      refuse(what + "that is malformed");
    }
    StoredPackedWeight packed{name,
                              module_class,
                              node(shape.items[0]).integer,
                              node(shape.items[1]).integer,
                              tensor_of(values, joined(name, "values"), module_class),
                              tensor_of(positions, joined(name, "positions"), module_class)};
    if (packed.rows < 0 || packed.cols < 0 || packed.cols % 4 != 0 ||
        packed.values.shape != std::vector<int64_t>{packed.rows, packed_value_columns(packed.cols)} ||
        packed.positions.shape != std::vector<int64_t>{packed.rows, packed_position_columns(packed.cols)} ||
        packed.positions.dtype != "uint8") {
      refuse(what + "whose parts do not fit its shape");
    }
    contents_.packed.push_back(std::move(packed));
  }

  const Archive& archive_;
  Pickle pickle_;
  std::vector<bool> entered_;
  ModelContents contents_;
};

}  // namespace

ModelContents read_model_contents(const Archive& archive) { return ContentsReader(archive).run(); }

}  // namespace prune2to4

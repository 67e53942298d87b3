// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>

#include <algorithm>

#include "model/input_spec.h"
#include "model/probe_run.h"
#include "prune2to4/error.h"
#include "prune2to4/layer_config.h"
#include "prune2to4/model.h"
#include "prune2to4/probe.h"
#include "prune2to4/safetensors.h"
#include "prune2to4/tensor_view.h"

namespace prune2to4 {
namespace {

using Content = InputSpec::Content;

// Reads one input after the other; its messages name the file.
class ProbeFile {
 public:
  ProbeFile(const std::filesystem::path& path, const InputSpecs& specs)
      : file_(Safetensors::open(path, "probe")), specs_(specs) {}

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ExitStatus::kData, "probe",
                file_.file() + ": " + what + "; forward takes " + description(specs_));
  }

  void check_names() const {
    std::vector<std::string> names;
    for (const InputSpec& spec : specs_.inputs) names.push_back(spec.name);
    for (const TensorView& view : file_.tensors()) {
      const auto takes = [&](const InputSpec& spec) {
        return view.name == spec.name || (is_container(spec) && view.name.starts_with(spec.name + "."));
      };
      if (std::any_of(specs_.inputs.begin(), specs_.inputs.end(), takes)) continue;
      const auto nearest = nearest_names(view.name, names, 1);
      refuse("'" + view.name + "' is no argument of forward" +
             (nearest.empty() ? "" : " (did you mean '" + nearest.front() + "'?)"));
    }
  }

  c10::IValue input(const InputSpec& spec, at::ScalarType floating) const {
    if (is_container(spec)) return container(spec, floating);
    const TensorView* view = file_.find(spec.name);
    if (view == nullptr) {
      if (spec.type.starts_with("Optional")) return {};
      refuse("has no tensor '" + spec.name + "'");
    }
    const at::Tensor tensor = read(*view);
    if (spec.type == "Tensor" || spec.type == "Optional[Tensor]") return checked(tensor, spec, floating);
    if (spec.content != Content::kScalar || tensor.numel() != 1) {
      refuse("'" + spec.name + "' is of type " + spec.type + ", which no tensor can stand for");
    }
    if (spec.type == "bool") return tensor.item().toBool();
    return spec.type == "int" ? c10::IValue(tensor.item().toLong()) : c10::IValue(tensor.item().toDouble());
  }

 private:
  static bool is_container(const InputSpec& spec) {
    return spec.type == "List[Tensor]" || spec.type == "Dict[str, Tensor]" ||
           spec.type.starts_with("Tuple[Tensor");
  }

  at::Tensor read(const TensorView& view) const {
    const auto tensor = copy_of(view);
    if (!tensor) refuse("'" + view.name + "' has the type " + view.dtype + ", which no input can have");
    return *tensor;
  }

  // NAME.0, NAME.1, ... of a list or a tuple, NAME.KEY of a dictionary.
  c10::IValue container(const InputSpec& spec, at::ScalarType floating) const {
    c10::List<at::Tensor> list;
    c10::Dict<std::string, at::Tensor> dictionary;
    for (const TensorView& view : file_.tensors()) {
      if (!view.name.starts_with(spec.name + ".")) continue;
      dictionary.insert(view.name.substr(spec.name.size() + 1), checked(read(view), spec, floating));
    }
    if (spec.type.starts_with("Dict")) return dictionary;
    for (size_t i = 0; dictionary.contains(std::to_string(i)); ++i)
      list.push_back(dictionary.at(std::to_string(i)));
    if (list.empty() || list.size() != dictionary.size()) {
      refuse("the tensors of '" + spec.name + "' are not named " + spec.name + ".0, " + spec.name +
             ".1, ...");
    }
    if (spec.type.starts_with("List")) return list;
    std::vector<c10::IValue> elements(list.begin(), list.end());
    return c10::ivalue::Tuple::create(std::move(elements));
  }

  at::Tensor checked(const at::Tensor& tensor, const InputSpec& spec, at::ScalarType floating) const {
    const bool floats = tensor.is_floating_point();
    const auto fits = [&](at::ScalarType type) { return c10::isFloatingType(type) == floats; };
    if (!spec.dtypes.empty() && std::none_of(spec.dtypes.begin(), spec.dtypes.end(), fits)) {
      refuse("'" + spec.name + "' is of " + dtype_name(tensor.scalar_type()));
    }
    if (spec.bound > 0 && !floats && tensor.numel() > 0) {
      const auto largest = tensor.max().item<int64_t>();
      const auto smallest = tensor.min().item<int64_t>();
      if (largest >= spec.bound || smallest < 0) {
        refuse("'" + spec.name + "' holds " + std::to_string(smallest < 0 ? smallest : largest) +
               ", and the table that it indexes has " + std::to_string(spec.bound) + " rows");
      }
    }
    // The weights may have another floating type than the file's: --dtype converts them.
    const bool converts = floats && (spec.dtypes.empty() || spec.dtypes.front() == floating);
    return converts ? tensor.to(floating) : tensor;
  }

  Safetensors file_;
  const InputSpecs& specs_;
};

}  // namespace

Probe read_probe(torch::jit::Module model, at::Device device, uint64_t seed, const Examples& examples,
                 const std::filesystem::path& file) {
  const InputSpecs specs = input_specs(model, examples);
  const ProbeFile given(file, specs);
  given.check_names();
  Probe probe;
  probe.needs = description(specs);
  for (const InputSpec& spec : specs.inputs) {
    probe.names.push_back(spec.name);
    probe.inputs.push_back(given.input(spec, floating_type(model)));
  }
  for (const c10::IValue& input : probe.inputs) {
    if (probe.batch == 0 && input.isTensor() && input.toTensor().dim() > 0) {
      probe.batch = input.toTensor().size(0);
    }
  }
  std::string failure;
  probe.outputs = try_forward(model, probe.inputs, device, seed, failure);
  if (!failure.empty()) given.refuse(failure);
  if (!is_repeatable(model, probe.inputs, device, seed, probe.outputs)) {
    probe.failure = "two runs of the masked model on one batch differ, as with dropout that is live";
  }
  return probe;
}

}  // namespace prune2to4

// SPDX-License-Identifier: Apache-2.0
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "prune2to4/graph_walk.h"
#include "prune2to4/model.h"
#include "prune2to4/packed_weight.h"

namespace prune2to4 {
namespace {

using c10::ivalue::Object;
using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;

// What an attribute holds afterwards, a packed weight or the tensor of one; none: what it holds now.
using Replace = std::function<c10::IValue(const Attribute& attribute, const c10::IValue& value)>;

// Re-creates a module tree in a CompilationUnit of its own, each module as a container without methods. Types
// that scripted modules share are split: of two Linear modules of one type only one may be packed.
class ContainerTree {
 public:
  ContainerTree(std::shared_ptr<torch::jit::CompilationUnit> unit, const Replace& replace, at::Device device)
      : unit_(std::move(unit)), replace_(replace), device_(device) {}

  Module copy(const Module& source) {
    Object* object = source._ivalue().get();
    if (const auto known = copies_.find(object); known != copies_.end()) return known->second;
    const auto source_type = source.type();
    auto name = *source_type->name();
    if (unit_->get_type(name)) name = unit_->mangle(name);
    const auto type = c10::ClassType::create(name, unit_, /*is_module=*/true);
    unit_->register_type(type);
    Module result(unit_, type);
    for (size_t i = 0; i < source_type->numConstants(); ++i) {
      type->addConstant(source_type->getConstantName(i), source_type->getConstant(i));
    }
    for (size_t i = 0; i < source_type->numAttributes(); ++i) copy_attribute(source, i, result);
    copies_.emplace(object, result);
    return result;
  }

 private:
  void copy_attribute(const Module& source, size_t slot, Module& result) {
    const auto type = source.type();
    const std::string& name = type->getAttributeName(slot);
    const c10::IValue& value = source._ivalue()->getSlot(slot);
    const c10::IValue weight = replace_({source._ivalue().get(), name}, value);
    if (weight.isTensor()) {
      result.register_parameter(name, weight.toTensor().to(device_), /*is_buffer=*/false);
    } else if (!weight.isNone()) {
      result.register_attribute(name, weight.type(), weight);
    } else if (value.isModule()) {
      result.register_module(name, copy(value.toModule()));
    } else {
      const bool tensor = value.isTensor() && value.toTensor().defined();
      result.register_attribute(name, type->getAttribute(slot),
                                tensor ? c10::IValue(value.toTensor().to(device_)) : value,
                                type->is_parameter(slot), type->is_buffer(slot));
    }
  }

  std::shared_ptr<torch::jit::CompilationUnit> unit_;
  const Replace& replace_;
  at::Device device_;
  std::map<Object*, Module> copies_;
};

// prim::GetAttr nodes still have the types of the tree that the graph came from.
void retype(Graph& graph, const c10::ClassTypePtr& self) {
  graph.inputs()[0]->setType(self);
  for_each_node(graph.block(), [](Node* node) {
    if (node->kind() != c10::prim::GetAttr) return;
    if (const auto type = node->input()->type()->cast<c10::ClassType>()) {
      node->output()->setType(type->getAttribute(node->s(c10::attr::name)));
    }
  });
}

// The type of its weight decides which of the two a linear's operator is.
void fit_linears(Graph& graph, const c10::TypePtr& packed_type) {
  static const auto kPackedLinear = c10::Symbol::fromQualString("prune2to4::linear");
  for_each_node(graph.block(), [&](Node* node) {
    if (node->kind() != c10::aten::linear && node->kind() != kPackedLinear) return;
    const bool packed = node->input(1)->type()->isSubtypeOf(*packed_type);
    const c10::Symbol wanted = packed ? kPackedLinear : c10::aten::linear;
    if (node->kind() == wanted) return;
    Node* fit = graph.create(wanted, node->inputs())->insertBefore(node)->copyMetadata(node);
    fit->output()->setType(node->output()->type());
    node->output()->replaceAllUsesWith(fit->output());
    node->destroy();
  });
}

// Tracing writes the device of the export into torch.arange and tensor.to: read it off the first tensor input
// instead. A graph that names two devices means it, and stays.
void follow_input_device(Graph& graph) {
  std::vector<Node*> constants;
  std::set<std::string> devices;
  for_each_node(graph.block(), [&](Node* node) {
    if (node->kind() != c10::prim::Constant ||
        !node->output()->type()->isSubtypeOf(*c10::DeviceObjType::get()))
      return;
    const auto device = torch::jit::toIValue(node->output());
    if (!device || !device->isDevice()) return;
    constants.push_back(node);
    devices.insert(device->toDevice().str());
  });
  Value* tensor = nullptr;
  for (Value* input : graph.inputs()) {
    if (input->type()->isSubtypeOf(*c10::TensorType::get())) {
      tensor = input;
      break;
    }
  }
  if (devices.size() != 1 || tensor == nullptr) return;
  Node* device = graph.create(c10::prim::device, {tensor});
  graph.prependNode(device);
  device->output()->setType(c10::DeviceObjType::get());
  for (Node* constant : constants) {
    constant->output()->replaceAllUsesWith(device->output());
    constant->destroy();
  }
}

// Inlining leaves in each node the calls that led to it, with pointers to the functions of a model that may
// be gone when an error's message reads them.
void forget_functions(Graph& graph) {
  static const torch::jit::CompilationUnit* const kUnit = [] {
    auto* unit = new torch::jit::CompilationUnit;
    unit->create_function("forward", std::make_shared<Graph>());
    return unit;
  }();
  torch::jit::Function* function = kUnit->get_functions().front();
  for_each_node(graph.block(), [&](Node* node) {
    const auto calls = node->callstack();
    if (!calls) return;
    const auto ranges = (*calls)->vec();
    torch::jit::InlinedCallStackPtr copy;
    for (auto each = ranges.rbegin(); each != ranges.rend(); ++each) {
      const torch::jit::SourceRange& range = std::get<1>(*each);
      copy = copy ? c10::make_intrusive<torch::jit::InlinedCallStack>(copy, function, range)
                  : c10::make_intrusive<torch::jit::InlinedCallStack>(function, range);
    }
    node->setCallStack(copy);
  });
}

void add_method(Module& module, const std::string& name, const std::shared_ptr<Graph>& graph,
                const c10::FunctionSchema& schema) {
  const auto& type = module.type();
  torch::jit::Function* function =
      module._ivalue()->compilation_unit()->create_function(c10::QualifiedName(*type->name(), name), graph);
  std::vector<c10::Argument> arguments = schema.arguments();
  arguments[0] = arguments[0].cloneWithType(type);
  function->setSchema(schema.cloneWithArguments(std::move(arguments)));
  type->addMethod(function);
}

Module rebuild(const Module& module, const std::map<std::string, std::shared_ptr<Graph>>& graphs,
               const Replace& replace, at::Device device) {
  auto unit = std::make_shared<torch::jit::CompilationUnit>();
  Module result = ContainerTree(unit, replace, device).copy(module);
  const c10::TypePtr packed_type = c10::getCustomClassType<c10::intrusive_ptr<PackedWeight>>();
  for (const auto& [name, source] : graphs) {
    auto graph = source->copy();
    retype(*graph, result.type());
    fit_linears(*graph, packed_type);
    follow_input_device(*graph);
    torch::jit::EliminateDeadCode(graph);
    forget_functions(*graph);
    graph->lint();
    add_method(result, name, graph, module.get_method(name).function().getSchema());
  }
  return result;
}

}  // namespace

Module InlinedModel::rewrite(const std::map<std::string, c10::IValue>& packed, at::Device device) const {
  const auto names = tensor_names(module_);
  const Replace replace = [&](const Attribute& attribute, const c10::IValue&) {
    const auto name = names.find(attribute);
    const auto weight = name == names.end() ? packed.end() : packed.find(name->second);
    return weight == packed.end() ? c10::IValue() : weight->second;
  };
  return rebuild(module_, graphs_, replace, device);
}

Module InlinedModel::dense_twin() const {
  std::map<const PackedWeight*, at::Tensor> unpacked;
  const Replace replace = [&](const Attribute&, const c10::IValue& value) -> c10::IValue {
    const auto packed = as_packed(value);
    if (!packed) return {};
    at::Tensor& weight = unpacked[packed.get()];
    if (!weight.defined()) weight = packed->unpack();
    return weight;
  };
  return rebuild(module_, graphs_, replace, at::kCPU);
}

}  // namespace prune2to4

// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/layer_chain.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "ops/cpu/cpu_backend.h"
#include "ops/cpu/cpu_gemm.h"
#include "ops/cpu/tile_chain.h"
#include "ops/device_weight.h"
#include "ops/kernel_cache.h"
#include "ops/kernel_choice.h"

namespace prune2to4 {
namespace {

// As kernel_choice measures a layer's chain: all epilogues in one, which no product by itself has.
constexpr Epilogue kChainEpilogue{Activation::kGelu, true, true};
enum Way : size_t { kByLayer, kChained };

// nullptr: there is none in the layout of tiles.
const cpu::CpuGemm* tiled_gemm(const PackedLinear& linear) {
  if (!linear.weight || !linear.bias.is_cpu()) return nullptr;
  const auto weight = linear.weight->on(linear.bias.device(), linear.bias.scalar_type());
  const auto* gemm = dynamic_cast<const cpu::CpuGemm*>(weight->sparse());
  return gemm != nullptr && gemm->tiled_kernel().multiply_tile != nullptr ? gemm : nullptr;
}

bool can_chain(const ChainedLayer& layer) {
  const auto tiled = [](const PackedLinear& linear) { return tiled_gemm(linear) != nullptr; };
  if (!tiled(layer.qkv) || !tiled(layer.attention_output) || !tiled(layer.intermediate) ||
      !tiled(layer.output)) {
    return false;
  }
  const int64_t width = layer.qkv.weight->cols();
  const int64_t inner = layer.intermediate.weight->rows();
  return layer.attention_output.weight->cols() == width && layer.attention_output.weight->rows() == width &&
         layer.intermediate.weight->cols() == width && layer.output.weight->cols() == inner &&
         layer.output.weight->rows() == width;
}

struct Linear {
  explicit Linear(const PackedLinear& linear)
      : packed(linear.weight),
        gemm(tiled_gemm(linear)),
        bias(linear.bias.to(at::kFloat).contiguous()),
        view{gemm->tiled_weight(), bias.const_data_ptr<float>()} {}

  c10::intrusive_ptr<PackedWeight> packed;  // owns `gemm`
  const cpu::CpuGemm* gemm;
  at::Tensor bias;
  cpu::TiledLinear view;
};

cpu::Norm view(const LayerNorm& norm) {
  return {norm.weight.const_data_ptr<float>(), norm.bias.const_data_ptr<float>(),
          static_cast<float>(norm.epsilon)};
}

struct Layer {
  explicit Layer(const ChainedLayer& layer)
      : qkv(layer.qkv),
        attention_output(layer.attention_output),
        intermediate(layer.intermediate),
        output(layer.output),
        attention_norm(layer.attention_norm),
        output_norm(layer.output_norm),
        link{attention_output.view, view(attention_norm), intermediate.view, output.view, view(output_norm)} {
  }

  Linear qkv;
  Linear attention_output;
  Linear intermediate;
  Linear output;
  LayerNorm attention_norm;
  LayerNorm output_norm;
  cpu::ChainLink link;
};

// A chain over x, with its memory.
struct Run {
  Run(const cpu::TiledKernel& kernel, const at::Tensor& x, int64_t columns)
      : chain(kernel, x.size(0), x.size(1),
              x.scalar_type() == at::kBFloat16 ? cpu::Element::kBFloat16 : cpu::Element::kFloat),
        hidden(at::empty({chain.hidden_floats()}, x.options().dtype(at::kFloat))),
        qkv(at::empty({x.size(0), columns}, x.options())) {
    chain.set_hidden(hidden.mutable_data_ptr<float>());
  }

  cpu::TileChain chain;
  at::Tensor hidden;
  at::Tensor qkv;
};

}  // namespace

struct LayerChain::Impl {
  std::vector<Layer> layers;
  at::ScalarType dtype;
  int64_t width;
  int64_t inner;
  GemmBackend* backend;

  const cpu::TiledKernel& kernel() const { return layers.front().qkv.gemm->tiled_kernel(); }
  ProductShape shape(int64_t tokens) const {
    return measured_shape(*backend, at::kCPU, dtype, width, inner, tokens, kChainEpilogue, true);
  }
  Run start(const at::Tensor& x) const {
    Run run(kernel(), x, layers.front().qkv.packed->rows());
    run.chain.begin(x.const_data_ptr(), layers.front().qkv.view, run.qkv.mutable_data_ptr());
    return run;
  }
  bool is_faster(const at::Tensor& x, const std::function<void(const at::Tensor&)>& by_layer) const;
};

LayerChain::LayerChain(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LayerChain::~LayerChain() = default;
LayerChain::LayerChain(LayerChain&&) noexcept = default;
LayerChain& LayerChain::operator=(LayerChain&&) noexcept = default;

std::optional<LayerChain> LayerChain::make(const std::vector<ChainedLayer>& layers) {
  if (layers.empty() || !std::all_of(layers.begin(), layers.end(), can_chain)) return std::nullopt;
  const PackedWeight& qkv = *layers.front().qkv.weight;
  const bool alike = std::all_of(layers.begin(), layers.end(), [&](const ChainedLayer& layer) {
    return layer.qkv.weight->rows() == qkv.rows() && layer.qkv.weight->cols() == qkv.cols();
  });
  if (!alike) return std::nullopt;
  const at::ScalarType dtype = layers.front().qkv.bias.scalar_type();
  const int64_t inner = layers.front().intermediate.weight->rows();
  auto impl =
      std::make_unique<Impl>(Impl{{}, dtype, qkv.cols(), inner, cpu_backend(dtype, inner, qkv.cols())});
  impl->layers.reserve(layers.size());
  for (const ChainedLayer& layer : layers) impl->layers.emplace_back(layer);
  return LayerChain(std::move(impl));
}

bool LayerChain::takes(const at::Tensor& x, const std::function<void(const at::Tensor&)>& by_layer) const {
  if (!cpu::TileChain::takes(impl_->kernel(), x.size(0))) return false;
  if (const auto known = known_fastest(impl_->shape(x.size(0)))) return *known == kChained;
  return impl_->is_faster(x, by_layer);
}

bool LayerChain::Impl::is_faster(const at::Tensor& x,
                                 const std::function<void(const at::Tensor&)>& by_layer) const {
  const ProductShape what = shape(x.size(0));
  const int64_t full = backend->threads() * kernel().lanes * static_cast<int64_t>(kernel().vectors);
  const at::Tensor few = x.narrow(0, 0, std::min(x.size(0), std::max(what.tokens, full)));
  by_layer(few);  // its products are measured now, not while this is
  Run run = start(few);
  const auto chained = [&] {
    run.chain.go_on(layers.front().link, few.const_data_ptr(), &layers.front().qkv.view,
                    run.qkv.mutable_data_ptr());
  };
  return fastest(what,
                 {{"layer by layer", [&] { return backend->milliseconds([&] { by_layer(few); }); }},
                  {"chained", [&] { return backend->milliseconds(chained); }}},
                 kernel_cache(backend->environment(at::kCPU))) == kChained;
}

std::optional<std::string> LayerChain::kernel(int64_t tokens) const {
  if (!cpu::TileChain::takes(impl_->kernel(), tokens)) return std::nullopt;
  const auto known = known_fastest(impl_->shape(tokens));
  if (!known || *known != kChained) return std::nullopt;
  return "2:4 " + impl_->layers.front().qkv.gemm->tiled_kernel_name() + ", chained";
}

at::Tensor LayerChain::run(const at::Tensor& x,
                           const std::function<at::Tensor(const at::Tensor&)>& attend) const {
  Run run = impl_->start(x);
  at::Tensor result = at::empty(x.sizes(), x.options());
  for (size_t i = 0; i < impl_->layers.size(); ++i) {
    const at::Tensor context = attend(run.qkv);
    const bool last = i + 1 == impl_->layers.size();
    run.chain.go_on(impl_->layers[i].link, context.const_data_ptr(),
                    last ? nullptr : &impl_->layers[i + 1].qkv.view,
                    last ? result.mutable_data_ptr() : run.qkv.mutable_data_ptr());
  }
  return result;
}

}  // namespace prune2to4

// SPDX-License-Identifier: Apache-2.0
#include "train/fused.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include "prune2to4/cuda_backend.h"

namespace prune2to4 {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// The kernels read eight elements at once.
bool has_kernels(const at::Tensor& x, const Linear& layer) {
  return x.is_cuda() && x.scalar_type() != at::kFloat && layer.weights.front().size(0) % 8 == 0 &&
         cuda_backend().has_kernels();
}

at::Tensor joined(const std::vector<at::Tensor>& parts, at::ScalarType dtype) {
  if (parts.size() == 1) return parts.front().to(dtype);
  std::vector<int64_t> sizes = parts.front().sizes().vec();
  sizes[0] = 0;
  for (const at::Tensor& part : parts) sizes[0] += part.size(0);
  at::Tensor whole = at::empty(sizes, parts.front().options().dtype(dtype));
  int64_t row = 0;
  for (const at::Tensor& part : parts) {
    whole.narrow(0, row, part.size(0)).copy_(part);
    row += part.size(0);
  }
  return whole;
}

// Weights and biases alternately in the inputs, gradients likewise.
variable_list flattened(const Linear& layer) {
  variable_list parts = layer.weights;
  parts.insert(parts.end(), layer.biases.begin(), layer.biases.end());
  return parts;
}

struct Joined {
  at::Tensor weight;
  at::Tensor bias;
};

Joined join(at::TensorList parts, at::ScalarType dtype) {
  const std::vector<at::Tensor> all = parts.vec();
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  return {joined({all.begin(), middle}, dtype), joined({middle, all.end()}, dtype)};
}

void save_rows(AutogradContext* ctx, at::TensorList parts) {
  std::vector<int64_t> rows;
  for (size_t i = 0; i < parts.size() / 2; ++i) rows.push_back(parts[i].size(0));
  ctx->saved_data["rows"] = rows;
}

// Gradients of the product's input, and of each weight and bias, from that of its output.
struct LinearGradients {
  at::Tensor x;
  variable_list parts;
};

LinearGradients linear_gradients(AutogradContext* ctx, const at::Tensor& dy, const at::Tensor& dy_sum,
                                 const at::Tensor& x, const at::Tensor& weight) {
  const at::Tensor weights = at::mm(dy.t(), x, at::kFloat);
  LinearGradients gradients{at::mm(dy, weight), {}};
  const std::vector<int64_t> rows = ctx->saved_data["rows"].toIntVector();
  for (const at::Tensor& whole : {weights, dy_sum}) {
    for (const at::Tensor& part : whole.split_with_sizes(rows)) gradients.parts.push_back(part);
  }
  return gradients;
}

class LinearFunction : public Function<LinearFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, at::TensorList parts) {
    const Joined layer = join(parts, x.scalar_type());
    save_rows(ctx, parts);
    ctx->save_for_backward({x, layer.weight});
    return at::addmm(layer.bias, x, layer.weight.t());
  }

  static variable_list backward(AutogradContext* ctx, variable_list outputs) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = outputs[0].contiguous();
    LinearGradients gradients = linear_gradients(ctx, dy, cuda_backend().column_sum(dy), saved[0], saved[1]);
    gradients.parts.insert(gradients.parts.begin(), gradients.x);
    return gradients.parts;
  }
};

class LinearGeluFunction : public Function<LinearGeluFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, at::TensorList parts) {
    const Joined layer = join(parts, x.scalar_type());
    const at::Tensor inner = at::addmm(layer.bias, x, layer.weight.t());
    save_rows(ctx, parts);
    ctx->save_for_backward({x, layer.weight, inner});
    return at::gelu(inner);
  }

  static variable_list backward(AutogradContext* ctx, variable_list outputs) {
    const auto saved = ctx->get_saved_variables();
    const auto [dy, sum] = cuda_backend().gelu_backward(outputs[0].contiguous(), saved[2]);
    LinearGradients gradients = linear_gradients(ctx, dy, sum, saved[0], saved[1]);
    gradients.parts.insert(gradients.parts.begin(), gradients.x);
    return gradients.parts;
  }
};

class LinearNormFunction : public Function<LinearNormFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& residual,
                            const at::Tensor& norm_weight, const at::Tensor& norm_bias, double epsilon,
                            double dropout, at::TensorList parts) {
    const Joined layer = join(parts, x.scalar_type());
    const DropoutAddNorm result =
        cuda_backend().dropout_add_norm(at::addmm(layer.bias, x, layer.weight.t()), residual,
                                        norm_weight.detach(), norm_bias.detach(), epsilon, dropout);
    save_rows(ctx, parts);
    ctx->saved_data["dropout"] = dropout;
    ctx->save_for_backward({x, layer.weight, norm_weight, result.out, result.mean, result.rstd, result.rng});
    return result.y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list outputs) {
    const auto saved = ctx->get_saved_variables();
    const DropoutAddNorm result{{}, saved[3], saved[4], saved[5], saved[6]};
    const DropoutAddNormGradients norm = cuda_backend().dropout_add_norm_backward(
        outputs[0].contiguous(), result, saved[2].detach(), ctx->saved_data["dropout"].toDouble());
    LinearGradients gradients = linear_gradients(ctx, norm.x, norm.x_sum, saved[0], saved[1]);
    variable_list all{gradients.x, norm.residual, norm.weight, norm.bias, {}, {}};
    all.insert(all.end(), gradients.parts.begin(), gradients.parts.end());
    return all;
  }
};

at::Tensor plain_linear(const at::Tensor& x, const Linear& layer) {
  const auto whole = [&](const std::vector<at::Tensor>& parts) {
    return (parts.size() == 1 ? parts.front() : at::cat(parts)).to(x.scalar_type());
  };
  return at::linear(x, whole(layer.weights), whole(layer.biases));
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const Linear& layer) {
  return has_kernels(x, layer) ? LinearFunction::apply(x, at::TensorList(flattened(layer)))
                               : plain_linear(x, layer);
}

at::Tensor linear_gelu(const at::Tensor& x, const Linear& layer) {
  return has_kernels(x, layer) ? LinearGeluFunction::apply(x, at::TensorList(flattened(layer)))
                               : at::gelu(plain_linear(x, layer));
}

at::Tensor linear_dropout_add_norm(const at::Tensor& x, const at::Tensor& residual, const Linear& layer,
                                   const Norm& norm, double dropout) {
  if (has_kernels(x, layer)) {
    return LinearNormFunction::apply(x, residual, norm.weight, norm.bias, norm.epsilon, dropout,
                                     at::TensorList(flattened(layer)));
  }
  at::Tensor sum = residual + at::dropout(plain_linear(x, layer), dropout, dropout > 0);
  return at::layer_norm(sum, norm.weight.sizes(), norm.weight.to(x.scalar_type()),
                        norm.bias.to(x.scalar_type()), norm.epsilon);
}

}  // namespace prune2to4

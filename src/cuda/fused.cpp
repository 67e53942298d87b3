// SPDX-License-Identifier: Apache-2.0
#include "cuda/fused.h"

#include <ATen/cuda/CUDAContextLight.h>
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <array>
#include <cmath>
#include <limits>
#include <mutex>

#include "cuda/kernels/kernels.h"

namespace prune2to4::fused {
namespace {

// Contiguous and on a 16-byte boundary, as `dtype` on `device`.
at::Tensor aligned(const at::Tensor& tensor, const char* name, at::Device device, at::ScalarType dtype) {
  TORCH_CHECK(tensor.device() == device && tensor.scalar_type() == dtype, "[kernels] ", name, " is ",
              tensor.scalar_type(), " on ", tensor.device(), "; ", dtype, " on ", device, " is needed");
  at::Tensor dense = tensor.contiguous();
  return reinterpret_cast<uintptr_t>(dense.const_data_ptr()) % 16 == 0 ? dense : dense.clone();
}

kernels::Matrix matrix_of(const at::Tensor& x) {
  TORCH_CHECK(x.is_cuda() && (x.scalar_type() == at::kHalf || x.scalar_type() == at::kBFloat16), "[kernels] ",
              x.scalar_type(), " on ", x.device(), "; float16 or bfloat16 on a GPU is needed");
  const int64_t width = x.dim() > 0 ? x.size(-1) : 0;
  TORCH_CHECK(width > 0 && width % kernels::kVectorWidth == 0 && width <= kernels::kMaxWidth,
              "[kernels] width ", width, "; a multiple of ", kernels::kVectorWidth, " up to ",
              kernels::kMaxWidth, " is needed");
  const int64_t rows = x.numel() / width;
  TORCH_CHECK(rows <= std::numeric_limits<int>::max(), "[kernels] ", rows, " rows are too many");
  return {x.scalar_type() == at::kHalf ? kernels::Type::kHalf : kernels::Type::kBFloat16, rows,
          static_cast<int>(width)};
}

at::Tensor weight_like(const at::Tensor& tensor, const char* name, const at::Tensor& x) {
  TORCH_CHECK(tensor.numel() == x.size(-1), "[kernels] ", name, " has ", tensor.numel(),
              " elements for width ", x.size(-1));
  return aligned(tensor, name, x.device(), at::kFloat);
}

at::Tensor matrix_like(const at::Tensor& tensor, const char* name, const at::Tensor& x) {
  TORCH_CHECK(tensor.sizes() == x.sizes(), "[kernels] ", name, " is ", tensor.sizes(), ", not ", x.sizes());
  return aligned(tensor, name, x.device(), x.scalar_type());
}

// Sets what the norm of x + residual is made of; the result holds what that refers to.
std::array<at::Tensor, 4> set_norm(kernels::SumNormArguments& arguments, const at::Tensor& x,
                                   const at::Tensor& residual, const at::Tensor& weight,
                                   const at::Tensor& bias, double epsilon) {
  std::array<at::Tensor, 4> held{aligned(x, "x", x.device(), x.scalar_type()),
                                 residual.defined() ? matrix_like(residual, "residual", x) : residual,
                                 weight_like(weight, "weight", x), weight_like(bias, "bias", x)};
  arguments.matrix = matrix_of(x);
  arguments.x = held[0].const_data_ptr();
  arguments.residual = residual.defined() ? held[1].const_data_ptr() : nullptr;
  arguments.weight = held[2].const_data_ptr<float>();
  arguments.bias = held[3].const_data_ptr<float>();
  arguments.epsilon = static_cast<float>(epsilon);
  return held;
}

at::Tensor floats(at::IntArrayRef sizes, const at::Tensor& beside) {
  return at::empty(sizes, beside.options().dtype(at::kFloat));
}

int multiprocessors(at::Device device) {
  return at::cuda::getDeviceProperties(device.index())->multiProcessorCount;
}

kernels::Dropout dropout_of(double dropout) {
  TORCH_CHECK(dropout >= 0 && dropout < 1, "[kernels] dropout ", dropout, "; 0 to less than 1 is needed");
  const double dropped = std::round(dropout * 65536);
  return {static_cast<uint32_t>(dropped), static_cast<float>(1 / (1 - dropout))};
}

kernels::RandomState next_random_state() {
  auto* generator = at::get_generator_or_default<at::CUDAGeneratorImpl>(
      std::nullopt, at::cuda::detail::getDefaultCUDAGenerator());
  const std::lock_guard<std::mutex> lock(generator->mutex_);
  const at::PhiloxCudaState state = generator->philox_cuda_state(kernels::kRandomNumbers);
  if (state.captured_) return {state.seed_.ptr, state.offset_.ptr, 0, state.offset_intragraph_};
  return {nullptr, nullptr, state.seed_.val, state.offset_.val};
}

}  // namespace

bool available() { return true; }

DropoutAddNorm dropout_add_norm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                                const at::Tensor& bias, double epsilon, double dropout) {
  const c10::cuda::CUDAGuard device(x.device());
  const kernels::Matrix matrix = matrix_of(x);
  const at::Tensor dense_x = aligned(x, "x", x.device(), x.scalar_type());
  const at::Tensor dense_residual = matrix_like(residual, "residual", x);
  const at::Tensor dense_weight = weight_like(weight, "weight", x);
  const at::Tensor dense_bias = weight_like(bias, "bias", x);
  DropoutAddNorm result{at::empty_like(dense_x),
                        at::empty_like(dense_x),
                        floats({matrix.rows}, x),
                        floats({matrix.rows}, x),
                        {}};
  kernels::ForwardArguments arguments;
  arguments.dropout = dropout_of(dropout);
  if (matrix.rows == 0) return result;
  if (arguments.dropout.dropped != 0) {
    result.rng = at::empty({2}, x.options().dtype(at::kLong));
    arguments.rng = result.rng.mutable_data_ptr<int64_t>();
    arguments.random = next_random_state();
  }
  arguments.matrix = matrix;
  arguments.x = dense_x.const_data_ptr();
  arguments.residual = dense_residual.const_data_ptr();
  arguments.weight = dense_weight.const_data_ptr<float>();
  arguments.bias = dense_bias.const_data_ptr<float>();
  arguments.epsilon = static_cast<float>(epsilon);
  arguments.y = result.y.mutable_data_ptr();
  arguments.out = result.out.mutable_data_ptr();
  arguments.mean = result.mean.mutable_data_ptr<float>();
  arguments.rstd = result.rstd.mutable_data_ptr<float>();
  C10_CUDA_CHECK(kernels::dropout_add_norm(arguments, c10::cuda::getCurrentCUDAStream()));
  return result;
}

DropoutAddNormGradients dropout_add_norm_backward(const at::Tensor& dy, const DropoutAddNorm& forward,
                                                  const at::Tensor& weight, double dropout) {
  const c10::cuda::CUDAGuard device(dy.device());
  const kernels::Matrix matrix = matrix_of(dy);
  const at::Tensor dense_dy = aligned(dy, "dy", dy.device(), dy.scalar_type());
  const at::Tensor out = matrix_like(forward.out, "out", dy);
  const at::Tensor dense_weight = weight_like(weight, "weight", dy);
  if (matrix.rows == 0) {
    const auto zeros = [&] { return at::zeros({matrix.width}, dy.options().dtype(at::kFloat)); };
    return {at::empty_like(dense_dy), at::empty_like(dense_dy), zeros(), zeros(), zeros()};
  }
  kernels::BackwardArguments arguments;
  arguments.dropout = dropout_of(dropout);
  const bool drops = arguments.dropout.dropped != 0;
  TORCH_CHECK(!drops || forward.rng.defined(), "[kernels] dropout ", dropout,
              " of a forward pass without dropout");
  DropoutAddNormGradients result;
  result.residual = at::empty_like(dense_dy);
  result.x = drops ? at::empty_like(dense_dy) : result.residual;
  result.weight = floats({matrix.width}, dy);
  result.bias = floats({matrix.width}, dy);
  result.x_sum = floats({matrix.width}, dy);
  const int processors = multiprocessors(dy.device());
  const at::Tensor partial_sums =
      floats({3, kernels::backward_partials(matrix, processors), matrix.width}, dy);
  arguments.matrix = matrix;
  arguments.dy = dense_dy.const_data_ptr();
  arguments.out = out.const_data_ptr();
  arguments.mean = forward.mean.const_data_ptr<float>();
  arguments.rstd = forward.rstd.const_data_ptr<float>();
  arguments.weight = dense_weight.const_data_ptr<float>();
  arguments.rng = drops ? forward.rng.const_data_ptr<int64_t>() : nullptr;
  arguments.dx = result.x.mutable_data_ptr();
  arguments.dresidual = result.residual.mutable_data_ptr();
  arguments.partial_sums = partial_sums.mutable_data_ptr<float>();
  arguments.sums[0] = result.weight.mutable_data_ptr<float>();
  arguments.sums[1] = result.bias.mutable_data_ptr<float>();
  arguments.sums[2] = result.x_sum.mutable_data_ptr<float>();
  C10_CUDA_CHECK(
      kernels::dropout_add_norm_backward(arguments, processors, c10::cuda::getCurrentCUDAStream()));
  return result;
}

namespace {

at::Tensor sum_columns(kernels::ColumnArguments& arguments, const at::Tensor& dy) {
  arguments.matrix = matrix_of(dy);
  const int64_t width = arguments.matrix.width;
  if (arguments.matrix.rows == 0) return at::zeros({width}, dy.options().dtype(at::kFloat));
  const int processors = multiprocessors(dy.device());
  at::Tensor sum = floats({width}, dy);
  const at::Tensor partial_sums = floats({kernels::column_partials(arguments.matrix, processors), width}, dy);
  arguments.dy = dy.const_data_ptr();
  arguments.partial_sums = partial_sums.mutable_data_ptr<float>();
  arguments.sum = sum.mutable_data_ptr<float>();
  C10_CUDA_CHECK(kernels::column_sum(arguments, processors, c10::cuda::getCurrentCUDAStream()));
  return sum;
}

}  // namespace

std::pair<at::Tensor, at::Tensor> gelu_backward(const at::Tensor& dy, const at::Tensor& x) {
  const c10::cuda::CUDAGuard device(x.device());
  const at::Tensor dense_dy = matrix_like(dy, "dy", x);
  const at::Tensor dense_x = aligned(x, "x", x.device(), x.scalar_type());
  at::Tensor dx = at::empty_like(dense_x);
  kernels::ColumnArguments arguments;
  arguments.x = dense_x.const_data_ptr();
  arguments.dx = dx.mutable_data_ptr();
  at::Tensor sum = sum_columns(arguments, dense_dy);
  return {dx, sum};
}

at::Tensor add_norm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                    const at::Tensor& bias, double epsilon) {
  const c10::cuda::CUDAGuard device(x.device());
  kernels::AddNormArguments arguments;
  const auto held = set_norm(arguments, x, residual, weight, bias, epsilon);
  at::Tensor y = at::empty_like(held[0]);
  if (arguments.matrix.rows == 0) return y;
  arguments.y = y.mutable_data_ptr();
  C10_CUDA_CHECK(kernels::add_norm(arguments, c10::cuda::getCurrentCUDAStream()));
  return y;
}

void span_logits(const SpanHead& head, const at::Tensor& x, const at::Tensor& residual,
                 const at::Tensor& slots, at::Tensor& logits) {
  const c10::cuda::CUDAGuard device(x.device());
  kernels::SpanLogitsArguments arguments;
  const auto held = set_norm(arguments, x, residual, head.norm_weight, head.norm_bias, head.epsilon);
  const at::Tensor weight = aligned(head.weight, "head", x.device(), x.scalar_type());
  const at::Tensor bias = aligned(head.bias, "head's bias", x.device(), x.scalar_type());
  const at::Tensor places = aligned(slots, "slots", x.device(), at::kLong);
  TORCH_CHECK(
      weight.numel() == 2 * x.size(-1) && bias.numel() == 2 && places.numel() == arguments.matrix.rows,
      "[kernels] a head of ", weight.sizes(), " and ", bias.sizes(), ", and ", places.sizes(), " slots, for ",
      x.sizes());
  TORCH_CHECK(logits.device() == x.device() && logits.scalar_type() == at::kFloat && logits.is_contiguous() &&
                  logits.size(-1) == 2,
              "[kernels] logits are ", logits.scalar_type(), " ", logits.sizes(), " on ", logits.device());
  if (arguments.matrix.rows == 0) return;
  arguments.head = weight.const_data_ptr();
  arguments.head_bias = bias.const_data_ptr();
  arguments.slots = places.const_data_ptr<int64_t>();
  arguments.logits = reinterpret_cast<float2*>(logits.mutable_data_ptr<float>());
  C10_CUDA_CHECK(kernels::span_logits(arguments, c10::cuda::getCurrentCUDAStream()));
}

at::Tensor embed_norm(const EmbeddingTables& tables, const at::Tensor& ids, const at::Tensor& places,
                      const at::Tensor& types) {
  const c10::cuda::CUDAGuard device(tables.words.device());
  const auto row_of = [&](const at::Tensor& tensor, const char* name) {
    TORCH_CHECK(tensor.numel() == ids.numel(), "[kernels] ", name, " has ", tensor.numel(), " elements for ",
                ids.numel(), " tokens");
    return aligned(tensor, name, tables.words.device(), at::kInt);
  };
  const auto table = [&](const at::Tensor& tensor, const char* name) {
    TORCH_CHECK(tensor.dim() == 2 && tensor.size(1) == tables.words.size(1), "[kernels] ", name, " is ",
                tensor.sizes(), " beside words ", tables.words.sizes());
    return aligned(tensor, name, tables.words.device(), tables.words.scalar_type());
  };
  const at::Tensor rows[] = {row_of(ids, "ids"), row_of(places, "places"), row_of(types, "types")};
  const at::Tensor words = table(tables.words, "words");
  const at::Tensor positions = table(tables.positions, "positions");
  const at::Tensor segments = tables.segments.defined() ? table(tables.segments, "segments") : at::Tensor();
  const at::Tensor weight = weight_like(tables.norm_weight, "weight", words);
  const at::Tensor bias = weight_like(tables.norm_bias, "bias", words);
  at::Tensor y = at::empty({ids.numel(), words.size(1)}, words.options());
  kernels::EmbedNormArguments arguments;
  arguments.matrix = matrix_of(y);
  if (arguments.matrix.rows == 0) return y;
  arguments.words = words.const_data_ptr();
  arguments.positions = positions.const_data_ptr();
  arguments.segments = segments.defined() ? segments.const_data_ptr() : nullptr;
  arguments.ids = rows[0].const_data_ptr<int32_t>();
  arguments.places = rows[1].const_data_ptr<int32_t>();
  arguments.types = rows[2].const_data_ptr<int32_t>();
  arguments.weight = weight.const_data_ptr<float>();
  arguments.bias = bias.const_data_ptr<float>();
  arguments.epsilon = static_cast<float>(tables.epsilon);
  arguments.y = y.mutable_data_ptr();
  C10_CUDA_CHECK(kernels::embed_norm(arguments, c10::cuda::getCurrentCUDAStream()));
  return y;
}

at::Tensor column_sum(const at::Tensor& x) {
  const c10::cuda::CUDAGuard device(x.device());
  kernels::ColumnArguments arguments;
  return sum_columns(arguments, aligned(x, "x", x.device(), x.scalar_type()));
}

}  // namespace prune2to4::fused

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "prune2to4/comm.h"

namespace prune2to4 {

// Work of a GPU, recorded once and repeated without the host's part of it. It reads and writes the same
// memory each time; random numbers go on as they would outside.
class CapturedWork {
 public:
  virtual ~CapturedWork() = default;
  virtual void replay() = 0;
};

// out = residual + dropout(x); y = layer_norm(out) * weight + bias. Everything [rows, width] in fp16 or bf16
// but `mean` and `rstd`, fp32 [rows]; `weight` and `bias` fp32 [width]. Leading dimensions count as rows;
// width is a multiple of 8, at most 8192. The share dropped is the nearest multiple of 1 / 65536.
struct DropoutAddNorm {
  at::Tensor y;
  at::Tensor out;
  at::Tensor mean;
  at::Tensor rstd;
  // int64 [2] on the GPU: seed and offset of the mask, which the backward pass makes again. Undefined without
  // dropout.
  at::Tensor rng;
};

struct DropoutAddNormGradients {
  at::Tensor x;  // with the mask of dropout; without, the same tensor as `residual`
  at::Tensor residual;
  at::Tensor weight;  // fp32 [width]
  at::Tensor bias;    // fp32 [width]
  at::Tensor x_sum;   // fp32 [width]: the sum of `x` over the rows, gradient of the bias that made x
};

// What a BERT's tokens are looked up in: fp16 or bf16 [entries, width], width as for DropoutAddNorm.
struct EmbeddingTables {
  at::Tensor words;
  at::Tensor positions;
  at::Tensor segments;     // undefined: none
  at::Tensor norm_weight;  // fp32 [width]
  at::Tensor norm_bias;    // fp32 [width]
  double epsilon = 1e-12;
};

// A BERT's last LayerNorm and the linear layer behind it, which makes the logits of a span's start and end;
// width as for DropoutAddNorm.
struct SpanHead {
  at::Tensor norm_weight;  // fp32 [width]
  at::Tensor norm_bias;    // fp32 [width]
  double epsilon = 1e-12;
  at::Tensor weight;  // fp16 or bf16 [2, width]
  at::Tensor bias;    // of that dtype [2]
};

// One step of AdamW. All fp32 on one GPU; flat tensors [n], 16-byte aligned, the others of one element.
struct AdamWStep {
  at::Tensor values;
  at::Tensor gradients;
  at::Tensor exp_avg;
  at::Tensor exp_avg_sq;
  int64_t decayed = 0;  // the first so many have weight decay
  at::Tensor rate;
  at::Tensor steps;    // this one included
  at::Tensor divisor;  // of the gradients
  at::Tensor skipped;  // not 0: nothing is done
  double beta1 = 0;
  double beta2 = 0;
  double epsilon = 0;
  double weight_decay = 0;
};

// What needs LibTorch's CUDA part: in libprune2to4_cuda.so beside the program, loaded when a GPU is used.
class CudaBackend {
 public:
  virtual ~CudaBackend() = default;

  // Calls `work` once while what it queues on the GPU is recorded on a side stream; nothing of it runs before
  // replay(). The same work must have run before without capture, and no graph of autograd may be left of
  // that. What was allocated in it lives as long as the result; all captures share one pool: what one has
  // computed holds until another is replayed. Throws what `work` throws, and c10::Error when something in it
  // cannot be recorded (it waits for the GPU, or for the default stream); one may go on without capture then.
  virtual std::unique_ptr<CapturedWork> capture(at::Device device, const std::function<void()>& work) = 0;

  // Tensors go over NCCL; texts and numbers, and what starts NCCL, over `host`.
  virtual std::unique_ptr<Comm> nccl(std::unique_ptr<WatchedComm> host, at::Device device) = 0;

  virtual void set_device(at::Device device) = 0;  // of this thread
  virtual void synchronize(at::Device device) = 0;
  virtual void reset_peak_bytes(at::Device device) = 0;
  virtual int64_t peak_bytes(at::Device device) = 0;  // that LibTorch's allocator had in use at once
  virtual std::string device_name(at::Device device) = 0;
  virtual bool has_bf16(at::Device device) = 0;
  // What its tensor cores do in dense products of `dtype` at the highest clock, operations a second; 0: not
  // known.
  virtual double peak_flops(at::Device device, at::ScalarType dtype) = 0;

  // Whether the kernels below are there: they need nvcc when the program is built.
  virtual bool has_kernels() const = 0;
  virtual DropoutAddNorm dropout_add_norm(const at::Tensor& x, const at::Tensor& residual,
                                          const at::Tensor& weight, const at::Tensor& bias, double epsilon,
                                          double dropout) = 0;
  virtual DropoutAddNormGradients dropout_add_norm_backward(const at::Tensor& dy,
                                                            const DropoutAddNorm& forward,
                                                            const at::Tensor& weight, double dropout) = 0;
  // dx = dy * gelu'(x), exact (erf), and the sum of dx over the rows, fp32 [width].
  virtual std::pair<at::Tensor, at::Tensor> gelu_backward(const at::Tensor& dy, const at::Tensor& x) = 0;
  // The sum of x [rows, width] over the rows, fp32 [width].
  virtual at::Tensor column_sum(const at::Tensor& x) = 0;
  // layer_norm(x + residual) * weight + bias, as in DropoutAddNorm; residual undefined: there is none.
  virtual at::Tensor add_norm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                              const at::Tensor& bias, double epsilon) = 0;
  // logits[slots[t]] = layer_norm(x[t] + residual[t]) weight^T + bias, in fp32: x and residual [T, width] of
  // the head's dtype, residual undefined: there is none; slots int64 [T], rows of logits, fp32 [rows, 2].
  virtual void span_logits(const SpanHead& head, const at::Tensor& x, const at::Tensor& residual,
                           const at::Tensor& slots, at::Tensor& logits) = 0;
  // layer_norm(words[ids[t]] + positions[places[t]] + segments[types[t]]) * weight + bias: [T, width] of the
  // tables' dtype; ids, places and types are int32 [T] and inside the tables.
  virtual at::Tensor embed_norm(const EmbeddingTables& tables, const at::Tensor& ids,
                                const at::Tensor& places, const at::Tensor& types) = 0;
  // gradients[i] *= mask[i] in place, for as many as mask (uint8) has; the L2 norm of all gradients, fp32 [].
  // Gradients are fp32 [n], 16-byte aligned.
  virtual at::Tensor masked_norm(const at::Tensor& gradients, const at::Tensor& mask) = 0;
  // As torch.optim.AdamW (at::_fused_adamw_), in place; zeros cost no more than other numbers.
  virtual void adamw(const AdamWStep& step) = 0;
};

// Loads it once. Throws Error(kDevice) "[device] ..." when the program was built without it.
CudaBackend& cuda_backend();

}  // namespace prune2to4

// SPDX-License-Identifier: Apache-2.0
#include <c10/core/DeviceGuard.h>

#include <cstdio>
#include <random>
#include <thread>

#include "ops/gpu_gemm.h"
#include "prune2to4/packed_weight.h"

namespace prune2to4 {
namespace {

constexpr Epilogue kEpilogues[] = {
    {Activation::kNone, false}, {Activation::kGelu, false}, {Activation::kNone, true}};

// The backend, where a weight of such a shape has algorithms of cuSPARSELt.
GemmBackend* cusparselt() {
  GemmBackend* found = any_gpu_gemms();
  if (found == nullptr) return nullptr;
  if (found->environment(kGpu).find("cuSPARSELt 0") != std::string::npos) return found;
  CATCH_WARN("not tested: no cuSPARSELt");
  return nullptr;
}

// Not where its plans take long.
bool has_half() { return cusparselt()->missing(kGpu, at::kHalf, 16, 16).empty(); }

struct Layer {
  at::Tensor weight;  // dense, on the GPU
  at::Tensor bias;
  std::unique_ptr<SparseGemm> sparse;

  Layer(int64_t out, int64_t in, at::ScalarType dtype, at::Device device = kGpu)
      : weight(random_2_4(out, in, dtype).to(device)),
        bias(at::randn({out}, weight.options())),
        sparse(cusparselt()->compress_for_all([this] { return weight; })) {}
  Operands operands(int64_t tokens, Epilogue epilogue, bool biased = true) const {
    Operands made{at::randn({tokens, weight.size(1)}, weight.options()), {}, epilogue.activation, {}};
    if (biased) made.bias = bias;
    if (epilogue.residual) made.residual = at::randn({tokens, weight.size(0)}, weight.options());
    return made;
  }
  at::Tensor output(int64_t tokens) const { return at::full({tokens, weight.size(0)}, 77, weight.options()); }
  // cuSPARSELt's; where it is not known which of them run, its default.
  std::vector<size_t> algorithms(Epilogue epilogue) const {
    const std::vector<std::string>& names = sparse->kernels(epilogue);
    std::vector<size_t> found;
    for (size_t i = 0; i < names.size(); ++i) {
      if (!names[i].starts_with("cuSPARSELt")) continue;
      if (cusparselt()->takes_norms(kGpu) || sparse->proven(i, epilogue)) found.push_back(i);
    }
    return found;
  }
};

// Of error_of; GELU is taken of what was rounded already.
double error(const at::Tensor& d, const Operands& operands, const at::Tensor& weight) {
  const double roundings = operands.activation == Activation::kGelu ? 2 : 1;
  return error_of(d, product_in_fp64(operands, weight),
                  roundings * product_tolerance(weight.scalar_type(), operands.activation));
}

void check_random_products(int64_t calls) {
  at::manual_seed(23);
  std::mt19937 random(23);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  while (calls > 0) {
    const at::ScalarType dtype = has_half() && below(2) == 0 ? at::kHalf : at::kBFloat16;
    const Layer layer(16 * (1 + below(100)), 16 * (1 + below(128)), dtype);
    for (int of_layer = 0; of_layer < 100 && calls > 0; ++of_layer, --calls) {
      const Epilogue epilogue = kEpilogues[below(3)];
      const std::vector<size_t> kernels = layer.algorithms(epilogue);
      CATCH_REQUIRE_FALSE(kernels.empty());
      const size_t kernel = kernels[static_cast<size_t>(of_layer) % kernels.size()];
      const int64_t tokens = below(3) == 0 ? 1 + below(3000) : 1 + below(40);
      const Operands operands = layer.operands(tokens, epilogue, below(4) != 0);
      at::Tensor d = layer.output(tokens);
      CATCH_INFO(layer.weight.sizes() << " " << dtype << " x " << tokens << ", kernel " << kernel);
      if (!layer.sparse->run(kernel, operands, d)) {
        CATCH_CHECK(at::equal(d, layer.output(tokens)));
        CATCH_CHECK(kernel != kernels.front());  // cuSPARSELt's own choice takes everything
        continue;
      }
      if (error(d, operands, layer.weight) < 1) continue;
      CATCH_CHECK(error(d, operands, layer.weight) < 1);
    }
  }
}

}  // namespace

CATCH_TEST_CASE("2:4 products of random shapes by cuSPARSELt equal fp64's, by every algorithm",
                "[cusparselt]") {
  if (cusparselt() != nullptr) check_random_products(1500);
}

CATCH_TEST_CASE("cuSPARSELt's products can be recorded, once the weight is compressed for it",
                "[cusparselt]") {
  if (cusparselt() == nullptr) return;
  at::manual_seed(29);
  const Layer layer(768, 3072, at::kBFloat16);
  const Epilogue epilogue;
  const size_t kernel = layer.algorithms(epilogue).front();
  const Operands operands = layer.operands(1001, epilogue);
  at::Tensor d = layer.output(1001);
  const auto record = [&] {
    return cuda_backend().capture(kGpu, [&] { CATCH_CHECK(layer.sparse->run(kernel, operands, d)); });
  };
  const auto early = record();  // by another kernel where it is not compressed yet
  early->replay();
  cuda_backend().synchronize(kGpu);
  CATCH_CHECK(error(d, operands, layer.weight) < 1);

  CATCH_CHECK(layer.sparse->run(kernel, operands, d));
  const at::Tensor eager = d.clone();
  const auto work = record();
  d.fill_(77);
  work->replay();
  // Other plans drive the recorded one out.
  for (int64_t tokens = 1; tokens < 1000; tokens += 8) {
    at::Tensor other = layer.output(tokens);
    CATCH_CHECK(layer.sparse->run(kernel, layer.operands(tokens, epilogue), other));
  }
  cuda_backend().synchronize(kGpu);
  CATCH_CHECK(at::equal(d, eager));
  d.fill_(77);
  work->replay();
  cuda_backend().synchronize(kGpu);
  CATCH_CHECK(at::equal(d, eager));
}

CATCH_TEST_CASE("plans of cuSPARSELt do not disturb each other", "[cusparselt]") {
  if (cusparselt() == nullptr) return;
  at::manual_seed(37);
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    if (dtype == at::kHalf && !has_half()) continue;
    const Layer layer(768, 1536, dtype);
    const std::vector<size_t> kernels = layer.algorithms({});
    std::vector<at::Tensor> first;
    for (const bool again : {false, true}) {
      for (size_t i = 0; i < 108; ++i) {
        at::manual_seed(i);
        const int64_t tokens = i % 3 == 0 ? 8 : i % 3 == 1 ? 2048 : 6144;
        const Operands operands = layer.operands(tokens, {});
        at::Tensor d = layer.output(tokens);
        const bool ran = layer.sparse->run(kernels[i % kernels.size()], operands, d);
        if (!again) {
          CATCH_CHECK((!ran || error(d, operands, layer.weight) < 1));
          first.push_back(d);
        } else {
          CATCH_CHECK(error_of(d, first[i], rounding_of(dtype)) < 1);
        }
      }
    }
  }
}

CATCH_TEST_CASE("threads share cuSPARSELt's weight and handle", "[cusparselt]") {
  if (cusparselt() == nullptr) return;
  at::manual_seed(31);
  const Layer layer(768, 768, at::kBFloat16);
  const Layer other(3072, 768, at::kBFloat16);
  std::vector<double> worst(8);
  std::vector<std::thread> threads;
  for (double& mine : worst) {
    threads.emplace_back([&] {
      for (int64_t i = 1; i <= 100; ++i) {
        const Layer& used = i % 2 == 0 ? layer : other;
        const Epilogue epilogue = kEpilogues[i % 3];
        const std::vector<size_t> kernels = used.algorithms(epilogue);
        const Operands operands = used.operands(8 * i, epilogue);
        at::Tensor d = used.output(8 * i);
        if (!used.sparse->run(kernels[static_cast<size_t>(i) % kernels.size()], operands, d)) continue;
        mine = std::max(mine, error(d, operands, used.weight));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const double each : worst) CATCH_CHECK(each < 1);
}

CATCH_TEST_CASE("each device has its own handle of cuSPARSELt", "[cusparselt]") {
  if (cusparselt() == nullptr) return;
  if (c10::impl::getDeviceGuardImpl(at::kCUDA)->deviceCount() < 2) {
    CATCH_WARN("one GPU: not tested on two");
    return;
  }
  for (const int index : {1, 0, 1}) {
    const Layer layer(768, 768, at::kBFloat16, at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index)));
    const Operands operands = layer.operands(500, {});
    at::Tensor d = layer.output(500);
    CATCH_CHECK(layer.sparse->run(layer.algorithms({}).front(), operands, d));
    CATCH_CHECK(error(d, operands, layer.weight) < 1);
  }
}

CATCH_TEST_CASE("what neither library takes is named", "[cusparselt]") {
  if (cusparselt() == nullptr) return;
  CATCH_CHECK(cusparselt()->missing(kGpu, at::kBFloat16, 24, 24).find("multiples of 16") !=
              std::string::npos);
  CATCH_CHECK(cusparselt()->missing(kGpu, at::kBFloat16, 16, 48).empty());
  CATCH_CHECK(cusparselt()->missing(kGpu, at::kFloat, 64, 64).find("float16") != std::string::npos);
}

CATCH_TEST_CASE("how fast cuSPARSELt is beside our 2:4 products", "[.bench]") {
  if (cusparselt() == nullptr) return;
  std::printf("%s, bf16, ms: ours, the best algorithm of cuSPARSELt\n",
              cuda_backend().device_name(kGpu).c_str());
  const std::pair<int64_t, int64_t> shapes[] = {{2304, 768}, {768, 768}, {3072, 768}, {768, 3072}};
  for (const auto& [out, in] : shapes) {
    const Layer layer(out, in, at::kBFloat16);
    for (const int64_t tokens : {1536, 6144, 24576}) {
      at::Tensor d = layer.output(tokens);
      for (const Epilogue& epilogue : {kEpilogues[0], kEpilogues[1]}) {
        if (out < in && epilogue.activation == Activation::kGelu) continue;
        const Operands operands = layer.operands(tokens, epilogue);
        double ours = 1e9;
        double theirs = 1e9;
        std::string best;
        const std::vector<std::string>& names = layer.sparse->kernels(epilogue);
        for (int round = 0; round < 2; ++round) {
          for (size_t kernel = 0; kernel < names.size(); ++kernel) {
            if (!layer.sparse->run(kernel, operands, d)) continue;
            const double ms = cusparselt()->milliseconds([&] { layer.sparse->run(kernel, operands, d); });
            if (!names[kernel].starts_with("cuSPARSELt"))
              ours = std::min(ours, ms);
            else if (ms < theirs)
              theirs = ms, best = names[kernel];
          }
        }
        std::printf("%5ld x %5ld %6ld %-4s  %.4f  %.4f  %.2f  %s\n", static_cast<long>(out),
                    static_cast<long>(in), static_cast<long>(tokens),
                    epilogue.activation == Activation::kGelu ? "gelu" : "", ours, theirs, theirs / ours,
                    best.c_str());
      }
    }
  }
}

}  // namespace prune2to4

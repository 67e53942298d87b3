// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cute/arch/copy_sm90.hpp>

#include "ops/cuda/attention/config.cuh"
#include "ops/cuda/attention/softmax.cuh"

namespace prune2to4::attention {

// c (+)= a b, issued.
template <typename Mma, typename A, typename B, typename Accumulators>
CUTE_DEVICE void issue(Mma mma, A& a, const B& b, Accumulators& c, cute::GMMA::ScaleOut first) {
  cute::warpgroup_fence_operand(c);
  if constexpr (!std::is_base_of_v<cute::GMMA::DescriptorIterator, typename A::iterator>) {
    cute::warpgroup_fence_operand(a);
  }
  cute::warpgroup_arrive();
  mma.accumulate_ = first;
  CUTE_UNROLL
  for (int k = 0; k < cute::size<2>(a); ++k) {
    cute::gemm(mma, a(cute::_, cute::_, k), b(cute::_, cute::_, k), c);
    mma.accumulate_ = cute::GMMA::ScaleOut::One;
  }
  cute::warpgroup_commit_batch();
}

// One warpgroup: computes its part of the tasks that the loader gives its team.
template <typename C>
class Worker {
  using Element = typename C::Element;
  using Scores = decltype(cute::partition_fragment_C(typename C::ScoreMma{},
                                                     cute::Shape<cute::Int<kRows>, cute::Int<C::kKeys>>{}));
  using Result = decltype(cute::partition_fragment_C(typename C::ResultMma{},
                                                     cute::Shape<cute::Int<kRows>, cute::Int<C::kWidth>>{}));
  // Scores, rounded, are as the second product takes its first factor.
  using Probabilities = decltype(cute::make_tensor<Element>(
      cute::Layout<
          cute::Shape<cute::Shape<cute::_2, cute::_2, cute::_2>, cute::_1, cute::Int<C::kKeys / 16>>>{}));

 public:
  CUTE_DEVICE Worker(typename C::Shared& shared, int lane, const Call& call)
      : memory_(shared.memory[lane / C::kTeamLanes]),
        barriers_(shared.barriers[lane / C::kTeamLanes]),
        lane_(lane),
        first_(lane % C::kTeamLanes * kRows),
        call_(call),
        softmax_(call.scale) {}

  CUTE_DEVICE void run() {
    while (true) {
      Barrier::wait(&barriers_.queries_here[buffer_.slot], buffer_.phase);
      const int keys = of_first_lane(barriers_.tasks[buffer_.slot].keys);
      if (keys == 0) return;
      softmax_ = Softmax(call_.scale);
      const int steps = (keys + C::kKeys - 1) / C::kKeys;
      begin(keys - (steps - 1) * C::kKeys);
      cute::GMMA::ScaleOut first = cute::GMMA::ScaleOut::Zero;
      CUTE_NO_UNROLL
      for (int step = 1; step < steps; ++step) {
        advance(first);
        first = cute::GMMA::ScaleOut::One;
      }
      finish(first);
      store();
      cutlass::arch::fence_view_async_shared();
      __syncwarp();
      if (threadIdx.x % kWarp == 0) Barrier::arrive(&barriers_.queries_used[buffer_.slot]);
      buffer_.advance();
    }
  }

 private:
  // The probabilities of the first step, of `real` keys.
  CUTE_DEVICE void begin(int real) {
    Scores scores;
    issue_scores(scores);
    cute::warpgroup_wait<0>();
    cute::warpgroup_fence_operand(scores);
    release();
    if (real < C::kKeys) mask(scores, real);
    softmax_.begin(scores);
    round(scores);
  }

  // Probabilities times values; meanwhile the next step's probabilities are found.
  CUTE_DEVICE void advance(cute::GMMA::ScaleOut first) {
    Scores scores;
    issue_scores(scores);
    issue_result(first);
    cute::warpgroup_wait<1>();
    cute::warpgroup_fence_operand(scores);
    release();
    float rescale[2];
    const bool changed = softmax_.add(scores, rescale);
    cute::warpgroup_wait<0>();
    cute::warpgroup_fence_operand(result_);
    cute::warpgroup_fence_operand(probabilities_);
    release();
    if (changed) {
      CUTE_UNROLL
      for (int i = 0; i < cute::size(result_); ++i) result_(i) *= rescale[i / 2 % 2];
    }
    round(scores);
  }

  CUTE_DEVICE void finish(cute::GMMA::ScaleOut first) {
    issue_result(first);
    cute::warpgroup_wait<0>();
    cute::warpgroup_fence_operand(result_);
    release();
  }

  CUTE_DEVICE typename C::Element* my_queries() { return memory_.queries[buffer_.slot] + first_ * C::kWidth; }

  // The next slot, once it is filled.
  CUTE_DEVICE int next() {
    Barrier::wait(&barriers_.here[next_.slot], next_.phase);
    const int slot = next_.slot;
    next_.advance();
    return slot;
  }

  // This warp no longer needs its earliest slot.
  CUTE_DEVICE void release() {
    if (threadIdx.x % kWarp == 0) Barrier::arrive(&barriers_.used[used_]);
    used_ = used_ + 1 == C::kSlots ? 0 : used_ + 1;
  }

  CUTE_DEVICE void issue_scores(Scores& scores) {
    typename C::ScoreMma mma;
    const auto thread = mma.get_slice(threadIdx.x % kWarpgroup);
    const auto queries = thread.partition_fragment_A(
        cute::make_tensor(cute::make_smem_ptr(my_queries()), typename C::QueryLayout{}));
    const auto keys = thread.partition_fragment_B(
        cute::make_tensor(cute::make_smem_ptr(memory_.slots[next()]), typename C::KeyLayout{}));
    issue(mma, queries, keys, scores, cute::GMMA::ScaleOut::Zero);
  }

  CUTE_DEVICE void issue_result(cute::GMMA::ScaleOut first) {
    typename C::ResultMma mma;
    const auto thread = mma.get_slice(threadIdx.x % kWarpgroup);
    const auto values = thread.partition_fragment_B(
        cute::make_tensor(cute::make_smem_ptr(memory_.slots[next()]), typename C::ValueLayout{}));
    issue(mma, probabilities_, values, result_, first);
  }

  CUTE_DEVICE void round(const Scores& scores) {
    auto pairs = cute::recast<uint32_t>(probabilities_);
    CUTE_UNROLL
    for (int i = 0; i < cute::size(pairs); ++i) pairs(i) = pair<Element>(scores(2 * i), scores(2 * i + 1));
  }

  CUTE_DEVICE static void mask(Scores& scores, int real) {
    const int here = real - static_cast<int>(threadIdx.x) % 4 * 2;
    CUTE_UNROLL
    for (int i = 0; i < cute::size(scores); ++i) {
      if (here <= i / 4 * 8 + i % 2) scores(i) = -INFINITY;
    }
  }

  // What the loader wrote to shared memory is read by the thread alone that tells it when that is done.
  template <typename Value>
  CUTE_DEVICE static Value of_first_lane(const Value& shared) {
    Value value{};
    if (threadIdx.x % kWarp == 0) value = shared;
    return __shfl_sync(~0U, value, 0);
  }

  // The threads of this warpgroup.
  CUTE_DEVICE void synchronize() { asm volatile("bar.sync %0, 128;" ::"r"(lane_ + 1) : "memory"); }

  // Its rows of the task, by way of the memory of its queries: there each warp turns its rows from the tensor
  // cores' order into whole ones, in pieces of 16 bytes.
  CUTE_DEVICE void store() {
    constexpr int kWarpRows = 16;
    constexpr int kPieces = C::kWidth / 8;          // of a row
    constexpr int kPassRows = kWarp / kPieces;      // that a warp stores at once
    constexpr int kSwizzle = 128 / (16 * kPieces);  // rows of the same order
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int first = static_cast<int>(threadIdx.x) % kWarpgroup / kWarp * kWarpRows;
    auto* memory = reinterpret_cast<uint8_t*>(my_queries() + first * C::kWidth);
    const float factor[2] = {reciprocal(softmax_.total(0)), reciprocal(softmax_.total(1))};
    const int row = lane % kWarpRows;
    const int place = (row * kPieces + (lane / kWarpRows ^ row / kSwizzle % kPieces)) * 16;
    synchronize();  // all have read their queries
    CUTE_UNROLL
    for (int block = 0; block < kPieces / 2; ++block) {
      uint32_t x[4];
      CUTE_UNROLL
      for (int i = 0; i < 4; ++i) {
        const int at = 8 * block + 2 * i;
        x[i] = pair<Element>(result_(at) * factor[i % 2], result_(at + 1) * factor[i % 2]);
      }
      cute::SM90_U32x4_STSM_N::copy(x[0], x[1], x[2], x[3],
                                    *reinterpret_cast<cute::uint128_t*>(memory + (place ^ block * 32)));
    }
    __syncwarp();
    const typename C::Task& task = barriers_.tasks[buffer_.slot];
    const int mine = lane / kPieces;
    const int64_t stride = int64_t{call_.heads} * C::kWidth;
    auto* to = static_cast<Element*>(call_.result) + of_first_lane(task.result) +
               (first_ + first + mine) * stride + lane % kPieces * 8;
    const int rows = of_first_lane(task.rows) - first_ - first - mine;
    CUTE_UNROLL
    for (int pass = 0; pass < kWarpRows / kPassRows; ++pass) {
      const int from = pass * kPassRows + mine;
      const auto* piece = memory + (from * kPieces + (lane % kPieces ^ from / kSwizzle % kPieces)) * 16;
      if (pass * kPassRows < rows) {
        *reinterpret_cast<cute::uint128_t*>(to) = *reinterpret_cast<const cute::uint128_t*>(piece);
      }
      to += kPassRows * stride;
    }
  }

  typename C::Memory& memory_;
  typename C::Barriers& barriers_;
  int lane_;
  int first_;  // of its queries, in the task's
  const Call& call_;
  Cursor<kBuffers> buffer_;
  Cursor<C::kSlots> next_;
  int used_ = 0;
  Softmax softmax_;
  Result result_;
  Probabilities probabilities_;
};

}  // namespace prune2to4::attention

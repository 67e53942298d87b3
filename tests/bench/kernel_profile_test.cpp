// SPDX-License-Identifier: Apache-2.0
#include "bench/kernel_profile.h"

#include <catch2/catch.hpp>

namespace prune2to4 {

CATCH_TEST_CASE("a kernel's name is cut down to what tells it from others") {
  const std::pair<const char*, const char*> names[] = {
      {"void prune2to4::kernels::(anonymous namespace)::sum_norm<__half, prune2to4::kernels::RowShape<1, 3> "
       ">(int)",
       "sum_norm"},
      {"void cutlass::device_kernel<cutlass::gemm::kernel::GemmUniversal<cute::tuple<int>, "
       "cutlass::gemm::collective::CollectiveMma<cutlass::gemm::MainloopSm90TmaGmmaWarpSpecializedSparse<4> "
       "> > >",
       "2:4 product (CUTLASS)"},
      {"void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<64, 128, 128, 4> >(Flash_fwd_params)",
       "flash attention"},
      {"nvjet_hsh_128x256_64x4_2x1_v_bz_coopA_bias_TNT", "nvjet_hsh_128x256_64x4_2x1_v_bz_coopA_bias_TNT"},
      {"void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float> >(int)",
       "vectorized_elementwise_kernel"},
      {"Memcpy DtoH (Device -> Pinned)", "copy"}};
  for (const auto& [name, expected] : names) CATCH_CHECK(short_kernel_name(name) == expected);
}

CATCH_TEST_CASE("without a GPU a profile is empty, and the work is done") {
  int done = 0;
  CATCH_CHECK(profile_kernels([&] { ++done; }).empty());
  CATCH_CHECK(done == 1);
}

}  // namespace prune2to4

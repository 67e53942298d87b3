// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/weight_code.h"

#include <stdexcept>

#if defined(__x86_64__)
#include <xbyak/xbyak.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace prune2to4::cpu {
namespace {

constexpr int kFirstInput = kCodeRows;  // registers: sums, then the inputs of two groups by turns
constexpr int kInputs = 8;
constexpr int64_t kVectorBytes = kCodeLanes * 4;
constexpr size_t kLineBytes = 64;

// A product's instruction, whose last byte says which value of a window it takes, from -128 on.
constexpr size_t kProductBytes = 7;
constexpr int kWindow = 256;  // values
constexpr int kWindowBytes = kWindow * 4;

// What surrounds the products, generously.
constexpr size_t kBytesOfGroup = 64;
constexpr size_t kBytesOfRow = 32;
constexpr size_t kBytesOfBlock = 512;
size_t most_bytes(int64_t rows, int64_t groups) {
  const auto products = static_cast<size_t>(2 * rows * groups);
  return products * (kProductBytes + 4) + products / kWindow * 8 +
         static_cast<size_t>(groups) * kBytesOfGroup + static_cast<size_t>(rows) * kBytesOfRow +
         kBytesOfBlock;
}

size_t vector_at(int64_t i) { return static_cast<size_t>(i * kVectorBytes); }

int64_t blocks_of(int64_t count, int64_t size) { return (count + size - 1) / size; }

}  // namespace

class WeightCode::Generator : public Xbyak::CodeGenerator {
 public:
  explicit Generator(const RowsLayout& weight)
      : CodeGenerator(bytes_for(weight), Xbyak::DontSetProtectRWE), weight_(weight) {
    encode_products();
    for (int64_t row = 0; row < weight.rows(); row += kCodeRows) {
      for (int64_t group = 0; group < weight.groups(); group += kCodeGroups) {
        add_block(row, std::min(kCodeRows, weight.rows() - row), group,
                  std::min(kCodeGroups, weight.groups() - group));
      }
    }
    blocks_.push_back(blocks_.front());
    setProtectModeRE();
  }

  const MultiplyBlock* blocks() const { return blocks_.data(); }

 private:
  static size_t bytes_for(const RowsLayout& weight) {
    const int64_t row_blocks = blocks_of(weight.rows(), kCodeRows);
    const int64_t group_blocks = blocks_of(weight.groups(), kCodeGroups);
    return most_bytes(weight.rows(), weight.groups()) +
           static_cast<size_t>(row_blocks * group_blocks) * most_bytes(kCodeRows, 0) +
           static_cast<size_t>(row_blocks * weight.groups()) * kBytesOfGroup;
  }

  // All that there are, by Xbyak, to be copied: it takes 70 to 90 ns to encode one.
  void encode_products() {
    for (size_t sum = 0; sum < products_.size(); ++sum) {
      for (size_t input = 0; input < kInputs; ++input) {
        setSize(0);
        vfmadd231ps(Xbyak::Zmm(static_cast<int>(sum)), Xbyak::Zmm(kFirstInput + static_cast<int>(input)),
                    ptr_b[rax + 4]);
        if (getSize() != kProductBytes) throw std::logic_error("an instruction of another length");
        std::memcpy(products_[sum][input].data(), getCode(), kProductBytes);
      }
    }
    setSize(0);
  }

  // In MultiplyBlock's order of arguments: rdi, rsi, rdx, rcx, r8, r9.
  void add_block(int64_t row, int64_t rows, int64_t group, int64_t groups) {
    align(kLineBytes);
    if (getSize() + most_bytes(rows, groups) > maxSize_) throw std::logic_error("code longer than foreseen");
    blocks_.push_back(getCurr<MultiplyBlock>());
    values_.clear();
    Xbyak::Label next_vector;
    Xbyak::Label values;
    const auto sum_at = [&](int64_t i) { return ptr[rsi + vector_at(i)]; };
    const auto sum = [](int64_t i) { return Xbyak::Zmm(static_cast<int>(i)); };
    lea(r10, ptr[rip + values]);
    L(next_vector);
    lea(rax, ptr[r10 + kWindowBytes / 2]);
    for (int64_t i = 0; i < rows; ++i) vmovups(sum(i), sum_at(i));
    for (int64_t i = 0; i < groups; ++i) add_group(row, rows, group + i, i);
    for (int64_t i = 0; i < rows; ++i) vmovups(sum_at(i), sum(i));
    add(rdi, r8);
    add(rsi, r9);
    dec(rcx);
    jnz(next_vector, T_NEAR);
    vzeroupper();
    ret();
    align(kLineBytes);
    L(values);
    append(values_.data(), values_.size() * sizeof(float));
  }

  // All first elements before the second ones: a sum's next product waits for the one before.
  void add_group(int64_t row, int64_t rows, int64_t group, int64_t of_block) {
    const int inputs = static_cast<int>(of_block % 2) * 4;
    for (int i = 0; i < 4; ++i) {
      vmovups(Xbyak::Zmm(kFirstInput + inputs + i), ptr[rdi + vector_at(4 * of_block + i)]);
    }
    prefetcht1(ptr[rdx]);
    add(rdx, static_cast<uint32_t>(kLineBytes));
    std::array<Kept, kCodeRows> kept;
    for (int64_t i = 0; i < rows; ++i) kept[static_cast<size_t>(i)] = weight_.kept(row + i, group);
    for (size_t i = 0; i < static_cast<size_t>(rows); ++i) {
      add_product(i, inputs + kept[i].first_at, kept[i].first);
    }
    for (size_t i = 0; i < static_cast<size_t>(rows); ++i) {
      add_product(i, inputs + kept[i].second_at, kept[i].second);
    }
  }

  void add_product(size_t sum, int input, float value) {
    const size_t place = values_.size() % kWindow;
    if (place == 0 && !values_.empty()) add(rax, kWindowBytes);
    auto* const to = const_cast<uint8_t*>(getCurr());
    std::memcpy(to, products_[sum][static_cast<size_t>(input)].data(), kProductBytes);
    to[kProductBytes - 1] = static_cast<uint8_t>(place - kWindow / 2);
    setSize(getSize() + kProductBytes);
    values_.push_back(value);
  }

  void append(const void* from, size_t bytes) {
    std::memcpy(const_cast<uint8_t*>(getCurr()), from, bytes);
    setSize(getSize() + bytes);
  }

  const RowsLayout& weight_;  // while the code is made
  std::array<std::array<std::array<uint8_t, kProductBytes>, kInputs>, kCodeRows> products_{};
  std::vector<float> values_;  // of the block
  std::vector<MultiplyBlock> blocks_;
};

WeightCode::WeightCode(const RowsLayout& weight) : generator_(std::make_unique<Generator>(weight)) {}

bool WeightCode::runs() {
  static const bool made = [] {
    const std::array<float, 4> weight{};
    try {
      const WeightCode code(RowsLayout(weight.data(), 1, 1, 1));
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }();
  return made;
}

const MultiplyBlock* WeightCode::blocks() const { return generator_->blocks(); }

}  // namespace prune2to4::cpu

#else

namespace prune2to4::cpu {

class WeightCode::Generator {};
WeightCode::WeightCode(const RowsLayout&) { throw std::runtime_error("there is no code for this CPU"); }
bool WeightCode::runs() { return false; }
const MultiplyBlock* WeightCode::blocks() const { return nullptr; }

}  // namespace prune2to4::cpu

#endif

namespace prune2to4::cpu {

WeightCode::~WeightCode() = default;

}  // namespace prune2to4::cpu

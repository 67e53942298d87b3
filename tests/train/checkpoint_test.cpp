// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>

#include "core/squad_file.h"
#include "core/temporary_folder.h"
#include "prune2to4/error.h"
#include "prune2to4/train.h"

namespace prune2to4 {
namespace {

namespace fs = std::filesystem;

std::string read_all(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Every dtype, a scalar, no elements at all, and floats that no comparison finds equal.
Checkpoint sample(int generation) {
  at::Tensor floats = at::tensor({1.0F, -0.0F, std::numeric_limits<float>::infinity(),
                                  std::numeric_limits<float>::denorm_min()})
                          .view({2, 2});
  floats.view(at::kInt)[0][0] = 0x7fc12345;  // NaN with a payload
  return {{{"weight.a", floats},
           {"mask.a", at::tensor({1, 0, 255}, at::kByte)},
           {"growth", at::tensor({-7}, at::kInt)},
           {"position", at::full({}, int64_t{1} << 40, at::kLong)},
           {"none", at::empty({0, 3})}},
          {{"state", R"({"text": "Köln"})"}, {"generation", std::to_string(generation)}}};
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
}

bool holds(const std::optional<Checkpoint>& found, int generation) {
  const Checkpoint expected = sample(generation);
  if (!found || found->tensors.size() != expected.tensors.size()) return false;
  for (const NamedTensor& each : expected.tensors) {
    const at::Tensor* tensor = found->find(each.name);
    if (tensor == nullptr || !same_bits(*tensor, each.tensor)) return false;
  }
  auto texts = found->texts;
  texts.erase("sha256");
  return texts == expected.texts;
}

void write_two(const fs::path& file) {
  write_checkpoint(file, sample(1));
  write_checkpoint(file, sample(2));
}

fs::path previous(const fs::path& file) { return file.string() + ".previous"; }

std::string refusal(const fs::path& file) {
  try {
    read_checkpoint(file);
    return "accepted";
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kData);
    return error.what();
  }
}

}  // namespace

CATCH_TEST_CASE("a checkpoint comes back to the bit, whatever its tensors' dtypes") {
  const TemporaryFolder folder;
  write_checkpoint(folder / "c", sample(1));
  CATCH_CHECK(holds(read_checkpoint(folder / "c"), 1));
  CATCH_CHECK(folder.size() == 1);
  CATCH_CHECK(read_checkpoint(folder / "c")->find("nothing") == nullptr);
}

CATCH_TEST_CASE("the newest of two generations is read, and no third is kept") {
  const TemporaryFolder folder;
  for (int generation = 1; generation <= 4; ++generation) write_checkpoint(folder / "c", sample(generation));
  CATCH_CHECK(holds(read_checkpoint(folder / "c"), 4));
  CATCH_CHECK(folder.size() == 2);
  fs::rename(previous(folder / "c"), folder / "d");
  CATCH_CHECK(holds(read_checkpoint(folder / "d"), 3));
}

CATCH_TEST_CASE("a checkpoint whose name is a link stays behind it, and so does the one before") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "disk");
  fs::create_symlink("disk/c", folder / "link");
  write_two(folder / "link");
  CATCH_CHECK(fs::read_symlink(folder / "link") == "disk/c");
  CATCH_CHECK(holds(read_checkpoint(folder / "link"), 2));
  CATCH_CHECK(previous_checkpoint(folder / "link") == folder / "disk/c.previous");
  CATCH_CHECK(holds(read_checkpoint(folder / "disk/c.previous"), 1));
  remove_checkpoint(folder / "link");
  CATCH_CHECK(fs::is_symlink(folder / "link"));
  CATCH_CHECK(fs::is_empty(folder / "disk"));
}

CATCH_TEST_CASE("whichever byte of the newest is damaged, the one before it is used") {
  const TemporaryFolder folder;
  write_two(folder / "c");
  const std::string whole = read_all(folder / "c");
  CATCH_REQUIRE(whole.size() > 100);
  for (const int flip : {0x01, 0x80}) {
    for (size_t i = 0; i < whole.size(); ++i) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      write_bytes(folder / "c", damaged);
      const auto found = read_checkpoint(folder / "c");
      CATCH_INFO("byte " << i);
      CATCH_REQUIRE((holds(found, 1) || holds(found, 2)));
      // What a safetensors header may hold in another spelling is no damage.
      if (i > whole.size() / 2) CATCH_REQUIRE(holds(found, 1));
    }
  }
}

CATCH_TEST_CASE("a dtype or shape that was changed is damage, too") {
  const TemporaryFolder folder;
  write_two(folder / "c");
  const std::string whole = read_all(folder / "c");
  for (const auto& [from, to] :
       {std::pair<std::string, std::string>{"[2,2]", "[4,1]"}, {"\"F32\"", "\"I32\""}}) {
    std::string damaged = whole;
    CATCH_REQUIRE(damaged.find(from) != damaged.npos);
    damaged.replace(damaged.find(from), from.size(), to);
    write_bytes(folder / "c", damaged);
    CATCH_CHECK(holds(read_checkpoint(folder / "c"), 1));
  }
}

CATCH_TEST_CASE("a newest that is cut off or not there is passed over") {
  const TemporaryFolder folder;
  write_two(folder / "c");
  const std::string whole = read_all(folder / "c");
  for (const size_t size : {size_t{0}, size_t{7}, size_t{100}, whole.size() / 2, whole.size() - 1}) {
    write_bytes(folder / "c", whole.substr(0, size));
    CATCH_CHECK(holds(read_checkpoint(folder / "c"), 1));
  }
  fs::remove(folder / "c");
  CATCH_CHECK(holds(read_checkpoint(folder / "c"), 1));
  write_bytes(folder / "c", whole);
  write_bytes(previous(folder / "c"), "");
  CATCH_CHECK(holds(read_checkpoint(folder / "c"), 2));
}

CATCH_TEST_CASE("when both are damaged there is an error, when there is none there is none") {
  const TemporaryFolder folder;
  CATCH_CHECK_FALSE(read_checkpoint(folder / "c"));
  write_two(folder / "c");
  for (const fs::path& path : {folder / "c", previous(folder / "c")}) {
    write_bytes(path, read_all(path).substr(0, 50));
  }
  CATCH_CHECK_THAT(refusal(folder / "c"), Catch::StartsWith("[checkpoint] no whole checkpoint is left of") &&
                                              Catch::Contains("without --resume"));
  fs::remove(previous(folder / "c"));
  CATCH_CHECK_THAT(refusal(folder / "c"), Catch::Contains("no whole checkpoint is left"));
}

CATCH_TEST_CASE("a safetensors file that is no checkpoint is not read as one") {
  const TemporaryFolder folder;
  write_bytes(folder / "c", small_squad_file().bytes());
  CATCH_CHECK_THAT(refusal(folder / "c"), Catch::Contains("no whole checkpoint is left"));
}

CATCH_TEST_CASE("a checkpoint that cannot be written leaves those that are there") {
  const TemporaryFolder folder;
  write_two(folder / "c");
  Checkpoint bad = sample(3);
  bad.tensors.push_back(bad.tensors.front());  // two tensors of one name
  CATCH_CHECK_THROWS(write_checkpoint(folder / "c", bad));
  CATCH_CHECK(holds(read_checkpoint(folder / "c"), 2));
  CATCH_CHECK(folder.size() == 2);
  CATCH_CHECK_THROWS_AS(write_checkpoint(folder / "missing/c", sample(1)), Error);
}

CATCH_TEST_CASE("both generations are removed when a run is over") {
  const TemporaryFolder folder;
  write_two(folder / "c");
  write_bytes(folder / "other", "");
  remove_checkpoint(folder / "c");
  CATCH_CHECK(folder.size() == 1);
  CATCH_CHECK_NOTHROW(remove_checkpoint(folder / "c"));
}

}  // namespace prune2to4

// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "model/small_models.h"
#include "prune2to4/error.h"
#include "prune2to4/model.h"

namespace prune2to4 {
namespace {

namespace fs = std::filesystem;

// A fresh folder, removed with all it holds.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("prune2to4-save-" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

}  // namespace

CATCH_TEST_CASE("a saved model passes the gate and loads from verified bytes with the same output") {
  const Folder folder;
  const InlinedModel model(encoder_module(), false);
  torch::jit::Module sparse = model.rewrite(pack_all(model));
  AtomicFile file(folder.path / "m.pt");
  const std::string sha256 = save_model(sparse, {{"note.txt", "kept"}}, file);
  file.commit();

  Archive archive = Archive::read(folder.path / "m.pt");
  CATCH_CHECK(archive.sha256() == sha256);
  CATCH_CHECK(archive.bytes().size() == file.size());
  CATCH_CHECK_NOTHROW(gate_archive(archive, false));
  CATCH_REQUIRE(archive.find("extra/note.txt") != nullptr);
  CATCH_CHECK(archive.text(*archive.find("extra/note.txt")) == "kept");
  torch::jit::Module loaded = load_model(std::move(archive));
  const at::Tensor input = at::randn({3, 8});
  CATCH_CHECK(at::equal(loaded.forward({input}).toTuple()->elements()[0].toTensor(),
                        sparse.forward({input}).toTuple()->elements()[0].toTensor()));
}

CATCH_TEST_CASE("weights larger than a read-ahead are loaded whole though their bytes are given back") {
  const Folder folder;
  torch::jit::Module root("Root");
  root.register_module("big", linear_module(1024, 1024));
  root.define("def forward(self, x):\n  return self.big.forward(x)\n");
  const at::Tensor weight = root.attr("big").toModule().attr("weight").toTensor().clone();
  AtomicFile file(folder.path / "m.pt");
  save_model(root, {}, file);
  file.commit();
  torch::jit::Module loaded = load_model(Archive::read(folder.path / "m.pt"));
  CATCH_CHECK(at::equal(loaded.attr("big").toModule().attr("weight").toTensor(), weight));
}

CATCH_TEST_CASE("a full device ends in an error, not in an abort") {
  const InlinedModel model(encoder_module(), false);
  try {
    AtomicFile file("/dev/full");
    save_model(model.rewrite({}), {}, file);
    file.commit();
    CATCH_FAIL("nothing was thrown");
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kFileSystem);
  }
}

}  // namespace prune2to4

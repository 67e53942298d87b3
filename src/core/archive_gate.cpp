// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <string>
#include <string_view>

#include "core/code_scan.h"
#include "core/printable.h"
#include "core/stored_tensor.h"
#include "core/zip_directory.h"
#include "prune2to4/archive.h"

namespace prune2to4 {
namespace {

constexpr std::string_view kCodeFolder = "code/";

bool ends_like(std::string_view name, std::string_view suffix) {
  if (name.size() < suffix.size()) return false;
  name.remove_prefix(name.size() - suffix.size());
  for (size_t i = 0; i < suffix.size(); ++i) {
    const char c = name[i] >= 'A' && name[i] <= 'Z' ? static_cast<char>(name[i] - 'A' + 'a') : name[i];
    if (c != suffix[i]) return false;
  }
  return true;
}

void check_required_records(const Archive& archive) {
  if (archive.find("model.json") != nullptr) {
    refuse_archive(archive.file(),
                   "is in the format from before TorchScript 1.4 (record \"model.json\"); load and "
                   "save it with a newer PyTorch");
  }
  bool code = false;
  for (const ArchiveEntry& entry : archive.entries()) code = code || entry.name.starts_with(kCodeFolder);
  if (archive.find("data.pkl") != nullptr && !code) {
    refuse_archive(archive.file(),
                   "is a checkpoint of torch.save (a state_dict or a pickled module), which holds no "
                   "program; export the model with torch.jit.trace(...).save(...) or "
                   "scripts/export_bert.py");
  }
  for (const char* name : {"data.pkl", "constants.pkl"}) {
    if (archive.find(name) == nullptr) {
      refuse_archive(archive.file(),
                     std::string("has no record \"") + name + "\"; it is not a TorchScript model");
    }
  }
  if (archive.find("version") == nullptr && archive.find(".data/version") == nullptr) {
    refuse_archive(archive.file(), "has no record \"version\"; it is not a TorchScript model");
  }
  const ArchiveEntry* order = archive.find("byteorder");
  if (order == nullptr) return;
  if (const std::string value = archive.text(*order); value != "little") {
    refuse_record(
        archive.file(), "byteorder",
        "says \"" + printable(value.substr(0, 16)) + "\"; export the model on a little-endian machine");
  }
}

void check_class(const Archive& archive, const std::string& record, const std::string& name) {
  if (!is_foreign_class(name)) return;
  if (const std::string_view origin = foreign_origin(name); !origin.empty()) {
    refuse_record(archive.file(), record,
                  "holds an object of the class \"" + printable(name) + "\": " + std::string(origin));
  }
  refuse_record(archive.file(), record,
                "holds an object of the custom class \"" + printable(name) +
                    "\", which is not prune2to4's; add --trust-model if you trust who made this model");
}

// `folder`: "data" or "constants", where the tensors of "<folder>.pkl" are.
void check_pickle(const Archive& archive, const std::string& folder, PickleKind root, bool trust_model) {
  const std::string record = folder + ".pkl";
  const Pickle pickle = read_pickle(archive, record);
  if (pickle.nodes[pickle.root].kind != root) {
    refuse_record(archive.file(), record, "does not hold what a TorchScript model has there");
  }
  for (const PickleStorage& storage : pickle.storages) check_storage(archive, folder, storage);
  for (size_t i = 0; i < pickle.tensors.size(); ++i) checked_tensor(archive, folder, pickle, i);
  if (trust_model) return;
  for (const std::string& name : pickle.globals) check_class(archive, record, name);
}

// What LibTorch reads of it later, to say where an error comes from.
void check_debug_pickle(const Archive& archive, const std::string& record) {
  if (!read_pickle(archive, record).storages.empty()) {
    refuse_record(archive.file(), record, "holds a tensor, which debug information has not");
  }
}

void check_code(const Archive& archive, const ArchiveEntry& entry) {
  const std::optional<CodeFinding> finding = scan_code(archive.text(entry));
  if (!finding) return;
  const std::string_view origin = foreign_origin(finding->what);
  refuse_record(
      archive.file(), entry.name,
      "line " + std::to_string(finding->line) + ": " + finding->what + "; " +
          std::string(origin.empty() ? "add --trust-model if you trust who made this model" : origin));
}

}  // namespace

void gate_archive(const Archive& archive, bool trust_model) {
  check_required_records(archive);
  check_pickle(archive, "constants", PickleKind::kTuple, trust_model);
  check_pickle(archive, "data", PickleKind::kObject, trust_model);
  for (const ArchiveEntry& entry : archive.entries()) {
    if (!entry.name.starts_with(kCodeFolder)) continue;
    if (ends_like(entry.name, ".debug_pkl")) check_debug_pickle(archive, entry.name);
    if (!trust_model && ends_like(entry.name, ".py")) check_code(archive, entry);
  }
}

}  // namespace prune2to4

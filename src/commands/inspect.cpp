// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "commands/provenance.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/commands.h"
#include "prune2to4/error.h"
#include "prune2to4/model_contents.h"
#include "prune2to4/packed_matrix.h"

namespace prune2to4 {
namespace {

// A weight matrix of the archive, dense or packed.
struct Row {
  std::string name;
  std::string kind;  // the module's class
  std::vector<int64_t> shape;
  std::string dtype;
  int64_t zeros = 0;
  int64_t bytes = 0;
  std::string packing;  // what 2:4 is to it: packed, possible, or why not
};

struct Inspection {
  std::string file;
  uint64_t bytes = 0;
  std::string sha256;
  std::string root;
  int64_t unverified = 0;
  std::vector<Row> rows;
  std::map<std::string, int64_t> parts;  // bytes of the records by part
  std::string provenance;                // prune2to4.json of a sparse model; empty: a dense one
};

int64_t elements(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

bool floating(const std::string& dtype) {
  return dtype == "float32" || dtype == "float16" || dtype == "bfloat16";
}

std::string packing_of(const Archive& archive, const StoredTensor& tensor) {
  if (tensor.module_class.find("Linear") == std::string::npos) return "no linear layer";
  if (!floating(tensor.dtype)) return "dtype " + tensor.dtype + " cannot be packed";
  if (tensor.shape[1] % 4 != 0)
    return "input width " + std::to_string(tensor.shape[1]) + " is not a multiple of 4";
  const int64_t dense = count_dense_groups(archive, tensor);
  return dense == 0 ? "is 2:4, can be packed" : "can be pruned to 2:4";
}

Row dense_row(const Archive& archive, const StoredTensor& tensor) {
  return {tensor.name,
          tensor.module_class,
          tensor.shape,
          tensor.dtype,
          count_zeros(archive, tensor),
          elements(tensor.shape) * tensor.element_size,
          packing_of(archive, tensor)};
}

Row packed_row(const Archive& archive, const StoredPackedWeight& weight) {
  const int64_t kept = weight.rows * packed_value_columns(weight.cols);
  const int64_t kept_zeros = count_zeros(archive, weight.values);
  return {weight.name,
          weight.module_class,
          {weight.rows, weight.cols},
          weight.values.dtype,
          weight.rows * weight.cols - kept + kept_zeros,
          kept * weight.values.element_size + weight.rows * packed_position_columns(weight.cols),
          "packed 2:4"};
}

std::string part_of(const std::string& name, const std::set<std::string>& packed_records) {
  if (packed_records.contains(name)) return "packed weights";
  if (name.starts_with("data/") || name.starts_with("constants/")) return "dense tensors";
  if (name.starts_with("code/")) return "code";
  return "other";
}

Inspection inspect(const InspectOptions& options) {
  const Archive archive = Archive::read(options.model);
  gate_archive(archive, options.trust_model);
  const ModelContents contents = read_model_contents(archive);
  Inspection result;
  result.file = std::filesystem::path(options.model).filename().string();
  result.bytes = archive.bytes().size();
  result.sha256 = archive.sha256();
  result.root = contents.root_class;
  result.unverified = unverified_records(archive);
  for (const StoredTensor& tensor : contents.tensors) {
    if (tensor.shape.size() == 2) result.rows.push_back(dense_row(archive, tensor));
  }
  std::set<std::string> packed_records;
  for (const StoredPackedWeight& weight : contents.packed) {
    result.rows.push_back(packed_row(archive, weight));
    packed_records.insert({weight.values.record, weight.positions.record});
  }
  for (const ArchiveEntry& entry : archive.entries()) {
    result.parts[part_of(entry.name, packed_records)] += static_cast<int64_t>(entry.stored_size);
  }
  if (const auto extra = extra_records(archive); extra.contains(kProvenanceRecord)) {
    result.provenance = extra.at(kProvenanceRecord);
  }
  return result;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  return std::to_string(shape[0]) + " x " + std::to_string(shape[1]);
}

Table matrix_table(const Inspection& inspection, Format format) {
  Table table{{{"weight"}, {"module"}, {"shape"}, {"dtype"}, {"zeros", true}, {"bytes", true}, {"2:4"}}, {}};
  for (const Row& row : inspection.rows) {
    const double share = 100.0 * static_cast<double>(row.zeros) /
                         static_cast<double>(std::max<int64_t>(1, elements(row.shape)));
    const bool raw = format == Format::kCsv;
    table.rows.push_back({row.name, row.kind, shape_text(row.shape), row.dtype,
                          raw ? std::to_string(row.zeros) : format_number(share, 3) + " %",
                          raw ? std::to_string(row.bytes) : format_bytes(row.bytes), row.packing});
  }
  return table;
}

nlohmann::ordered_json json_of(const Inspection& inspection) {
  auto layers = nlohmann::ordered_json::array();
  for (const Row& row : inspection.rows) {
    layers.push_back({{"name", row.name},
                      {"module", row.kind},
                      {"shape", row.shape},
                      {"dtype", row.dtype},
                      {"zeros", row.zeros},
                      {"bytes", row.bytes},
                      {"packing", row.packing}});
  }
  nlohmann::ordered_json made = nullptr;
  if (!inspection.provenance.empty()) {
    made = nlohmann::ordered_json::parse(inspection.provenance, nullptr, /*allow_exceptions=*/false);
    if (made.is_discarded()) {
      throw Error(ExitStatus::kModel, "inspect", "record extra/prune2to4.json is not JSON");
    }
  }
  return {{"version", 1},
          {"file", inspection.file},
          {"bytes", inspection.bytes},
          {"sha256", inspection.sha256},
          {"root", inspection.root},
          {"records_without_checksum", inspection.unverified},
          {"layers", std::move(layers)},
          {"parts", inspection.parts},
          {"made_by", std::move(made)}};
}

std::string text_of(const Inspection& inspection, const nlohmann::ordered_json& json, Format format) {
  std::string text = inspection.file + ": " + inspection.root + ", " +
                     format_bytes(static_cast<int64_t>(inspection.bytes)) + ", SHA-256 " + inspection.sha256 +
                     "\n";
  if (!json["made_by"].is_null()) {
    const auto& made = json["made_by"];
    text += "Sparse: made by prune2to4 " + made.value("prune2to4", "?") + " with LibTorch " +
            made.value("torch", "?") + " on " + made.value("made", "?") + " from " +
            made.value("/source/name"_json_pointer, "?") + "\n";
  }
  text += "\n" + render(matrix_table(inspection, format), format) + "\n";
  Table parts{{{"part"}, {"bytes", true}}, {}};
  for (const auto& [name, bytes] : inspection.parts) parts.rows.push_back({name, format_bytes(bytes)});
  return text + render(parts, format);
}

}  // namespace

void run_inspect(const InspectOptions& options, std::ostream& out) {
  const Inspection inspection = inspect(options);
  const auto json = json_of(inspection);
  const std::string json_text = json.dump(2) + "\n";
  if (!options.results.export_json.empty()) write_text_file(options.results.export_json, json_text);
  switch (options.results.format) {
    case Format::kJson:
      out << json_text;
      break;
    case Format::kCsv:
      out << render(matrix_table(inspection, Format::kCsv), Format::kCsv);
      break;
    default:
      out << text_of(inspection, json, options.results.format);
  }
}

}  // namespace prune2to4

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "pickle_writer.h"
#include "zip_builder.h"

namespace prune2to4 {

// The records of a small model, as torch.jit.save lays them out: class Net with "linear" (weight [4, 8], bias
// [4]), "steps" (int64, no dimensions) and a list "tables" of two views of one storage; one constant.
std::vector<ZipPart> model_parts();

// Replaces the data of record `name` (without the top folder).
std::vector<ZipPart> with_record(std::vector<ZipPart> parts, const std::string& name,
                                 const std::string& data);
std::vector<ZipPart> without_record(std::vector<ZipPart> parts, const std::string& name);

// model_parts() with another root object in data.pkl, and with another source in code/__torch__.py.
std::vector<ZipPart> model_with_pickle(const PickleWriter& root);
std::vector<ZipPart> model_with_code(const std::string& source);

// "" when Archive::read and gate_archive take it, else the message.
std::string gate_message(const std::string& bytes, bool trust_model = false);

}  // namespace prune2to4

// SPDX-License-Identifier: Apache-2.0
#include "core/json_document.h"

#include <utility>
#include <vector>

#include "core/json_stream.h"
#include "core/printable.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::json;

// Keeps what it is told.
class DocumentBuilder : public JsonHandler {
 public:
  void open(const JsonPlace& /*place*/, bool is_array) override {
    // Its parent gets no other element while it is open, so that the address holds.
    open_.push_back(&put(is_array ? Json::array() : Json::object()));
  }
  void key(const JsonPlace& /*place*/, const std::string& key) override { key_ = key; }
  void scalar(const JsonPlace& /*place*/, Json& value) override { put(std::move(value)); }
  void close(const JsonPlace& /*place*/) override { open_.pop_back(); }

  Json take() { return std::move(document_); }

 private:
  Json& put(Json value) {
    if (open_.empty()) return document_ = std::move(value);
    Json& parent = *open_.back();
    if (!parent.is_array()) return parent[key_] = std::move(value);
    parent.push_back(std::move(value));
    return parent.back();
  }

  Json document_;
  std::vector<Json*> open_;
  std::string key_;  // of the value to come, when it is an object's
};

}  // namespace

std::string json_pointer_token(std::string_view key) {
  std::string token = "/";
  for (const char c : key) {
    if (c == '~') {
      token += "~0";
    } else if (c == '/') {
      token += "~1";
    } else {
      token += c;
    }
  }
  return token;
}

std::string at_json_path(const std::string& file_name, const std::string& pointer,
                         const std::string& reason) {
  return file_name + ": " + printable((pointer.empty() ? "top level" : pointer) + ": " + reason);
}

nlohmann::json parse_json(std::string_view text, const std::string& file_name, const std::string& stage) {
  DocumentBuilder builder;
  stream_json(text, {.name = file_name, .stage = stage}, builder);
  return builder.take();
}

}  // namespace prune2to4

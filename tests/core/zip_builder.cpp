// SPDX-License-Identifier: Apache-2.0
#include "zip_builder.h"

#include <libdeflate.h>

#include <fstream>
#include <memory>
#include <span>
#include <stdexcept>

#include "prune2to4/hash.h"

namespace prune2to4 {
namespace {

constexpr uint32_t kAllOnes = 0xFFFFFFFF;
constexpr size_t kAlignment = 64;

std::string deflate(const std::string& data) {
  const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor(
      libdeflate_alloc_compressor(9), &libdeflate_free_compressor);
  std::string out(libdeflate_deflate_compress_bound(compressor.get(), data.size()), '\0');
  out.resize(libdeflate_deflate_compress(compressor.get(), data.data(), data.size(), out.data(), out.size()));
  return out;
}

// What goes into the headers, after the part's own wishes.
struct Plan {
  const ZipPart& part;
  std::string stored = {};
  std::string local_name = {};
  uint16_t flags = 0;
  uint16_t method = 0;
  uint32_t crc = 0;
  uint64_t stored_size = 0;
  uint64_t size = 0;
  uint64_t header_offset = 0;
  bool descriptor = false;
};

Plan plan(const ZipPart& part) {
  Plan made{.part = part};
  made.stored = part.deflated ? deflate(part.data) : part.data;
  made.descriptor = part.descriptor && !part.data.empty();
  made.local_name = part.local_name.value_or(part.name);
  made.flags = part.flags.value_or(made.descriptor ? 0x0808 : 0x0800);
  made.method = part.method.value_or(part.deflated ? 8 : 0);
  made.crc = part.crc.value_or(crc32(std::as_bytes(std::span(part.data))));
  made.stored_size = part.stored_size.value_or(made.stored.size());
  made.size = part.size.value_or(part.data.size());
  return made;
}

std::string padding(size_t before) {
  const size_t size = (kAlignment - (before + 4) % kAlignment) % kAlignment;
  return "FB" + bytes_of(static_cast<uint16_t>(size)) + std::string(size, 'Z');
}

std::string narrow(uint64_t value, bool zip64) {
  return bytes_of(zip64 ? kAllOnes : static_cast<uint32_t>(value));
}

std::string local_record(const Plan& plan, size_t position) {
  const bool bare = plan.descriptor;
  std::string extra;
  if (plan.part.zip64)
    extra = bytes_of(uint16_t{1}) + bytes_of(uint16_t{16}) + bytes_of(plan.size) + bytes_of(plan.stored_size);
  extra += padding(position + 30 + plan.local_name.size() + extra.size());
  std::string out = bytes_of(uint32_t{0x04034b50}) + bytes_of(uint16_t{0}) + bytes_of(plan.flags) +
                    bytes_of(plan.method) + bytes_of(uint32_t{0}) + bytes_of(bare ? 0U : plan.crc);
  out += bare && !plan.part.zip64
             ? bytes_of(uint64_t{0})
             : narrow(plan.stored_size, plan.part.zip64) + narrow(plan.size, plan.part.zip64);
  out +=
      bytes_of(static_cast<uint16_t>(plan.local_name.size())) + bytes_of(static_cast<uint16_t>(extra.size()));
  out += plan.local_name + extra + plan.stored;
  if (plan.descriptor) {
    out += bytes_of(uint32_t{0x08074b50}) + bytes_of(plan.crc);
    out += plan.part.zip64 ? bytes_of(plan.stored_size) + bytes_of(plan.size)
                           : narrow(plan.stored_size, false) + narrow(plan.size, false);
  }
  return out + plan.part.after;
}

std::string central_record(const Plan& plan) {
  const bool zip64 = plan.part.zip64;
  const uint64_t offset = plan.part.header_offset.value_or(plan.header_offset);
  std::string extra;
  if (zip64) {
    extra = bytes_of(uint16_t{1}) + bytes_of(uint16_t{24}) + bytes_of(plan.size) +
            bytes_of(plan.stored_size) + bytes_of(offset);
  }
  std::string out = bytes_of(uint32_t{0x02014b50}) + bytes_of(uint32_t{0}) + bytes_of(plan.flags) +
                    bytes_of(plan.method) + bytes_of(uint32_t{0}) + bytes_of(plan.crc) +
                    narrow(plan.stored_size, zip64) + narrow(plan.size, zip64);
  out += bytes_of(static_cast<uint16_t>(plan.part.name.size())) +
         bytes_of(static_cast<uint16_t>(extra.size())) + bytes_of(uint16_t{0}) + bytes_of(uint16_t{0}) +
         bytes_of(uint16_t{0}) + bytes_of(plan.part.external_attributes) + narrow(offset, zip64);
  return out + plan.part.name + extra;
}

std::string end_records(const ZipEnding& ending, uint64_t offset, uint64_t size, uint64_t entries) {
  std::string out;
  if (ending.zip64) {
    out = bytes_of(uint32_t{0x06064b50}) + bytes_of(uint64_t{44}) + bytes_of(uint32_t{0x002d031e}) +
          bytes_of(uint64_t{0}) + bytes_of(entries) + bytes_of(entries) + bytes_of(size) + bytes_of(offset);
    out += bytes_of(uint32_t{0x07064b50}) + bytes_of(uint32_t{0}) +
           bytes_of(ending.zip64_offset.value_or(offset + size)) + bytes_of(uint32_t{1});
  }
  return out + bytes_of(uint32_t{0x06054b50}) + bytes_of(uint32_t{0}) +
         bytes_of(static_cast<uint16_t>(entries)) + bytes_of(static_cast<uint16_t>(entries)) +
         bytes_of(static_cast<uint32_t>(size)) + bytes_of(static_cast<uint32_t>(offset)) +
         bytes_of(uint16_t{0});
}

}  // namespace

std::string build_zip(const std::vector<ZipPart>& parts, const ZipEnding& ending) {
  std::string out = ending.before;
  std::string directory;
  for (const ZipPart& part : parts) {
    Plan planned = plan(part);
    planned.header_offset = out.size();
    out += local_record(planned, out.size());
    directory += central_record(planned);
  }
  const uint64_t offset = ending.directory_offset.value_or(out.size());
  out += directory;
  return out + end_records(ending, offset, directory.size(), ending.entries.value_or(parts.size())) +
         ending.after;
}

void TemporaryFile::rewrite(std::string_view content) const {
  std::ofstream file(path(), std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!file.flush()) throw std::runtime_error("the temporary file cannot be written");
}

}  // namespace prune2to4

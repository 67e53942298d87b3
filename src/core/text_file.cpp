// SPDX-License-Identifier: Apache-2.0
#include <span>

#include "core/open_file.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/table.h"

namespace prune2to4 {

std::string read_text_file(const std::filesystem::path& path, uint64_t limit) {
  const OpenFile file(path, OpenFile::Pipes::kAwaited);
  constexpr size_t kStep = 64 * 1024;
  std::string text;
  while (text.size() <= limit) {
    throw_if_interrupted();
    const size_t size = text.size();
    text.resize(size + kStep);
    const size_t got = file.read(std::as_writable_bytes(std::span(text)).subspan(size));
    text.resize(size + got);
    if (got == 0) return text;
  }
  file.refuse("it is larger than " + format_bytes(static_cast<int64_t>(limit)) + "; is it the right file?");
}

}  // namespace prune2to4

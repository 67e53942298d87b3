// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace prune2to4 {

// The one way this tool writes a file: under the final name there is the old file or the whole new one, never
// a part. Bytes go to an unnamed file in the target's folder (O_TMPFILE; a hidden named one where the file
// system has none), commit() makes them durable (fsync), names them by link or rename, and syncs the folder.
// Destroyed without commit(), it leaves nothing.
//
// An existing file keeps its mode; a symbolic link stays and its target is replaced. A character device, pipe
// or socket ("/dev/null") has nothing to keep whole: bytes go straight into it, and so they do into
// "/dev/stdout" and other descriptors of this process, whatever they lead to.
// SIGKILL between link and rename can leave a hidden, complete ".<name>.XXXXXX" beside an old file; with
// named temporaries, SIGKILL at any time leaves one.
class AtomicFile {
 public:
  enum class Temporary { kUnnamed, kNamed };  // kNamed: do as if the file system had no O_TMPFILE

  // Throws Error(kFileSystem) when the target cannot be written: a missing or read-only folder, a directory,
  // a write-protected file, a block device.
  explicit AtomicFile(std::filesystem::path target, Temporary temporary = Temporary::kUnnamed);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Throw Error(kFileSystem) naming the target, the cause and the mend, and Interrupted after a signal.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  void commit();

  uint64_t size() const { return size_; }

 private:
  void open_descriptor(int descriptor);
  bool open_special();
  void open_temporary(Temporary temporary, unsigned mode);
  bool link_to(const std::filesystem::path& name) const;
  void move_to_target();
  void sync_folder() const;
  std::filesystem::path folder() const;
  [[noreturn]] void fail(int error, uint64_t needed = 0) const;

  std::filesystem::path target_;  // as given, for messages
  std::filesystem::path path_;    // behind symbolic links
  std::filesystem::path named_;   // the temporary's name; empty while unnamed
  int fd_ = -1;
  bool existed_ = false;
  bool special_ = false;  // not a regular file: written directly
  uint64_t size_ = 0;
  uint64_t flushing_ = 0;  // bytes on their way to the disk
};

// Writes a whole text file through AtomicFile.
void write_text_file(const std::filesystem::path& target, std::string_view text);

// Reads a whole text file or pipe of at most `limit` bytes; throws Error(kFileSystem) on any failure.
std::string read_text_file(const std::filesystem::path& path, uint64_t limit);

}  // namespace prune2to4

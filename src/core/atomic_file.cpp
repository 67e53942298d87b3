// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/atomic_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "prune2to4/error.h"
#include "prune2to4/file_set.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/table.h"

namespace prune2to4 {
namespace {

namespace fs = std::filesystem;

constexpr size_t kChunk = size_t{8} << 20U;
constexpr mode_t kNewFileMode = 0666;  // the kernel takes the umask off
constexpr int kNameAttempts = 100;

[[noreturn]] void refuse(const fs::path& target, const std::string& why) {
  throw Error(ExitStatus::kFileSystem, "write", "cannot write \"" + target.string() + "\": " + why);
}

// ".<name>.<6 random letters>" in the same folder, at most 255 bytes of name.
fs::path hidden_name(const fs::path& path) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz234567";
  std::string name = path.filename().string();
  size_t length = std::min<size_t>(name.size(), 240);
  while (length < name.size() && (static_cast<unsigned char>(name[length]) & 0xC0U) == 0x80U) --length;
  name.resize(length);
  std::array<unsigned char, 6> random{};
  if (::getrandom(random.data(), random.size(), 0) < 0) random.fill(0);
  name = "." + name + ".";
  for (const unsigned char r : random) name += kLetters[r % kLetters.size()];
  return path.parent_path() / name;
}

// What the system's error means here, and the mend. `needed`: bytes of the file as far as known.
std::string explain(int error, const fs::path& folder, uint64_t needed) {
  const std::string where = "the folder \"" + folder.string() + "\"";
  const std::string size =
      needed > 0 ? " (at least " + format_bytes(static_cast<int64_t>(needed)) + " needed)" : "";
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return where + " does not exist; create it first";
    case EACCES:
    case EPERM:
      return "no permission to write in " + where + "; change its permissions or choose another folder";
    case EROFS:
      return where + " is on a read-only file system; choose another folder";
    case ENOSPC:
      return "no space left on the device" + size + "; free some space or choose another folder";
    case EDQUOT:
      return "the disk quota is used up" + size + "; free some space or choose another folder";
    case EFBIG:
      return "the file would pass the size limit" + size +
             "; raise the limit (ulimit -f) or choose another folder";
    case EIO:
      return "the device reports an input/output error; check the disk or choose another folder";
    case ENAMETOOLONG:
      return "the name is too long; choose a shorter one";
    case ELOOP:
      return "too many symbolic links; give the real path";
    default:
      return std::generic_category().message(error);
  }
}

int sync_file(int fd) {
  int result = 0;
  do {
    result = ::fsync(fd);
  } while (result != 0 && errno == EINTR);
  return result;
}

}  // namespace

AtomicFile::AtomicFile(fs::path target, Temporary temporary) : target_(std::move(target)) {
  if (!target_.has_filename()) refuse(target_, "it names no file; give a file name");
  if (const auto descriptor = descriptor_of(target_)) {
    open_descriptor(*descriptor);
    return;
  }
  struct stat status {};
  existed_ = ::stat(target_.c_str(), &status) == 0;
  path_ = target_;
  if (!existed_ && errno != ENOENT) fail(errno);
  if (existed_) {
    if (S_ISDIR(status.st_mode)) refuse(target_, "it is a directory; give a file name");
    if (S_ISBLK(status.st_mode)) refuse(target_, "it is a block device; give a file name");
    special_ = !S_ISREG(status.st_mode);
    if (special_ && !open_special()) refuse(target_, std::generic_category().message(errno));
    if (special_) return;
    if (::faccessat(AT_FDCWD, target_.c_str(), W_OK, AT_EACCESS) != 0) {
      if (errno != EACCES) fail(errno);
      refuse(target_, "the file is there and write-protected; remove it or choose another name");
    }
  }
  path_ = resolve_links(target_);
  open_temporary(temporary, kNewFileMode);
  if (existed_) ::fchmod(fd_, status.st_mode & 0777U);  // best effort: some file systems have no modes
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!named_.empty()) ::unlink(named_.c_str());
}

fs::path AtomicFile::folder() const { return path_.has_parent_path() ? path_.parent_path() : fs::path("."); }

// Opened by its name, a file that stdout was led to would be written from its start, and replaced.
void AtomicFile::open_descriptor(int descriptor) {
  special_ = true;
  fd_ = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (fd_ < 0) refuse(target_, std::generic_category().message(errno));
}

bool AtomicFile::open_special() {
  fd_ = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  return fd_ >= 0;
}

void AtomicFile::open_temporary(Temporary temporary, unsigned mode) {
  // Naming an unnamed file later goes through /proc.
  if (temporary == Temporary::kUnnamed && ::access("/proc/self/fd", X_OK) == 0) {
    fd_ = ::open(folder().c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
    if (fd_ >= 0) return;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) fail(errno);
  }
  for (int i = 0; i < kNameAttempts && fd_ < 0; ++i) {
    const fs::path name = hidden_name(path_);
    fd_ = ::open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
    if (fd_ >= 0) named_ = name;
    if (fd_ < 0 && errno != EEXIST) fail(errno);
  }
  if (fd_ < 0) fail(EEXIST);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    throw_if_interrupted();
    const ssize_t written = ::write(fd_, bytes.data(), std::min(bytes.size(), kChunk));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail(written < 0 ? errno : EIO, size_ + bytes.size());
    size_ += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
    if (size_ - flushing_ >= kChunk && !special_) {
      // Start writing back now: fsync of a 280 MB file then took 5 ms instead of 110 ms.
      ::sync_file_range(fd_, static_cast<off64_t>(flushing_), static_cast<off64_t>(size_ - flushing_),
                        SYNC_FILE_RANGE_WRITE);
      flushing_ = size_;
    }
  }
}

void AtomicFile::commit() {
  throw_if_interrupted();
  if (!special_) {
    if (sync_file(fd_) != 0) fail(errno, size_);
    move_to_target();
    sync_folder();
  }
  ::close(std::exchange(fd_, -1));
}

// False when the name is taken.
bool AtomicFile::link_to(const fs::path& name) const {
  const std::string unnamed = "/proc/self/fd/" + std::to_string(fd_);
  if (::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
  if (errno != EEXIST) fail(errno, size_);
  return false;
}

// A link cannot replace a file, so an existing target takes a hidden name and a rename.
void AtomicFile::move_to_target() {
  if (named_.empty()) {
    if (link_to(path_)) return;
    for (int i = 0; i < kNameAttempts && named_.empty(); ++i) {
      const fs::path name = hidden_name(path_);
      if (link_to(name)) named_ = name;
    }
    if (named_.empty()) fail(EEXIST);
  }
  if (::rename(named_.c_str(), path_.c_str()) != 0) fail(errno, size_);
  named_.clear();
}

void AtomicFile::sync_folder() const {
  const int fd = ::open(folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;  // a folder one may write to but not list cannot be synced
  const int error = sync_file(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (error == 0 || error == EINVAL) return;  // EINVAL: the file system syncs no folders
  throw Error(ExitStatus::kFileSystem, "write",
              "\"" + target_.string() + "\" is complete, but its folder could not be synced (" +
                  std::generic_category().message(error) + "): a power failure may lose it; check the disk");
}

void AtomicFile::fail(int error, uint64_t needed) const {
  if (special_) refuse(target_, std::generic_category().message(error));
  refuse(target_, explain(error, folder(), needed) + (existed_ ? ". The old file is untouched" : ""));
}

void write_text_file(const fs::path& target, std::string_view text) {
  AtomicFile file(target);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

}  // namespace prune2to4

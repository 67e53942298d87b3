// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace prune2to4 {

// What a command does with a file.
enum class FileUse { kInput, kOutput, kInputOutput };

struct UsedFile {
  std::string role;  // who names it: "--output"; of a file that no option names "the report beside --output"
  FileUse use = FileUse::kInput;
  std::filesystem::path path;
  // What only this program writes, "prune2to4.checkpoint": an existing file must be a safetensors file whose
  // metadata say "format" so, or it is somebody else's. Empty: whatever is there may be replaced.
  std::string own_format = {};
};

// Compares all files of a command before it does anything. Two paths are one file when device and inode say
// so: links, hard links, "./" and ".." make no difference. A file that is not there yet is the name that
// would be made, behind symbolic links, in its folder. Devices, pipes and folders are no files; what is
// behind /dev/stdout and other descriptors of this process is a file for inputs only, outputs are appended to
// it.
//
// Throws Error(kUsage, stage), naming both roles and the file, where an output is an input or another output,
// and where a file of `own_format` would replace what is not of that format.
void check_files(const std::vector<UsedFile>& files, const std::string& stage);

// The path behind symbolic links, those of its folders apart; of a dangling link the file that it would make.
std::filesystem::path resolve_links(std::filesystem::path path);

// N where the path is /dev/fd/N, /proc/self/fd/N, or a link to one, as /dev/stdout is.
std::optional<int> descriptor_of(std::filesystem::path path);

}  // namespace prune2to4

// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"

namespace alephc {

/// A regular file of at most limits::kTextInMemory. Anything else is an Error of kind failed, because a project may have a
/// FIFO or a link to a device wherever alephc looks for a file. Ctrl-C ends the reading.
[[nodiscard]] std::string read_file(const std::filesystem::path& path);
/// nullopt if there is no such file.
[[nodiscard]] std::optional<std::string> read_file_if_exists(const std::filesystem::path& path);
/// A file that the command line names: a pipe is read until it ends, as in --key <(command).
[[nodiscard]] std::string read_named_file(const std::filesystem::path& path);

/// The last bytes of a file, at most so many; empty if it cannot be read.
[[nodiscard]] std::string read_tail(const std::filesystem::path& path, std::uint64_t most);

/// Keeps room on a disk while something is unpacked to it. Throws an Error of kind host when limits::kDiskReserve is
/// reached, and one of kind interrupted after Ctrl-C; looks every 16 MiB.
class SpaceGuard {
 public:
  explicit SpaceGuard(std::filesystem::path folder);
  void take(std::uint64_t bytes);

 private:
  std::filesystem::path folder_;
  std::uint64_t since_ = 0;
};

/// Temp file beside path, then rename: readers see the old bytes or the new ones, never a part.
void atomic_write(const std::filesystem::path& path, std::string_view data, mode_t mode = 0644);

/// Removes path and all below it without following a symlink; also what has mode 0000. Missing is fine.
void remove_tree(const std::filesystem::path& path);
void remove_tree_at(int dir_fd, const std::string& name);

/// Names in a folder, sorted by bytes, without "." and "..".
[[nodiscard]] std::vector<std::string> list_folder(int dir_fd);

struct FolderEntry {
  std::string name{};
  unsigned char type = 0;  ///< DT_DIR … as readdir(3) has it; DT_UNKNOWN on some filesystems
};
/// The same with types, in no order.
[[nodiscard]] std::vector<FolderEntry> list_folder_types(int dir_fd);

void make_folders(const std::filesystem::path& path, mode_t mode = 0755);

/// Bytes free for us on the filesystem of path.
[[nodiscard]] std::uint64_t free_space(const std::filesystem::path& path);

/// Copies a file's bytes, by reflink or in the kernel where it can.
void copy_bytes(int from_fd, int to_fd);

/// The same for a large file that is not read again here: past the page cache where the disk is as fast as
/// memory, because new pages cost more than the copy.
void copy_large(int from_fd, int to_fd);

/// Copies count bytes between places in two files, in the
/// kernel where it can. False if the first file ends before.
[[nodiscard]] bool copy_range(int from_fd, std::uint64_t from, int to_fd, std::uint64_t to,
                              std::uint64_t count);
/// The same but for holes of the first file (the end of it counts as one): there the other stays as it is.
[[nodiscard]] bool copy_data(int from_fd, std::uint64_t from, int to_fd, std::uint64_t to,
                             std::uint64_t count);

/// A folder that is removed with the object. It is locked while the object lives, so that what a killed process left can
/// be told apart (remove_stale_folders).
class TempDir {
 public:
  explicit TempDir(const std::filesystem::path& parent, const std::string& prefix = "tmp");
  ~TempDir();
  TempDir(TempDir&& other) noexcept
      : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}
  TempDir& operator=(TempDir&&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  UniqueFd lock_;
};

/// Removes the folders of TempDir objects with this prefix that no process holds any more and that are this user's.
void remove_stale_folders(const std::filesystem::path& parent, const std::string& prefix);

/// flock(2) held while the object lives; nullopt from try_lock when another process has it.
class FileLock {
 public:
  static FileLock lock(const std::filesystem::path& path);
  static FileLock lock_shared(const std::filesystem::path& path);
  static std::optional<FileLock> try_lock(const std::filesystem::path& path);

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace alephc

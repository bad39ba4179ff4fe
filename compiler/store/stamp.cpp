// SPDX-License-Identifier: MIT
#include "store/stamp.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/parallel.hpp"

namespace alephc {
namespace {

struct Stamp {
  std::uint64_t inode = 0;
  std::int64_t changed_s = 0;
  std::int64_t changed_ns = 0;
  bool operator==(const Stamp&) const = default;
};

Stamp stamp_of(const struct stat& info) {
  return {info.st_ino, info.st_ctim.tv_sec, info.st_ctim.tv_nsec};
}

/// An opaque folder hides what is below it without a whiteout for each path.
bool hidden_by_folder(const Entry& entry, int problem) {
  return entry.type == EntryType::whiteout && problem == ENOENT;
}

bool same_as_listed(int root, const Entry& entry, const struct stat& info) {
  if ((info.st_mode & S_IFMT) != type_bits(entry.type)) return false;
  if (entry.type == EntryType::whiteout) return info.st_rdev == 0;
  if (info.st_uid != entry.uid || info.st_gid != entry.gid) return false;
  if (entry.type != EntryType::symlink && (info.st_mode & 07777U) != entry.mode) return false;
  if (entry.type != EntryType::regular) return true;
  if (static_cast<std::uint64_t>(info.st_size) != entry.size) return false;
  const UniqueFd fd = open_at(root, entry.path, O_RDONLY | O_NOFOLLOW);
  return sha256_fd(fd.get()) == entry.content;
}

constexpr std::size_t kPiece = 1024;  // paths that a thread takes at once

void check_path(int root, const Entry& entry, const Stamp& stamp) {
  struct stat info {};
  const char* path = entry.path.empty() ? "." : entry.path.c_str();
  if (::fstatat(root, path, &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (hidden_by_folder(entry, errno) && stamp == Stamp{}) return;
    throw Error(ErrorKind::integrity, "/" + entry.path + " is missing");
  }
  if (stamp_of(info) != stamp && !same_as_listed(root, entry, info))
    throw Error(ErrorKind::integrity, "/" + entry.path + " was changed");
}

}  // namespace

void write_stamp(const Listing& listing, const std::filesystem::path& folder,
                 const std::filesystem::path& stamp) {
  const UniqueFd root = open_file(folder, O_RDONLY | O_DIRECTORY);
  std::vector<Stamp> stamps;
  stamps.reserve(listing.size());
  for (const Entry& entry : listing) {
    struct stat info {};
    const char* path = entry.path.empty() ? "." : entry.path.c_str();
    const bool there = ::fstatat(root.get(), path, &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there && !hidden_by_folder(entry, errno))
      throw system_error("look at /" + entry.path + " of a new layer", errno);
    stamps.push_back(there ? stamp_of(info) : Stamp{});
  }
  // The folder itself moves into its place later, which changes its own times: never trusted by stamp.
  if (!stamps.empty() && listing.front().path.empty()) stamps.front() = {};
  atomic_write(stamp, {reinterpret_cast<const char*>(stamps.data()), stamps.size() * sizeof(Stamp)}, 0444);
}

void check_stamp(const Layer& layer, const std::filesystem::path& stamp, unsigned jobs) {
  const std::string bytes = read_file(stamp);
  std::vector<Stamp> stamps(layer.listing.size());
  if (bytes.size() == stamps.size() * sizeof(Stamp)) std::memcpy(stamps.data(), bytes.data(), bytes.size());
  const UniqueFd root = open_file(layer.folder, O_RDONLY | O_DIRECTORY);
  const std::size_t pieces = (stamps.size() + kPiece - 1) / kPiece;
  parallel_for(pieces, jobs, [&](std::size_t piece) {
    const std::size_t end = std::min(stamps.size(), (piece + 1) * kPiece);
    for (std::size_t i = piece * kPiece; i < end; ++i) check_path(root.get(), layer.listing[i], stamps[i]);
  });
}

}  // namespace alephc

// SPDX-License-Identifier: MIT
//
// Compression ahead of time. While maintainer scripts keep one core busy, the others compress what is unpacked; the writer
// later takes what fits and compresses the rest. It is a bet: a script may change a file after it was compressed, or a
// file that comes later may move its neighbours into other fragments. Nothing is lost then but the work, because results
// are found by content: a run by the sha256 of its whole file, a fragment by the name of its members.
//
// Files are read while scripts change the tree. They are opened below the folder without following a symlink and without
// waiting for a pipe, and what was read is hashed as it is compressed; a file that changed in between has another hash
// than the listing, and its blocks are never asked for. At most kMostKept bytes are kept.
#include "image/squashfs/compressed_blocks.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/parallel.hpp"
#include "base/trace.hpp"
#include "image/squashfs/fragments.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kMostKept = 320U << 20U;
constexpr std::size_t kFragmentsAtOnce = 32;

/// Scripts change the tree meanwhile: no symlink of theirs is followed, no pipe waited for.
UniqueFd open_below(int root_fd, const std::string& path, int flags = O_NONBLOCK) {
  return open_resolved(root_fd, path, O_RDONLY | flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/// Up to size bytes, as long as nothing else is read in this thread; none where reading fails.
std::string_view read_up_to(int fd, std::uint64_t offset, std::size_t size) {
  thread_local std::vector<char> bytes;
  bytes.resize(size);
  const ssize_t got = read_at(fd, offset, bytes);
  return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
}

}  // namespace

void CompressedBlocks::start(const std::filesystem::path& folder, bool nearly_whole) {
  stop();
  stopping_ = false;
  thread_ = std::thread([this, folder, nearly_whole] {
    try {
      work(folder, nearly_whole);
    } catch (const Error&) {
      // A file that a script removed meanwhile: the writer compresses what is missing.
    }
  });
}

void CompressedBlocks::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void CompressedBlocks::work(const std::filesystem::path& folder, bool nearly_whole) {
  lower_priority(Priority::low);  // configuring packages comes first
  const UniqueFd root = open_file(folder, O_RDONLY | O_DIRECTORY);
  std::vector<File> files;
  find_files(root.get(), "", files);
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.path < b.path; });
  std::vector<std::string> large;
  for (const File& file : files)
    if (file.size >= image_.block_size && !done_.contains(file.path)) large.push_back(file.path);
  std::atomic<std::size_t> next{0};
  parallel_for(thread_count_, thread_count_, [&](std::size_t) {
    lower_priority(Priority::low);
    const Sqfs<sqfs_compressor_t> compressor = make_compressor(image_);
    for (std::size_t i = next++; i < large.size() && !stopping_; i = next++)
      compress_file(root.get(), large[i], *compressor);
  });
  if (nearly_whole && !stopping_) compress_fragments(root.get(), files);
}

/// Regular files that are not empty.
void CompressedBlocks::find_files(int folder_fd, const std::string& path, std::vector<File>& files) const {
  for (const FolderEntry& entry : list_folder_types(folder_fd)) {
    if (stopping_) return;
    const std::string place = path.empty() ? entry.name : path + "/" + entry.name;
    struct stat info {};
    if (entry.type == DT_LNK) continue;
    if (::fstatat(folder_fd, entry.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISREG(info.st_mode) && info.st_size > 0)
      files.push_back({place, static_cast<std::uint64_t>(info.st_size)});
    if (!S_ISDIR(info.st_mode)) continue;
    if (const UniqueFd folder = open_below(folder_fd, entry.name, O_DIRECTORY))
      find_files(folder.get(), place, files);
  }
}

void CompressedBlocks::compress_file(int root_fd, const std::string& path, sqfs_compressor_t& compressor) {
  const TraceSpan span("compress", "/" + path);
  const UniqueFd fd = open_below(root_fd, path);
  if (!fd) return;
  Run run;
  const std::optional<Digest> content = compress_run(fd.get(), compressor, run);
  if (content || !stopping_) set_done(path);
  const std::lock_guard guard(mutex_);
  if (content && runs_.try_emplace(*content, std::move(run)).second) return;
  for (const PackedBytes& packed : run.blocks) kept_ -= packed.bytes.size();
}

/// The file's sha256; nothing where it is not worth going on: stop() was called, a block is known, or there
/// is no room.
std::optional<Digest> CompressedBlocks::compress_run(int fd, sqfs_compressor_t& compressor, Run& run) {
  Sha256 whole;
  std::uint64_t offset = 0;
  std::string_view raw = read_up_to(fd, offset, image_.block_size);
  while (raw.size() == image_.block_size) {
    whole.update(raw);
    const Digest name = block_name(raw);
    if (stopping_ || cache_.has_block(name)) return std::nullopt;
    PackedBytes packed = pack_block(raw, name, image_.block_size, compressor);
    if (!take_room(packed.bytes.size())) return std::nullopt;
    run.blocks.push_back(std::move(packed));
    offset += raw.size();
    raw = read_up_to(fd, offset, image_.block_size);
  }
  whole.update(raw);
  if (!raw.empty()) run.tail = sha256(raw);
  return whole.finish();
}

void CompressedBlocks::set_done(const std::string& path) {
  const std::lock_guard guard(mutex_);
  done_.insert(path);
}

bool CompressedBlocks::take_room(std::uint64_t bytes) {
  if (kept_.fetch_add(bytes) + bytes <= kMostKept) return true;
  kept_ -= bytes;
  return false;
}

/// As the writer would do it if the tree stayed as it is.
void CompressedBlocks::compress_fragments(int root_fd, const std::vector<File>& files) {
  std::vector<std::pair<Digest, std::string>> waiting;
  const auto compress = [&] {
    parallel_for(thread_count_, thread_count_, [&](std::size_t first) {
      lower_priority(Priority::low);
      const TraceSpan span("compress", std::to_string(waiting.size()) + " fragments");
      const Sqfs<sqfs_compressor_t> compressor = make_compressor(image_);
      for (std::size_t i = first; i < waiting.size() && !stopping_; i += thread_count_) {
        PackedBytes packed = pack_block(waiting[i].second, waiting[i].first, image_.block_size, *compressor);
        if (!take_room(packed.bytes.size())) return;
        const std::lock_guard guard(mutex_);
        fragments_.try_emplace(waiting[i].first, std::move(packed));
      }
    });
    waiting.clear();
  };
  FragmentPacking packing(image_.block_size, [&](const std::vector<Member>& members, const Digest& name) {
    if (fragments_.contains(name) || cache_.find_fragment(name)) return;
    std::string raw;
    for (const Member& member : members) raw += member.bytes;
    waiting.emplace_back(name, std::move(raw));
    if (waiting.size() == kFragmentsAtOnce) compress();
  });
  for (const File& file : files) {
    if (stopping_) return;
    const std::uint64_t rest = file.size % image_.block_size;
    const UniqueFd fd = open_below(root_fd, file.path);
    if (rest == 0 || !fd) continue;
    const std::string_view bytes = read_up_to(fd.get(), file.size - rest, rest);
    (void)packing.add({.size = static_cast<std::uint32_t>(bytes.size()),
                       .content = sha256(bytes),
                       .bytes = std::string(bytes)});
  }
  packing.close();
  compress();
}

const CompressedBlocks::Run* CompressedBlocks::find_run(const Digest& content) const {
  const auto it = runs_.find(content);
  return it == runs_.end() ? nullptr : &it->second;
}

const PackedBytes* CompressedBlocks::find_fragment(const Digest& name) const {
  const auto it = fragments_.find(name);
  return it == fragments_.end() ? nullptr : &it->second;
}

}  // namespace alephc

// SPDX-License-Identifier: MIT
#include "image/compressed_blocks.hpp"

#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/parallel.hpp"
#include "base/trace.hpp"
#include "image/squashfs_compressor.hpp"

namespace alephc {
namespace {

constexpr int kNice = 10;  // configuring packages comes first

void lower_priority() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
}

/// Regular files below a folder that are as large as a block at least.
void find_large(int folder_fd, const std::string& path, std::uint64_t block_size,
                std::vector<std::string>& files) {
  for (const FolderEntry& entry : list_folder_types(folder_fd)) {
    const std::string place = path.empty() ? entry.name : path + "/" + entry.name;
    struct stat info {};
    if (entry.type == DT_LNK) continue;
    if (::fstatat(folder_fd, entry.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISREG(info.st_mode) && static_cast<std::uint64_t>(info.st_size) >= block_size)
      files.push_back(place);
    if (!S_ISDIR(info.st_mode)) continue;
    const UniqueFd folder = open_at(folder_fd, entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    find_large(folder.get(), place, block_size, files);
  }
}

std::size_t read_block(int fd, std::vector<char>& block) {
  std::size_t have = 0;
  while (have < block.size()) {
    const std::size_t got = read_some(fd, std::span(block).subspan(have));
    if (got == 0) break;
    have += got;
  }
  return have;
}

}  // namespace

void CompressedBlocks::start(const std::filesystem::path& folder) {
  stop();
  stopping_ = false;
  thread_ = std::thread([this, folder] {
    try {
      work(folder);
    } catch (const Error&) {
      // A file that a script removed meanwhile: the writer compresses what is missing.
    }
  });
}

void CompressedBlocks::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void CompressedBlocks::work(const std::filesystem::path& folder) {
  lower_priority();
  const UniqueFd root = open_file(folder, O_RDONLY | O_DIRECTORY);
  std::vector<std::string> files;
  find_large(root.get(), "", image_.block_size, files);
  std::erase_if(files, [this](const std::string& path) { return done_.contains(path); });
  parallel_for(files.size(), thread_count_, [&](std::size_t i) {
    lower_priority();
    if (!stopping_) compress_file(root.get(), files[i]);
  });
}

void CompressedBlocks::compress_file(int root_fd, const std::string& path) {
  thread_local std::vector<char> block;
  block.resize(image_.block_size);
  std::string packed(image_.block_size, '\0');
  const TraceSpan span("compress", "/" + path);
  const Sqfs<sqfs_compressor_t> compressor = make_compressor(image_);
  const UniqueFd fd(::openat(root_fd, path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  while (fd && read_block(fd.get(), block) == block.size()) {
    if (stopping_) return;
    const Digest content = sha256({block.data(), block.size()});
    {
      const std::lock_guard guard(mutex_);
      if (blocks_.contains(content)) continue;
    }
    if (cache_.has_block(content)) continue;
    const sqfs_s32 size = compressor->do_block(
        compressor.get(), reinterpret_cast<const sqfs_u8*>(block.data()), static_cast<sqfs_u32>(block.size()),
        reinterpret_cast<sqfs_u8*>(packed.data()), static_cast<sqfs_u32>(packed.size()));
    const std::lock_guard guard(mutex_);
    if (size >= 0) blocks_.emplace(content, packed.substr(0, static_cast<std::size_t>(size)));
  }
  const std::lock_guard guard(mutex_);
  done_.insert(path);
}

const std::string* CompressedBlocks::find(const Digest& content) const {
  const auto it = blocks_.find(content);
  return it == blocks_.end() ? nullptr : &it->second;
}

}  // namespace alephc

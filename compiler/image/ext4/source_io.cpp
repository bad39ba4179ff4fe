// SPDX-License-Identifier: MIT
#include "image/ext4/source_io.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace alephc {
namespace {

constexpr int kFirstBlockSize = 1024;  // until the superblock is known

const ByteSource& source_of(io_channel channel) {
  return *static_cast<const ByteSource*>(channel->private_data);
}

/// libext2fs frees what it knows of a channel itself only in part, so everything comes from its own allocator.
errcode_t open_channel(const char* name, int /*flags*/, io_channel* out) {
  void* memory = nullptr;
  if (const errcode_t code = ::ext2fs_get_mem(sizeof(struct_io_channel), &memory); code != 0) return code;
  auto* channel = static_cast<io_channel>(memory);
  std::memset(channel, 0, sizeof *channel);
  channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
  channel->manager = source_io_manager();
  channel->block_size = kFirstBlockSize;
  channel->refcount = 1;
  channel->private_data = reinterpret_cast<void*>(std::strtoull(name, nullptr, 16));
  if (const errcode_t code = ::ext2fs_get_mem(std::strlen(name) + 1, &memory); code != 0) {
    ::ext2fs_free_mem(static_cast<void*>(&channel));
    return code;
  }
  channel->name = static_cast<char*>(memory);
  std::strcpy(channel->name, name);
  *out = channel;
  return 0;
}

errcode_t close_channel(io_channel channel) {
  if (--channel->refcount > 0) return 0;
  ::ext2fs_free_mem(static_cast<void*>(&channel->name));
  ::ext2fs_free_mem(static_cast<void*>(&channel));
  return 0;
}

errcode_t set_block_size(io_channel channel, int size) {
  channel->block_size = size;
  return 0;
}

/// A negative count is one of bytes.
errcode_t read_blocks(io_channel channel, unsigned long long block, int count, void* data) {
  const auto size = static_cast<std::uint64_t>(channel->block_size);
  const std::uint64_t bytes = count < 0 ? static_cast<std::uint64_t>(-static_cast<std::int64_t>(count))
                                        : static_cast<std::uint64_t>(count) * size;
  if (block > UINT64_MAX / size) return EXT2_ET_SHORT_READ;
  try {
    const std::size_t got = source_of(channel).read(block * size, {static_cast<char*>(data), bytes});
    return got == bytes ? 0 : EXT2_ET_SHORT_READ;
  } catch (const std::exception&) {
    return EXT2_ET_SHORT_READ;
  }
}

errcode_t read_blocks_small(io_channel channel, unsigned long block, int count, void* data) {
  return read_blocks(channel, block, count, data);
}

errcode_t refuse_write(io_channel /*channel*/, unsigned long /*block*/, int /*count*/, const void* /*data*/) {
  return EXT2_ET_RO_FILSYS;
}

errcode_t refuse_write64(io_channel /*channel*/, unsigned long long /*block*/, int /*count*/,
                         const void* /*data*/) {
  return EXT2_ET_RO_FILSYS;
}

errcode_t flush_nothing(io_channel /*channel*/) {
  return 0;
}

struct_io_manager make_manager() {
  struct_io_manager manager{};
  manager.magic = EXT2_ET_MAGIC_IO_MANAGER;
  manager.name = "alephc source";
  manager.open = open_channel;
  manager.close = close_channel;
  manager.set_blksize = set_block_size;
  manager.read_blk = read_blocks_small;
  manager.read_blk64 = read_blocks;
  manager.write_blk = refuse_write;
  manager.write_blk64 = refuse_write64;
  manager.flush = flush_nothing;
  return manager;
}

}  // namespace

SourceName::SourceName(const ByteSource& source) {
  char text[2 * sizeof(void*) + 1] = {};
  std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(reinterpret_cast<std::uintptr_t>(&source)));
  text_ = text;
}

io_manager source_io_manager() {
  static struct_io_manager manager = make_manager();
  return &manager;
}

}  // namespace alephc

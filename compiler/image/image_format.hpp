// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/output_epoch.hpp"
#include "manifest/manifest.hpp"
#include "tree/tree.hpp"

namespace alephc {

class BlockCache;
class ByteSource;
class CompressedBlocks;
class FileHasher;
class ReadBudget;

struct WriteOptions {
  ImageSpec image{};
  BootSpec boot{};
  std::string arch = "amd64";
  std::int64_t time = 0;    ///< of every path and of the filesystem itself
  std::uint32_t page = 4096;  ///< squashfs and tar are padded to a multiple of it, in bytes
  bool keep_times = false;  ///< without normalization every path keeps its own
  Digest seed{};            ///< what UUIDs and the like are derived from
  unsigned jobs = 1;
  const CompressedBlocks* blocks = nullptr;  ///< compressed ahead, or none
  FileHasher* hasher = nullptr;              ///< of the image, told what is final; or none
  BlockCache* cache = nullptr;               ///< of former images, or none; keeps where this one has its data
};

/// A kind of output. To add one: a file with a writer, a row in the table, a choice in manifest/keys.cpp.
struct ImageFormat {
  const char* name;
  const char* extension;
  bool is_folder;  ///< the result is a folder, not a file with a hash
  bool is_disk;    ///< has partitions, and so something outside its filesystems
  /// Writes the tree to a path that does not exist yet; the same bytes for any number of jobs. Contents are
  /// checked against the listing while they are read; a difference is an integrity Error.
  void (*write)(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);
};

[[nodiscard]] const ImageFormat& image_format(const std::string& name);
/// Libraries that shape the bytes of images: "libsquashfs 1.2.0", "libzstd 1.5.4".
[[nodiscard]] std::vector<std::string> image_tools();
/// Of these only the named ones.
[[nodiscard]] std::vector<std::string> image_tools(const std::vector<std::string>& libraries);

/// An image as an epoch's writers make it: with a level where the manifest names none. Level 0 is the library's own default.
[[nodiscard]] ImageSpec with_settings(ImageSpec image, const WriterSettings& settings);

/// Everything that shapes the bytes of a squashfs image's compressed blocks, for BlockCache.
[[nodiscard]] std::string block_settings(const ImageSpec& image);

/// Of a disk or qcow2 that was just written: TreeDigest's `outside`.
[[nodiscard]] Digest outside_of_disk(const std::filesystem::path& image);

void write_squashfs(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);
void write_ext4(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);
void write_btrfs(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);
void write_disk(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);
void write_qcow2(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);
void write_tar(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);
void write_folder(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);

/// Reads what is inside an image: squashfs, ext4 and btrfs
/// by their magic, a tar (compressed or not), or a folder.
struct ImageContent {
  std::string format{};
  Listing listing{};
  std::map<std::string, std::string> texts{};  ///< contents of the wanted files
  Digest outside{};  ///< as in TreeDigest; zero where only wanted files are read
};
struct ReadOptions {
  unsigned jobs = 1;
  std::function<bool(const std::string&)> wanted{};  ///< regular files whose contents are kept; empty: none
  bool only_wanted = false;                          ///< contents of the others are not read, nor hashed
  [[nodiscard]] bool keeps(const std::string& path) const { return wanted && wanted(path); }
};
/// The format of a file, or of a partition in it, that is known
/// by its magic; nothing for archives and everything else.
[[nodiscard]] std::optional<std::string> image_format_of(const ByteSource& image);
[[nodiscard]] std::optional<std::string> image_format_of(const std::filesystem::path& path);
/// An image file is parsed in a child process without rights, and within limits (read_budget.hpp); what the child says
/// is checked. Throws an Error of kind integrity for a damaged image and for one beyond the limits.
[[nodiscard]] ImageContent read_image(const std::filesystem::path& path, const ReadOptions& options);

/// The same in this process, for everything but archives. For tests, and for the child.
[[nodiscard]] ImageContent read_source(const ByteSource& image, const ReadOptions& options, ReadBudget& budget);
[[nodiscard]] ImageContent read_folder(const std::filesystem::path& path, const ReadOptions& options);
[[nodiscard]] ImageContent read_squashfs(const ByteSource& image, const ReadOptions& options, ReadBudget& budget);
[[nodiscard]] ImageContent read_ext4(const ByteSource& image, const ReadOptions& options, ReadBudget& budget);
[[nodiscard]] ImageContent read_btrfs(const ByteSource& image, const ReadOptions& options, ReadBudget& budget);
[[nodiscard]] ImageContent read_disk(const ByteSource& image, const ReadOptions& options, ReadBudget& budget);
[[nodiscard]] ImageContent read_qcow2(const ByteSource& image, const ReadOptions& options, ReadBudget& budget);

}  // namespace alephc

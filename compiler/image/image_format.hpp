// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/output_epoch.hpp"
#include "image/image_spec.hpp"
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

/// Reads what is inside an image.
struct ImageContent {
  std::string format{};
  Listing listing{};
  std::map<std::string, std::string> texts{};  ///< contents of the wanted files
  Digest outside{};                            ///< as in TreeDigest; zero where only wanted files are read
};
struct ReadOptions {
  unsigned jobs = 1;
  std::function<bool(const std::string&)> wanted{};  ///< regular files whose contents are kept; empty: none
  bool only_wanted = false;                          ///< contents of the others are not read, nor hashed
  [[nodiscard]] bool keeps(const std::string& path) const { return wanted && wanted(path); }
};

/// Name and value, in the order in which they are shown.
using ImageFields = std::vector<std::pair<std::string, std::string>>;

/// Bytes by which a file is known as a format.
struct Magic {
  std::uint64_t offset = 0;
  std::string_view bytes{};                       ///< empty: the format has none
  bool (*confirms)(const ByteSource&) = nullptr;  ///< where the bytes may stand by chance
};

/// Where in a file a filesystem goes.
struct FilesystemPlace {
  std::filesystem::path file{};         ///< exists, and is all zeros where the filesystem goes
  std::uint64_t offset = 0;             ///< in bytes, a multiple of 1 MiB
  std::optional<std::uint64_t> size{};  ///< empty: by formula
  std::uint64_t around = 0;             ///< what a disk has besides it, for messages
};

/// A filesystem that can be a partition of a disk, and how it is mounted from there.
struct PartitionFormat {
  /// Returns its size in bytes, a multiple of 1 MiB if it was not given; the file reaches to its end.
  std::uint64_t (*write)(const Tree& tree, const WriteOptions& options,
                         const FilesystemPlace& place) = nullptr;
  std::string_view fstab{};        ///< options, dump and pass
  std::string_view grub_module{};  ///< that reads it
};

/// A format of images: all that alephc knows of it, one row a format. docs/architecture.md, "To add …", says what else a
/// new one needs.
struct ImageFormat {
  std::string_view name{};
  std::string_view extension{};
  std::string_view compressions = "none";  ///< "zstd|none", the default first
  std::string_view keys{};                 ///< of [image] that not every format may have, "size|label"
  bool is_folder = false;                  ///< the result is a folder, not a file with a hash
  bool is_disk = false;  ///< has partitions, and so something outside its filesystems; starts by itself
  bool has_block_size = false;       ///< [image] block_size shapes it
  bool keeps_blocks = false;         ///< compressed blocks of former images are taken over (BlockCache)
  bool is_function_root = false;     ///< nodes start functions from it
  bool level_of_filesystem = false;  ///< its compression is that of the filesystem in it
  std::uint64_t boot_area = 0;  ///< bytes in front of the filesystem that no file holds, counted in `outside`
  Magic magic{};
  PartitionFormat partition{};  ///< write is null where it cannot be one
  /// Writes the tree to a path that does not exist yet; the same bytes for any number of jobs. Contents are
  /// checked against the listing while they are read; a difference is an integrity Error.
  void (*write)(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path) = nullptr;
  /// Null for formats without magic: archives and folders are read by read_image() alone.
  ImageContent (*read)(const ByteSource& image, const ReadOptions& options, ReadBudget& budget) = nullptr;
  /// What its superblock says, for comparisons; may be null.
  ImageFields (*fields)(const ByteSource& image) = nullptr;
  /// The libraries that shape its bytes: "libsquashfs 1.3.2", "libzstd 1.5.7"; may be null.
  std::vector<std::string> (*libraries)() = nullptr;

  [[nodiscard]] bool has_key(std::string_view key) const;
  /// A file with a filesystem, not an archive or a folder.
  [[nodiscard]] bool is_filesystem() const { return !magic.bytes.empty(); }
};

[[nodiscard]] std::vector<const ImageFormat*> image_formats();
[[nodiscard]] const ImageFormat& image_format(std::string_view name);
[[nodiscard]] std::vector<std::string> compressions_of(std::string_view format);
/// Gives an image whose compression is not said, or not known to its format, the format's own.
void settle_compression(ImageSpec& image);
/// True for images that start by themselves: a partition table, a boot loader. False for an unknown name.
[[nodiscard]] bool is_disk(std::string_view format);
/// True for filesystems that can be a partition. False for an unknown name.
[[nodiscard]] bool is_partition_format(std::string_view format);

/// Libraries that shape the bytes of images: "libsquashfs 1.3.2", "libzstd 1.5.7"; "libzstd 1.5.4 of this machine"
/// where they are not the pinned ones.
[[nodiscard]] std::vector<std::string> image_tools();
/// Of these only those that an epoch names, in any version.
[[nodiscard]] std::vector<std::string> image_tools(const std::vector<std::string>& libraries);

/// An image as an epoch's writers make it: with a level where the manifest names none. Level 0 is the library's own default.
[[nodiscard]] ImageSpec with_settings(ImageSpec image, const WriterSettings& settings);

/// Everything that shapes the bytes of a squashfs image's compressed blocks, for BlockCache.
[[nodiscard]] std::string block_settings(const ImageSpec& image);

/// Of a disk or qcow2 that was just written: TreeDigest's `outside`.
[[nodiscard]] Digest outside_of_disk(const std::filesystem::path& image);

/// The format of a file, or of a partition in it, that is known
/// by its magic; nothing for archives and everything else.
[[nodiscard]] std::optional<std::string> image_format_of(const ByteSource& image);
[[nodiscard]] std::optional<std::string> image_format_of(const std::filesystem::path& path);
/// What the superblock of a file says; empty for what has none.
[[nodiscard]] ImageFields image_fields(const std::filesystem::path& path);
/// A filesystem or disk by its magic, a tar (compressed or not), or a folder. An image file is parsed in a child process
/// without rights, and within limits (read_budget.hpp); what the child says is checked. Throws an Error of kind integrity
/// for a damaged image and for one beyond the limits.
[[nodiscard]] ImageContent read_image(const std::filesystem::path& path, const ReadOptions& options);
/// The same in this process, for everything but archives. For tests, and for the child.
[[nodiscard]] ImageContent read_source(const ByteSource& image, const ReadOptions& options,
                                       ReadBudget& budget);

}  // namespace alephc

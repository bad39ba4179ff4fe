// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// What alephc takes from strangers at most: archives, indexes, images, messages,
/// guests. Every boundary uses a constant of this file; docs/limits.md is made from the
/// table in limits.cpp and names the largest real thing that each must let through.
namespace alephc::limits {

inline constexpr std::uint64_t kKiB = 1ULL << 10U;
inline constexpr std::uint64_t kMiB = 1ULL << 20U;
inline constexpr std::uint64_t kGiB = 1ULL << 30U;

// Texts that people and tools write.
inline constexpr std::uint64_t kTomlFile = 16 * kMiB;
inline constexpr std::uint64_t kTextInMemory = kGiB;
inline constexpr std::size_t kTomlDepth = 64;       ///< of tables, arrays and dotted keys
inline constexpr std::size_t kDiagnostics = 20;     ///< of one kind that are shown

// Packages and archives.
inline constexpr std::uint64_t kRemoteFile = 8 * kGiB;          ///< of unknown size
inline constexpr std::uint64_t kIndexPage = 64 * kMiB;          ///< one page of a Python index
inline constexpr std::uint64_t kPackagesIndex = 1 * kGiB;       ///< decompressed
inline constexpr std::uint64_t kArchiveBytes = 64 * kGiB;       ///< unpacked
inline constexpr std::uint64_t kArchiveEntries = 4'000'000;
inline constexpr std::uint64_t kArchiveNames = 128 * kMiB;
inline constexpr std::uint64_t kXattrBytes = 65536;
inline constexpr std::uint64_t kArchiveRatio = 2000;            ///< unpacked to packed, once past kRatioFree
inline constexpr std::uint64_t kRatioFree = 1 * kGiB;
inline constexpr std::size_t kPathBytes = 4096;
inline constexpr std::size_t kPathDepth = 1024;

inline constexpr std::uint64_t kRootText = 1 * kGiB;            ///< a file of a tree that is read whole, such as dpkg's status

// Images.
inline constexpr std::uint64_t kImageFree = 5 * kGiB;           ///< contents, beside kImageRatio bytes for each byte of the file
inline constexpr std::uint64_t kImageRatio = 100;
inline constexpr std::uint64_t kImageEntries = 4'000'000;
inline constexpr std::uint64_t kImageEntriesFree = 100'000;     ///< and one more for every 8 bytes of the file
inline constexpr std::uint64_t kImageText = 64 * kMiB;          ///< a file that is read into memory, such as runtime.lock
inline constexpr std::uint64_t kImageMemory = 512 * kMiB;       ///< of the process that reads an image, beside its listing

// The store's disk.
inline constexpr std::uint64_t kDiskReserve = 256 * kMiB;
inline constexpr std::uint64_t kLogBytes = 48 * kMiB;           ///< of a step; the last MiB is kept beside it

// The network's messages.
inline constexpr std::uint64_t kHttpReply = 16 * kMiB;
inline constexpr std::size_t kJsonDepth = 200;

// Time.
inline constexpr std::uint64_t kStepSeconds = 6ULL * 3600;
inline constexpr std::uint64_t kSlowestBytesPerSecond = 1000;   ///< of a server, over a stall interval
inline constexpr std::uint64_t kCloneSeconds = 1800;
inline constexpr std::uint64_t kCloneBytes = 2 * kGiB;

inline constexpr std::uint64_t kCommandOutput = 512 * kMiB;      ///< of apt, git and the like

// Guests.
inline constexpr std::size_t kGuestMessage = 64 * kMiB;
inline constexpr std::size_t kGuestDepth = 64;
inline constexpr std::size_t kConsoleLine = 8192;

/// A row of docs/limits.md.
struct Row {
  std::string_view what;
  std::uint64_t value;
  std::string_view unit;     ///< "bytes", "entries", …
  std::string_view largest;  ///< the largest real thing that it lets through
  std::string_view beyond;   ///< what happens beyond it
};
[[nodiscard]] std::span<const Row> table();

}  // namespace alephc::limits

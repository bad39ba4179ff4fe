// SPDX-License-Identifier: MIT
#pragma once

#include "steps/step.hpp"
#include "tree/tree_digest.hpp"

namespace alephc {

/// The image. What a format does not have is empty, so that it is in no key.
struct WriteInput {
  static constexpr std::string_view kMembers =
      "format time page compression level block_size seed size label subvolume verity arch filesystem esp_size bios uefi "
      "keep_times checked tool";
  std::string format{};
  std::int64_t time = 0;  ///< of every path and of the filesystem itself
  std::uint32_t page = 4096;  ///< squashfs and tar are padded to a multiple of it
  std::optional<std::string> compression{};
  std::optional<std::uint32_t> level{};
  std::optional<std::uint32_t> block_size{};
  std::optional<Digest> seed{};  ///< UUIDs and the like are derived from it
  std::optional<std::uint64_t> size{};
  std::optional<std::string> label{};
  std::optional<std::string> subvolume{};
  bool verity = false;
  std::optional<std::string> arch{};  ///< of a disk, as what follows
  std::optional<std::string> filesystem{};
  std::optional<std::uint64_t> esp_size{};
  bool bios = false;
  bool uefi = false;
  bool keep_times = false;  ///< without normalization every path keeps its own
  bool checked = false;     ///< refused where final_check.hpp finds something
  std::vector<std::string> tools{};  ///< libraries that shape the bytes: "libsquashfs 1.2.0"
};

[[nodiscard]] Step write_step(StepName name, WriteInput input);

/// Result of the write step, as its action record keeps it.
struct ImageResult {
  Digest sha256{};  ///< zero for folders
  std::uint64_t size = 0;
  std::string cid_v0{};
  std::string cid_v1{};
  TreeDigest tree{};
  Digest verity_tree{};  ///< sha256 of the dm-verity hash tree's file; zero: none was asked for
  Digest verity_root{};
  std::vector<std::string> accounts{};  ///< "name:uid:gid" of /etc/passwd
  std::vector<std::string> groups{};    ///< "name:gid" of /etc/group
};
[[nodiscard]] std::string image_result_text(const ImageResult& result);
[[nodiscard]] std::optional<ImageResult> parse_image_result(const std::string& text);

}  // namespace alephc

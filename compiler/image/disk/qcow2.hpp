// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <filesystem>

#include "image/byte_source.hpp"
#include "image/image_format.hpp"

namespace alephc {

/// Packs a disk into qcow2, version 3 (QEMU, docs/interop/qcow2.txt): clusters of 64 KiB, those of zeros left
/// out, the others compressed as options.image says. The same bytes for any number of jobs.
void pack_qcow2(const std::filesystem::path& disk, const WriteOptions& options,
                const std::filesystem::path& path);

/// Makes an empty qcow2 of a size in bytes over another image, given by its absolute path.
void make_overlay(const std::filesystem::path& backing, std::uint64_t size,
                  const std::filesystem::path& path);

/// The disk inside a qcow2 that stands for itself: one with a backing file, encryption or external data is refused with an
/// Error of kind failed, before anything but its header is read.
class Qcow2Source : public ByteSource {
 public:
  /// `file` outlives the object.
  explicit Qcow2Source(const ByteSource& file);
  [[nodiscard]] std::size_t read(std::uint64_t at, std::span<char> buffer) const override;
  [[nodiscard]] std::uint64_t size() const override { return size_; }

 private:
  struct Piece {
    std::uint64_t number = UINT64_MAX;
    std::shared_ptr<const std::string> bytes{};
  };
  void read_header();
  [[nodiscard]] std::string part(std::uint64_t at, std::uint64_t size) const;
  [[nodiscard]] std::shared_ptr<const std::string> table(std::uint64_t number) const;
  [[nodiscard]] std::shared_ptr<const std::string> cluster(std::uint64_t number) const;
  [[nodiscard]] std::string load_cluster(std::uint64_t number) const;
  [[nodiscard]] std::string unpacked(std::uint64_t entry) const;

  const ByteSource& file_;
  unsigned cluster_bits_ = 0;
  std::uint64_t cluster_size_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t level1_at_ = 0;
  bool zstd_ = false;
  mutable std::mutex mutex_;  ///< of what was read last
  mutable Piece table_;
  mutable std::array<Piece, 8> clusters_;
  mutable std::size_t next_ = 0;
};

}  // namespace alephc

// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/files.hpp"

namespace alephc {

/// 65,536 ids of the machine that belong to no account and to no other running sandbox, with a user namespace in which
/// they are 0 to 65535. The range is held until the object is destroyed. For the machine's root only: a user without
/// rights has a namespace already (user_namespace.hpp).
class IdRange {
 public:
  static constexpr std::uint32_t kIds = 65536;

  /// Nothing where the machine can never have one: why_not then says the reason for people. Throws an Error of kind host
  /// for what may work the next time.
  [[nodiscard]] static std::optional<IdRange> take(std::string& why_not);
  /// The ids without a namespace, for a process that changes its user. Works in a user namespace too, if it has so many.
  [[nodiscard]] static std::optional<IdRange> take_numbers(std::string& why_not);

  [[nodiscard]] std::uint32_t start() const { return start_; }  ///< the machine's id of 0
  [[nodiscard]] int user_namespace() const { return namespace_.get(); }  ///< -1 without one

 private:
  IdRange(std::uint32_t start, FileLock lock) : start_(start), lock_(std::move(lock)) {}

  std::uint32_t start_;
  FileLock lock_;
  UniqueFd namespace_;
};

/// A private mount of a folder on which the ids of a user namespace own what 0 to 65535 own on disk. Empty, with errno
/// set, where the kernel or the filesystem cannot. `range` must outlive the mount.
[[nodiscard]] UniqueFd idmapped_mount(const std::filesystem::path& folder, const IdRange& range);

/// Why root's sandboxes share the ids of the machine's accounts, for people; empty if they do not.
[[nodiscard]] std::string why_ids_are_shared(const std::filesystem::path& folder);

}  // namespace alephc

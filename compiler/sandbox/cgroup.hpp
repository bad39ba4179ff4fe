// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace alephc {

/// A control group that bounds processes and memory of a sandbox: version 2 where the host has it, else
/// version 1. Without either nothing is bounded; `doctor` says so.
class Cgroup {
 public:
  explicit Cgroup(std::uint64_t processes);
  ~Cgroup();
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  /// Moves the calling process in.
  void enter() const;
  [[nodiscard]] bool bounds_processes() const { return !groups_.empty(); }

 private:
  std::vector<std::filesystem::path> groups_;
};

}  // namespace alephc

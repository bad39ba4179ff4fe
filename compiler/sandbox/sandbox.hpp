// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace alephc {

class Tree;

/// Host name, time zone, locale and the like that every step sees.
[[nodiscard]] std::map<std::string, std::string> sandbox_environment();

/// SOURCE_DATE_EPOCH inside steps and the youngest file time a layer may hold. A constant of the output
/// epoch, because the real one would be in every key: 2024-01-01T00:00:00Z.
inline constexpr std::int64_t kStepTime = 1704067200;

struct SandboxRoot {
  std::vector<std::filesystem::path> lowers{};  ///< top first; empty: upper itself is the root, no overlay
  std::filesystem::path upper{};
  std::filesystem::path
      scratch{};  ///< empty folder on the same filesystem: overlay work folder and mount point
};

/// Overlay of a tree's layers and an upper folder.
[[nodiscard]] SandboxRoot sandbox_root(const Tree& tree, const std::filesystem::path& upper,
                                       const std::filesystem::path& scratch);

struct BindMount {
  std::filesystem::path host{};
  std::string target{};  ///< absolute path inside; made if missing
};

struct SandboxLimits {
  std::uint64_t processes = 8192;
  std::uint64_t file_bytes = 8ULL << 30U;      ///< of one file
  std::uint64_t disk_bytes = 24ULL << 30U;     ///< that a step may take from the store's filesystem
  std::uint64_t disk_reserve = 256ULL << 20U;  ///< that is left to the host
};

/// What a step sees changed, to find out whether its result depends on it. The host is left as it is:
/// libraries that are loaded first say otherwise, so static programs see no change.
struct Variation {
  bool clock = false;            ///< 400 days ahead
  bool directory_order = false;  ///< folders are listed backwards
  [[nodiscard]] bool any() const { return clock || directory_order; }
};

struct SandboxOptions {
  SandboxRoot root{};
  std::vector<BindMount> read_only{};
  bool network = false;
  bool interactive = false;     ///< terminal passed through, for `alephc shell`
  std::filesystem::path log{};  ///< stdout and stderr of the commands are appended
  SandboxLimits limits{};
  Variation vary{};
};

struct SandboxCommand {
  std::vector<std::string> argv{};
  std::map<std::string, std::string> env{};  ///< on top of sandbox_environment()
  std::string input{};
  std::string user = "root";  ///< name in the image's /etc/passwd
};

struct SandboxResult {
  bool ok = false;
  std::size_t command = 0;  ///< index of the one that failed
  int exit_code = 0;        ///< 128 + signal when killed
  std::string reason{};     ///< for people: "exit code 1", "more than 32 GB written"
};

/// Runs the commands one after the other, as root of the image, in new mount, pid, uts, ipc and network
/// namespaces with few capabilities and a seccomp filter, and stops at the first that fails. When it returns
/// no process and no mount of the sandbox is left, however it ended. Throws an Error of kind host when the
/// sandbox cannot be set up.
[[nodiscard]] SandboxResult run_in_sandbox(const SandboxOptions& options,
                                           const std::vector<SandboxCommand>& commands);

}  // namespace alephc

// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "base/output_epoch.hpp"

namespace alephc {

class PrivateNetwork;
class Tree;

struct SandboxRoot {
  std::vector<std::filesystem::path> lowers{};  ///< top first; may be empty
  std::filesystem::path upper{};                ///< gets what is written
  std::filesystem::path
      scratch{};  ///< empty folder on the same filesystem: overlay work folder and mount points
};

/// Overlay of a tree's layers and an upper folder.
[[nodiscard]] SandboxRoot sandbox_root(const Tree& tree, const std::filesystem::path& upper,
                                       const std::filesystem::path& scratch);

/// Something to read for the commands. The target is a path that alephc made up, never one of a project.
struct BindMount {
  std::filesystem::path host{};  ///< at or below the folder SandboxOptions::given
  std::string target{};          ///< absolute path inside; made if missing
};

struct SandboxLimits {
  std::uint64_t processes = 8192;
  std::uint64_t file_bytes = 8ULL << 30U;      ///< of one file
  std::uint64_t disk_bytes = 24ULL << 30U;     ///< that a step may take from the store's filesystem
  std::uint64_t disk_reserve = limits::kDiskReserve;  ///< that is left to the host
  std::uint64_t seconds = limits::kStepSeconds;  ///< of all commands together; not of a shell
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
  StepRoom room{};
  std::filesystem::path given{};  ///< folder on the same filesystem that read_only is taken from; or empty
  std::vector<BindMount> read_only{};
  const PrivateNetwork* network = nullptr;  ///< null: one of its own, with a loopback device and nothing else
  bool interactive = false;     ///< for `alephc shell`: joined to the user's terminal, or to stdin and stdout
  std::filesystem::path log{};  ///< stdout and stderr of the commands are appended
  SandboxLimits limits{};
  Variation vary{};
};

struct SandboxCommand {
  std::vector<std::string> argv{};
  std::map<std::string, std::string> env{};  ///< on top of the room's
  std::string input{};
  std::string user = "root";  ///< name in the image's /etc/passwd
};

struct SandboxResult {
  bool ok = false;
  std::size_t command = 0;  ///< index of the one that failed
  int exit_code = 0;        ///< 128 + signal when killed
  std::string reason{};     ///< for people: "exit code 1", "more than 32 GB written"
  bool host_is_full = false;  ///< not the commands' fault
};

/// Runs the commands one after the other, as root of the image, in new mount, pid, uts, ipc, cgroup and network
/// namespaces with few capabilities and a seccomp filter, and stops at the first that fails. As root of the machine
/// they run in a user namespace as well, where the machine can (id_range.hpp). When it returns no process and no
/// mount of the sandbox is left, however it ended. Throws an Error of kind host when the sandbox cannot be set up.
[[nodiscard]] SandboxResult run_in_sandbox(const SandboxOptions& options,
                                           const std::vector<SandboxCommand>& commands);

/// Whether StepRoom::fixed_addresses can be had here.
[[nodiscard]] bool can_fix_addresses();

/// What runs the commands of a step: the sandbox, or in tests whatever stands for it.
class CommandRunner {
 public:
  virtual ~CommandRunner() = default;
  [[nodiscard]] virtual SandboxResult run(const SandboxOptions& options,
                                          const std::vector<SandboxCommand>& commands) const = 0;
};

class Sandbox final : public CommandRunner {
 public:
  [[nodiscard]] SandboxResult run(const SandboxOptions& options,
                                  const std::vector<SandboxCommand>& commands) const override {
    return run_in_sandbox(options, commands);
  }
};

}  // namespace alephc

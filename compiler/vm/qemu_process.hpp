// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/fd.hpp"
#include "sandbox/id_range.hpp"

namespace alephc {

/// How an emulator is started: it runs code of strangers, so it opens no file by itself that alephc did not choose. Images
/// are opened here and passed as descriptors, whatever their headers name; what it opens by name lies in one folder.
/// Where alephc is root it runs as a user of its own: an id that no account has, for as long as the object lives, or
/// nobody where no such id can be had. Otherwise it runs as the user.
class QemuProcess {
 public:
  /// `folder` is what it may write to.
  explicit QemuProcess(std::filesystem::path folder);

  /// A name for an option's "file=". Throws an Error for what is not a regular file.
  [[nodiscard]] std::string pass(const std::filesystem::path& file, bool writable);
  /// A copy in the folder, for options that open by name; its path.
  [[nodiscard]] std::filesystem::path copy(const std::filesystem::path& file, const std::string& name) const;

  enum class User { own, same };
  /// Starts the command with console as its stdout and stderr. A command that opens files by name needs the same user.
  [[nodiscard]] pid_t start(std::vector<std::string> argv, int console, User user = User::own);

 private:
  void give_folder_away(uid_t id) const;

  /// A descriptor of a numbered set: QEMU takes the one of a set that was opened as it wants to open it.
  struct Passed {
    UniqueFd fd{};
    std::size_t set = 0;
  };
  void add(UniqueFd fd);

  std::filesystem::path folder_;
  std::vector<Passed> passed_;
  std::size_t sets_ = 0;
  std::optional<IdRange> ids_;
};

/// The options of a user-mode network: by default the guest reaches nothing but this network itself. ssh_port is
/// forwarded from the host's loopback address.
[[nodiscard]] std::string guest_network(std::optional<unsigned> ssh_port);

}  // namespace alephc

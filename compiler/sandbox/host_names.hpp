// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/root_folder.hpp"
#include "sandbox/sandbox.hpp"

namespace alephc {

/// /etc/hosts for the time of the commands, where the image has a folder /etc and nothing of that name: scripts of mail
/// servers ask for the machine's full name. What the commands add to the file stays.
class HostNames {
 public:
  /// An empty text: nothing is put there.
  HostNames(const SandboxRoot& root, const std::string& text);
  HostNames(const HostNames&) = delete;
  HostNames& operator=(const HostNames&) = delete;

  /// When the commands have ended well. A folder /etc that is only there for the file goes too.
  void take_back() const;

 private:
  /// False where the image has no such folder.
  [[nodiscard]] bool make_folder(const SandboxRoot& root);

  RootFolder upper_;
  std::string text_;
  bool made_folder_ = false;
  bool put_ = false;
};

}  // namespace alephc

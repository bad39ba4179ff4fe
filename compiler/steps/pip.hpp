// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <vector>

namespace alephc {

/// What every pip in a sandbox is told. pip reads each option from
/// the environment too; one that its version lacks is passed over.
[[nodiscard]] std::map<std::string, std::string> pip_environment();

/// "python3 -m pip COMMAND" and more words.
[[nodiscard]] std::vector<std::string> pip_command(const std::string& command, const std::vector<std::string>& words);

}  // namespace alephc

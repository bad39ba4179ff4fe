// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace aleph_init {

using Header = std::pair<std::string, std::string>;

/// The map that the host turns into an HTTP answer; names and values of headers are bin.
[[nodiscard]] std::string http_reply(int status, const std::vector<Header>& headers, const std::string& body);

/// The map that makes the host answer 500 with the traceback as text; the VM lives on.
[[nodiscard]] std::string error_reply(const std::string& error, const std::string& traceback = {});

/// The answer to the configuration: {"success": true}, or with error and traceback, below 64 KiB.
[[nodiscard]] std::string success_reply();
[[nodiscard]] std::string failure_reply(const std::string& error, const std::string& traceback);

}  // namespace aleph_init

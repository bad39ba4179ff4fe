// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "init/message.hpp"
#include "init/program.hpp"
#include "init/reply.hpp"

namespace aleph_init {

/// What goes to the program for a scope: path and query encoded again, headers without those that belong to a
/// connection and without Accept-Encoding (the host drops Content-Encoding). Throws SetupError for a scope
/// that is not an HTTP request.
[[nodiscard]] std::string http_request(const Json& scope);

struct HttpResponse {
  int status = 0;
  std::vector<Header> headers{};
  std::string body{};
};
/// Parses the response that the program sent until it closed or said all; nothing if more is to come. at_end:
/// the connection is closed. Throws SetupError for what is not HTTP.
[[nodiscard]] std::optional<HttpResponse> http_response(const std::string& bytes, bool is_head, bool at_end);

/// Plays the request to the program on port 8080 and returns the reply for the host. Connecting is tried
/// again while the program starts; a request that was sent is never sent twice. Returns "" when the host gave
/// up (hung up on connection).
[[nodiscard]] std::string proxy_request(const Json& scope, const Program& program, int connection,
                                        const std::string& root);

}  // namespace aleph_init

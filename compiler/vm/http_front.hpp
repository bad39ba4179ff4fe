// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "vm/node_session.hpp"

namespace alephc {

/// A local HTTP server in front of a machine, as a node's: every request becomes a scope.
class HttpFront {
 public:
  using Handler = std::function<GuestReply(const GuestMessage& scope)>;

  /// listen is "HOST:PORT" (port 0: any). Throws an Error of kind host when the port is taken.
  HttpFront(const std::string& listen, Handler handler);
  ~HttpFront();
  HttpFront(const HttpFront&) = delete;
  HttpFront& operator=(const HttpFront&) = delete;

  [[nodiscard]] const std::string& url() const;

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace alephc

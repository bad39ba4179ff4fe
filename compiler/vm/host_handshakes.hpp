// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"

namespace alephc {

/// A host program that said which port of the guest it wants.
struct HostCall {
  UniqueFd fd{};
  std::uint32_t port = 0;
  std::string rest{};  ///< bytes that came behind the CONNECT line
};

/// Host programs that have connected and not yet said "CONNECT port\n".
class HostHandshakes {
 public:
  /// At most so many wait at once.
  explicit HostHandshakes(std::size_t most) : most_(most) {}

  [[nodiscard]] bool has_room() const { return waiting_.size() < most_; }
  void accept(int listener);
  [[nodiscard]] std::vector<int> fds() const;
  /// Reads from one of fds(). Nothing while the line is not complete; also for one that said something else, which is
  /// hung up on.
  std::optional<HostCall> read(int fd);

 private:
  struct Waiting {
    UniqueFd fd{};
    std::string text{};
  };
  std::size_t most_;
  std::map<int, Waiting> waiting_{};
};

}  // namespace alephc

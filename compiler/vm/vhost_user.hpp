// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "vm/guest_memory.hpp"

namespace alephc {

/// The VMM's side of a vhost-user device: it says where the guest's memory and queues are, and when they start and stop
/// (QEMU, docs/interop/vhost-user). What it sends is checked where it is used.
class VhostUser {
 public:
  using Queues = std::array<VirtQueue, 3>;
  /// drain: takes what the guest has sent, before a queue stops.
  VhostUser(GuestMemory& memory, Queues& queues, std::uint64_t cid, std::function<void()> drain)
      : memory_(memory), queues_(queues), cid_(cid), drain_(std::move(drain)) {}

  void connect(UniqueFd vmm) { vmm_ = std::move(vmm); }
  [[nodiscard]] bool is_connected() const { return static_cast<bool>(vmm_); }
  [[nodiscard]] int fd() const { return vmm_.get(); }
  /// Reads one request and does it. When the VMM hangs up, this turns the queues off and disconnects.
  void serve();

 private:
  struct Message {
    std::uint32_t request = 0;
    std::uint32_t flags = 0;
    std::string payload{};
    std::vector<UniqueFd> fds{};
  };

  void lose();
  bool read_exactly(std::string& into, std::size_t size);
  std::optional<Message> read_message();
  void reply(const Message& to, std::string_view payload);
  void reply_number(const Message& to, std::uint64_t value);
  template <typename Number>
  static Number field(const Message& message, std::size_t at) {
    Number value{};
    if (at + sizeof value <= message.payload.size())
      std::memcpy(&value, message.payload.data() + at, sizeof value);
    return value;
  }
  VirtQueue& queue_of(const Message& message);
  bool handle(Message& message);
  bool send_config(const Message& message);
  bool stop_queue(const Message& message);
  void set_memory(const Message& message);

  GuestMemory& memory_;
  Queues& queues_;
  std::uint64_t cid_;
  std::function<void()> drain_;
  UniqueFd vmm_{};
};

}  // namespace alephc

// SPDX-License-Identifier: MIT
#include "vm/vhost_user.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/socket.h>
#include <unistd.h>

#include "vm/vsock_wire.hpp"

namespace alephc {

void VhostUser::lose() {
  drain_();
  vmm_.reset();
  for (VirtQueue& queue : queues_) {
    queue.enabled = false;
    queue.kick.reset();
  }
}

bool VhostUser::read_exactly(std::string& into, std::size_t size) {
  into.resize(size);
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = ::read(vmm_.get(), into.data() + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    have += static_cast<std::size_t>(got);
  }
  return true;
}

std::optional<VhostUser::Message> VhostUser::read_message() {
  constexpr std::size_t kHead = 12;
  constexpr std::size_t kMaxFds = 16;
  std::array<char, kHead> head{};
  iovec part{head.data(), head.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  if (::recvmsg(vmm_.get(), &header, MSG_CMSG_CLOEXEC | MSG_WAITALL) != static_cast<ssize_t>(kHead))
    return std::nullopt;
  Message message;
  for (const cmsghdr* each = CMSG_FIRSTHDR(&header); each != nullptr && each->cmsg_type == SCM_RIGHTS;
       each = nullptr) {
    const std::size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(each) + i * sizeof(int), sizeof fd);
      message.fds.emplace_back(fd);
    }
  }
  std::uint32_t size = 0;
  std::memcpy(&message.request, head.data(), 4);
  std::memcpy(&message.flags, head.data() + 4, 4);
  std::memcpy(&size, head.data() + 8, 4);
  if (size > 4096 || !read_exactly(message.payload, size)) return std::nullopt;
  return message;
}

void VhostUser::reply(const Message& to, std::string_view payload) {
  const std::array<std::uint32_t, 3> head{to.request, 1 | kReplyFlag,
                                          static_cast<std::uint32_t>(payload.size())};
  std::string bytes(reinterpret_cast<const char*>(head.data()), sizeof head);
  bytes += payload;
  write_all(vmm_.get(), bytes);
}

void VhostUser::reply_number(const Message& to, std::uint64_t value) {
  reply(to, {reinterpret_cast<const char*>(&value), sizeof value});
}

void VhostUser::serve() {
  auto message = read_message();
  if (!message) return lose();
  const bool answered = handle(*message);
  if (!answered && (message->flags & kNeedsReply) != 0) reply_number(*message, 0);
}

VirtQueue& VhostUser::queue_of(const Message& message) {
  return queues_[std::min<std::size_t>(field<std::uint32_t>(message, 0) & 0xffU, queues_.size() - 1)];
}

/// True when the request has an answer of its own.
bool VhostUser::handle(Message& message) {
  switch (message.request) {
    case kGetFeatures:
      reply_number(message, kFeatures);
      return true;
    case kGetProtocolFeatures:
      reply_number(message, kProtocolFeatures);
      return true;
    case kGetQueueNum:
      reply_number(message, queues_.size());
      return true;
    case kGetConfig:
      return send_config(message);
    case kSetMemTable:
      set_memory(message);
      return false;
    case kSetVringNum:
      queue_of(message).size = std::min(field<std::uint32_t>(message, 4), 32768U);
      return false;
    case kSetVringAddr: {
      VirtQueue& queue = queue_of(message);
      queue.descriptors = field<std::uint64_t>(message, 8);
      queue.used = field<std::uint64_t>(message, 16);
      queue.available = field<std::uint64_t>(message, 24);
      return false;
    }
    case kSetVringBase:
      queue_of(message).next = static_cast<std::uint16_t>(field<std::uint32_t>(message, 4));
      return false;
    case kGetVringBase:
      return stop_queue(message);
    case kSetVringKick:
      queue_of(message).kick = message.fds.empty() ? UniqueFd() : std::move(message.fds.front());
      return false;
    case kSetVringCall:
      queue_of(message).call = message.fds.empty() ? UniqueFd() : std::move(message.fds.front());
      return false;
    case kSetVringEnable:
      drain_();
      queue_of(message).enabled = field<std::uint32_t>(message, 4) != 0;
      return false;
    default:
      return false;
  }
}

/// {u32 offset, u32 size, u32 flags, bytes}: the guest's CID.
bool VhostUser::send_config(const Message& message) {
  std::string payload = message.payload;
  constexpr std::size_t kHead = 12;
  if (payload.size() >= kHead + sizeof cid_) std::memcpy(payload.data() + kHead, &cid_, sizeof cid_);
  reply(message, payload);
  return true;
}

/// What the guest sent before the queue stops counts: the last words of one that resets right after them.
bool VhostUser::stop_queue(const Message& message) {
  drain_();
  VirtQueue& queue = queue_of(message);
  const std::array<std::uint32_t, 2> state{field<std::uint32_t>(message, 0), queue.next};
  queue.enabled = false;
  queue.kick.reset();
  reply(message, {reinterpret_cast<const char*>(state.data()), sizeof state});
  return true;
}

void VhostUser::set_memory(const Message& message) {
  constexpr std::size_t kRegion = 32;
  memory_.clear();
  const auto count = std::min<std::size_t>(field<std::uint32_t>(message, 0), message.fds.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = 8 + i * kRegion;
    memory_.add({.guest = field<std::uint64_t>(message, at),
                 .size = field<std::uint64_t>(message, at + 8),
                 .user = field<std::uint64_t>(message, at + 16),
                 .offset = field<std::uint64_t>(message, at + 24)},
                message.fds[i].get());
  }
}

}  // namespace alephc

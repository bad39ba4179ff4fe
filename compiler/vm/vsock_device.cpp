// SPDX-License-Identifier: MIT
//
// A vsock device in this process (vhost-user), for hosts whose kernel has no vhost-vsock. One thread does everything, in
// one poll loop: requests of the VMM, kicks of the guest's two queues, host programs on UNIX sockets.
//
// A connection is a pair of ports, with one buffer for a host program that is slow. Both sides count bytes (credit, virtio
// 1.2 section 5.10.6.3): the guest is told how much room is left, and one that sends more is cut off; what the guest has
// room for bounds what is read from the host program. Packets for the guest wait in one queue of at most kMostOutgoing;
// while it is full, nothing is read from anywhere that would add to it, so memory is bounded whatever the guest does.
//
// Everything that the guest writes is a stranger's word: descriptors, lengths and addresses are checked by GuestMemory
// and VirtQueue at each use, and a packet for a connection that does not exist is answered with a reset. When the VMM is
// gone every connection ends.
//
// Not handled: datagrams and seqpackets, migration, more than one guest.
#include "vm/vsock_device.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "vm/guest_memory.hpp"
#include "vm/host_handshakes.hpp"
#include "vm/unix_socket.hpp"
#include "vm/vhost_user.hpp"
#include "vm/vsock_wire.hpp"

namespace alephc {

struct VsockConnection {
  UniqueFd fd{};
  std::uint32_t guest_port = 0;
  std::uint32_t host_port = 0;
  bool established = false;
  bool from_host = false;   ///< opened by a host program, which waits for its OK line
  bool eof = false;         ///< the host program hung up
  bool guest_done = false;  ///< the guest sends no more
  bool closing = false;     ///< drop when the buffer is out
  std::uint32_t peer_buffer = 0;
  std::uint32_t peer_forwarded = 0;
  std::uint32_t sent = 0;
  std::uint32_t forwarded = 0;
  std::uint32_t told = 0;  ///< forwarded, as the guest knows it
  std::string early{};     ///< bytes that came behind the CONNECT line
  std::string buffer{};    ///< for the host program, which is slow

  [[nodiscard]] std::uint32_t credit() const {
    const std::uint32_t in_flight = sent - peer_forwarded;
    return in_flight >= peer_buffer ? 0 : peer_buffer - in_flight;
  }
};

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kHostCid = 2;
constexpr std::uint32_t kFirstHostPort = 1U << 30U;
constexpr std::uint32_t kBufferSize = 256 * 1024;  // what a connection holds for a slow host program
constexpr std::size_t kMaxPayload = 64 * 1024;
// What a guest can make this process hold. Beyond it the guest is not listened to until it takes what waits for it.
constexpr std::size_t kMostConnections = 1024;
constexpr std::size_t kMostOutgoing = 1024;  // packets
constexpr std::size_t kMostHandshakes = 64;  // host programs that have not said where to
constexpr std::size_t kMostPackets = 256;    // read in one turn, so that the other side has its turn

void drain_event(int fd) {
  std::uint64_t count = 0;
  (void)!::read(fd, &count, sizeof count);
}

}  // namespace

class VsockDevice::Backend {
 public:
  Backend(const fs::path& vhost_socket, fs::path uds, std::uint64_t cid)
      : uds_(std::move(uds)),
        cid_(cid),
        vhost_listener_(listen_unix(vhost_socket)),
        host_listener_(listen_unix(uds_)),
        stop_(::eventfd(0, EFD_CLOEXEC)) {
    if (!stop_) throw system_error("make an event", errno);
  }

  void stop() const {
    const std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof one);
  }

  void run() {
    while (!stopped_) {
      collect_polls();
      if (::poll(polls_.data(), polls_.size(), more_to_receive_ ? 0 : -1) < 0 && errno != EINTR) return;
      dispatch();
    }
  }

 private:
  using Key = std::pair<std::uint32_t, std::uint32_t>;  // guest port, host port

  void watch(int fd, short events) { polls_.push_back({fd, events, 0}); }

  void collect_polls() {
    polls_.clear();
    watch(stop_.get(), POLLIN);
    watch(vmm_.is_connected() ? vmm_.fd() : vhost_listener_.get(), POLLIN);
    watch(handshakes_.has_room() ? host_listener_.get() : -1, POLLIN);
    for (VirtQueue& queue : queues_) watch(queue.kick ? queue.kick.get() : -1, POLLIN);
    waiting_ = handshakes_.fds();
    for (const int fd : waiting_) watch(fd, POLLIN);
    keys_.clear();
    for (const auto& [key, connection] : connections_) {
      keys_.push_back(key);
      const bool may_read = connection.established && !connection.eof && connection.credit() > 0 &&
                            outgoing_.size() < 64 && queues_[0].has_chain();
      const short events =
          static_cast<short>((may_read ? POLLIN : 0) | (connection.buffer.empty() ? 0 : POLLOUT));
      watch(events == 0 ? -1 : connection.fd.get(), events);
    }
  }

  void dispatch() {
    constexpr std::size_t kFixed = 6;
    const std::vector<pollfd> polls = polls_;
    if (polls[0].revents != 0) {
      stopped_ = true;
      return;
    }
    const std::size_t waiting = waiting_.size();
    if (polls[1].revents != 0) serve_vmm();
    if (polls[2].revents != 0) handshakes_.accept(host_listener_.get());
    for (std::size_t i = 0; i < queues_.size(); ++i)
      if (polls[3 + i].revents != 0 && queues_[i].kick) drain_event(queues_[i].kick.get());
    for (std::size_t i = 0; i < waiting; ++i)
      if (polls[kFixed + i].revents != 0) read_handshake(polls[kFixed + i].fd);
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      const pollfd& ready = polls[kFixed + waiting + i];
      const auto it = connections_.find(keys_[i]);
      if (ready.revents == 0 || ready.fd < 0 || it == connections_.end()) continue;
      if ((ready.revents & POLLOUT) != 0 || !it->second.buffer.empty()) flush(it->second);
      if ((ready.revents & (POLLIN | POLLHUP | POLLERR)) != 0 && (ready.events & POLLIN) != 0)
        read_host(it->second);
    }
    receive_packets();
    send_packets();
    std::erase_if(connections_,
                  [](const auto& item) { return item.second.closing && item.second.buffer.empty(); });
  }

  void serve_vmm() {
    if (vmm_.is_connected()) return vmm_.serve();
    vmm_.connect(UniqueFd(::accept4(vhost_listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }

  // --- The host's programs ---

  void read_handshake(int fd) {
    std::optional<HostCall> call = handshakes_.read(fd);
    if (!call) return;
    VsockConnection connection{.fd = std::move(call->fd),
                               .guest_port = call->port,
                               .host_port = next_port_++,
                               .from_host = true,
                               .early = std::move(call->rest)};
    const Key key{connection.guest_port, connection.host_port};
    queue_packet(connection, kRequest);
    connections_.emplace(key, std::move(connection));
  }

  void read_host(VsockConnection& connection) {
    std::array<char, kMaxPayload> bytes;
    const std::size_t room = std::min<std::size_t>(bytes.size(), connection.credit());
    const ssize_t got = ::read(connection.fd.get(), bytes.data(), room);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      connection.eof = true;
      queue_packet(connection, kShutdown, {}, kNoMoreReceive | kNoMoreSend);
      return;
    }
    send_data(connection, {bytes.data(), static_cast<std::size_t>(got)});
  }

  void send_data(VsockConnection& connection, std::string_view bytes) {
    connection.sent += static_cast<std::uint32_t>(bytes.size());
    queue_packet(connection, kData, std::string(bytes));
  }

  /// Writes what is kept for a slow program and tells the guest about the room.
  void flush(VsockConnection& connection) {
    while (!connection.buffer.empty()) {
      const ssize_t put =
          ::send(connection.fd.get(), connection.buffer.data(), connection.buffer.size(), MSG_NOSIGNAL);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0 && errno == EAGAIN) break;
      if (put < 0) {
        connection.buffer.clear();
        connection.closing = true;
        queue_packet(connection, kReset);
        return;
      }
      connection.buffer.erase(0, static_cast<std::size_t>(put));
      connection.forwarded += static_cast<std::uint32_t>(put);
    }
    if (connection.buffer.empty() && connection.guest_done) ::shutdown(connection.fd.get(), SHUT_WR);
    if (connection.forwarded - connection.told > kBufferSize / 2) queue_packet(connection, kCreditUpdate);
  }

  // --- The guest ---

  void queue_packet(VsockConnection& connection, std::uint16_t operation, std::string payload = {},
                    std::uint32_t flags = 0) {
    Packet packet{.source_cid = kHostCid,
                  .target_cid = cid_,
                  .source_port = connection.host_port,
                  .target_port = connection.guest_port,
                  .length = static_cast<std::uint32_t>(payload.size()),
                  .operation = operation,
                  .flags = flags,
                  .buffer_size = kBufferSize,
                  .forwarded = connection.forwarded};
    connection.told = connection.forwarded;
    outgoing_.emplace_back(packet, std::move(payload));
  }

  void queue_reset(const Packet& to) {
    VsockConnection unknown{.guest_port = to.source_port, .host_port = to.target_port};
    queue_packet(unknown, kReset);
  }

  /// Copies waiting packets into the guest's buffers; a large one takes several.
  void send_packets() {
    VirtQueue& queue = queues_[0];
    bool any = false;
    VirtQueue::Chain chain;
    while (!outgoing_.empty() && queue.pop(chain)) {
      auto& [packet, payload] = outgoing_.front();
      std::size_t room = 0;
      for (const auto& part : chain.writable) room += part.size();
      if (room <= kHeaderSize) {
        queue.push(chain, 0);
        continue;
      }
      const std::size_t size = std::min(payload.size(), room - kHeaderSize);
      Packet piece = packet;
      piece.length = static_cast<std::uint32_t>(size);
      std::string bytes(reinterpret_cast<const char*>(&piece), kHeaderSize);
      bytes.append(payload, 0, size);
      std::size_t at = 0;
      for (const auto& part : chain.writable) {
        const std::size_t count = std::min(part.size(), bytes.size() - at);
        std::memcpy(part.data(), bytes.data() + at, count);
        at += count;
      }
      queue.push(chain, static_cast<std::uint32_t>(bytes.size()));
      any = true;
      payload.erase(0, size);
      if (payload.empty()) outgoing_.pop_front();
    }
    if (any) queue.notify();
  }

  void receive_packets() {
    VirtQueue& queue = queues_[1];
    bool any = false;
    VirtQueue::Chain chain;
    std::size_t packets = 0;
    while (outgoing_.size() < kMostOutgoing && packets++ < kMostPackets && queue.pop(chain)) {
      std::string bytes;
      for (const auto& part : chain.readable)
        bytes.append(reinterpret_cast<const char*>(part.data()),
                     std::min(part.size(), kHeaderSize + kMaxPayload - bytes.size()));
      queue.push(chain, 0);
      any = true;
      if (bytes.size() < kHeaderSize) continue;
      Packet packet;
      std::memcpy(&packet, bytes.data(), kHeaderSize);
      bytes.erase(0, kHeaderSize);
      bytes.resize(std::min<std::size_t>(bytes.size(), packet.length));
      receive(packet, bytes);
    }
    if (any) queue.notify();
    more_to_receive_ = outgoing_.size() < kMostOutgoing && queue.has_chain();
  }

  void receive(const Packet& packet, const std::string& payload) {
    const auto it = connections_.find({packet.source_port, packet.target_port});
    if (packet.target_cid != kHostCid || packet.type != 1) return queue_reset(packet);
    if (packet.operation == kRequest) return open_to_host(packet);
    if (it == connections_.end()) {
      if (packet.operation != kReset) queue_reset(packet);
      return;
    }
    VsockConnection& connection = it->second;
    connection.peer_buffer = packet.buffer_size;
    connection.peer_forwarded = packet.forwarded;
    switch (packet.operation) {
      case kResponse:
        return established(connection);
      case kReset:
        flush(connection);
        connection.closing = true;
        return;
      case kShutdown:
        return shut_down(connection, packet.flags);
      case kData:
        // It was told how much fits. One that sends more is cut off, as Linux does with its peers.
        if (connection.buffer.size() + payload.size() > kBufferSize + kMaxPayload) return cut_off(connection);
        connection.buffer += payload;
        return flush(connection);
      case kCreditRequest:
        return queue_packet(connection, kCreditUpdate);
      default:
        return;
    }
  }

  void cut_off(VsockConnection& connection) {
    connection.buffer.clear();
    connection.closing = true;
    queue_packet(connection, kReset);
  }

  void established(VsockConnection& connection) {
    if (connection.established || !connection.from_host) return;
    connection.established = true;
    connection.buffer = "OK " + std::to_string(connection.host_port) + "\n";
    // The line is ours, not the guest's bytes.
    connection.forwarded -= static_cast<std::uint32_t>(connection.buffer.size());
    flush(connection);
    if (!connection.early.empty()) send_data(connection, std::exchange(connection.early, {}));
  }

  void shut_down(VsockConnection& connection, std::uint32_t flags) {
    if ((flags & kNoMoreSend) != 0) connection.guest_done = true;
    flush(connection);
    if ((flags & kNoMoreSend) == 0 || (flags & kNoMoreReceive) == 0) return;
    connection.closing = true;
    queue_packet(connection, kReset);
  }

  void open_to_host(const Packet& packet) {
    if (connections_.size() >= kMostConnections) return queue_reset(packet);
    UniqueFd fd = connect_unix(uds_.string() + "_" + std::to_string(packet.target_port));
    if (!fd) return queue_reset(packet);
    ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    VsockConnection connection{.fd = std::move(fd),
                               .guest_port = packet.source_port,
                               .host_port = packet.target_port,
                               .established = true,
                               .peer_buffer = packet.buffer_size,
                               .peer_forwarded = packet.forwarded};
    queue_packet(connection, kResponse);
    connections_.insert_or_assign({packet.source_port, packet.target_port}, std::move(connection));
  }

  fs::path uds_;
  std::uint64_t cid_;
  UniqueFd vhost_listener_;
  UniqueFd host_listener_;
  UniqueFd stop_;
  bool stopped_ = false;
  bool more_to_receive_ = false;  ///< the guest's queue was left before it was empty
  GuestMemory memory_;
  VhostUser::Queues queues_{VirtQueue(memory_), VirtQueue(memory_), VirtQueue(memory_)};
  VhostUser vmm_{memory_, queues_, cid_, [this] { receive_packets(); }};
  HostHandshakes handshakes_{kMostHandshakes};
  std::vector<int> waiting_;  ///< handshakes that are polled
  std::map<Key, VsockConnection> connections_;
  std::deque<std::pair<Packet, std::string>> outgoing_;
  std::uint32_t next_port_ = kFirstHostPort;
  std::vector<pollfd> polls_;
  std::vector<Key> keys_;
};

VsockDevice::VsockDevice(const fs::path& vhost_socket, const fs::path& uds, std::uint64_t guest_cid)
    : backend_(std::make_unique<Backend>(vhost_socket, uds, guest_cid)), thread_([this] {
        try {
          backend_->run();
        } catch (const std::exception&) {
          // The VMM is gone; whoever waits for the guest sees its end.
        }
      }) {}

VsockDevice::~VsockDevice() {
  backend_->stop();
  thread_.join();
}

}  // namespace alephc

// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

namespace alephc {

// What goes over the wire: virtio 1.2 section 5.10 between guest and device, QEMU's docs/interop/vhost-user
// between VMM and device.

inline constexpr std::size_t kHeaderSize = 44;

enum Operation : std::uint16_t {
  kRequest = 1,
  kResponse = 2,
  kReset = 3,
  kShutdown = 4,
  kData = 5,
  kCreditUpdate = 6,
  kCreditRequest = 7
};
inline constexpr std::uint32_t kNoMoreReceive = 1;
inline constexpr std::uint32_t kNoMoreSend = 2;

struct __attribute__((packed)) Packet {
  std::uint64_t source_cid = 0;
  std::uint64_t target_cid = 0;
  std::uint32_t source_port = 0;
  std::uint32_t target_port = 0;
  std::uint32_t length = 0;
  std::uint16_t type = 1;  ///< stream
  std::uint16_t operation = 0;
  std::uint32_t flags = 0;
  std::uint32_t buffer_size = 0;
  std::uint32_t forwarded = 0;
};

static_assert(sizeof(Packet) == kHeaderSize);

/// vhost-user requests that matter here.
enum VhostRequest : std::uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kSetMemTable = 5,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kSetVringErr = 14,
  kGetProtocolFeatures = 15,
  kSetProtocolFeatures = 16,
  kGetQueueNum = 17,
  kSetVringEnable = 18,
  kGetConfig = 24,
  kSetConfig = 25
};
inline constexpr std::uint64_t kFeatures = (1ULL << 32U) | (1ULL << 30U);  // version 1, protocol features
inline constexpr std::uint64_t kProtocolFeatures = (1ULL << 3U) | (1ULL << 9U);  // reply-ack, config
inline constexpr std::uint32_t kReplyFlag = 4;
inline constexpr std::uint32_t kNeedsReply = 8;

}  // namespace alephc

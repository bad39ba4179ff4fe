// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

namespace alephc {

// What goes over the wire: virtio 1.2 section 5.10 between guest and device, QEMU's docs/interop/vhost-user
// between VMM and device.

inline constexpr std::size_t kHeaderSize = 44;

inline constexpr std::uint16_t kRequest = 1;
inline constexpr std::uint16_t kResponse = 2;
inline constexpr std::uint16_t kReset = 3;
inline constexpr std::uint16_t kShutdown = 4;
inline constexpr std::uint16_t kData = 5;
inline constexpr std::uint16_t kCreditUpdate = 6;
inline constexpr std::uint16_t kCreditRequest = 7;
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
inline constexpr std::uint32_t kGetFeatures = 1;
inline constexpr std::uint32_t kSetFeatures = 2;
inline constexpr std::uint32_t kSetOwner = 3;
inline constexpr std::uint32_t kSetMemTable = 5;
inline constexpr std::uint32_t kSetVringNum = 8;
inline constexpr std::uint32_t kSetVringAddr = 9;
inline constexpr std::uint32_t kSetVringBase = 10;
inline constexpr std::uint32_t kGetVringBase = 11;
inline constexpr std::uint32_t kSetVringKick = 12;
inline constexpr std::uint32_t kSetVringCall = 13;
inline constexpr std::uint32_t kSetVringErr = 14;
inline constexpr std::uint32_t kGetProtocolFeatures = 15;
inline constexpr std::uint32_t kSetProtocolFeatures = 16;
inline constexpr std::uint32_t kGetQueueNum = 17;
inline constexpr std::uint32_t kSetVringEnable = 18;
inline constexpr std::uint32_t kGetConfig = 24;
inline constexpr std::uint32_t kSetConfig = 25;
inline constexpr std::uint64_t kFeatures = (1ULL << 32U) | (1ULL << 30U);  // version 1, protocol features
inline constexpr std::uint64_t kProtocolFeatures = (1ULL << 3U) | (1ULL << 9U);  // reply-ack, config
inline constexpr std::uint32_t kReplyFlag = 4;
inline constexpr std::uint32_t kNeedsReply = 8;

}  // namespace alephc

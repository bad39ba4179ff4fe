// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/fd.hpp"

namespace alephc {

/// The memory of a virtual machine, mapped here. Every
/// address in it is the guest's word and checked at each use.
class GuestMemory {
 public:
  struct Region {
    std::uint64_t guest = 0;  ///< physical address
    std::uint64_t size = 0;
    std::uint64_t user = 0;    ///< address in the VMM's process
    std::uint64_t offset = 0;  ///< in fd
  };

  GuestMemory() = default;
  ~GuestMemory() { clear(); }
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  void clear();
  void add(const Region& region, int fd);

  /// The bytes at a guest or VMM address; empty when they are not all inside one region.
  [[nodiscard]] std::span<std::uint8_t> at_guest(std::uint64_t address, std::uint64_t size) const;
  [[nodiscard]] std::span<std::uint8_t> at_user(std::uint64_t address, std::uint64_t size) const;

 private:
  struct Mapping {
    Region region{};
    std::uint8_t* base = nullptr;  ///< of offset 0
    std::uint64_t length = 0;
  };
  std::vector<Mapping> mappings_;
};

/// One split virtqueue (virtio 1.2, 2.7), the device's side.
class VirtQueue {
 public:
  explicit VirtQueue(const GuestMemory& memory) : memory_(&memory) {}

  std::uint32_t size = 0;
  std::uint64_t descriptors = 0;  ///< VMM addresses
  std::uint64_t available = 0;
  std::uint64_t used = 0;
  std::uint16_t next = 0;  ///< index of the next available chain
  bool enabled = false;
  UniqueFd kick{};
  UniqueFd call{};

  struct Chain {
    std::uint16_t head = 0;
    std::vector<std::span<std::uint8_t>> readable{};
    std::vector<std::span<std::uint8_t>> writable{};
  };
  /// The next chain of buffers; false if there is none (or the ring is broken, which ends it).
  bool pop(Chain& chain);
  /// Gives a chain back with the number of bytes written into it.
  void push(const Chain& chain, std::uint32_t written);
  void notify() const;
  [[nodiscard]] bool has_chain() const;

 private:
  [[nodiscard]] std::uint16_t available_index() const;
  const GuestMemory* memory_;
};

}  // namespace alephc

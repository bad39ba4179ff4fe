// SPDX-License-Identifier: MIT
#include "vm/guest_memory.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

#include "base/diagnostic.hpp"

namespace alephc {
namespace {

constexpr std::uint16_t kNext = 1;
constexpr std::uint16_t kWrite = 2;
constexpr std::uint16_t kNoInterrupt = 1;
constexpr std::size_t kDescriptorSize = 16;
constexpr std::uint64_t kMostChain = 16ULL << 20U;  // bytes of one chain; a driver's has some 64 KiB
constexpr std::size_t kRingHead = 4;
constexpr std::size_t kUsedSize = 8;

template <typename Number>
Number load(std::span<const std::uint8_t> bytes, std::size_t at) {
  Number value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

}  // namespace

void GuestMemory::clear() {
  for (const Mapping& mapping : mappings_) ::munmap(mapping.base, mapping.length);
  mappings_.clear();
}

void GuestMemory::add(const Region& region, int fd) {
  Mapping mapping{.region = region, .length = region.offset + region.size};
  if (mapping.length < region.size) throw Error(ErrorKind::failed, "the virtual machine has an impossible memory");
  void* base = ::mmap(nullptr, mapping.length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) throw system_error("map the memory of the virtual machine", errno);
  mapping.base = static_cast<std::uint8_t*>(base);
  mappings_.push_back(mapping);
}

std::span<std::uint8_t> GuestMemory::at_guest(std::uint64_t address, std::uint64_t size) const {
  for (const Mapping& mapping : mappings_) {
    const Region& region = mapping.region;
    if (address < region.guest || address - region.guest > region.size) continue;
    const std::uint64_t inside = address - region.guest;
    if (size <= region.size - inside) return {mapping.base + region.offset + inside, size};
  }
  return {};
}

std::span<std::uint8_t> GuestMemory::at_user(std::uint64_t address, std::uint64_t size) const {
  for (const Mapping& mapping : mappings_) {
    const Region& region = mapping.region;
    if (address < region.user || address - region.user > region.size) continue;
    const std::uint64_t inside = address - region.user;
    if (size <= region.size - inside) return {mapping.base + region.offset + inside, size};
  }
  return {};
}

std::uint16_t VirtQueue::available_index() const {
  const auto ring = memory_->at_user(available, kRingHead + 2ULL * size);
  if (ring.empty()) return next;
  return std::atomic_ref<std::uint16_t>(*reinterpret_cast<std::uint16_t*>(ring.data() + 2))
      .load(std::memory_order_acquire);
}

bool VirtQueue::has_chain() const {
  if (!enabled || size == 0) return false;
  // More than the ring holds cannot be waiting: the guest writes nonsense there, and would keep us busy with it.
  const auto waiting = static_cast<std::uint16_t>(available_index() - next);
  return waiting != 0 && waiting <= size;
}

bool VirtQueue::pop(Chain& chain) {
  if (!has_chain()) return false;
  const auto ring = memory_->at_user(available, kRingHead + 2ULL * size);
  const auto table = memory_->at_user(descriptors, kDescriptorSize * size);
  if (ring.empty() || table.empty()) return false;
  chain.readable.clear();
  chain.writable.clear();
  chain.head = load<std::uint16_t>(ring, kRingHead + 2ULL * (next % size));
  ++next;
  std::uint16_t index = chain.head;
  std::uint64_t total = 0;
  // A loop of descriptors ends with the table, and what they name together with the limit.
  for (std::uint32_t steps = 0; steps < size && index < size && total < kMostChain; ++steps) {
    const std::size_t at = kDescriptorSize * index;
    const auto flags = load<std::uint16_t>(table, at + 12);
    const auto bytes = memory_->at_guest(load<std::uint64_t>(table, at), load<std::uint32_t>(table, at + 8));
    total += bytes.size();
    if (!bytes.empty()) ((flags & kWrite) != 0 ? chain.writable : chain.readable).push_back(bytes);
    if ((flags & kNext) == 0) break;
    index = load<std::uint16_t>(table, at + 14);
  }
  return true;
}

void VirtQueue::push(const Chain& chain, std::uint32_t written) {
  const auto ring = memory_->at_user(used, kRingHead + kUsedSize * size);
  if (ring.empty()) return;
  const std::atomic_ref<std::uint16_t> index(*reinterpret_cast<std::uint16_t*>(ring.data() + 2));
  const std::uint16_t slot = index.load(std::memory_order_relaxed);
  const std::uint32_t head = chain.head;
  std::uint8_t* place = ring.data() + kRingHead + kUsedSize * (slot % size);
  std::memcpy(place, &head, sizeof head);
  std::memcpy(place + 4, &written, sizeof written);
  index.store(static_cast<std::uint16_t>(slot + 1), std::memory_order_release);
}

void VirtQueue::notify() const {
  const auto ring = memory_->at_user(available, kRingHead);
  if (!call || ring.empty() || (load<std::uint16_t>(ring, 0) & kNoInterrupt) != 0) return;
  const std::uint64_t one = 1;
  (void)!::write(call.get(), &one, sizeof one);
}

}  // namespace alephc

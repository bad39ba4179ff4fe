// SPDX-License-Identifier: MIT
// The device's side of a virtqueue in memory that a guest wrote: chains, rings and addresses are whatever the bytes say.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "vm/guest_memory.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace alephc;
  constexpr std::size_t kMemory = 65536;
  constexpr std::size_t kHead = 8;
  if (size < kHead) return 0;
  const UniqueFd file(::memfd_create("guest", MFD_CLOEXEC));
  if (::ftruncate(file.get(), kMemory) != 0) return 0;
  GuestMemory memory;
  try {
    memory.add({.guest = 0, .size = kMemory, .user = 0, .offset = 0}, file.get());
  } catch (const Error&) {
    return 0;
  }
  const auto all = memory.at_guest(0, kMemory);
  std::memcpy(all.data(), data + kHead, std::min(size - kHead, kMemory));
  VirtQueue queue(memory);
  // As the emulator sets it up: aligned places, a size that is a power of two.
  queue.size = 1U << (data[0] % 9U);
  queue.descriptors = std::uint64_t{data[1]} * 16;
  queue.available = std::uint64_t{data[2]} * 64;
  queue.used = std::uint64_t{data[3]} * 64;
  queue.next = data[4];
  queue.enabled = true;
  VirtQueue::Chain chain;
  for (int turns = 0; turns < 64 && queue.pop(chain); ++turns) {
    std::size_t bytes = 0;
    for (const auto& part : chain.readable) bytes += part.size();
    for (const auto& part : chain.writable)
      if (!part.empty()) part[0] = static_cast<std::uint8_t>(bytes);
    queue.push(chain, static_cast<std::uint32_t>(bytes));
    queue.notify();
  }
  return 0;
}

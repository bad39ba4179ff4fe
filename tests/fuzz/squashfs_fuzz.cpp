// SPDX-License-Identifier: MIT
// The reader of squashfs images on whatever bytes: refused or read, within the budget of an image of this size.
// libsquashfs asks for as much memory as an inode says and takes no for an answer, so fuzz it with
// ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=1024 and a large -malloc_limit_mb; alephc itself
// reads images in a child with a similar bound, RLIMIT_DATA.
#include <cstdint>
#include <string_view>

#include "base/diagnostic.hpp"
#include "image/byte_source.hpp"
#include "image/image_format.hpp"
#include "image/read_budget.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace alephc;
  const MemorySource image(std::string_view(reinterpret_cast<const char*>(data), size));
  try {
    ReadBudget budget(size);
    (void)image_format("squashfs").read(image, {.wanted = [](const std::string&) { return true; }}, budget);
  } catch (const Error&) {
    // Refused.
  }
  return 0;
}

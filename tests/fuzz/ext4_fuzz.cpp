// SPDX-License-Identifier: MIT
// The reader of ext4 images on whatever bytes: refused or read, within the budget of an image of this size.
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
    (void)image_format("ext4").read(image, {.wanted = [](const std::string&) { return true; }}, budget);
  } catch (const Error&) {
    // Refused.
  }
  return 0;
}

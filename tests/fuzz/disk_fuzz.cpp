// SPDX-License-Identifier: MIT
// The readers of partition tables, FAT and qcow2 on whatever bytes.
#include <cstdint>
#include <string_view>

#include "base/diagnostic.hpp"
#include "image/byte_source.hpp"
#include "image/disk/fat.hpp"
#include "image/disk/gpt.hpp"
#include "image/disk/qcow2.hpp"
#include "image/read_budget.hpp"

namespace {

template <typename Read>
void tried(Read&& read) {
  try {
    read();
  } catch (const alephc::Error&) {
    // Refused.
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace alephc;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const MemorySource image(bytes);
  tried([&] { (void)gpt::read_tables(image); });
  tried([&] {
    ReadBudget budget(size);
    (void)fat::read_volume(image, budget);
  });
  if (bytes.starts_with("QFI\xfb"))
    tried([&] {
      const Qcow2Source disk(image);
      std::string piece(65536, '\0');
      for (std::uint64_t at = 0; at < disk.size() && at < (64U << 20U); at += piece.size())
        (void)disk.read(at, piece);
    });
  return 0;
}

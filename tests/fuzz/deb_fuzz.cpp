// SPDX-License-Identifier: MIT
#include "decode_without_process.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return alephc::decode_without_process(alephc::ArchiveKind::deb, data, size);
}

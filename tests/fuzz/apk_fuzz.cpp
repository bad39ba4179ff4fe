// SPDX-License-Identifier: MIT
#include "decode_without_process.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using alephc::ArchiveKind;
  for (const ArchiveKind kind : {ArchiveKind::apk, ArchiveKind::apk_control, ArchiveKind::apk_signature})
    (void)alephc::decode_without_process(kind, data, size);
  return 0;
}

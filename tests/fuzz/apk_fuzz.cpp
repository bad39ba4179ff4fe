// SPDX-License-Identifier: MIT
#include "decode_without_process.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using alephc::ArchiveKind;
  for (const ArchiveKind kind :
       {ArchiveKind::tar_members, ArchiveKind::tar_members_control, ArchiveKind::tar_members_signature})
    (void)alephc::decode_without_process(kind, data, size);
  return 0;
}

// SPDX-License-Identifier: MIT
#pragma once

// The reading half of the decoder without its process: what the child does to hostile bytes, and what the
// parent makes of what the child says.
#include <cstdint>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "decode/reader_child.hpp"
#include "decode/wire.hpp"

namespace alephc {

inline int decode_without_process(ArchiveKind kind, const std::uint8_t* data, std::size_t size) {
  const UniqueFd in(::memfd_create("in", MFD_CLOEXEC));
  const UniqueFd out(::memfd_create("out", MFD_CLOEXEC));
  write_all(in.get(), {reinterpret_cast<const char*>(data), size});
  ::lseek(in.get(), 0, SEEK_SET);
  read_archive(in.get(), kind, out.get());
  ::lseek(out.get(), 0, SEEK_SET);
  WireReader reader(out.get());
  WireTag tag{};
  std::string_view payload;
  std::string member;
  Entry entry;
  while (reader.get(tag, payload))
    if (tag == WireTag::entry) unpack_entry(payload, member, entry);
  return 0;
}

}  // namespace alephc

// SPDX-License-Identifier: MIT
// The readers of partition tables, FAT and qcow2 on whatever bytes. A mutated qcow2 may claim a large disk:
// holes.
#include <cstdint>
#include <string_view>

#include <sys/mman.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "image/disk/fat.hpp"
#include "image/disk/gpt.hpp"
#include "image/disk/qcow2.hpp"

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
  const UniqueFd file(::memfd_create("image", MFD_CLOEXEC));
  write_all(file.get(), {reinterpret_cast<const char*>(data), size});
  tried([&] { (void)gpt::read_tables(file.get()); });
  tried([&] { (void)fat::read_volume(file.get(), 0); });
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  if (std::string_view(reinterpret_cast<const char*>(data), size).starts_with("QFI\xfb"))
    tried([&] {
      const TempDir work("/dev/shm", "alephc-fuzz");
      unpack_qcow2(path, work.path() / "disk");
    });
  return 0;
}

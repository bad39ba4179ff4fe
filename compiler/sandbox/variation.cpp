// SPDX-License-Identifier: MIT
#include "sandbox/variation.hpp"

#include <array>
#include <string_view>

#include <fcntl.h>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "guest/guest_files.hpp"

namespace alephc {
namespace {

struct Library {
  const char* name;
  bool Variation::*wanted;
  std::string_view (*bytes)();
};

constexpr std::array kLibraries{Library{"alephc-vary-clock.so", &Variation::clock, clock_library},
                                Library{"alephc-vary-order.so", &Variation::directory_order, order_library}};

}  // namespace

void put_variation_libraries(const Variation& vary, const std::filesystem::path& shm) {
  for (const Library& library : kLibraries) {
    if (!(vary.*library.wanted)) continue;
    const UniqueFd file = open_file(shm / library.name, O_WRONLY | O_CREAT | O_EXCL, 0755);
    write_all(file.get(), library.bytes());
  }
}

std::string variation_preload(const Variation& vary) {
  std::vector<std::string> paths;
  for (const Library& library : kLibraries)
    if (vary.*library.wanted) paths.push_back(std::string("/dev/shm/") + library.name);
  return join(paths, ":");
}

}  // namespace alephc

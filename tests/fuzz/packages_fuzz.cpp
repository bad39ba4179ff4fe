// SPDX-License-Identifier: MIT
#include <cstdint>
#include <string>

#include "distro/debian/control.hpp"
#include "distro/debian/index.hpp"
#include "distro/debian/requests.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace alephc::debian;
  const std::string text(reinterpret_cast<const char*>(data), size);
  PackageIndex index;
  index.add(text, 0);
  for (const IndexedPackage& package : index.packages()) {
    (void)parse_relations(package.depends);
    if (compare_versions(package.version, package.version) != 0) __builtin_trap();
    if (index.find(package.name, package.version, package.arch) == nullptr) __builtin_trap();
  }
  (void)requirement_chain({"a"}, "b", index);
  return 0;
}

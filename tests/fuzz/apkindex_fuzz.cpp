// SPDX-License-Identifier: MIT
#include <cstdint>
#include <string>

#include "base/diagnostic.hpp"
#include "distro/alpine/solver.hpp"
#include "distro/alpine/version.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace alephc::alpine;
  const std::string text(reinterpret_cast<const char*>(data), size);
  PackageIndex index("x86_64");
  try {
    index.add(text, 0);
  } catch (const alephc::Error&) {
    return 0;
  }
  std::vector<Dependency> world;
  for (const IndexedPackage& package : index.packages()) {
    if (compare_versions(package.version, package.version) != 0) __builtin_trap();
    if (index.named(package.name).empty()) __builtin_trap();
    for (const Dependency& dependency : package.depends)
      if (!parse_dependency(text_of(dependency))) __builtin_trap();
    world.push_back({.name = package.name});
  }
  (void)Solver(index, {""}).solve(world);
  return 0;
}

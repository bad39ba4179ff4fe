// SPDX-License-Identifier: MIT
#include "distro/distro.hpp"

#include <algorithm>
#include <array>

#include "base/diagnostic.hpp"
#include "distro/alpine/alpine.hpp"
#include "distro/debian/debian.hpp"
#include "distro/none/none.hpp"
#include "distro/traits.hpp"

namespace alephc {
namespace {

struct Row {
  const DistroTraits& traits;
  const Distro& (*get)();
};

// To add a distribution: a folder with its Distro, a row here, a choice in manifest/keys.cpp.
constexpr std::array kDistros{Row{alpine::kTraits, alpine::distro}, Row{debian::kTraits, debian::distro},
                              Row{debian::kUbuntuTraits, debian::distro}, Row{none::kTraits, none::distro}};

const Row* find_row(std::string_view name) {
  for (const Row& row : kDistros)
    if (name == row.traits.name) return &row;
  return nullptr;
}

}  // namespace

const DistroTraits& distro_traits(std::string_view name) {
  const Row* row = find_row(name);
  return row == nullptr ? debian::kTraits : row->traits;
}

std::vector<const Distro*> all_distros() {
  std::vector<const Distro*> all;
  for (const Row& row : kDistros)
    if (std::find(all.begin(), all.end(), &row.get()) == all.end()) all.push_back(&row.get());
  return all;
}

const Distro& distro_of(std::string_view name) {
  if (const Row* row = find_row(name)) return row->get();
  throw Error(ErrorKind::failed, "unknown distribution '" + std::string(name) + "'");
}

}  // namespace alephc

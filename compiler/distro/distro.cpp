// SPDX-License-Identifier: MIT
#include "distro/distro.hpp"

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
  std::unique_ptr<Distro> (*make)();
};

// To add a distribution: a folder with its Distro, a row here, a choice in manifest/keys.cpp.
constexpr std::array kDistros{Row{debian::kTraits, debian::make_debian},
                              Row{debian::kUbuntuTraits, debian::make_debian},
                              Row{alpine::kTraits, alpine::make_alpine}, Row{none::kTraits, none::make_none}};

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

std::unique_ptr<Distro> make_distro(const std::string& name) {
  if (const Row* row = find_row(name)) return row->make();
  throw Error(ErrorKind::failed, "unknown distribution '" + name + "'");
}

}  // namespace alephc

// SPDX-License-Identifier: MIT
#include "distro/distro.hpp"

#include <array>

#include "base/diagnostic.hpp"
#include "distro/alpine/alpine.hpp"
#include "distro/debian/debian.hpp"
#include "distro/none/none.hpp"

namespace alephc {
namespace {

struct Row {
  const char* name;
  std::unique_ptr<Distro> (*make)();
};

// To add a distribution: a folder with its Distro, a row here, a choice in manifest/keys.cpp.
constexpr std::array kDistros{Row{"alpine", alpine::make_alpine}, Row{"debian", debian::make_debian},
                              Row{"none", none::make_none}, Row{"ubuntu", debian::make_debian}};

}  // namespace

std::unique_ptr<Distro> make_distro(const std::string& name) {
  for (const Row& row : kDistros)
    if (name == row.name) return row.make();
  throw Error(ErrorKind::failed, "unknown distribution '" + name + "'");
}

}  // namespace alephc

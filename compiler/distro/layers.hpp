// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace alephc {

// Chosen packages are dealt out to layers: one a part of the manifest that asks for packages, each with what it needs and
// no earlier layer has. Packages are numbered in install order.

/// A layer, and what its part asks for.
struct LayerSeed {
  std::string layer{};
  std::set<std::string> wanted{};
};
/// A layer is called as its part, "own" if that is the manifest's own file, and "packages" if it is the only one. A part
/// that wants nothing has none.
[[nodiscard]] std::vector<LayerSeed> layer_seeds(
    const std::vector<std::string>& parts,
    const std::function<std::set<std::string>(const std::string& part, bool is_last)>& wanted_by);

/// Who provides what, and who needs what, within what was chosen.
class ChosenPackages {
 public:
  void provide(std::string_view name, std::size_t package) {
    providers_[std::string(name)].push_back(package);
  }
  void need(std::size_t package, std::string_view name) { needs_[package].emplace_back(name); }

  /// Everything that some names need, with what provides them.
  [[nodiscard]] std::set<std::size_t> closure(const std::set<std::string>& names) const;

  /// The packages of each seed's layer, in their order. What no seed needs goes to the last.
  [[nodiscard]] std::vector<std::vector<std::size_t>> deal(const std::vector<LayerSeed>& seeds,
                                                           std::size_t count) const;

 private:
  std::map<std::string, std::vector<std::size_t>, std::less<>> providers_{};
  std::map<std::size_t, std::vector<std::string>> needs_{};
};

}  // namespace alephc

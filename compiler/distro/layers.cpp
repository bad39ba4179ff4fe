// SPDX-License-Identifier: MIT
#include "distro/layers.hpp"

namespace alephc {

std::vector<LayerSeed> layer_seeds(
    const std::vector<std::string>& parts,
    const std::function<std::set<std::string>(const std::string& part, bool is_last)>& wanted_by) {
  std::vector<LayerSeed> seeds;
  for (const std::string& part : parts) {
    const bool is_last = part == parts.back();
    std::set<std::string> wanted = wanted_by(part, is_last);
    if (!wanted.empty()) seeds.push_back({is_last ? "own" : part, std::move(wanted)});
  }
  if (seeds.size() == 1) seeds.front().layer = "packages";
  return seeds;
}

std::set<std::size_t> ChosenPackages::closure(const std::set<std::string>& names) const {
  std::set<std::size_t> found;
  std::vector<std::size_t> queue;
  const auto take = [&](const std::string& name) {
    const auto it = providers_.find(name);
    if (it == providers_.end()) return;
    for (const std::size_t package : it->second)
      if (found.insert(package).second) queue.push_back(package);
  };
  for (const std::string& name : names) take(name);
  while (!queue.empty()) {
    const auto needs = needs_.find(queue.back());
    queue.pop_back();
    if (needs == needs_.end()) continue;
    for (const std::string& name : needs->second) take(name);
  }
  return found;
}

std::vector<std::vector<std::size_t>> ChosenPackages::deal(const std::vector<LayerSeed>& seeds,
                                                           std::size_t count) const {
  std::vector<std::vector<std::size_t>> layers(seeds.size());
  std::vector<bool> placed(count, false);
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    const std::set<std::size_t> members = closure(seeds[i].wanted);
    const bool is_last = i + 1 == seeds.size();
    for (std::size_t package = 0; package < count; ++package) {
      if (placed[package] || !(members.contains(package) || is_last)) continue;
      placed[package] = true;
      layers[i].push_back(package);
    }
  }
  return layers;
}

}  // namespace alephc

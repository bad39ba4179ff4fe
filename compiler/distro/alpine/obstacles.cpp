// SPDX-License-Identifier: MIT
#include "distro/alpine/obstacles.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"

namespace alephc::alpine {
namespace {

void explain_package(const Universe& all, std::uint32_t id, std::vector<std::string>& lines,
                     std::set<std::uint32_t>& seen);

/// Why nothing answers a need, a line a reason.
void explain_need(const Universe& all, const Need& need, std::vector<std::string>& lines,
                  std::set<std::uint32_t>& seen) {
  const Name& name = all.names[need.name];
  if (name.chosen.package != kNone) {
    lines.push_back(all.label(name.chosen.package) + " is chosen");
    return;
  }
  std::vector<std::string> others;
  bool is_provided = false;
  for (const Provider& provider : name.providers) {
    others.push_back(all.label(provider.package));
    if (!all.fits(need.dependency, provider)) continue;
    is_provided = true;
    explain_package(all, provider.package, lines, seen);
  }
  constexpr std::size_t kShown = 8;
  if (others.size() > kShown) others.resize(kShown);
  if (others.empty())
    lines.push_back("no package provides " + std::string(name.text));
  else if (!is_provided)
    lines.push_back("there is only " + join(others, ", "));
}

void explain_package(const Universe& all, std::uint32_t id, std::vector<std::string>& lines,
                     std::set<std::uint32_t>& seen) {
  const Package& package = all.packages[id];
  if (package.possible || !seen.insert(id).second) return;
  lines.push_back(package.lacks ? package.why : "not " + all.label(id) + ": " + package.why);
  if (package.lacks) explain_need(all, *package.lacks, lines, seen);
}

/// Who asked for it first, be it by a name that it provides.
std::uint32_t requirer_of(const Universe& all, std::uint32_t package) {
  const Name& own = all.names[all.packages[package].name];
  if (own.requirers > 0) return own.first_requirer;
  for (const std::uint32_t id : all.packages[package].provides)
    if (all.names[id].requirers > 0 && all.names[id].chosen.package == package)
      return all.names[id].first_requirer;
  return kNone;
}

std::vector<std::string> chain_to(const Universe& all, std::uint32_t package) {
  std::vector<std::string> chain;
  while (package != kNone) {
    const std::string name(all.names[all.packages[package].name].text);
    if (std::find(chain.begin(), chain.end(), name) != chain.end())
      break;  // a circle that the world asks for
    chain.push_back(name);
    package = requirer_of(all, package);
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

}  // namespace

Obstacle unmet_need(const Universe& all, std::uint32_t by, const Need& need) {
  Obstacle obstacle{.chain = chain_to(all, by)};
  if (by == kNone) obstacle.chain.emplace_back(all.names[need.name].text);
  obstacle.lines.push_back(all.wish(by, need));
  std::set<std::uint32_t> seen;
  explain_need(all, need, obstacle.lines, seen);
  return obstacle;
}

Obstacle no_choice(const Universe& all, std::uint32_t id, const Provider& best) {
  const Name& name = all.names[id];
  Obstacle obstacle{.chain = chain_to(all, name.first_requirer)};
  obstacle.chain.emplace_back(name.text);
  std::vector<std::string> providers;
  for (const Provider& provider : name.providers) providers.push_back(all.label(provider.package));
  std::set<std::uint32_t> seen;
  if (providers.empty())
    obstacle.lines.push_back("no package provides " + std::string(name.text));
  else if (best.package == kNone)
    obstacle.lines.push_back(
        std::string(name.text) +
        " has no version, so one of its packages must be asked for: " + join(providers, ", "));
  else if (all.packages[best.package].possible)
    obstacle.lines.push_back(all.label(best.package) + " is in a tagged repository only");
  for (const Provider& provider : name.providers)
    explain_package(all, provider.package, obstacle.lines, seen);
  return obstacle;
}

}  // namespace alephc::alpine

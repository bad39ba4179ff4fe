// SPDX-License-Identifier: MIT
#include "steps/exclude.hpp"

#include <algorithm>
#include <set>

#include "base/glob.hpp"

namespace alephc {
namespace {

/// In byte order "a-b" comes between "a" and "a/c": what lies below a folder need not follow it.
bool has_ancestor_in(const std::string& path, const std::set<std::string>& folders) {
  for (std::string at = parent_path(path); !at.empty(); at = parent_path(at))
    if (folders.contains(at)) return true;
  return false;
}

struct Rule {
  Glob glob;
  bool excludes;
};

void run(const ExcludeInput& input, const ComputedPlace& place) {
  const Glob copyright("/usr/share/doc/*/copyright");
  const bool names_copyright = std::find(input.globs.begin(), input.globs.end(), copyright.pattern()) != input.globs.end();
  std::vector<Rule> rules;
  for (const std::string& glob : input.globs)
    rules.push_back(glob.starts_with('!') ? Rule{Glob(glob.substr(1)), false} : Rule{Glob(glob), true});
  std::vector<std::string> kept;
  std::vector<std::string> excluded;
  for (const Entry& entry : place.below.entries()) {
    const std::string path = "/" + entry.path;
    bool is_excluded = false;
    for (const Rule& rule : rules)
      if (rule.glob.matches(path)) is_excluded = rule.excludes;
    if (is_excluded && !names_copyright && copyright.matches(path)) is_excluded = false;
    (is_excluded ? excluded : kept).push_back(entry.path);
  }
  // A folder stays while anything below it stays, as with dpkg.
  std::set<std::string> gone;
  for (const std::string& path : excluded) {
    if (has_ancestor_in(path, gone)) continue;
    const auto next_kept = std::lower_bound(kept.begin(), kept.end(), path + "/");
    if (next_kept != kept.end() && next_kept->starts_with(path + "/")) continue;
    place.out.whiteout(path);
    gone.insert(path);
  }
}

}  // namespace

Step exclude_step(StepName name, ExcludeInput input) {
  return make_step(std::move(name), "exclude", 1, std::move(input), run);
}

}  // namespace alephc

// SPDX-License-Identifier: MIT
// apk decides by propagation, without ever going back: constraints are applied to the providers of a name as
// soon as they are known, a provider that became impossible is struck out with all that needs it, a name with
// a single provider left is decided at once, and of several the best is taken; see order_names() for which
// name comes first.
#include "distro/alpine/solver.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "base/text.hpp"
#include "distro/alpine/version.hpp"

namespace alephc::alpine {
namespace {

constexpr std::uint32_t kNone = UINT32_MAX;

struct Provider {
  std::uint32_t package = kNone;
  std::string_view version{};  ///< of the name, empty if it says none
};

struct Need {
  std::uint32_t name = 0;
  Dependency dependency{};
};

struct Name {
  std::string_view text{};
  std::vector<Provider> providers{};
  std::vector<std::uint32_t> needed_by{};  ///< packages that depend on it
  std::vector<std::uint32_t> triggers{};   ///< packages that name it in install_if
  std::uint32_t requirers = 0;
  std::uint32_t first_requirer = kNone;  ///< a package; kNone: the world
  std::uint32_t order = 0;               ///< larger: decided earlier
  std::uint32_t chain = 0;               ///< length of the longest one of dependencies
  std::uint64_t priority = 0;            ///< the highest of its providers
  bool in_world = false;
  bool seen = false;
  bool decided = false;
  bool triggered = false;  ///< a provider's install_if holds
  bool queued = false;
  bool dirty = false;
  bool placed = false;  ///< its turn in the order of installation is over
  Provider chosen{};
};

struct Package {
  bool possible = true;
  bool triggered = false;
  bool placed = false;
  std::uint32_t name = 0;
  std::uint64_t tags = 0;  ///< bits of the tags that it may come from
  std::uint64_t preferred_tags = 0;
  std::vector<Need> depends{};
  std::vector<Need> install_if{};
  std::vector<std::uint32_t> provides{};  ///< names but for its own
  std::string why{};                      ///< it is not possible
  std::optional<Need> lacks{};            ///< of its own needs, the one that cannot be had
};

class Search {
 public:
  Search(const PackageIndex& index, const std::vector<std::string>& tags, const std::set<std::uint32_t>& kept)
      : index_(index), kept_(kept) {
    tag_names_.emplace_back("");
    for (const std::string& tag : tags) source_bits_.push_back(bit_of(tag));
    load();
  }

  Solution run(std::vector<Dependency> world) {
    std::sort(world.begin(), world.end(),
              [](const Dependency& a, const Dependency& b) { return a.name < b.name; });
    for (const Dependency& dependency : world) world_.push_back({name_id(dependency.name), dependency});
    for (const Need& need : world_) discover(need.name);
    order_names();
    for (const Need& need : world_) {
      if (need.dependency.tag.empty()) continue;
      for (const Provider& provider : names_[need.name].providers) {
        packages_[provider.package].tags |= bit_of(need.dependency.tag);
        packages_[provider.package].preferred_tags = bit_of(need.dependency.tag);
      }
    }
    for (const Need& need : world_) apply(kNone, need);
    while (step()) {
    }
    Solution solution;
    if (!obstacles_.empty()) {
      solution.obstacles = std::move(obstacles_);
      return solution;
    }
    for (const Need& need : world_) place(need, solution.packages);
    return solution;
  }

 private:
  std::uint64_t bit_of(std::string_view tag) {
    const auto it = std::find(tag_names_.begin(), tag_names_.end(), tag);
    const auto i = static_cast<std::uint64_t>(it - tag_names_.begin());
    if (it == tag_names_.end()) tag_names_.emplace_back(tag);
    return std::uint64_t{1} << std::min<std::uint64_t>(i, 63);
  }

  std::uint32_t name_id(std::string_view text) {
    const auto [it, is_new] = ids_.try_emplace(text, static_cast<std::uint32_t>(names_.size()));
    if (is_new) names_.push_back({.text = text});
    return it->second;
  }

  void load() {
    const auto& indexed = index_.packages();
    ids_.reserve(indexed.size() * 4);
    packages_.resize(indexed.size());
    for (std::uint32_t i = 0; i < indexed.size(); ++i) {
      Package& package = packages_[i];
      package.tags = bit_of("");
      package.preferred_tags = package.tags;
      package.name = name_id(indexed[i].name);
      names_[package.name].providers.push_back({i, indexed[i].version});
      for (const Dependency& provided : indexed[i].provides) {
        const std::uint32_t name = name_id(provided.name);
        if (name == package.name) continue;
        package.provides.push_back(name);
        names_[name].providers.push_back({i, provided.version});
      }
      for (const Dependency& dependency : indexed[i].depends) {
        package.depends.push_back({name_id(dependency.name), dependency});
        names_[package.depends.back().name].needed_by.push_back(i);
      }
      for (const Dependency& dependency : indexed[i].install_if) {
        package.install_if.push_back({name_id(dependency.name), dependency});
        names_[package.install_if.back().name].triggers.push_back(i);
      }
    }
    // apk goes through those of one name in the order of its hash table: any fixed one will do.
    for (Name& name : names_)
      std::stable_sort(name.triggers.begin(), name.triggers.end(),
                       [&](std::uint32_t a, std::uint32_t b) { return indexed[a].name < indexed[b].name; });
  }

  /// Numbers the names that can come up, what is needed before what needs it.
  void discover(std::uint32_t id) {
    if (names_[id].seen) return;
    names_[id].seen = true;
    for (std::size_t k = 0; k < names_[id].providers.size(); ++k) {
      const Package& package = packages_[names_[id].providers[k].package];
      for (const Need& need : package.depends) discover(need.name);
      discover(package.name);
      for (const std::uint32_t name : package.provides) discover(name);
    }
    for (std::size_t k = 0; k < names_[id].triggers.size(); ++k)
      discover(packages_[names_[id].triggers[k]].name);
    for (const Provider& provider : names_[id].providers) {
      const Package& package = packages_[provider.package];
      std::uint32_t below = 0;
      for (const Need& need : package.depends) below = std::max(below, names_[need.name].chain);
      names_[id].chain = std::max(names_[id].chain, below + 1);
      names_[id].priority = std::max(names_[id].priority, index_.packages()[provider.package].priority);
    }
    found_.push_back(id);
  }

  /// What is decided first: what was asked for, what wants to be, what has most below it.
  void order_names() {
    for (const Need& need : world_) names_[need.name].in_world = true;
    const auto rank = [this](std::uint32_t id) {
      const Name& name = names_[id];
      return std::tuple(name.in_world, name.priority, name.chain);
    };
    std::stable_sort(found_.begin(), found_.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return rank(a) < rank(b); });
    for (std::uint32_t i = 0; i < found_.size(); ++i) names_[found_[i]].order = i;
  }

  [[nodiscard]] bool is_allowed(std::uint32_t package) const {
    return (packages_[package].tags & source_bits_[index_.packages()[package].source]) != 0;
  }

  [[nodiscard]] bool fits(const Dependency& dependency, const Provider& provider) const {
    return matches(dependency, provider.version, index_.packages()[provider.package].identity) !=
           dependency.conflict;
  }

  [[nodiscard]] bool is_satisfied(const Need& need) const {
    const Provider& chosen = names_[need.name].chosen;
    return chosen.package == kNone ? need.dependency.conflict : fits(need.dependency, chosen);
  }

  [[nodiscard]] bool can_be_satisfied(const Need& need) const {
    const Name& name = names_[need.name];
    if (name.decided) return is_satisfied(need);
    if (need.dependency.conflict) return true;
    return std::any_of(name.providers.begin(), name.providers.end(), [&](const Provider& provider) {
      return packages_[provider.package].possible && fits(need.dependency, provider);
    });
  }

  [[nodiscard]] std::string label(std::uint32_t package) const {
    if (package == kNone) return "the manifest";
    const IndexedPackage& indexed = index_.packages()[package];
    return std::string(indexed.name) + " " + std::string(indexed.version);
  }

  [[nodiscard]] std::string wish(std::uint32_t by, const Need& need) const {
    return label(by) + " wants " + text_of(need.dependency);
  }

  void rule_out(std::uint32_t id, std::string why, std::optional<Need> lacks = {}) {
    Package& package = packages_[id];
    if (!package.possible) return;
    package.possible = false;
    package.why = std::move(why);
    package.lacks = std::move(lacks);
    mark_dirty(package.name);
    for (const std::uint32_t name : package.provides) mark_dirty(name);
    revisit_dependents(package.name);
    for (const std::uint32_t name : package.provides) revisit_dependents(name);
  }

  void revisit_dependents(std::uint32_t name) {
    for (const std::uint32_t package : names_[name].needed_by) {
      mark_dirty(packages_[package].name);
      for (const std::uint32_t provided : packages_[package].provides) mark_dirty(provided);
    }
  }

  void revisit_triggers(std::uint32_t name) {
    for (const std::uint32_t package : names_[name].triggers)
      if (names_[packages_[package].name].seen) mark_dirty(packages_[package].name);
  }

  void mark_dirty(std::uint32_t id) {
    Name& name = names_[id];
    if (name.dirty || name.decided || !name.seen) return;
    name.dirty = true;
    dirty_.push_back(id);
  }

  void require(std::uint32_t id, std::uint32_t by) {
    Name& name = names_[id];
    if (name.requirers++ > 0) return;
    name.first_requirer = by;
    mark_dirty(id);
  }

  /// A chosen package, or the world, needs something.
  void apply(std::uint32_t by, const Need& need) {
    Name& name = names_[need.name];
    if (name.decided) {
      if (!is_satisfied(need)) add_obstacle(by, need);
      return;
    }
    if (!need.dependency.conflict) require(need.name, by);
    for (const Provider& provider : name.providers) {
      if (!fits(need.dependency, provider)) {
        rule_out(provider.package, wish(by, need));
      } else if (by != kNone) {
        packages_[provider.package].tags |= packages_[by].tags;
      }
    }
    mark_dirty(need.name);
  }

  void add_obstacle(std::uint32_t by, const Need& need) {
    Obstacle obstacle{.chain = chain_to(by)};
    if (by == kNone) obstacle.chain.emplace_back(names_[need.name].text);
    obstacle.lines.push_back(wish(by, need));
    std::set<std::uint32_t> seen;
    explain_need(need, obstacle.lines, seen);
    obstacles_.push_back(std::move(obstacle));
  }

  /// Why nothing answers a need, a line a reason.
  void explain_need(const Need& need, std::vector<std::string>& lines, std::set<std::uint32_t>& seen) const {
    const Name& name = names_[need.name];
    if (name.chosen.package != kNone) {
      lines.push_back(label(name.chosen.package) + " is chosen");
      return;
    }
    std::vector<std::string> others;
    bool is_provided = false;
    for (const Provider& provider : name.providers) {
      others.push_back(label(provider.package));
      if (!fits(need.dependency, provider)) continue;
      is_provided = true;
      explain_package(provider.package, lines, seen);
    }
    constexpr std::size_t kShown = 8;
    if (others.size() > kShown) others.resize(kShown);
    if (others.empty())
      lines.push_back("no package provides " + std::string(name.text));
    else if (!is_provided)
      lines.push_back("there is only " + join(others, ", "));
  }

  void explain_package(std::uint32_t id, std::vector<std::string>& lines,
                       std::set<std::uint32_t>& seen) const {
    const Package& package = packages_[id];
    if (package.possible || !seen.insert(id).second) return;
    lines.push_back(package.lacks ? package.why : "not " + label(id) + ": " + package.why);
    if (package.lacks) explain_need(*package.lacks, lines, seen);
  }

  [[nodiscard]] std::vector<std::string> chain_to(std::uint32_t package) const {
    std::vector<std::string> chain;
    while (package != kNone) {
      const std::string name(names_[packages_[package].name].text);
      if (std::find(chain.begin(), chain.end(), name) != chain.end())
        break;  // a circle that the world asks for
      chain.push_back(name);
      package = requirer_of(package);
    }
    std::reverse(chain.begin(), chain.end());
    return chain;
  }

  /// Who asked for it first, be it by a name that it provides.
  [[nodiscard]] std::uint32_t requirer_of(std::uint32_t package) const {
    const Name& own = names_[packages_[package].name];
    if (own.requirers > 0) return own.first_requirer;
    for (const std::uint32_t id : packages_[package].provides)
      if (names_[id].requirers > 0 && names_[id].chosen.package == package) return names_[id].first_requirer;
    return kNone;
  }

  bool step() {
    if (!dirty_.empty()) {
      const std::uint32_t id = dirty_.front();
      dirty_.pop_front();
      names_[id].dirty = false;
      if (!names_[id].decided) reconsider(id);
      return true;
    }
    if (!single_.empty()) {
      const std::uint32_t id = single_.front();
      single_.pop_front();
      names_[id].queued = false;
      if (!names_[id].decided && is_wanted(names_[id])) choose(id);
      return true;
    }
    return choose_first_of(waiting_) || choose_first_of(hopeless_);
  }

  using Queue = std::set<std::pair<std::uint32_t, std::uint32_t>>;  ///< of names, by falling order

  bool choose_first_of(Queue& queue) {
    while (!queue.empty()) {
      const std::uint32_t id = queue.begin()->second;
      queue.erase(queue.begin());
      if (names_[id].decided || !is_wanted(names_[id])) continue;
      choose(id);
      return true;
    }
    return false;
  }

  static bool is_wanted(const Name& name) { return name.requirers > 0 || name.triggered; }

  void check_needs(std::uint32_t id) {
    for (const Need& need : packages_[id].depends)
      if (!can_be_satisfied(need)) return rule_out(id, wish(id, need), need);
  }

  void check_trigger(std::uint32_t id) {
    Package& package = packages_[id];
    if (package.triggered || package.install_if.empty()) return;
    for (const Need& need : package.install_if)
      if (!names_[need.name].decided || !is_satisfied(need)) return;
    package.triggered = true;
    for (const Need& need : package.install_if) {
      const std::uint32_t chosen = names_[need.name].chosen.package;
      if (chosen == kNone) continue;
      package.tags |= packages_[chosen].tags;
    }
  }

  void reconsider(std::uint32_t id) {
    std::size_t options = 0;
    bool triggered = false;
    bool has_hope = false;
    for (std::size_t k = 0; k < names_[id].providers.size(); ++k) {
      const std::uint32_t package = names_[id].providers[k].package;
      if (packages_[package].possible) check_needs(package);
      if (!packages_[package].possible) continue;
      check_trigger(package);
      triggered = triggered || packages_[package].triggered;
      if (names_[id].requirers == 0 && !packages_[package].triggered) continue;
      options += is_allowed(package) ? 1U : 2U;
      has_hope = has_hope || may_be_taken(names_[id], names_[id].providers[k]);
    }
    Name& name = names_[id];
    name.triggered = triggered;
    if (!is_wanted(name)) return;
    if (name.requirers > 0 && has_hope) apply_what_all_share(id);
    waiting_.erase({~name.order, id});
    hopeless_.erase({~name.order, id});
    if (!has_hope && options > 0) {
      hopeless_.insert({~name.order, id});
    } else if (options > 1) {
      waiting_.insert({~name.order, id});
    } else if (!name.queued) {
      name.queued = true;
      single_.push_back(id);
    }
  }

  /// Whichever provider a name that is needed will get: what all of them need is needed, and a name that all
  /// of them have belongs to no other.
  void apply_what_all_share(std::uint32_t id) {
    std::map<std::uint32_t, std::size_t> needs;
    std::map<std::uint32_t, std::size_t> provides;
    std::size_t options = 0;
    std::uint32_t by = kNone;  // one of those that need what all need
    for (const Provider& provider : names_[id].providers) {
      const Package& package = packages_[provider.package];
      if (!package.possible) continue;
      if (options++ == 0) by = provider.package;
      std::set<std::uint32_t> needed;
      for (const Need& need : package.depends)
        if (!need.dependency.conflict && needed.insert(need.name).second) ++needs[need.name];
      for (const auto& [name, version] : named_by(provider.package))
        if (!version.empty()) ++provides[name];
    }
    if (options == 0) return;
    for (const auto& [name, count] : needs)
      if (count == options && names_[name].requirers == 0 && !names_[name].decided) require(name, by);
    for (const auto& [name, count] : provides)
      if (count == options && name != id) keep_for(name, id);
  }

  /// The names of a package, its own too, with the versions that it gives them.
  [[nodiscard]] std::map<std::uint32_t, std::string_view> named_by(std::uint32_t package) const {
    const IndexedPackage& indexed = index_.packages()[package];
    std::map<std::uint32_t, std::string_view> names{{packages_[package].name, indexed.version}};
    for (const Dependency& provided : indexed.provides)
      names.try_emplace(ids_.at(provided.name), provided.version);
    return names;
  }

  /// Rules out who provides a name, but not the other one.
  void keep_for(std::uint32_t name, std::uint32_t id) {
    for (const Provider& provider : names_[name].providers)
      if (packages_[provider.package].possible && !provider.version.empty() &&
          !named_by(provider.package).contains(id))
        rule_out(provider.package, "all that provide " + std::string(names_[id].text) + " provide " +
                                       std::string(names_[name].text) + " too");
  }

  /// An unversioned name selects no package by itself, unless the package was asked for or says how much
  /// it wants to be taken.
  [[nodiscard]] bool may_be_taken(const Name& name, const Provider& provider) const {
    const Package& package = packages_[provider.package];
    if (name.requirers == 0 && !(package.triggered && package.possible && is_allowed(provider.package)))
      return false;
    if (!provider.version.empty() || names_[package.name].text == name.text) return true;
    return names_[package.name].requirers > 0 || index_.packages()[provider.package].priority > 0;
  }

  /// Greater than 0 if a is the better choice.
  [[nodiscard]] int compare(const Provider& a, const Provider& b) const {
    const Package& left = packages_[a.package];
    const Package& right = packages_[b.package];
    const auto by = [](auto x, auto y) { return x < y ? -1 : (x > y ? 1 : 0); };
    if (const int order = by(left.possible, right.possible); order != 0) return order;
    if (const int order = by(is_allowed(a.package), is_allowed(b.package)); order != 0) return order;
    if (const int order = by(is_preferred(a.package), is_preferred(b.package)); order != 0) return order;
    if (const int order = by(kept_.contains(a.package), kept_.contains(b.package)); order != 0) return order;
    const IndexedPackage& first = index_.packages()[a.package];
    const IndexedPackage& second = index_.packages()[b.package];
    if (!a.version.empty() && !b.version.empty())  // else neither is the later one
      if (const auto order = compare_versions(a.version, b.version); order != 0) return order < 0 ? -1 : 1;
    if (left.name == right.name)
      if (const auto order = compare_versions(first.version, second.version); order != 0)
        return order < 0 ? -1 : 1;
    if (const int order = by(first.priority, second.priority); order != 0) return order;
    return by(second.source, first.source);
  }

  [[nodiscard]] bool is_preferred(std::uint32_t package) const {
    return (packages_[package].preferred_tags & source_bits_[index_.packages()[package].source]) != 0;
  }

  void choose(std::uint32_t id) {
    Provider best;
    for (const Provider& provider : names_[id].providers)
      if (may_be_taken(names_[id], provider) && (best.package == kNone || compare(provider, best) > 0))
        best = provider;
    if (best.package == kNone || !packages_[best.package].possible || !is_allowed(best.package)) {
      names_[id].triggered = false;
      if (names_[id].requirers == 0) return;  // it may be asked for yet
      no_choice(id, best);
      names_[id].decided = true;
      return;
    }
    decide(id, best);
    const std::uint32_t own = packages_[best.package].name;
    const IndexedPackage& indexed = index_.packages()[best.package];
    decide(own, {best.package, indexed.version});
    for (const Dependency& provided : indexed.provides)
      decide(name_id(provided.name), {best.package, provided.version});
    for (const Need& need : packages_[best.package].depends) apply(best.package, need);
  }

  void decide(std::uint32_t id, const Provider& provider) {
    Name& name = names_[id];
    if (name.decided) return;
    name.decided = true;
    name.chosen = provider;
    for (const Provider& other : name.providers) {
      const bool together =
          other.package == provider.package || (other.version.empty() && provider.version.empty());
      if (!together) rule_out(other.package, label(provider.package) + " is chosen");
    }
    revisit_dependents(id);
    revisit_triggers(id);
  }

  void no_choice(std::uint32_t id, const Provider& best) {
    const Name& name = names_[id];
    Obstacle obstacle{.chain = chain_to(name.first_requirer)};
    obstacle.chain.emplace_back(name.text);
    std::vector<std::string> providers;
    for (const Provider& provider : name.providers) providers.push_back(label(provider.package));
    std::set<std::uint32_t> seen;
    if (providers.empty())
      obstacle.lines.push_back("no package provides " + std::string(name.text));
    else if (best.package == kNone)
      obstacle.lines.push_back(
          std::string(name.text) +
          " has no version, so one of its packages must be asked for: " + join(providers, ", "));
    else if (packages_[best.package].possible)
      obstacle.lines.push_back(label(best.package) + " is in a tagged repository only");
    for (const Provider& provider : name.providers) explain_package(provider.package, obstacle.lines, seen);
    obstacles_.push_back(std::move(obstacle));
  }

  // The order of installation: what a package needs, itself, then what its presence brings.
  void place(const Need& need, std::vector<std::uint32_t>& order) {
    if (!need.dependency.conflict) place_name(need.name, order);
  }

  void place_name(std::uint32_t id, std::vector<std::uint32_t>& order) {
    if (names_[id].placed) return;
    names_[id].placed = true;
    const std::uint32_t chosen = names_[id].chosen.package;
    if (chosen == kNone || packages_[chosen].placed) return;
    Package& package = packages_[chosen];
    package.placed = true;
    for (const Need& need : package.depends) place(need, order);
    order.push_back(chosen);
    place_triggered(package.name, order);
    for (const std::uint32_t name : package.provides) place_triggered(name, order);
  }

  void place_triggered(std::uint32_t name, std::vector<std::uint32_t>& order) {
    for (const std::uint32_t id : names_[name].triggers) {
      const std::uint32_t own = packages_[id].name;
      if (names_[own].chosen.package != id) continue;
      const auto is_placed = [&](const Need& need) {
        const std::uint32_t chosen = names_[need.name].chosen.package;
        return chosen == kNone ? need.dependency.conflict : packages_[chosen].placed && is_satisfied(need);
      };
      const auto& needs = packages_[id].install_if;
      if (std::all_of(needs.begin(), needs.end(), is_placed)) place_name(own, order);
    }
  }

  const PackageIndex& index_;
  const std::set<std::uint32_t>& kept_;
  std::vector<std::string> tag_names_;
  std::vector<std::uint64_t> source_bits_;
  std::unordered_map<std::string_view, std::uint32_t> ids_;
  std::vector<Name> names_;
  std::vector<Package> packages_;
  std::vector<Need> world_;
  std::deque<std::uint32_t> dirty_;
  std::deque<std::uint32_t> single_;
  Queue waiting_;
  Queue hopeless_;  ///< selects no package by itself, but another choice may bring it
  std::vector<Obstacle> obstacles_;
  std::vector<std::uint32_t> found_;  ///< names that can come up
};

}  // namespace

Solver::Solver(const PackageIndex& index, std::vector<std::string> tags, std::set<std::uint32_t> kept)
    : index_(index), tags_(std::move(tags)), kept_(std::move(kept)) {}

Solution Solver::solve(std::vector<Dependency> world) const {
  return Search(index_, tags_, kept_).run(std::move(world));
}

}  // namespace alephc::alpine

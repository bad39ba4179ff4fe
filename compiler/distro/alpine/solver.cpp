// SPDX-License-Identifier: MIT
//
// What `apk add` of apk-tools 2.14 chooses for a world on an empty system, by apk's own method: propagation without ever
// going back. The universe (universe.hpp) has names, and packages that provide them. Four things happen to a name, always
// in this order of urgency:
// 1. It is dirty: a need was applied, or a provider became impossible. reconsider() counts what is left, strikes out
//    providers whose own needs cannot be had, and applies what all remaining providers share.
// 2. It has a single provider left: that is chosen at once (single_).
// 3. It has several: the name that comes first in order_names() gets the best of them (waiting_). Requested names come
//    first, then those with a provider_priority, then those with the longest chain of dependencies below.
// 4. No provider of it selects itself (hopeless_): an unversioned name, until another choice brings a provider.
//
// Invariants:
// - A decided name stays decided and an impossible package stays impossible, so that every step makes the problem smaller.
// - What cannot be met becomes an Obstacle (obstacles.hpp) and the search goes on, so that all of them are told at once.
// - No result depends on addresses or hash tables: queues are in order of insertion or sorted, and where apk goes through
//   a hash table (packages of one install_if) the names' order is taken.
//
// Not handled: apk's way with packages that are installed already, but for "kept" ones, which win over other versions.
// Where apk's method finds no solution although there is one, neither does this. The order of installation is
// install_order.hpp. Judged by the real apk: tests/integration/alpine_tests.py.
#include "distro/alpine/solver.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "base/text.hpp"
#include "distro/alpine/install_order.hpp"
#include "distro/alpine/obstacles.hpp"
#include "distro/alpine/universe.hpp"
#include "distro/alpine/version.hpp"

namespace alephc::alpine {
namespace {

class Search {
 public:
  Search(const PackageIndex& index, const std::vector<std::string>& tags, const std::set<std::uint32_t>& kept)
      : all_(index, tags), kept_(kept) {}

  Solution run(std::vector<Dependency> world) {
    std::sort(world.begin(), world.end(),
              [](const Dependency& a, const Dependency& b) { return a.name < b.name; });
    for (const Dependency& dependency : world) world_.push_back({all_.name_id(dependency.name), dependency});
    for (const Need& need : world_) discover(need.name);
    order_names();
    for (const Need& need : world_)
      if (!need.dependency.tag.empty()) all_.prefer_tag(need.name, need.dependency.tag);
    for (const Need& need : world_) apply(kNone, need);
    while (step()) {
    }
    Solution solution;
    if (!obstacles_.empty()) {
      solution.obstacles = std::move(obstacles_);
      return solution;
    }
    solution.packages = install_order(all_, world_);
    return solution;
  }

 private:
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
      names_[id].priority = std::max(names_[id].priority, all_.indexed(provider.package).priority);
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
      if (!all_.is_satisfied(need)) obstacles_.push_back(unmet_need(all_, by, need));
      return;
    }
    if (!need.dependency.conflict) require(need.name, by);
    for (const Provider& provider : name.providers) {
      if (!all_.fits(need.dependency, provider)) {
        rule_out(provider.package, all_.wish(by, need));
      } else if (by != kNone) {
        packages_[provider.package].tags |= packages_[by].tags;
      }
    }
    mark_dirty(need.name);
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
      if (!names_[id].decided && names_[id].is_wanted()) choose(id);
      return true;
    }
    return choose_first_of(waiting_) || choose_first_of(hopeless_);
  }

  using Queue = std::set<std::pair<std::uint32_t, std::uint32_t>>;  ///< of names, by falling order

  bool choose_first_of(Queue& queue) {
    while (!queue.empty()) {
      const std::uint32_t id = queue.begin()->second;
      queue.erase(queue.begin());
      if (names_[id].decided || !names_[id].is_wanted()) continue;
      choose(id);
      return true;
    }
    return false;
  }

  void check_needs(std::uint32_t id) {
    for (const Need& need : packages_[id].depends)
      if (!all_.can_be_satisfied(need)) return rule_out(id, all_.wish(id, need), need);
  }

  void check_trigger(std::uint32_t id) {
    Package& package = packages_[id];
    if (package.triggered || package.install_if.empty()) return;
    for (const Need& need : package.install_if)
      if (!names_[need.name].decided || !all_.is_satisfied(need)) return;
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
      options += all_.is_allowed(package) ? 1U : 2U;
      has_hope = has_hope || all_.may_be_taken(names_[id], names_[id].providers[k]);
    }
    Name& name = names_[id];
    name.triggered = triggered;
    if (!name.is_wanted()) return;
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
      for (const auto& [name, version] : all_.named_by(provider.package))
        if (!version.empty()) ++provides[name];
    }
    if (options == 0) return;
    for (const auto& [name, count] : needs)
      if (count == options && names_[name].requirers == 0 && !names_[name].decided) require(name, by);
    for (const auto& [name, count] : provides)
      if (count == options && name != id) keep_for(name, id);
  }

  /// Rules out who provides a name, but not the other one.
  void keep_for(std::uint32_t name, std::uint32_t id) {
    for (const Provider& provider : names_[name].providers)
      if (packages_[provider.package].possible && !provider.version.empty() &&
          !all_.named_by(provider.package).contains(id))
        rule_out(provider.package, "all that provide " + std::string(names_[id].text) + " provide " +
                                       std::string(names_[name].text) + " too");
  }

  /// Greater than 0 if a is the better choice.
  [[nodiscard]] int compare(const Provider& a, const Provider& b) const {
    const Package& left = packages_[a.package];
    const Package& right = packages_[b.package];
    const auto by = [](auto x, auto y) { return x < y ? -1 : (x > y ? 1 : 0); };
    if (const int order = by(left.possible, right.possible); order != 0) return order;
    if (const int order = by(all_.is_allowed(a.package), all_.is_allowed(b.package)); order != 0)
      return order;
    if (const int order = by(all_.is_preferred(a.package), all_.is_preferred(b.package)); order != 0)
      return order;
    if (const int order = by(kept_.contains(a.package), kept_.contains(b.package)); order != 0) return order;
    const IndexedPackage& first = all_.indexed(a.package);
    const IndexedPackage& second = all_.indexed(b.package);
    if (!a.version.empty() && !b.version.empty())  // else neither is the later one
      if (const auto order = compare_versions(a.version, b.version); order != 0) return order < 0 ? -1 : 1;
    if (left.name == right.name)
      if (const auto order = compare_versions(first.version, second.version); order != 0)
        return order < 0 ? -1 : 1;
    if (const int order = by(first.priority, second.priority); order != 0) return order;
    return by(second.source, first.source);
  }

  void choose(std::uint32_t id) {
    Provider best;
    for (const Provider& provider : names_[id].providers)
      if (all_.may_be_taken(names_[id], provider) && (best.package == kNone || compare(provider, best) > 0))
        best = provider;
    if (best.package == kNone || !packages_[best.package].possible || !all_.is_allowed(best.package)) {
      names_[id].triggered = false;
      if (names_[id].requirers == 0) return;  // it may be asked for yet
      obstacles_.push_back(no_choice(all_, id, best));
      names_[id].decided = true;
      return;
    }
    decide(id, best);
    const std::uint32_t own = packages_[best.package].name;
    const IndexedPackage& indexed = all_.indexed(best.package);
    decide(own, {best.package, indexed.version});
    for (const Dependency& provided : indexed.provides)
      decide(all_.name_id(provided.name), {best.package, provided.version});
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
      if (!together) rule_out(other.package, all_.label(provider.package) + " is chosen");
    }
    revisit_dependents(id);
    revisit_triggers(id);
  }

  Universe all_;
  std::vector<Name>& names_ = all_.names;
  std::vector<Package>& packages_ = all_.packages;
  const std::set<std::uint32_t>& kept_;
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

// SPDX-License-Identifier: MIT
// How a layer of packages is installed. dpkg unpacks one package after the other and syncs each. Here members are decoded
// and unpacked in parallel, dpkg's database is written as dpkg would, and the real dpkg configures everything in the
// sandbox. What runs is in dpkg's order where the order can be seen:
//   1. The Essential packages and all they need: unpacked, their preinst scripts run, configured. This is how every
//      bootstrap of Debian begins.
//   2. Packages that a later preinst may rely on (Pre-Depends): the same.
//   3. The rest: those without a preinst are unpacked, the preinst scripts of the others run, those are unpacked by the rules
//      that the scripts made, and all are configured.
//
// Where the third part would show that it is not dpkg's order, the layer is begun once more, and its packages are unpacked one
// by one, each behind its own preinst. The Unpacker finds that out (LayerOrderMatters): packages meet at a path, or a script
// diverts or overrides what another package brings. So does a package that is configured early: it hears of the files of
// those that come behind it.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/root_folder.hpp"
#include "base/text.hpp"
#include "base/trace.hpp"
#include "distro/debian/control.hpp"
#include "distro/debian/database.hpp"
#include "distro/debian/debian.hpp"
#include "distro/debian/maintainer_scripts.hpp"
#include "distro/debian/skeleton.hpp"
#include "distro/debian/unpack.hpp"

namespace alephc::debian {
namespace {

namespace fs = std::filesystem;
using Order = Unpacker::Order;
using Postpone = Unpacker::Postpone;
using LayerOrderMatters = Unpacker::LayerOrderMatters;

constexpr const char* kDebconf = "usr/bin/debconf-set-selections";

/// Two packages of a name may be installed, of two architectures.
using PackageKey = std::pair<std::string, std::string>;  ///< name, architecture

std::vector<Relation> relations_of(const UnpackedPackage& package, std::string_view field) {
  std::string_view rest = package.control;
  const auto stanza = next_stanza(rest);
  std::vector<Relation> relations;
  if (!stanza) return relations;
  for (const auto& group : parse_relations(stanza->get(field)))
    relations.insert(relations.end(), group.begin(), group.end());
  return relations;
}

PackageKey key_of(const UnpackedPackage& package) {
  return {package.name, package.arch};
}

class Installer {
 public:
  Installer(const InstallJob& job, Reporter& reporter)
      : job_(job),
        reporter_(reporter),
        input_(job.input),
        arch_(job.input.arch),
        root_(job.upper),
        database_(job.below, job.upper, arch_),
        scripts_(job, root_, database_, reporter),
        decoded_(input_.packages.size(),
                 [this](std::size_t i) { return job_.decode_package(input_.packages[i]); }) {}

  void run() {
    if (!try_in_any_order()) {
      begin_again();
      install(Order::of_dpkg);
    }
    database_.add_automatic(input_.packages);
    check_configured();
    remove_traces();
  }

 private:
  struct Pending {
    std::size_t number = 0;  ///< in the layer
    UnpackedPackage package{};
  };

  /// False where the order matters, and where unpacking or a preinst fails, because it might not in dpkg's order.
  bool try_in_any_order() {
    try {
      install(Order::any);
      return true;
    } catch (const LayerOrderMatters&) {
      return false;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::failed || !order_may_help_) throw;
      return false;
    }
  }

  void install(Order order) {
    if (input_.is_first) make_skeleton(job_, root_, database_);
    Unpacker unpacker(job_.below, job_.upper, job_.room.time, decoded_, job_.known, order);
    std::vector<std::size_t> first;
    std::vector<std::size_t> rest;
    for (std::size_t i = 0; i < input_.packages.size(); ++i)
      (input_.is_first && input_.packages[i].bootstrap ? first : rest).push_back(i);
    if (!first.empty()) install_first(unpacker, first, rest);
    if (!rest.empty() && order == Order::any) install_rest(unpacker, rest);
    if (!rest.empty() && order == Order::of_dpkg) install_one_by_one(unpacker, rest);
  }

  /// As if nothing had been unpacked yet.
  void begin_again() {
    job_.empty_upper();
    pending_.clear();
    checked_.clear();
    for (std::size_t i = 0; i < input_.packages.size(); ++i) decoded_.lose(i);
  }

  static std::string label_of(const InstallPackage& package) { return package.name + " " + package.version; }

  /// Those that come next, the largest first, while the scripts of the first keep one core busy.
  void decode_ahead(std::vector<std::size_t> members) {
    if (job_.jobs < 2) return;
    std::stable_sort(members.begin(), members.end(), [this](std::size_t a, std::size_t b) {
      return input_.packages[a].size > input_.packages[b].size;
    });
    decoded_.start(std::move(members), job_.jobs);
  }

  std::vector<UnpackedPackage> unpack(Unpacker& unpacker, const std::vector<std::size_t>& members,
                                      Postpone postpone) {
    std::vector<PackageToUnpack> packages;
    for (const std::size_t i : members) packages.push_back({i, label_of(input_.packages[i])});
    reporter_.progress("install  unpacking " + std::to_string(members.size()) + " packages");
    const TraceSpan span("install", "unpack");
    std::vector<UnpackedPackage> unpacked = unpacker.unpack(packages, job_.jobs, postpone);
    for (std::size_t k = 0; k < members.size(); ++k)
      if (unpacked[k].name != input_.packages[members[k]].name ||
          unpacked[k].version != input_.packages[members[k]].version ||
          unpacked[k].arch != input_.packages[members[k]].arch)
        throw Error(ErrorKind::integrity,
                    "the package " + packages[k].label + " is not the one that the lock names");
    std::vector<UnpackedPackage> complete;
    for (const UnpackedPackage& package : unpacked)
      if (!package.postponed) complete.push_back(package);
    std::set<std::string> conffiles;
    for (const UnpackedPackage& package : complete)
      conffiles.insert(package.conffiles.begin(), package.conffiles.end());
    database_.drop_paths(unpacker.lost_paths(), conffiles);
    database_.add_unpacked(complete);
    return unpacked;
  }

  void note_unpacked(bool complete) const {
    if (job_.unpacked) job_.unpacked(complete);
  }

  void install_first(Unpacker& unpacker, const std::vector<std::size_t>& members,
                     const std::vector<std::size_t>& next) {
    const std::vector<UnpackedPackage> unpacked = unpack(unpacker, members, Postpone::none);
    decode_ahead(next);
    std::vector<const UnpackedPackage*> with_preinst;
    for (const UnpackedPackage& package : unpacked)
      if (package.has_script("preinst")) with_preinst.push_back(&package);
    scripts_.run_preinsts(with_preinst);
    note_unpacked(false);
    scripts_.configure_essential();
    unpacker.start_dpkg();
  }

  void install_rest(Unpacker& unpacker, const std::vector<std::size_t>& members) {
    std::vector<UnpackedPackage> unpacked = unpack(unpacker, members, Postpone::with_preinst);
    note_unpacked(false);
    for (std::size_t k = 0; k < members.size(); ++k)
      pending_[key_of(unpacked[k])] = {members[k], unpacked[k]};
    order_may_help_ = std::any_of(unpacked.begin(), unpacked.end(),
                                  [](const UnpackedPackage& package) { return package.postponed; });
    set_debconf(unpacker);
    // apt's order has what a package pre-depends on before it.
    std::vector<std::size_t> group;
    for (std::size_t k = 0; k < members.size(); ++k) {
      const std::set<PackageKey> needed = unconfigured_needs(unpacked[k]);
      check_early(unpacker, needed, {members[k], unpacked[k]});
      if (!unpacked[k].postponed) continue;
      if (!needed.empty()) {
        unpack_postponed(unpacker, group);
        configure(unpacker, needed);
        group.clear();
      }
      group.push_back(members[k]);
    }
    unpack_postponed(unpacker, group);
    finish(unpacker, members.size());
  }

  void finish(Unpacker& unpacker, std::size_t count) {
    order_may_help_ = false;
    note_unpacked(true);
    reporter_.progress("install  configuring " + std::to_string(count) + " packages");
    scripts_.configure_all();
    unpacker.invalidate();
  }

  /// In dpkg's own order, where the other one would show.
  void install_one_by_one(Unpacker& unpacker, const std::vector<std::size_t>& members) {
    const std::vector<UnpackedPackage> known = unpack(unpacker, members, Postpone::all);
    for (std::size_t k = 0; k < members.size(); ++k) pending_[key_of(known[k])] = {members[k], known[k]};
    bool has_debconf = false;
    for (std::size_t k = 0; k < members.size(); ++k) {
      const std::set<PackageKey> needed = unconfigured_needs(known[k]);
      if (!needed.empty()) configure(unpacker, needed);
      if (known[k].has_script("preinst")) scripts_.run_preinsts({&known[k]});
      if (known[k].has_script("preinst")) unpacker.invalidate();
      (void)unpack(unpacker, {members[k]}, Postpone::none);
      if (!has_debconf && (has_debconf = scripts_.shows(kDebconf))) set_debconf(unpacker);
    }
    finish(unpacker, members.size());
  }

  void set_debconf(Unpacker& unpacker) const {
    if (input_.debconf.empty()) return;
    scripts_.set_debconf(input_.debconf);
    unpacker.invalidate();
  }

  /// dpkg configures these before a package is unpacked: they hear of all that comes behind them, and lose conffiles to it when
  /// those are configured. Here packages without a preinst are there already; and where the package itself is one of them,
  /// nothing is configured for it before the end.
  void check_early(Unpacker& unpacker, const std::set<PackageKey>& keys, const Pending& package) {
    for (const PackageKey& key : keys) {
      if (!checked_.insert(key).second) continue;  // fewer come behind it than at the first time
      const UnpackedPackage& early = pending_.at(key).package;
      for (const auto& [other, news] : pending_) {
        const bool comes_in_time = package.package.postponed && news.package.postponed;
        if (news.number < package.number || comes_in_time) continue;
        if (tells(unpacker, news, early) || takes_conffile(unpacker, news, early)) throw LayerOrderMatters{};
      }
    }
  }

  [[nodiscard]] static bool tells(Unpacker& unpacker, const Pending& news, const UnpackedPackage& listener) {
    return listener.has_script("triggers") && hears(listener, news.package, unpacker.paths_of(news.number));
  }

  [[nodiscard]] static bool takes_conffile(Unpacker& unpacker, const Pending& pending,
                                           const UnpackedPackage& from) {
    if (from.conffiles.empty()) return false;
    const std::vector<Relation> replaced = relations_of(pending.package, "Replaces");
    const auto is_meant = [&](const Relation& relation) { return relation.name == from.name; };
    if (std::none_of(replaced.begin(), replaced.end(), is_meant)) return false;
    return std::any_of(from.conffiles.begin(), from.conffiles.end(), [&](const std::string& path) {
      return unpacker.brings(pending.number, path.substr(1));
    });
  }

  /// The pending packages that a relation of a package may mean: of the architecture that it names, else of the package's
  /// own, else of any, because a package for all of them serves the others as well.
  [[nodiscard]] std::vector<PackageKey> meant_by(const Relation& relation,
                                                 const UnpackedPackage& package) const {
    const std::string arch = relation.arch.empty() || relation.arch == "any" ? package.arch : relation.arch;
    if (pending_.contains({relation.name, arch})) return {{relation.name, arch}};
    std::vector<PackageKey> found;
    for (auto it = pending_.lower_bound({relation.name, ""}); it != pending_.end(); ++it) {
      if (it->first.first != relation.name) break;
      found.push_back(it->first);
    }
    return found;
  }

  /// Pre-Depends of a package, and what they need in turn, that this layer brings and nothing has configured yet.
  [[nodiscard]] std::set<PackageKey> unconfigured_needs(const UnpackedPackage& package) const {
    std::set<PackageKey> needs;
    std::vector<PackageKey> queue;
    const auto ask = [&](const UnpackedPackage& of, const char* field) {
      for (const Relation& relation : relations_of(of, field))
        for (const PackageKey& key : meant_by(relation, of)) queue.push_back(key);
    };
    ask(package, "Pre-Depends");
    while (!queue.empty()) {
      const PackageKey key = queue.back();
      queue.pop_back();
      if (key == PackageKey{package.name, package.arch} || !needs.insert(key).second) continue;
      for (const char* field : {"Pre-Depends", "Depends"}) ask(pending_.at(key).package, field);
    }
    return needs;
  }

  void configure(Unpacker& unpacker, const std::set<PackageKey>& keys) {
    std::vector<std::string> names;
    for (const PackageKey& key : keys) names.push_back(pending_.at(key).package.dpkg_name());
    scripts_.configure(names);
    for (const PackageKey& key : keys) pending_.erase(key);
    unpacker.start_dpkg();
  }

  void unpack_postponed(Unpacker& unpacker, const std::vector<std::size_t>& members) {
    if (members.empty()) return;
    std::vector<const UnpackedPackage*> packages;
    for (const std::size_t i : members)
      packages.push_back(&pending_.at({input_.packages[i].name, input_.packages[i].arch}).package);
    scripts_.run_preinsts(packages);
    unpacker.invalidate();
    (void)unpack(unpacker, members, Postpone::none);
    note_unpacked(false);
  }

  /// Written by the clock and by inode numbers: with them no two installs would be the same layer.
  void remove_traces() const {
    for (const char* path : kTraces) root_.remove(path);
  }

  void check_configured() const {
    const std::string status = database_.read("var/lib/dpkg/status");
    std::string_view rest = status;
    while (const auto stanza = next_stanza(rest)) {
      if (stanza->get("Status") == "install ok installed") continue;
      throw Error(ErrorKind::failed,
                  "package " + std::string(stanza->get("Package")) + " was left as '" +
                      std::string(stanza->get("Status")) + "'",
                  "the log of the step says more: " + job_.log.string());
    }
  }

  const InstallJob& job_;
  Reporter& reporter_;
  const InstallInput& input_;
  std::string arch_;
  RootFolder root_;
  Database database_;
  MaintainerScripts scripts_;
  DecodedPackages decoded_;
  bool order_may_help_ = false;
  std::set<PackageKey> checked_{};         ///< by check_early
  std::map<PackageKey, Pending> pending_;  ///< of this layer, not known to be configured
};

}  // namespace

void install(const InstallJob& job, Reporter& reporter) {
  Installer(job, reporter).run();
}

}  // namespace alephc::debian

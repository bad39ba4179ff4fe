// SPDX-License-Identifier: MIT
//
// Normalization: whatever differs from build to build, or must not be shared by all machines that boot the image, is taken
// out or rewritten, after the last step that runs anything. A rule is a function and a row of kRules; an output epoch
// names the rules that it applies, in their order (base/output_epoch.cpp), and docs/output-epoch.md gives the reason of
// each. Rules see the tree below and not each other's changes, but for what an earlier one removed.
//
// Invariants: a rule reads the listing and contents and nothing else, so that the result is a function of the tree; it
// never makes a path that was not there; running all of them twice changes nothing more. Times of paths are not its
// business: writers set them.
//
// Not handled: what programs write into files of their own formats (databases, keystores but Java's). The final check
// (final_check.cpp) refuses what it knows and normalize does not mend.
#include "steps/normalize.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "base/dates.hpp"
#include "base/diagnostic.hpp"
#include "base/glob.hpp"
#include "base/text.hpp"
#include "steps/java_keystore.hpp"
#include "steps/python_cache.hpp"

namespace alephc {
namespace {

/// A tree being normalized: rules see the paths that are left and change them through here.
class Normalizer {
 public:
  Normalizer(const Tree& below, LayerWriter& out) : below_(below), out_(out) {}

  [[nodiscard]] std::int64_t time() const { return out_.time(); }

  [[nodiscard]] const Tree& tree() const { return below_; }

  void remove(const std::string& path) {
    if (is_gone(path)) return;
    out_.whiteout(path);
    removed_.insert(path);
  }

  void remove_below(const std::string& folder) {
    const Listing& entries = below_.entries();
    for (auto it = lower_bound_path(entries, folder + "/");
         it != entries.end() && it->path.starts_with(folder + "/"); ++it)
      if (parent_path(it->path) == folder) remove(it->path);
  }

  /// Folders stay: packages ship them.
  void empty_below(const std::string& folder) {
    const Listing& entries = below_.entries();
    for (auto it = lower_bound_path(entries, folder + "/");
         it != entries.end() && it->path.starts_with(folder + "/"); ++it)
      if (it->type != EntryType::directory) remove(it->path);
  }

  void rewrite(const Entry& entry, const std::string& text) {
    if (is_gone(entry.path)) return;
    Entry copy = entry;
    copy.mtime = time();
    copy.hard_link.clear();
    out_.put_file(std::move(copy), text);
  }

  void drop_xattrs(const Entry& entry, const std::string& prefix) {
    const auto is_dropped = [&](const Xattr& xattr) { return xattr.name.starts_with(prefix); };
    if (std::none_of(entry.xattrs.begin(), entry.xattrs.end(), is_dropped)) return;
    Entry copy = entry;
    std::erase_if(copy.xattrs, is_dropped);
    if (entry.type == EntryType::regular)
      rewrite(copy, text(entry));
    else
      out_.put(std::move(copy));
  }

  [[nodiscard]] std::string text(const Entry& entry) const { return below_.read_content(entry); }

  /// Regular files that match one of the patterns.
  template <std::size_t Count, typename Action>
  void each_match(const std::array<const char*, Count>& patterns, Action&& action) {
    const std::vector<Glob> globs(patterns.begin(), patterns.end());
    for (const Entry& entry : below_.entries()) {
      if (entry.type != EntryType::regular) continue;
      const bool matches = std::any_of(globs.begin(), globs.end(),
                                       [&](const Glob& glob) { return glob.matches(entry.path); });
      if (matches) action(entry);
    }
  }

 private:
  /// Removed by an earlier rule, by itself or with a folder above it.
  [[nodiscard]] bool is_gone(const std::string& path) const {
    for (std::string at = path; !at.empty(); at = parent_path(at))
      if (removed_.contains(at)) return true;
    return false;
  }

  const Tree& below_;
  LayerWriter& out_;
  std::set<std::string> removed_;
};

// Written by the clock. Files that programs expect to find stay, empty.
void logs(Normalizer& tree) {
  constexpr std::array kLogs{"var/log/*"};
  tree.each_match(kLogs, [&](const Entry& entry) {
    const std::string name = base_name(entry.path);
    const bool expected = name == "btmp" || name == "wtmp" || name == "lastlog" || name == "faillog";
    if (expected)
      tree.rewrite(entry, "");
    else
      tree.remove(entry.path);
  });
}

// Caches hold inode numbers, times and the names of mirrors; all can be made again.
void caches(Normalizer& tree) {
  for (const char* folder : {"var/cache/apt", "var/lib/apt/lists", "var/cache/ldconfig", "var/cache/man",
                             "var/cache/fontconfig", "var/lib/systemd/catalog"})
    tree.empty_below(folder);
  tree.remove_below("root/.cache");
}

// What the last run of a program found before it wrote: says nothing about the image.
void backups(Normalizer& tree) {
  constexpr std::array kBackups{
      "etc/passwd-",           "etc/shadow-", "etc/group-",         "etc/gshadow-",
      "etc/subuid-",           "etc/subgid-", "var/lib/dpkg/*-old", "var/cache/debconf/*-old",
      "var/lib/dpkg/available"};
  tree.each_match(kBackups, [&](const Entry& entry) { tree.remove(entry.path); });
}

// Empty files that programs made to lock others out.
void lock_files(Normalizer& tree) {
  constexpr std::array kLocks{"var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend", "var/lib/dpkg/triggers/Lock",
                              "etc/.pwd.lock"};
  tree.each_match(kLocks, [&](const Entry& entry) { tree.remove(entry.path); });
}

// Machines that boot the image must not share these.
void secrets(Normalizer& tree) {
  constexpr std::array kSecrets{"etc/ssh/ssh_host_*", "var/lib/dbus/machine-id",
                                "var/lib/systemd/random-seed", "var/lib/systemd/credential.secret",
                                "var/lib/urandom/random-seed"};
  tree.each_match(kSecrets, [&](const Entry& entry) { tree.remove(entry.path); });
  // Present and empty, so that the first boot may fill it in even where /etc is an overlay.
  const Entry* machine_id = tree.tree().find("etc/machine-id");
  if (machine_id != nullptr && machine_id->type == EntryType::regular) tree.rewrite(*machine_id, "");
}

// Left over from scripts; at boot these are empty or other filesystems.
void leftovers(Normalizer& tree) {
  for (const char* folder : {"tmp", "var/tmp", "run"}) tree.remove_below(folder);
}

// Field 3 of shadow is the day of the last change.
void password_dates(Normalizer& tree) {
  const Entry* shadow = tree.tree().find("etc/shadow");
  if (shadow == nullptr || shadow->type != EntryType::regular) return;
  std::vector<std::string> lines = split(tree.text(*shadow), '\n');
  for (std::string& line : lines) {
    std::vector<std::string> fields = split(line, ':');
    if (fields.size() < 4 || fields[2].empty() || fields[2] == "0") continue;
    fields[2] = std::to_string(tree.time() / kSecondsPerDay);
    line = join(fields, ":");
  }
  tree.rewrite(*shadow, join(lines, "\n"));
}

void sort_lines(Normalizer& tree, const char* path, const std::string& separator) {
  const Entry* entry = tree.tree().find(path);
  if (entry == nullptr || entry->type != EntryType::regular) return;
  std::vector<std::string> blocks;
  std::string text = tree.text(*entry);
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    blocks.push_back(text.substr(0, end));
    text.erase(0, end == std::string::npos ? end : end + separator.size());
  }
  std::sort(blocks.begin(), blocks.end());
  std::string sorted;
  for (const std::string& block : blocks) sorted += block + separator;
  tree.rewrite(*entry, sorted);
}

// Their order is the order in which packages happened to be unpacked, or that of a hash table.
void databases(Normalizer& tree) {
  sort_lines(tree, "var/lib/dpkg/triggers/File", "\n");
  sort_lines(tree, "var/lib/apt/extended_states", "\n\n");
}

// A .pyc that carries its source's time would be stale once times are set, and compiled again at every start.
void python_caches(Normalizer& tree) {
  for (const Entry& entry : tree.tree().entries()) {
    if (entry.type != EntryType::regular || !entry.path.ends_with(".pyc")) continue;
    const std::string source_path = python_source_of(entry.path);
    const Entry* source = tree.tree().find(source_path);
    const std::string text = tree.text(entry);
    const auto fixed = unchecked_python_cache(
        text, source != nullptr && source->type == EntryType::regular ? tree.text(*source) : std::string());
    if (fixed) tree.rewrite(entry, *fixed);
  }
}

// Every certificate in it carries the moment of its import.
void java_trust_stores(Normalizer& tree) {
  constexpr std::array kStores{"etc/ssl/certs/java/cacerts", "etc/java-*/security/cacerts"};
  tree.each_match(kStores, [&](const Entry& entry) {
    const auto fixed = dated_java_trust_store(tree.text(entry), tree.time() * 1000);
    if (fixed) tree.rewrite(entry, *fixed);
  });
}

// squashfs has no place for POSIX ACLs, and a tree must be the same in every format.
void access_lists(Normalizer& tree) {
  for (const Entry& entry : tree.tree().entries()) tree.drop_xattrs(entry, "system.posix_acl_");
}

struct Rule {
  const char* name;
  void (*apply)(Normalizer&);
};

constexpr std::array kRules{
    Rule{"access lists", access_lists},
    Rule{"logs", logs},
    Rule{"caches", caches},
    Rule{"backups", backups},
    Rule{"lock files", lock_files},
    Rule{"secrets", secrets},
    Rule{"leftovers", leftovers},
    Rule{"password dates", password_dates},
    Rule{"databases", databases},
    Rule{"python caches", python_caches},
    Rule{"java trust stores", java_trust_stores},
};

const Rule& rule_called(const std::string& name) {
  for (const Rule& rule : kRules)
    if (name == rule.name) return rule;
  throw Error(ErrorKind::bug, "no rule of normalization is called '" + name + "'");
}

void run(const NormalizeInput& input, const ComputedPlace& place) {
  normalize(place.below, input.rules, place.out);
}

}  // namespace

void normalize(const Tree& below, const std::vector<std::string>& rules, LayerWriter& out) {
  Normalizer tree(below, out);
  for (const std::string& name : rules) rule_called(name).apply(tree);
}

Step normalize_step(StepName name, NormalizeInput input) {
  return make_step(std::move(name), "normalize", 1, std::move(input), run);
}

}  // namespace alephc

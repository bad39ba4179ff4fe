// SPDX-License-Identifier: MIT
#include <algorithm>
#include <map>
#include <set>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "execute/accounts.hpp"
#include "execute/data_steps.hpp"
#include "sandbox/sandbox.hpp"

namespace alephc {
namespace {

constexpr std::uint32_t kFirstUser = 1000;
constexpr std::uint32_t kLastUser = 59999;
constexpr std::int64_t kSecondsADay = 86400;

/// Changes to the four account files, written together at the end.
class AccountFiles {
 public:
  AccountFiles(const Tree& below, LayerWriter& out) : below_(below), out_(out) {
    for (const char* file : {"etc/passwd", "etc/shadow", "etc/group", "etc/gshadow"})
      texts_[file] = text_of(file);
  }

  void add(const UserSpec& user) {
    if (account_id(below_, "etc/passwd", user.name))
      throw Error(ErrorKind::failed, "the user '" + user.name + "' is there already: a package made it");
    const std::uint32_t uid = user.uid.value_or(next_free());
    used_.insert(uid);
    const std::string id = std::to_string(uid);
    const std::string day = std::to_string(kStepTime / kSecondsADay);
    texts_["etc/passwd"] += user.name + ":x:" + id + ":" + id + "::" + user.home + ":" + user.shell + "\n";
    texts_["etc/shadow"] += user.name + ":!:" + day + ":0:99999:7:::\n";
    texts_["etc/group"] += user.name + ":x:" + id + ":\n";
    texts_["etc/gshadow"] += user.name + ":!::\n";
    for (const std::string& group : user.groups) join_group(group, user.name);
    make_home(user, uid);
  }

  void write() {
    for (const auto& [file, text] : texts_) {
      const Entry* old = below_.find(file);
      if (old == nullptr) continue;
      Entry entry = *old;
      entry.mtime = kStepTime;
      entry.hard_link.clear();
      out_.put_file(entry, text);
    }
  }

 private:
  std::string text_of(const std::string& file) const {
    const Entry* entry = below_.find(file);
    std::string text =
        entry != nullptr && entry->type == EntryType::regular ? below_.read_content(*entry) : "";
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    return text;
  }

  std::uint32_t next_free() const {
    std::set<std::string> ids;
    for (const char* file : {"etc/passwd", "etc/group"})
      for (const auto& fields : account_lines(below_, file))
        if (fields.size() > 2) ids.insert(fields[2]);
    for (std::uint32_t id = kFirstUser; id <= kLastUser; ++id)
      if (!ids.contains(std::to_string(id)) && !used_.contains(id)) return id;
    throw Error(ErrorKind::failed, "no free user id is left");
  }

  void join_group(const std::string& group, const std::string& user) {
    for (const char* file : {"etc/group", "etc/gshadow"}) {
      std::vector<std::string> lines = split(texts_[file], '\n');
      const auto line = std::find_if(lines.begin(), lines.end(),
                                     [&](const std::string& each) { return each.starts_with(group + ":"); });
      if (line == lines.end()) {
        if (std::string_view(file) == "etc/gshadow") continue;
        std::vector<std::string> names;
        for (const std::string& each : lines) names.push_back(each.substr(0, each.find(':')));
        throw Error(ErrorKind::failed, "there is no group '" + group + "' for the user '" + user + "'",
                    did_you_mean(group, names));
      }
      *line += (line->ends_with(':') ? "" : ",") + user;
      texts_[file] = join(lines, "\n");
    }
  }

  void make_home(const UserSpec& user, std::uint32_t uid) {
    const std::string home = below_.resolve(user.home.substr(1));
    Entry folder{
        .path = home, .type = EntryType::directory, .mode = 0755, .uid = uid, .gid = uid, .mtime = kStepTime};
    out_.put(folder);
    for (const Entry& entry : below_.entries()) {
      if (!entry.path.starts_with("etc/skel/")) continue;
      Entry copy = entry;
      copy.path = home + "/" + entry.path.substr(9);
      copy.uid = uid;
      copy.gid = uid;
      copy.hard_link.clear();
      if (entry.type == EntryType::regular)
        out_.put_file(copy, below_.read_content(entry));
      else
        out_.put(copy);
    }
    if (user.authorized_keys.empty()) return;
    folder.path = home + "/.ssh";
    folder.mode = 0700;
    out_.put(folder);
    out_.put_file(
        {.path = home + "/.ssh/authorized_keys", .mode = 0600, .uid = uid, .gid = uid, .mtime = kStepTime},
        join(user.authorized_keys, "\n") + "\n");
  }

  const Tree& below_;
  LayerWriter& out_;
  std::map<std::string, std::string> texts_;
  std::set<std::uint32_t> used_;
};

void put_text(LayerWriter& out, const Tree& below, const std::string& path, const std::string& text) {
  out.put_file({.path = below.resolve(path, false), .mode = 0644, .mtime = kStepTime}, text);
}

/// In byte order "a-b" comes between "a" and "a/c": what lies below a folder need not follow it.
bool has_ancestor_in(const std::string& path, const std::set<std::string>& folders) {
  for (std::string at = parent_path(path); !at.empty(); at = parent_path(at))
    if (folders.contains(at)) return true;
  return false;
}

void put_timezone(const std::string& zone, const Tree& below, LayerWriter& out) {
  const std::string file = "usr/share/zoneinfo/" + zone;
  if (below.find(below.resolve(file)) == nullptr)
    throw Error(ErrorKind::failed, "the image has no time zone '" + zone + "'",
                below.find("usr/share/zoneinfo") == nullptr ? "add the package tzdata"
                                                            : "is it spelled as in /usr/share/zoneinfo?");
  out.put({.path = "etc/localtime",
           .type = EntryType::symlink,
           .mode = 0777,
           .mtime = kStepTime,
           .link_target = "/" + file});
  put_text(out, below, "etc/timezone", zone + "\n");
}

}  // namespace

void put_system(const Manifest& manifest, const Lock& lock, const Distro& distro, const Tree& below,
                LayerWriter& out) {
  const SystemSpec& system = manifest.system;
  if (!system.timezone.empty()) put_timezone(system.timezone, below, out);
  if (!system.locale.empty()) put_text(out, below, "etc/default/locale", "LANG=" + system.locale + "\n");
  if (!system.hostname.empty()) put_text(out, below, "etc/hostname", system.hostname + "\n");
  if (const auto sources = distro.image_sources(manifest, lock))
    put_text(out, below, sources->path, sources->content);
  if (manifest.users.empty()) return;
  AccountFiles accounts(below, out);
  for (const UserSpec& user : manifest.users) accounts.add(user);
  accounts.write();
}

void exclude_paths(const Manifest& manifest, const Tree& below, LayerWriter& out) {
  const std::string copyright = "/usr/share/doc/*/copyright";
  const std::vector<std::string>& globs = manifest.packages.exclude_paths;
  const bool names_copyright = std::find(globs.begin(), globs.end(), copyright) != globs.end();
  std::vector<std::string> kept;
  std::vector<std::string> excluded;
  for (const Entry& entry : below.entries()) {
    const std::string path = "/" + entry.path;
    bool is_excluded = false;
    for (const std::string& glob : globs) {
      if (glob.starts_with('!') ? glob_match(glob.substr(1), path) : glob_match(glob, path))
        is_excluded = !glob.starts_with('!');
    }
    if (is_excluded && !names_copyright && glob_match(copyright, path)) is_excluded = false;
    (is_excluded ? excluded : kept).push_back(entry.path);
  }
  // A folder stays while anything below it stays, as with dpkg.
  std::set<std::string> gone;
  for (const std::string& path : excluded) {
    if (has_ancestor_in(path, gone)) continue;
    const auto next_kept = std::lower_bound(kept.begin(), kept.end(), path + "/");
    if (next_kept != kept.end() && next_kept->starts_with(path + "/")) continue;
    out.whiteout(path);
    gone.insert(path);
  }
}

}  // namespace alephc

// SPDX-License-Identifier: MIT
#include "steps/system.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/dates.hpp"
#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "sandbox/sandbox.hpp"
#include "steps/accounts.hpp"

namespace alephc {
namespace {

constexpr std::uint32_t kFirstUser = 1000;
constexpr std::uint32_t kLastUser = 59999;
/// Changes to the four account files, written together at the end.
class AccountFiles {
 public:
  AccountFiles(const Tree& below, const std::vector<UserInput>& users, LayerWriter& out) : below_(below), out_(out) {
    if (below_.find("etc/passwd") == nullptr)
      throw Error(ErrorKind::failed, "the image has no /etc/passwd, so it can have no user '" + users.front().name + "'",
                  "bring one with a [[file]], or leave [[user]] out");
    for (const UserInput& user : users)
      if (user.uid) used_.insert(*user.uid);
    for (const char* file : {"etc/passwd", "etc/shadow", "etc/group", "etc/gshadow"})
      texts_[file] = text_of(file);
  }

  void add(const UserInput& user) {
    if (account_id(below_, "etc/passwd", user.name))
      throw Error(ErrorKind::failed, "the user '" + user.name + "' is there already: a package made it");
    if (account_id(below_, "etc/group", user.name))
      throw Error(ErrorKind::failed, "the group '" + user.name + "' of the user is there already: a package made it");
    if (user.uid && taken_ids().contains(std::to_string(*user.uid)))
      throw Error(ErrorKind::failed, "the uid " + std::to_string(*user.uid) + " of the user '" + user.name +
                                         "' is taken: a package has it", "leave 'uid' out to get a free one");
    const std::uint32_t uid = user.uid.value_or(next_free());
    used_.insert(uid);
    const std::string id = std::to_string(uid);
    const std::string day = std::to_string(out_.time() / kSecondsPerDay);
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
      entry.mtime = out_.time();
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

  /// Of users and groups that packages made.
  std::set<std::string> taken_ids() const {
    std::set<std::string> ids;
    for (const char* file : {"etc/passwd", "etc/group"})
      for (const auto& fields : account_lines(below_, file))
        if (fields.size() > 2) ids.insert(fields[2]);
    return ids;
  }

  std::uint32_t next_free() const {
    const std::set<std::string> ids = taken_ids();
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

  void make_home(const UserInput& user, std::uint32_t uid) {
    const std::string home = below_.resolve(user.home.substr(1));
    Entry folder{
        .path = home, .type = EntryType::directory, .mode = 0755, .uid = uid, .gid = uid, .mtime = out_.time()};
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
        {.path = home + "/.ssh/authorized_keys", .mode = 0600, .uid = uid, .gid = uid, .mtime = out_.time()},
        join(user.authorized_keys, "\n") + "\n");
  }

  const Tree& below_;
  LayerWriter& out_;
  std::map<std::string, std::string> texts_;
  std::set<std::uint32_t> used_;
};

void put_text(LayerWriter& out, const Tree& below, const std::string& path, const std::string& text) {
  out.put_file({.path = below.resolve(path, false), .mode = 0644, .mtime = out.time()}, text);
}

void put_timezone(const std::string& zone, const Tree& below, LayerWriter& out) {
  const std::string file = "usr/share/zoneinfo/" + zone;
  const Entry* data = below.find(below.resolve(file));
  if (data == nullptr || data->type == EntryType::directory)
    throw Error(ErrorKind::failed, "the image has no time zone '" + zone + "'",
                below.find("usr/share/zoneinfo") == nullptr ? "add the package tzdata"
                                                            : "is it spelled as in /usr/share/zoneinfo?");
  out.put({.path = "etc/localtime",
           .type = EntryType::symlink,
           .mode = 0777,
           .mtime = out.time(),
           .link_target = "/" + file});
  put_text(out, below, "etc/timezone", zone + "\n");
}

void run(const SystemInput& input, const ComputedPlace& place) {
  if (!input.timezone.empty()) put_timezone(input.timezone, place.below, place.out);
  const auto put = [&](const std::string& path, const std::string& text) {
    put_text(place.out, place.below, path, text);
  };
  if (!input.locale.empty()) put("etc/default/locale", "LANG=" + input.locale + "\n");
  if (!input.hostname.empty()) put("etc/hostname", input.hostname + "\n");
  if (!input.sources_path.empty()) put(input.sources_path, input.sources);
  if (input.users.empty()) return;
  AccountFiles accounts(place.below, input.users, place.out);
  for (const UserInput& user : input.users) accounts.add(user);
  accounts.write();
}

}  // namespace

Step system_step(StepName name, SystemInput input) {
  return make_step(std::move(name), "system", 2, std::move(input), run);
}

}  // namespace alephc

// SPDX-License-Identifier: MIT
#include "distro/debian/package_placer.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "distro/debian/control.hpp"

namespace alephc::debian {

void PackagePlacer::read_control() {
  bool files_started = false;
  for (const DecodedEntry& decoded : archive_.entries) {
    files_started = files_started || decoded.member != "control";
    if (decoded.member != "control") continue;
    if (files_started) throw Error(ErrorKind::integrity, "the package has its control data behind its files");
    add_control_file(decoded);
  }
  std::string_view rest = package_.control;
  const auto stanza = next_stanza(rest);
  if (!stanza) throw Error(ErrorKind::integrity, "the package has no control file");
  package_.name = stanza->get("Package");
  package_.version = stanza->get("Version");
  package_.arch = stanza->get("Architecture");
  const bool usable = !package_.name.empty() && package_.name.find('/') == std::string::npos &&
                      !package_.version.empty() && !package_.arch.empty() &&
                      package_.arch.find('/') == std::string::npos;
  if (!usable) throw Error(ErrorKind::integrity, "the package's control file is damaged");
  const auto listed = package_.control_files.find("conffiles");
  if (listed == package_.control_files.end()) return;
  for (const std::string& line : split(listed->second.content, '\n')) {
    const std::vector<std::string> words = split_words(line);
    // "remove-on-upgrade /etc/x" names a conffile that is no longer shipped.
    if (words.size() != 1 || !words[0].starts_with('/')) continue;
    package_.conffiles.push_back(words[0]);
    conffiles_.insert(words[0].substr(1));
  }
}

void PackagePlacer::add_control_file(const DecodedEntry& decoded) {
  const Entry& entry = decoded.entry;
  if (entry.type != EntryType::regular || entry.path.find('/') != std::string::npos) return;
  if (entry.path == "control")
    package_.control = decoded.text;
  else
    package_.control_files[entry.path] = {.content = decoded.text,
                                          .mode = (entry.mode & 0111U) != 0 ? 0755U : 0644U};
}

void PackagePlacer::place_files() {
  lacks_sums_ = !package_.control_files.contains("md5sums");
  // As dpkg does: symlinks when all else is there.
  for (const bool links : {false, true})
    for (const DecodedEntry& decoded : archive_.entries)
      if (decoded.member != "control" && (decoded.entry.type == EntryType::symlink) == links)
        place_entry(decoded);
  if (lacks_sums_) add_sums();
}

/// Before the content is moved to its place.
void PackagePlacer::note_sum(const DecodedEntry& decoded) {
  const Entry& entry = decoded.entry;
  if (!lacks_sums_ || entry.type != EntryType::regular) return;
  if (!entry.hard_link.empty()) {
    if (const auto it = sums_.find(entry.hard_link); it != sums_.end()) sums_[entry.path] = it->second;
    return;
  }
  Md5 hash;
  const UniqueFd file = open_file(decoded.content, O_RDONLY);
  std::vector<char> piece(1U << 16U);
  for (std::size_t got = 0; (got = read_some(file.get(), piece)) > 0;) hash.update({piece.data(), got});
  sums_[entry.path] = hash.finish();
}

/// In the package's order.
void PackagePlacer::add_sums() {
  std::string text;
  for (const std::string& path : package_.paths)
    if (const auto it = sums_.find(path.substr(1)); it != sums_.end())
      text += it->second + "  " + it->first + "\n";
  package_.control_files["md5sums"] = {.content = text};
}

/// The entry with the owner and the mode that it gets here, where those are not the archive's.
std::optional<Entry> PackagePlacer::changed(const DecodedEntry& decoded) const {
  const UnpackRules& rules = unpacker_.rules_;
  Entry entry = decoded.entry;
  if (!decoded.user.empty()) entry.uid = rules.uid_of(decoded.user, entry.uid);
  if (!decoded.group.empty()) entry.gid = rules.gid_of(decoded.group, entry.gid);
  if (const auto attributes = rules.overridden(entry.path)) {
    entry.uid = attributes->uid;
    entry.gid = attributes->gid;
    if (entry.type != EntryType::symlink) entry.mode = attributes->mode;
  }
  if (entry == decoded.entry) return std::nullopt;
  return entry;
}

void PackagePlacer::place_entry(const DecodedEntry& decoded) {
  package_.paths.push_back(decoded.entry.path.empty() ? "/." : "/" + decoded.entry.path);
  if (decoded.entry.path.empty()) return;
  const std::optional<Entry> other = changed(decoded);
  const Entry& entry = other ? *other : decoded.entry;
  const bool conffile = entry.type == EntryType::regular && conffiles_.contains(entry.path);
  bool skip = false;
  std::string place;
  std::string link_source;
  bool is_file = false;
  {
    const std::lock_guard guard(unpacker_.mutex_);
    place = unpacker_.claim(entry, package_, owner_, conffile, skip);
    if (place.empty() && !skip) return;  // kept out by a filter
    if (!entry.hard_link.empty() && !skip) {
      link_source = unpacker_.place_of(entry.hard_link, package_.name, owner_);
      if (conffiles_.contains(entry.hard_link)) link_source += ".dpkg-new";
      const RootModel::Node* source = unpacker_.model_.find(link_source);
      if (source == nullptr)
        throw Error(ErrorKind::integrity,
                    "/" + entry.path + " is a hard link to /" + entry.hard_link + ", which is not there");
      is_file = source->type == EntryType::regular;
    }
  }
  if (skip && package_.shared.contains(entry.path)) return note_sum(decoded);
  if (skip) {
    if (entry.type != EntryType::directory) package_.paths.pop_back();
    return;
  }
  note_sum(decoded);
  if (link_source.empty()) return create(decoded, entry, place);
  const int root = unpacker_.model_.root_fd();
  if (::linkat(root, link_source.c_str(), root, place.c_str(), 0) != 0)
    throw system_error("link /" + place, errno);
  // Of a file only: a symlink's mode would be that of whatever it leads to, outside of the root, too.
  if (is_file)
    unpacker_.model_.set_attributes(place, entry.type, entry.uid, entry.gid, entry.mode, entry.mtime);
}

void PackagePlacer::create(const DecodedEntry& decoded, const Entry& entry, const std::string& place) {
  const int root = unpacker_.model_.root_fd();
  switch (entry.type) {
    using enum EntryType;
    case regular:
      if (&entry == &decoded.entry) return put_content(decoded, place);
      put_content(decoded, place);
      break;
    case symlink:
      if (::symlinkat(entry.link_target.c_str(), root, place.c_str()) != 0)
        throw system_error("make /" + place, errno);
      break;
    case fifo:
      if (::mkfifoat(root, place.c_str(), 0600) != 0) throw system_error("make /" + place, errno);
      break;
    default:
      return;  // folders were made when they were claimed
  }
  unpacker_.model_.set_attributes(place, entry.type, entry.uid, entry.gid, entry.mode, entry.mtime);
}

void PackagePlacer::put_content(const DecodedEntry& decoded, const std::string& place) {
  const int root = unpacker_.model_.root_fd();
  if (::renameat(AT_FDCWD, decoded.content.c_str(), root, place.c_str()) != 0)
    throw system_error("move /" + place, errno);
  struct stat info {};
  if (::fstatat(root, place.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error("look at /" + place, errno);
  unpacker_.known_.add(info, decoded.entry.content);
}

}  // namespace alephc::debian

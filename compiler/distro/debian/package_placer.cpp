// SPDX-License-Identifier: MIT
#include "distro/debian/package_placer.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
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
  for (const DecodedEntry& decoded : archive_.entries)
    if (decoded.member != "control") place_entry(decoded);
}

void PackagePlacer::place_entry(const DecodedEntry& decoded) {
  const Entry& entry = decoded.entry;
  package_.paths.push_back(entry.path.empty() ? "/." : "/" + entry.path);
  if (entry.path.empty()) return;
  const bool conffile = entry.type == EntryType::regular && conffiles_.contains(entry.path);
  bool skip = false;
  std::string place;
  std::string link_source;
  {
    const std::lock_guard guard(unpacker_.mutex_);
    place = unpacker_.claim(entry, package_, owner_, conffile, skip);
    if (!entry.hard_link.empty() && !skip) {
      link_source = unpacker_.place_of(entry.hard_link, package_.name, owner_);
      if (conffiles_.contains(entry.hard_link)) link_source += ".dpkg-new";
    }
  }
  if (skip) {
    if (entry.type != EntryType::directory && entry.type != EntryType::symlink) package_.paths.pop_back();
    return;
  }
  if (link_source.empty()) return create(decoded, place);
  const int root = unpacker_.model_.root_fd();
  if (::linkat(root, link_source.c_str(), root, place.c_str(), 0) != 0)
    throw system_error("link /" + place, errno);
}

void PackagePlacer::create(const DecodedEntry& decoded, const std::string& place) {
  const Entry& entry = decoded.entry;
  const int root = unpacker_.model_.root_fd();
  switch (entry.type) {
    using enum EntryType;
    case regular:
      return put_content(decoded, place);
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

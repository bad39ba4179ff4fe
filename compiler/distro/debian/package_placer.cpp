// SPDX-License-Identifier: MIT
#include "distro/debian/package_placer.hpp"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "distro/debian/control.hpp"

namespace alephc::debian {
namespace {

/// Filesystems have a largest number of links, or know none.
bool cannot_link(int error_number) {
  return error_number == EMLINK || error_number == EXDEV || error_number == EPERM ||
         error_number == EOPNOTSUPP;
}

/// A copy of an open file with its owner, mode and time.
void copy_file(int from, int folder_fd, const std::string& place) {
  struct stat info {};
  const UniqueFd to = open_at(folder_fd, place, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
  copy_bytes(from, to.get());
  if (::fstat(from, &info) != 0) throw system_error("look at /" + place, errno);
  const std::array<timespec, 2> times{info.st_mtim, info.st_mtim};
  if (::fchown(to.get(), info.st_uid, info.st_gid) != 0 || ::fchmod(to.get(), info.st_mode & 07777U) != 0 ||
      ::futimens(to.get(), times.data()) != 0)
    throw system_error("set the owner of /" + place, errno);
}

}  // namespace

PackagePlacer::PackagePlacer(Unpacker& unpacker, UnpackedPackage& package, std::uint32_t owner,
                             const DecodedArchive& archive)
    : unpacker_(unpacker),
      package_(package),
      owner_(owner),
      archive_(archive),
      contents_(open_file(archive.folder, O_RDONLY | O_DIRECTORY)) {}

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
    if (decoded.member != "control") place(decoded);
}

void PackagePlacer::place(const DecodedEntry& decoded) {
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
      const std::string folder = unpacker_.resolve_folder(parent_path(entry.hard_link), owner_);
      link_source = folder.empty() ? base_name(entry.hard_link) : folder + "/" + base_name(entry.hard_link);
      if (conffiles_.contains(entry.hard_link)) link_source += ".dpkg-new";
    }
  }
  if (skip) {
    if (entry.type != EntryType::directory && entry.type != EntryType::symlink) package_.paths.pop_back();
    return;
  }
  if (link_source.empty())
    create(decoded, place);
  else
    link_within(link_source, place);
}

void PackagePlacer::create(const DecodedEntry& decoded, const std::string& place) {
  const Entry& entry = decoded.entry;
  const int root = unpacker_.root_.get();
  switch (entry.type) {
    using enum EntryType;
    case regular:
      return link_content(decoded, place);
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
  const std::array<timespec, 2> times{{{entry.mtime, 0}, {entry.mtime, 0}}};
  if (::fchownat(root, place.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0 ||
      (entry.type == EntryType::fifo && ::fchmodat(root, place.c_str(), entry.mode, 0) != 0) ||
      ::utimensat(root, place.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error("set the owner of /" + place, errno);
}

/// The decoded file itself, under one more name.
void PackagePlacer::link_content(const DecodedEntry& decoded, const std::string& place) {
  const int root = unpacker_.root_.get();
  const std::string name = std::to_string(decoded.file);
  if (::linkat(contents_.get(), name.c_str(), root, place.c_str(), 0) != 0) {
    if (!cannot_link(errno)) throw system_error("link /" + place, errno);
    copy_file(open_at(contents_.get(), name, O_RDONLY | O_NOFOLLOW).get(), root, place);
  }
  struct stat info {};
  if (::fstatat(root, place.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error("look at /" + place, errno);
  unpacker_.known_.add(info, decoded.entry.content);
}

/// Scripts may write to a file that has other names in the tree where it stands; a decoded one would suffer.
void PackagePlacer::make_own_copy(const std::string& place) {
  const int root = unpacker_.root_.get();
  const UniqueFd shared = open_at(root, place, O_RDONLY | O_NOFOLLOW);
  if (::unlinkat(root, place.c_str(), 0) != 0) throw system_error("replace /" + place, errno);
  copy_file(shared.get(), root, place);
}

void PackagePlacer::link_within(const std::string& source, const std::string& place) {
  const int root = unpacker_.root_.get();
  bool is_own = false;
  {
    const std::lock_guard guard(unpacker_.mutex_);
    is_own = unpacker_.linked_.contains(source);
    unpacker_.linked_.insert({source, place});
  }
  if (!is_own) make_own_copy(source);
  if (::linkat(root, source.c_str(), root, place.c_str(), 0) != 0)
    throw system_error("link /" + place, errno);
}

}  // namespace alephc::debian

// SPDX-License-Identifier: MIT
#include "tree/layer_writer.hpp"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"

namespace alephc {
namespace {

constexpr std::size_t kMostHeld = 64U << 20U;  // bytes of contents

void make_special(const std::string& path, const Entry& entry) {
  int failed = 0;
  switch (entry.type) {
    using enum EntryType;
    case regular:
      return;
    case directory:
      failed = ::mkdir(path.c_str(), 0700);
      if (failed != 0 && errno == EEXIST) failed = 0;
      break;
    case symlink:
      failed = ::symlink(entry.link_target.c_str(), path.c_str());
      break;
    case char_device:
    case block_device:
    case fifo:
    case whiteout:
      failed = ::mknod(path.c_str(), type_bits(entry.type) | 0600U, ::makedev(entry.major, entry.minor));
      // Without the machine's own root an empty file stands for it; what counts is the listing.
      if (failed != 0 && errno == EPERM && entry.type != EntryType::whiteout) {
        const UniqueFd stand_in(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (stand_in) failed = 0;
      }
      break;
  }
  if (failed != 0) throw system_error("make " + path, errno);
}

/// Names of one node where the filesystem allows: thousands
/// of them are made in half the time. known: a path of it.
void make_whiteout(const std::string& path, const Entry& entry, std::string& known) {
  if (!known.empty() && ::link(known.c_str(), path.c_str()) == 0) return;
  make_special(path, entry);
  known = path;
}

void set_attributes(const std::string& path, const Entry& entry) {
  if (entry.type == EntryType::whiteout) return;
  if (::lchown(path.c_str(), entry.uid, entry.gid) != 0) throw system_error("chown " + path, errno);
  if (entry.type != EntryType::symlink && ::chmod(path.c_str(), entry.mode) != 0)
    throw system_error("chmod " + path, errno);
  for (const Xattr& xattr : entry.xattrs) {
    if (::lsetxattr(path.c_str(), xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0) != 0)
      throw system_error("set " + xattr.name + " of " + path, errno);
  }
  const std::array<timespec, 2> times{{{entry.mtime, 0}, {entry.mtime, 0}}};
  if (::utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error("set the time of " + path, errno);
}

/// The last wall: whatever wrote the path, what is written stays in the layer's folder.
void require_inside(const std::string& path) {
  if (path.empty()) return;
  std::size_t begin = 0;
  for (std::size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = path.find('/', begin);
    const std::string_view part = std::string_view(path).substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..")
      throw Error(ErrorKind::integrity, "'" + path + "' is not a path inside of a tree");
  }
}

}  // namespace

LayerWriter::LayerWriter(std::filesystem::path folder, const Listing* below, std::int64_t time)
    : folder_(std::move(folder)), below_(below), time_(time) {}

void LayerWriter::add_parents(const std::string& path) {
  if (below_ == nullptr || path.empty()) return;
  const std::string parent = parent_path(path);
  if (entries_.contains(parent)) return;
  const Entry* known = find_entry(*below_, parent);
  if (known != nullptr && known->type != EntryType::directory)
    throw Error(ErrorKind::failed, "/" + parent + " is not a folder, so /" + path + " cannot be in it");
  entries_[parent] =
      known != nullptr
          ? *known
          : Entry{.path = parent, .type = EntryType::directory, .mode = 0755, .mtime = time_};
  add_parents(parent);
}

std::filesystem::path LayerWriter::place_for(const std::string& path) {
  require_inside(path);
  refuse_below_others(path);
  std::filesystem::path place = folder_ / path;
  make_folders(place.parent_path());
  return place;
}

/// What stands in a folder must not end up behind a link: the kernel would follow it out of the layer.
void LayerWriter::keep_folder(const Entry& entry) const {
  if (entry.type == EntryType::directory) return;
  const auto below = entries_.lower_bound(entry.path + "/");
  if (below != entries_.end() && below->first.starts_with(entry.path + "/"))
    throw Error(ErrorKind::integrity,
                "/" + entry.path + " is not a folder, so /" + below->first + " cannot be in it");
}

/// What is put into a folder needs one that is not something else by now.
void LayerWriter::refuse_below_others(const std::string& path) const {
  for (std::string parent = parent_path(path); !parent.empty(); parent = parent_path(parent)) {
    const auto placed = entries_.find(parent);
    if (placed != entries_.end() && placed->second.type != EntryType::directory)
      throw Error(ErrorKind::integrity, "/" + parent + " is not a folder, so /" + path + " cannot be in it");
  }
}

/// Contents that are not held are on disk from the moment they are
/// put; what replaces a file by something else takes its place.
void LayerWriter::make_way(const Entry& entry) const {
  const auto old = entries_.find(entry.path);
  if (old == entries_.end() || old->second.type != EntryType::regular || !old->second.hard_link.empty()) return;
  if (entry.type == EntryType::regular && entry.hard_link.empty()) return;
  const std::string place = (folder_ / entry.path).string();
  if (::unlink(place.c_str()) != 0 && errno != ENOENT) throw system_error("replace " + place, errno);
}

void LayerWriter::forget_held(const std::string& path) {
  const auto held = held_.find(path);
  if (held == held_.end()) return;
  held_bytes_ -= held->second.size();
  held_.erase(held);
}

void LayerWriter::put(Entry entry) {
  require_inside(entry.path);
  refuse_below_others(entry.path);
  make_way(entry);
  if (entry.type != EntryType::regular || !entry.hard_link.empty()) forget_held(entry.path);
  add_parents(entry.path);
  keep_folder(entry);
  std::string path = entry.path;
  entries_.insert_or_assign(std::move(path), std::move(entry));
}

void LayerWriter::put_file(Entry entry, std::string_view data) {
  entry.type = EntryType::regular;
  entry.size = data.size();
  entry.content = sha256(data);
  const std::string path = entry.path;
  if (held_bytes_ + data.size() > kMostHeld) {
    write_all(open_place(path, O_WRONLY).get(), data);
    return put(std::move(entry));
  }
  put(std::move(entry));
  forget_held(path);
  held_bytes_ += data.size();
  held_.emplace(path, data);
}

/// For contents that are written at once.
UniqueFd LayerWriter::open_place(const std::string& path, int access) {
  UniqueFd fd = open_file(place_for(path), access | O_CREAT | O_TRUNC | O_NOFOLLOW);
  forget_held(path);
  return fd;
}

void LayerWriter::put_file(Entry entry, int data_fd) {
  const UniqueFd fd = open_place(entry.path, O_RDWR);
  copy_bytes(data_fd, fd.get());
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || ::lseek(fd.get(), 0, SEEK_SET) != 0)
    throw system_error("look at " + entry.path, errno);
  entry.type = EntryType::regular;
  entry.size = static_cast<std::uint64_t>(info.st_size);
  entry.content = sha256_fd(fd.get());
  put(std::move(entry));
}

void LayerWriter::begin_file(Entry entry) {
  open_file_ = open_place(entry.path, O_WRONLY);
  open_hash_ = Sha256();
  open_entry_ = std::move(entry);
  open_entry_.type = EntryType::regular;
  open_entry_.size = 0;
}

void LayerWriter::add(std::string_view data) {
  write_all(open_file_.get(), data);
  open_hash_.update(data);
  open_entry_.size += data.size();
}

void LayerWriter::end_file() {
  open_file_.reset();
  open_entry_.content = open_hash_.finish();
  put(std::move(open_entry_));
}

void LayerWriter::put_copy(Entry entry, const std::string& of) {
  if (held_.contains(of)) return put_file(std::move(entry), read_content(of));
  const UniqueFd original = open_file(folder_ / of, O_RDONLY | O_NOFOLLOW);
  put_file(std::move(entry), original.get());
}

void LayerWriter::whiteout(const std::string& path) {
  put({.path = path, .type = EntryType::whiteout});
}

const Entry* LayerWriter::find(const std::string& path) const {
  const auto it = entries_.find(path);
  return it == entries_.end() ? nullptr : &it->second;
}

std::string LayerWriter::read_content(const std::string& path) const {
  const auto held = held_.find(path);
  return held != held_.end() ? held->second : read_all(open_file(folder_ / path, O_RDONLY | O_NOFOLLOW).get());
}

Listing LayerWriter::listing() const {
  Listing listing;
  listing.reserve(entries_.size());
  for (const auto& [path, entry] : entries_) listing.push_back(entry);
  return listing;
}

Listing LayerWriter::finish() {
  while (!held_.empty()) {
    const auto [path, data] = *held_.begin();
    write_all(open_place(path, O_WRONLY).get(), data);
  }
  std::string whiteout;
  for (auto& [path, entry] : entries_) {
    const std::string place = place_for(path).string();
    if (entry.type == EntryType::whiteout)
      make_whiteout(place, entry, whiteout);
    else if (entry.hard_link.empty())
      make_special(place, entry);
    else if (::link((folder_ / entry.hard_link).c_str(), place.c_str()) != 0)
      throw system_error("link " + path, errno);
  }
  // Attributes last and backwards, so that a folder's time is set after its children are there.
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it)
    set_attributes((folder_ / it->first).string(), it->second);
  return listing();
}

}  // namespace alephc

// SPDX-License-Identifier: MIT
#include "steps/archive.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>

#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "decode/decode.hpp"
#include "sandbox/sandbox.hpp"
#include "steps/accounts.hpp"
#include "tree/scan.hpp"

namespace alephc {
namespace {

class ArchivePutter : public ArchiveSink {
 public:
  ArchivePutter(const UnpackOptions& options, const Tree& below, LayerWriter& out)
      : options_(options),
        out_(out),
        space_(out.folder()),
        owner_(owner_ids(below, options.owner)),
        root_(below.resolve(options.target.substr(1))) {
    if (!root_.empty()) out_.put(folder(root_));
  }

  void begin_entry(const std::string& /*member*/, Entry entry) override {
    wanted_ = false;
    const auto path = place_of(entry.path);
    if (!path) return;
    entry.path = *path;
    entry.uid = owner_.uid;
    entry.gid = owner_.gid;
    entry.mtime = std::min(entry.mtime, out_.time());
    if (options_.plain_modes && entry.type != EntryType::symlink) entry.mode = plain_mode(entry);
    // Others are the machine's to give; an overlay's marks would hide files from root and not from others.
    std::erase_if(entry.xattrs, [](const Xattr& xattr) {
      return !xattr.name.starts_with("user.") || !keeps_xattr(xattr.name);
    });
    if (!entry.hard_link.empty()) {
      const auto first = place_of(entry.hard_link);
      if (!first || out_.find(*first) == nullptr)
        throw Error(ErrorKind::integrity, "the archive has a hard link to nothing: " + entry.path);
      return put_copy(*first, entry);
    }
    if (entry.type == EntryType::symlink) check_link(entry);
    if (entry.type == EntryType::regular) {
      wanted_ = true;
      out_.begin_file(std::move(entry));
      return;
    }
    out_.put(std::move(entry));
  }
  void data(std::string_view bytes) override {
    if (!wanted_) return;
    space_.take(bytes.size());
    out_.add(bytes);
  }
  void end_entry() override {
    if (wanted_) out_.end_file();
    wanted_ = false;
  }

 private:
  [[nodiscard]] Entry folder(const std::string& path) const {
    return {.path = path,
            .type = EntryType::directory,
            .mode = 0755,
            .uid = owner_.uid,
            .gid = owner_.gid,
            .mtime = out_.time()};
  }

  [[nodiscard]] std::uint32_t plain_mode(const Entry& entry) const {
    if (entry.type == EntryType::directory || (entry.mode & 0111U) != 0) return 0755;
    const std::string below_root = root_.empty() ? entry.path : entry.path.substr(root_.size() + 1);
    return options_.executable.contains(below_root) ? 0755 : 0644;
  }

  /// Where a member goes after its first folders are dropped; nothing for what is dropped whole.
  [[nodiscard]] std::optional<std::string> place_of(const std::string& path) const {
    std::vector<std::string> parts = split(path, '/');
    if (path.empty() || parts.size() <= options_.strip) return std::nullopt;
    parts.erase(parts.begin(), parts.begin() + options_.strip);
    return join_path(root_, join(parts, "/"));
  }

  /// Nothing of an archive may be written through a link that the same archive brought.
  void check_link(const Entry& entry) const {
    const Entry* old = out_.find(entry.path);
    if (old != nullptr && old->type == EntryType::directory)
      throw Error(ErrorKind::integrity, "the archive has '" + entry.path + "' as a folder and as a symlink");
  }

  void put_copy(const std::string& first, Entry entry) {
    // A copy, not a link: the group's first path would depend on the order of the archive.
    const Entry* original = out_.find(first);
    entry.hard_link.clear();
    entry.mode = original->mode;
    out_.put_copy(std::move(entry), first);
  }

  const UnpackOptions& options_;
  LayerWriter& out_;
  SpaceGuard space_;
  OwnerIds owner_;
  std::string root_;
  bool wanted_ = false;
};

void run(const ArchiveInput& input, const ComputedPlace& place) {
  const UnpackOptions options{.label = "the archive " + input.name.text,
                              .target = input.target,
                              .owner = input.owner,
                              .strip = input.strip};
  const UniqueFd file = place.contents.open(input.sha256, input.name.text);
  require_integrity(file.get(), input.integrity, options.label);
  unpack_archive(options, file.get(), place.below, place.out);
}

}  // namespace

void require_integrity(int fd, const std::string& integrity, const std::string& label) {
  if (integrity.empty()) return;
  if (!has_integrity(fd, integrity))
    throw Error(ErrorKind::integrity, label + " is not what its integrity says",
                "the lock was changed: run 'alephc lock'");
  if (::lseek(fd, 0, SEEK_SET) != 0) throw system_error("read " + label, errno);
}

void unpack_archive(const UnpackOptions& options, int fd, const Tree& below, LayerWriter& out) {
  ArchivePutter putter(options, below, out);
  with_context("unpacking " + options.label, [&] { decode_archive(fd, ArchiveKind::archive, putter); });
}

Step archive_step(StepName name, ArchiveInput input) {
  return make_step(std::move(name), "archive", 1, std::move(input), run);
}

}  // namespace alephc

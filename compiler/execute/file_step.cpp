// SPDX-License-Identifier: MIT
#include <cerrno>
#include <map>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "execute/accounts.hpp"
#include "execute/data_steps.hpp"
#include "sandbox/sandbox.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

class FilePutter {
 public:
  FilePutter(const Manifest& manifest, const Tree& below, LayerWriter& out)
      : manifest_(manifest), below_(below), out_(out) {}

  void put(const FileSpec& file) {
    try {
      const OwnerIds owner = owner_ids(below_, file.owner);
      base_ = {.mtime = kStepTime};
      base_.uid = owner.uid;
      base_.gid = owner.gid;
      switch (file.kind) {
        case FileSpec::Kind::content:
          return put_text(file, file.content);
        case FileSpec::Kind::source:
          return put_source(file);
        case FileSpec::Kind::link:
          return put_link(file);
        case FileSpec::Kind::folder:
          return put_folder(target_of(file.target, true), file.mode);
      }
    } catch (const Error& error) {
      std::vector<Diagnostic> problems = error.diagnostics();
      if (!problems.front().at) problems.front().at = file.at;
      throw Error(error.kind(), std::move(problems));
    }
  }

 private:
  [[nodiscard]] std::string target_of(const std::string& target, bool follow_last) const {
    return below_.resolve(target.substr(1), follow_last);
  }

  [[nodiscard]] const Entry* existing(const std::string& path) const {
    const Entry* entry = out_.find(path);
    return entry != nullptr ? entry : below_.find(path);
  }

  void refuse_folder(const std::string& path) const {
    const Entry* old = existing(path);
    if (old != nullptr && old->type == EntryType::directory)
      throw Error(ErrorKind::failed, "/" + path + " is a folder in the image and cannot become a file");
  }

  void put_text(const FileSpec& file, const std::string& text) {
    const std::string path = target_of(file.target, file.append);
    refuse_folder(path);
    Entry entry = base_;
    entry.path = path;
    entry.mode = file.mode.value_or(0644);
    std::string before;
    const Entry* old = existing(path);
    if (file.append && old != nullptr && old->type == EntryType::regular) {
      before = out_.find(path) != nullptr ? texts_[path] : below_.read_content(*old);
      if (!before.empty() && !before.ends_with('\n')) before += '\n';
      if (!file.mode) entry.mode = old->mode;
      entry.uid = old->uid;
      entry.gid = old->gid;
    }
    texts_[path] = before + text;
    out_.put_file(entry, texts_[path]);
  }

  void put_link(const FileSpec& file) {
    Entry entry = base_;
    entry.path = target_of(file.target, false);
    refuse_folder(entry.path);
    entry.type = EntryType::symlink;
    entry.mode = 0777;
    entry.link_target = file.content;
    out_.put(std::move(entry));
  }

  void put_folder(const std::string& path, std::optional<std::uint32_t> mode) {
    const Entry* old = existing(path);
    if (old != nullptr && old->type != EntryType::directory)
      throw Error(ErrorKind::failed, "/" + path + " is no folder in the image");
    Entry entry = base_;
    entry.path = path;
    entry.type = EntryType::directory;
    entry.mode = mode.value_or(old != nullptr ? old->mode : 0755);
    out_.put(std::move(entry));
  }

  void put_source(const FileSpec& file) {
    const fs::path source = manifest_.folder / file.content;
    if (file.append) return put_text(file, read_file(source));
    if (fs::is_directory(fs::symlink_status(source)))
      put_tree(source, target_of(file.target, true), file.mode);
    else
      put_one(source, target_of(file.target, false), file.mode);
  }

  /// Modes are ours, never the checkout's: git keeps the executable bit and nothing else.
  void put_one(const fs::path& source, const std::string& path, std::optional<std::uint32_t> mode) {
    refuse_folder(path);
    Entry entry = base_;
    entry.path = path;
    if (fs::is_symlink(fs::symlink_status(source))) {
      entry.type = EntryType::symlink;
      entry.mode = 0777;
      entry.link_target = fs::read_symlink(source).string();
      return out_.put(std::move(entry));
    }
    const UniqueFd fd = open_file(source, O_RDONLY | O_NOFOLLOW);
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) throw system_error("look at " + source.string(), errno);
    entry.mode = mode.value_or((info.st_mode & 0100U) != 0 ? 0755 : 0644);
    out_.put_file(std::move(entry), fd.get());
  }

  void put_tree(const fs::path& source, const std::string& path, std::optional<std::uint32_t> mode) {
    const Entry* old = existing(path);
    if (old == nullptr || mode) put_folder(path, mode);
    const UniqueFd dir = open_file(source, O_RDONLY | O_DIRECTORY);
    for (const std::string& name : list_folder(dir.get())) {
      if (name == ".git") continue;
      const std::string below = path.empty() ? name : path + "/" + name;
      if (fs::is_directory(fs::symlink_status(source / name)))
        put_tree(source / name, below, std::nullopt);
      else
        put_one(source / name, below, std::nullopt);
    }
  }

  const Manifest& manifest_;
  const Tree& below_;
  LayerWriter& out_;
  Entry base_;
  std::map<std::string, std::string> texts_;  ///< of this step, for append
};

}  // namespace

void put_files(const Manifest& manifest, bool early, const Tree& below, LayerWriter& out) {
  FilePutter putter(manifest, below, out);
  for (const FileSpec& file : manifest.files)
    if (file.before_packages == early) putter.put(file);
}

}  // namespace alephc

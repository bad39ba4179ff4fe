// SPDX-License-Identifier: MIT
#include "steps/files.hpp"

#include <map>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "sandbox/sandbox.hpp"
#include "steps/accounts.hpp"

namespace alephc {
namespace {

class FilePutter {
 public:
  explicit FilePutter(const ComputedPlace& place)
      : below_(place.below), out_(place.out), contents_(place.contents) {}

  void put(const FileInput& file) {
    try {
      const OwnerIds owner = owner_ids(below_, file.owner);
      base_ = {.mtime = out_.time()};
      base_.uid = owner.uid;
      base_.gid = owner.gid;
      if (file.kind == "content") return put_text(file, file.text);
      if (file.kind == "source") return put_source(file);
      if (file.kind == "link") return put_link(target_of(file.target, false), file.text);
      check(file.kind == "folder", "a [[file]] is a content, a source, a link or a folder");
      put_folder(target_of(file.target, true), file.mode);
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

  void put_text(const FileInput& file, const std::string& text) {
    const std::string path = target_of(file.target, file.append);
    refuse_folder(path);
    Entry entry = base_;
    entry.path = path;
    entry.mode = file.mode.value_or(0644);
    std::string before;
    const Entry* old = existing(path);
    if (file.append && old != nullptr && old->type == EntryType::regular) {
      before = out_.find(path) != nullptr ? out_.read_content(path) : below_.read_content(*old);
      if (!before.empty() && !before.ends_with('\n')) before += '\n';
      if (!file.mode) entry.mode = old->mode;
      entry.uid = old->uid;
      entry.gid = old->gid;
    }
    out_.put_file(entry, before + text);
  }

  void put_link(const std::string& path, const std::string& target) {
    refuse_folder(path);
    Entry entry = base_;
    entry.path = path;
    entry.type = EntryType::symlink;
    entry.mode = 0777;
    entry.link_target = target;
    out_.put(std::move(entry));
  }

  void put_folder(const std::string& path, std::optional<std::uint32_t> mode) {
    const Entry* old = existing(path);
    if (old != nullptr && old->type != EntryType::directory)
      throw Error(ErrorKind::failed, "/" + path + " is not a folder in the image");
    Entry entry = base_;
    entry.path = path;
    entry.type = EntryType::directory;
    entry.mode = mode.value_or(old != nullptr ? old->mode : 0755);
    out_.put(std::move(entry));
  }

  /// A folder of the project that is a folder in the image already leaves that one's attributes.
  void put_source_folder(const std::string& path, std::optional<std::uint32_t> mode) {
    if (existing(path) == nullptr || mode) put_folder(path, mode);
  }

  [[nodiscard]] std::string text_of(const InputFile& file) const {
    return read_all(contents_.open(file.sha256, "'" + file.path + "' of the project").get());
  }

  void put_source(const FileInput& file) {
    check(!file.content.empty(), "a source has content");
    if (file.append) return put_text(file, text_of(file.content.front()));
    const bool is_folder = file.content.size() > 1 || !file.content.front().path.empty() ||
                           file.content.front().kind == "folder";
    if (!is_folder) return put_one(file.content.front(), target_of(file.target, false), file.mode);
    const std::string root = target_of(file.target, true);
    put_source_folder(root, file.mode);
    for (const InputFile& each : file.content) put_below(each, root);
  }

  void put_below(const InputFile& file, const std::string& root) {
    if (file.path.empty()) return;
    std::string folder = root;
    const std::vector<std::string> parts = split(file.path, '/');
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      folder = join_path(folder, parts[i]);
      put_source_folder(folder, std::nullopt);
    }
    const std::string path = join_path(root, file.path);
    if (file.kind == "folder")
      put_source_folder(path, std::nullopt);
    else
      put_one(file, path, std::nullopt);
  }

  /// Modes are ours, never the checkout's: git keeps the executable bit and nothing else.
  void put_one(const InputFile& file, const std::string& path, std::optional<std::uint32_t> mode) {
    if (file.kind == "link") return put_link(path, text_of(file));
    refuse_folder(path);
    Entry entry = base_;
    entry.path = path;
    entry.mode = mode.value_or(file.kind == "executable" ? 0755 : 0644);
    out_.put_file(std::move(entry), contents_.open(file.sha256, "'" + file.path + "' of the project").get());
  }

  const Tree& below_;
  LayerWriter& out_;
  const Contents& contents_;
  Entry base_;
};

void run(const FilesInput& input, const ComputedPlace& place) {
  FilePutter putter(place);
  for (const FileInput& file : input.files) putter.put(file);
}

}  // namespace

Step files_step(StepName name, FilesInput input) {
  return make_step(std::move(name), "files", 1, std::move(input), run);
}

}  // namespace alephc

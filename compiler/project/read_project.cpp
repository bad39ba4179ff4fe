// SPDX-License-Identifier: MIT
#include "project/read_project.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/interrupt.hpp"
#include "base/text.hpp"
#include "manifest/part.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostDepth = 128;  // of folders

class ProjectReader {
 public:
  ProjectReader(Manifest& manifest, const Store& store)
      : manifest_(manifest),
        store_(store),
        limit_(manifest.file.empty() ? manifest.folder : project_of(manifest.file).limit),
        limit_fd_(open_file(limit_, O_PATH | O_DIRECTORY)) {
    if (manifest.file.empty()) return;
    const std::string stem = manifest.file.stem().string();
    own_files_ = {stem + ".lock", stem + ".receipt.json"};
    if (::stat(manifest.folder.c_str(), &folder_) != 0) throw system_error("look at " + manifest.folder.string(), errno);
  }

  void add(const std::string& path, const SourceSpan& at) {
    const std::string place = (manifest_.folder / path).lexically_normal().lexically_relative(limit_).string();
    const UniqueFd fd = open_resolved(limit_fd_.get(), place.empty() ? "." : place, O_RDONLY | O_NONBLOCK,
                                      RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
    if (!fd && errno == EXDEV)
      fail(at, "'" + path + "' leads out of the project",
           "paths and links stay inside the git work tree, or the manifest's folder where there is none");
    if (!fd && errno == ENOENT) fail(at, "no such file: '" + path + "'");
    if (!fd) throw system_error("open '" + path + "'", errno);
    visit(path, fd.get(), 0, at);
  }

  std::vector<LockedInput> take() {
    std::vector<LockedInput> inputs;
    for (auto& [path, input] : inputs_) {
      if (input.kind != "folder") manifest_.contents[path] = store_.blob_path(input.sha256);
      inputs.push_back(std::move(input));
    }
    return inputs;
  }

 private:
  [[noreturn]] static void fail(const SourceSpan& at, const std::string& message, const std::string& hint = {}) {
    throw Error(ErrorKind::failed, std::vector{Diagnostic{.message = message, .at = at, .hint = hint}});
  }

  void visit(const std::string& path, int fd, std::size_t depth, const SourceSpan& at) {
    throw_if_interrupted();
    struct stat info {};
    if (::fstat(fd, &info) != 0) throw system_error("look at '" + path + "'", errno);
    if (S_ISDIR(info.st_mode)) return visit_folder(path, fd, depth, at);
    if (!S_ISREG(info.st_mode)) fail(at, "'" + path + "' is not a file, folder or symlink");
    inputs_[path] = {path, (info.st_mode & 0100U) != 0 ? "executable" : "file", store_.put_file(fd)};
  }

  [[nodiscard]] bool is_beside_manifest(int folder) const {
    struct stat info {};
    return ::fstat(folder, &info) == 0 && info.st_dev == folder_.st_dev && info.st_ino == folder_.st_ino;
  }

  void visit_folder(const std::string& path, int fd, std::size_t depth, const SourceSpan& at) {
    if (depth > kMostDepth) fail(at, "'" + path + "' is nested too deep");
    bool is_empty = true;
    for (const std::string& name : list_folder(fd)) {
      // A lock cannot name itself, nor what is made of it.
      const bool is_own = own_files_.contains(name) && is_beside_manifest(fd);
      if (name == ".git" || is_own) continue;
      if (!is_utf8(name)) fail(at, "'" + printable(path + "/" + name) + "' is not UTF-8, so no lock can name it");
      is_empty = false;
      visit_child(path + "/" + name, fd, name, depth, at);
    }
    if (is_empty) inputs_[path] = {path, "folder", sha256("")};
  }

  void visit_child(const std::string& path, int folder, const std::string& name, std::size_t depth,
                   const SourceSpan& at) {
    struct stat info {};
    if (::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      throw system_error("look at '" + path + "'", errno);
    if (S_ISLNK(info.st_mode)) {
      inputs_[path] = {path, "link", store_.put_blob(read_link(folder, name))};
      return;
    }
    const UniqueFd child = open_at(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    visit(path, child.get(), depth + 1, at);
  }

  Manifest& manifest_;
  const Store& store_;
  fs::path limit_;
  UniqueFd limit_fd_;
  struct stat folder_ {};            ///< of the manifest
  std::set<std::string> own_files_;  ///< in it
  std::map<std::string, LockedInput> inputs_;
};

}  // namespace

std::vector<LockedInput> read_project(Manifest& manifest, const Store& store) {
  ProjectReader reader(manifest, store);
  for (const FileSpec& file : manifest.files)
    if (file.kind == FileSpec::Kind::source) reader.add(file.content, file.at);
  for (const RunSpec& run : manifest.runs) {
    if (!run.source.empty()) reader.add(run.source, run.at);
    for (const std::string& input : run.inputs) reader.add(input, run.at);
  }
  for (const PluginSpec& plugin : manifest.init.plugins) {
    if (!plugin.source.empty()) reader.add(plugin.source, plugin.at);
    for (const std::string& file : plugin.files) reader.add(file, plugin.at);
  }
  for (const std::string* path : {&manifest.init.sdk_plugins, &manifest.init.init0_plugin})
    if (!path->empty()) reader.add(*path, manifest.init.at);
  const PythonSpec& python = manifest.python;
  for (const auto* files : {&python.requirements_files, &python.constraints_files, &python.lock_files})
    for (const std::string& file : *files) reader.add(file, python.at);
  if (!manifest.node.lockfile.empty()) reader.add(manifest.node.lockfile, manifest.node.at);
  for (const ArchiveSpec& archive : manifest.archives)
    if (!archive.source.empty()) reader.add(archive.source, archive.at);
  for (const PackageFile& file : manifest.packages.files)
    if (!file.path.empty()) reader.add(file.path, file.at);
  for (const RepositorySpec& repository : manifest.repositories) reader.add(repository.key, repository.at);
  if (!manifest.base.keyring.empty()) reader.add(manifest.base.keyring, manifest.base.release_at);
  return reader.take();
}

}  // namespace alephc

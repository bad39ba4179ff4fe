// SPDX-License-Identifier: MIT
#include "execute/project_files.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

class InputReader {
 public:
  explicit InputReader(const fs::path& folder) : folder_(folder) {}

  void add(const std::string& path, const SourceSpan& at) {
    struct stat info {};
    if (::lstat((folder_ / path).c_str(), &info) != 0) {
      Diagnostic problem{.message = "no such file: '" + path + "'", .at = at};
      throw Error(ErrorKind::failed, std::vector{problem});
    }
    visit(path, info, at);
  }

  std::vector<LockedInput> take() {
    std::vector<LockedInput> inputs;
    for (auto& [path, input] : inputs_) inputs.push_back(std::move(input));
    return inputs;
  }

 private:
  void visit(const std::string& path, const struct stat& info, const SourceSpan& at) {
    const fs::path place = folder_ / path;
    if (S_ISDIR(info.st_mode)) {
      const UniqueFd dir = open_file(place, O_RDONLY | O_DIRECTORY);
      for (const std::string& name : list_folder(dir.get()))
        if (name != ".git") add(path + "/" + name, at);
    } else if (S_ISLNK(info.st_mode)) {
      inputs_[path] = {path, "link", sha256(fs::read_symlink(place).string())};
    } else if (S_ISREG(info.st_mode)) {
      inputs_[path] = {path, (info.st_mode & 0100U) != 0 ? "executable" : "file", sha256_file(place)};
    } else {
      Diagnostic problem{.message = "'" + path + "' is no file, folder or symlink", .at = at};
      throw Error(ErrorKind::failed, std::vector{problem});
    }
  }

  const fs::path& folder_;
  std::map<std::string, LockedInput> inputs_;
};

}  // namespace

std::vector<LockedInput> project_inputs(const Manifest& manifest) {
  InputReader reader(manifest.folder);
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

std::vector<LockedInput> inputs_below(const std::vector<LockedInput>& inputs, const std::string& path) {
  std::vector<LockedInput> found;
  for (const LockedInput& input : inputs)
    if (input.path == path || input.path.starts_with(path + "/")) found.push_back(input);
  return found;
}

}  // namespace alephc

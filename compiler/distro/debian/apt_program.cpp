// SPDX-License-Identifier: MIT
//
// A program of another release, without that release's system. Its loader is started by its path and gets the folder of
// its libraries, so it needs no root of its own, no rights and nothing of this machine but the kernel. Only apt-get, the
// loader and libraries are unpacked: simulating, apt starts no other program (debian/apt.cpp tells it the architectures
// that it would ask dpkg for).
//
// The packages are found without a solver: the first alternative of a dependency that the suite has, and only where it is
// a library by its name. That is all a linked program needs; adduser, gpgv and keyrings are for what is not done here.
#include "distro/debian/apt_program.hpp"

#include <algorithm>
#include <array>
#include <set>

#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "base/text.hpp"
#include "decode/decode.hpp"
#include "distro/debian/control.hpp"
#include "tree/layer_writer.hpp"

namespace alephc::debian {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProgram = "apt-get";
constexpr std::string_view kForm = "apt program 1\n";  // of the folder; another one is made again

struct Platform {
  std::string_view arch;
  std::string_view libraries;  // the folder's name below lib/
  std::string_view loader;
};
constexpr std::array<Platform, 2> kPlatforms{{{"amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"},
                                              {"arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"}}};

const Platform& platform_of(std::string_view arch) {
  const auto found = std::find_if(kPlatforms.begin(), kPlatforms.end(),
                                  [&](const Platform& platform) { return platform.arch == arch; });
  if (found == kPlatforms.end())
    throw Error(ErrorKind::host, "alephc cannot run apt of the architecture " + std::string(arch));
  return *found;
}

std::string name_of(const std::string& path) {
  return path.substr(path.find_last_of('/') + 1);
}

/// Takes apt-get, and the libraries with their links, into one folder.
class ProgramSink : public ArchiveSink {
 public:
  ProgramSink(LayerWriter& out, const Platform& platform)
      : out_(out), folder_("lib/" + std::string(platform.libraries)) {}

  void begin_entry(const std::string& member, Entry entry) override {
    taken_ = member == "data" && is_wanted(entry.path);
    if (!taken_) return;
    entry_ = {.path = name_of(entry.path),
              .type = entry.type,
              .mode = entry.type == EntryType::symlink ? 0777U : 0755U,
              .uid = ::geteuid(),
              .gid = ::getegid(),
              .mtime = out_.time()};
    content_.clear();
    if (entry.type == EntryType::symlink) entry_.link_target = name_of(entry.link_target);
    taken_ =
        entry.type == EntryType::symlink || (entry.type == EntryType::regular && entry.hard_link.empty());
  }
  void data(std::string_view bytes) override {
    if (taken_) content_ += bytes;
  }
  void end_entry() override {
    if (!taken_) return;
    if (entry_.type == EntryType::symlink)
      out_.put(entry_);
    else
      out_.put_file(entry_, content_);
  }

 private:
  [[nodiscard]] bool is_wanted(const std::string& path) const {
    const std::string folder = path.substr(0, path.size() - std::min(path.size(), name_of(path).size() + 1));
    if (folder == "usr/bin") return name_of(path) == kProgram;
    return (folder == folder_ || folder == "usr/" + folder_) && path.find(".so") != std::string::npos;
  }

  LayerWriter& out_;
  std::string folder_;
  Entry entry_;
  std::string content_;
  bool taken_ = false;
};

const IndexedPackage* newest(const PackageIndex& index, std::string_view name, std::uint32_t source,
                             std::string_view arch) {
  const IndexedPackage* found = nullptr;
  for (const IndexedPackage* package : index.named(name))
    if (package->source == source && package->arch == arch &&
        (found == nullptr || compare_versions(package->version, found->version) > 0))
      found = package;
  return found;
}

Digest key_of(const std::vector<const IndexedPackage*>& packages, std::string& text) {
  std::set<std::string> digests;
  for (const IndexedPackage* package : packages) digests.insert(package->sha256.hex());
  text =
      std::string(kForm) + std::to_string(::geteuid()) + "\n" + join({digests.begin(), digests.end()}, "\n");
  return sha256(text);
}

std::vector<RemoteFile> files_of(const std::vector<const IndexedPackage*>& packages, const Source& source) {
  std::vector<RemoteFile> files;
  for (const IndexedPackage* package : packages) {
    RemoteFile file{.digest = package->sha256,
                    .size = package->size,
                    .label = std::string(package->name) + " " + std::string(package->version)};
    for (const std::string& base : source.bases)
      file.urls.push_back(base + "/" + std::string(package->filename));
    files.push_back(std::move(file));
  }
  return files;
}

std::shared_ptr<const Layer> unpack(const std::vector<const IndexedPackage*>& packages,
                                    const Platform& platform, const ToolBox& tools) {
  const WorkFolder work = tools.store.make_work_folder();
  const fs::path folder = work.path() / "apt";
  make_folders(folder);
  LayerWriter out(folder, nullptr, 0);
  out.put({.path = "", .type = EntryType::directory, .mode = 0755, .uid = ::geteuid(), .gid = ::getegid()});
  ProgramSink sink(out, platform);
  for (const IndexedPackage* package : packages) {
    const auto blob = tools.store.open_blob(package->sha256);
    if (!blob)
      throw Error(ErrorKind::failed, std::string(package->name) + " vanished from the store",
                  "run the command again");
    decode_archive(blob->get(), ArchiveKind::deb, sink);
  }
  for (const std::string& name : {std::string(kProgram), std::string(platform.loader)})
    if (!out.has(name)) throw Error(ErrorKind::failed, "the release's packages of apt do not bring " + name);
  return tools.store.adopt_layer(folder, out.finish());
}

std::shared_ptr<const Layer> kept(const Digest& key, const ToolBox& tools) {
  const auto record = tools.store.find_action(key);
  const auto digest = record ? Digest::from_hex(record->result) : std::nullopt;
  if (!digest) return nullptr;
  return tools.store.open_layer(*digest, [&](const std::string& why) { tools.reporter.note(why); });
}

}  // namespace

std::vector<const IndexedPackage*> packages_of_apt(const PackageIndex& index, std::uint32_t source,
                                                   std::string_view arch) {
  std::vector<const IndexedPackage*> packages;
  std::set<std::string_view> seen{"apt"};
  if (const IndexedPackage* apt = newest(index, "apt", source, arch)) packages.push_back(apt);
  for (std::size_t i = 0; i < packages.size(); ++i)
    for (const std::string_view field : {packages[i]->pre_depends, packages[i]->depends})
      for (const auto& group : parse_relations(field))
        for (const Relation& relation : group) {
          const IndexedPackage* package =
              relation.name.starts_with("lib") ? newest(index, relation.name, source, arch) : nullptr;
          if (package == nullptr) continue;
          if (seen.insert(package->name).second) packages.push_back(package);
          break;
        }
  return packages;
}

AptProgram provide_apt(const PackageIndex& index, const std::vector<VerifiedSource>& sources,
                       std::uint32_t source, const std::string& arch, const ToolBox& tools) {
  const Platform& platform = platform_of(arch);
  const std::vector<const IndexedPackage*> packages = packages_of_apt(index, source, arch);
  if (packages.empty())
    throw Error(ErrorKind::failed, "the release's own suite has no package apt, which chooses packages",
                "add the release to base.suites and 'main' to base.components");
  std::string text;
  const Digest key = key_of(packages, text);
  const FileLock lock = tools.store.lock_key(key);
  std::shared_ptr<const Layer> files = kept(key, tools);
  if (files == nullptr) {
    tools.reporter.progress("lock  getting the release's apt");
    tools.fetcher.fetch(files_of(packages, sources[source].source), [](std::size_t) {});
    files = unpack(packages, platform, tools);
    tools.store.put_action(key, {.name = "apt " + std::string(packages.front()->version),
                                 .key_text = text,
                                 .result = files->digest.hex()});
  }
  const std::string folder = files->folder.string();
  return {.argv = {folder + "/" + std::string(platform.loader), "--library-path", folder,
                   folder + "/" + kProgram},
          .version = std::string(packages.front()->version),
          .files = files};
}

AptProgram apt_of_machine(const std::string& program) {
  const CommandResult result = run_command(
      {.argv = {program, "--version"}, .environment = {{"LC_ALL", "C"}, {"APT_CONFIG", "/dev/null"}}});
  const std::vector<std::string> words = split_words(result.output);
  if (result.exit_code != 0 || words.size() < 2 || words[0] != "apt")
    throw Error(ErrorKind::usage, "ALEPHC_APT is not an apt-get: " + program);
  return {.argv = {program}, .version = words[1]};
}

}  // namespace alephc::debian

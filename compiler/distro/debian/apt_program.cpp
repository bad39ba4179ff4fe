// SPDX-License-Identifier: MIT
//
// Whoever signs an archive chooses what its apt is, and a project may bring its own key: so apt runs in the sandbox, as the
// packages' scripts do, in a root that holds what it needs and nothing else, and sees copies of the indexes.
//
// The root has apt-get, the libraries that it is linked with, a method that it starts even when it only simulates, and dpkg's
// tables of architectures, for which it would ask dpkg. The packages are found without a solver: the first alternative of a
// dependency that the suite has, and only where it is a library by its name. adduser, gpgv and keyrings are for what is not
// done here. Folders are merged below /usr, where Debian 13 has them and Debian 12 will look for them through links.
#include "distro/debian/apt_program.hpp"

#include <algorithm>
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

constexpr std::string_view kForm = "apt program 1\n";  // of the root; another one is made again

constexpr const char* kOtherApt = "name an apt-get of this machine in ALEPHC_APT";
#if defined(__x86_64__)
constexpr std::string_view kMachine = "amd64";
constexpr std::string_view kLibraries = "usr/lib/x86_64-linux-gnu";
#else
constexpr std::string_view kMachine = "arm64";
constexpr std::string_view kLibraries = "usr/lib/aarch64-linux-gnu";
#endif

bool is_library(std::string_view name) {
  return name.starts_with("lib") || name == "zlib1g";
}

/// Puts what apt needs into a root.
class ProgramSink : public ArchiveSink {
 public:
  explicit ProgramSink(LayerWriter& out) : out_(out) {}

  void begin_entry(const std::string& member, Entry entry) override {
    const std::string path = entry.path.starts_with("lib") ? "usr/" + entry.path : entry.path;
    const bool plain = entry.type == EntryType::regular && entry.hard_link.empty();
    taken_ = member == "data" && (plain || entry.type == EntryType::symlink) && is_wanted(path);
    content_.clear();
    entry_ = {.path = path,
              .type = entry.type,
              .mode = entry.type == EntryType::symlink ? 0777U : 0755U,
              .mtime = out_.time(),
              .link_target = entry.link_target};
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
    const std::string folder = fs::path(path).parent_path().string();
    if (folder == kLibraries || folder == "usr/lib64") return path.find(".so") != std::string::npos;
    if (folder == "usr/share/dpkg") return path.ends_with("table");
    return path == "usr/bin/apt-get" || path == "usr/lib/apt/methods/http";
  }

  LayerWriter& out_;
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

std::string key_text(const std::vector<const IndexedPackage*>& packages) {
  std::set<std::string> digests;
  for (const IndexedPackage* package : packages) digests.insert(package->sha256.hex());
  return std::string(kForm) + join({digests.begin(), digests.end()}, "\n");
}

std::vector<RemoteFile> files_of(const std::vector<const IndexedPackage*>& packages, const Source& source) {
  std::vector<RemoteFile> files;
  for (const IndexedPackage* package : packages) {
    files.push_back(file_of(*package, source));
    files.back().label += " " + std::string(package->version);
  }
  return files;
}

std::shared_ptr<const Layer> unpack(const std::vector<const IndexedPackage*>& packages,
                                    const ToolBox& tools) {
  const WorkFolder work = tools.store.make_work_folder();
  const fs::path folder = work.path() / "apt";
  make_folders(folder);
  LayerWriter out(folder, nullptr, 0);
  for (const char* name : {"", "dev", "proc", "tmp"})
    out.put({.path = name, .type = EntryType::directory, .mode = 0755});
  for (const char* name : {"lib", "lib64"})
    out.put(
        {.path = name, .type = EntryType::symlink, .mode = 0777, .link_target = "usr/" + std::string(name)});
  ProgramSink sink(out);
  for (const IndexedPackage* package : packages) {
    const auto blob = tools.store.open_blob(package->sha256);
    if (!blob)
      throw Error(ErrorKind::failed, std::string(package->name) + " vanished from the store",
                  "run the command again");
    decode_archive(blob->get(), ArchiveKind::deb, sink);
  }
  if (!out.has("usr/bin/apt-get"))
    throw Error(ErrorKind::failed, "the release's package apt does not contain /usr/bin/apt-get");
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
              is_library(relation.name) ? newest(index, relation.name, source, arch) : nullptr;
          if (package == nullptr) continue;
          if (seen.insert(package->name).second) packages.push_back(package);
          break;
        }
  if (const IndexedPackage* dpkg = newest(index, "dpkg", source, arch); dpkg != nullptr && !packages.empty())
    packages.push_back(dpkg);
  return packages;
}

AptProgram provide_apt(const PackageIndex& index, const std::vector<VerifiedSource>& sources,
                       std::uint32_t source, const std::string& arch, const ToolBox& tools) {
  if (::geteuid() != 0)
    throw Error(ErrorKind::host, "the release's apt runs in the sandbox, and this user cannot have one",
                "'alephc doctor' shows what is missing; or " + std::string(kOtherApt));
  if (arch != kMachine)
    throw Error(ErrorKind::host, "the apt of " + arch + " does not run on this machine", kOtherApt);
  const std::vector<const IndexedPackage*> packages = packages_of_apt(index, source, arch);
  if (packages.empty())
    throw Error(ErrorKind::failed,
                "the release's own suite has no apt package, and apt is what chooses packages",
                "add the release to base.suites and 'main' to base.components");
  const std::string text = key_text(packages);
  const Digest key = sha256(text);
  const FileLock lock = tools.store.lock_key(key);
  std::shared_ptr<const Layer> files = kept(key, tools);
  if (files == nullptr) {
    tools.reporter.progress("lock  getting the release's apt");
    tools.fetcher.fetch(files_of(packages, sources[source].source), [](std::size_t) {});
    files = unpack(packages, tools);
    tools.store.put_action(key, {.name = "apt " + std::string(packages.front()->version),
                                 .key_text = text,
                                 .result = files->digest.hex()});
  }
  return {.version = std::string(packages.front()->version), .files = files};
}

AptProgram apt_of_machine(const std::string& program) {
  const CommandResult result = run_command(
      {.argv = {program, "--version"}, .environment = {{"LC_ALL", "C"}, {"APT_CONFIG", "/dev/null"}}});
  const std::vector<std::string> words = split_words(result.output);
  if (result.exit_code != 0 || words.size() < 2 || words[0] != "apt")
    throw Error(ErrorKind::usage, "ALEPHC_APT is not an apt-get: " + program);
  return {.path = program, .version = words[1]};
}

}  // namespace alephc::debian

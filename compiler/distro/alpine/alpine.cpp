// SPDX-License-Identifier: MIT
#include "distro/alpine/alpine.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "distro/alpine/indexes.hpp"
#include "distro/alpine/sources.hpp"

namespace alephc::alpine {
namespace {

class Alpine : public Distro {
 public:
  [[nodiscard]] Resolution resolve(const ResolveRequest& request, const ToolBox& tools) const override {
    return alpine::resolve(request, tools);
  }

  [[nodiscard]] std::vector<RemoteFile> package_files(const Manifest& manifest, const Lock& lock,
                                                      const Mirrors& mirrors) const override {
    std::map<std::string, Source> sources;
    for (Source& source : sources_of(manifest, mirrors)) sources[source.id()] = std::move(source);
    std::vector<RemoteFile> files;
    for (const LockedLayer& layer : lock.layers) {
      for (const LockedPackage& package : layer.packages) {
        if (package.repository == "file") continue;
        RemoteFile file{
            .digest = package.sha256, .size = package.size, .label = package.name + " " + package.version};
        if (package.repository == "url") file.urls = {package.path};
        if (const auto source = sources.find(package.repository); source != sources.end())
          file.urls = urls_of(source->second, package.path);
        files.push_back(std::move(file));
      }
    }
    return files;
  }

  [[nodiscard]] std::vector<IndexProof> prove_packages(const Manifest& manifest, const Lock& lock,
                                                       const Mirrors& mirrors, const Keyrings& spare,
                                                       const ToolBox& tools) const override {
    return alpine::prove_packages(manifest, lock, mirrors, spare, tools);
  }

  [[nodiscard]] ArchiveKind package_kind() const override { return ArchiveKind::tar_members; }

  [[nodiscard]] int install_version() const override { return 1; }

  void install(const InstallJob& job, Reporter& reporter) const override { alpine::install(job, reporter); }

  [[nodiscard]] std::vector<SandboxCommand> remove_commands(
      const std::vector<std::string>& names) const override {
    SandboxCommand remove{
        .argv = {"/bin/sh", "-euc",
                 "command -v apk >/dev/null || { echo 'the package apk-tools is missing: add it to "
                 "packages.build, and it goes with the others'; exit 1; }; exec apk --no-network del "
                 "\"$@\"",
                 "sh"}};
    remove.argv.insert(remove.argv.end(), names.begin(), names.end());
    return {remove};
  }

  [[nodiscard]] std::vector<SandboxCommand> locale_commands(
      const std::vector<std::string>& /*locales*/) const override {
    check(false, "the manifest of an Alpine image has no locales");
    return {};
  }

  [[nodiscard]] std::vector<std::string> explain_package(const Manifest& manifest, const Lock& /*lock*/,
                                                         const Tree& tree,
                                                         const std::string& name) const override {
    return alpine::explain_package(manifest, tree, name);
  }
  [[nodiscard]] std::vector<std::string> explain_path(const Tree& tree,
                                                      const std::string& path) const override {
    return explain_owner(tree, path);
  }
  [[nodiscard]] std::vector<std::vector<std::string>> suspects(
      const Tree& tree, const std::vector<std::string>& paths) const override {
    return alpine::suspects(tree, paths);
  }

  [[nodiscard]] std::optional<SourcesFile> image_sources(const Manifest& manifest,
                                                         const Lock& /*lock*/) const override {
    const std::vector<std::string>& wanted = manifest.base.image_sources;
    if (wanted == std::vector<std::string>{"none"}) return std::nullopt;
    return SourcesFile{.path = "etc/apk/repositories", .content = join(wanted, "\n") + "\n"};
  }

  [[nodiscard]] bool is_database(const std::string& path) const override { return alpine::is_database(path); }
  [[nodiscard]] std::vector<InstalledPackage> read_database(
      const Listing& listing, const std::map<std::string, std::string>& texts) const override {
    return alpine::read_database(listing, texts);
  }
};

}  // namespace

const Distro& distro() {
  static const Alpine instance;
  return instance;
}

}  // namespace alephc::alpine

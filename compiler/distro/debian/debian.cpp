// SPDX-License-Identifier: MIT
#include "distro/debian/debian.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "distro/debian/release.hpp"
#include "distro/debian/sources.hpp"

namespace alephc::debian {
namespace {

/// What is configured first, then the largest: those are decoded ahead of the others.
std::vector<const LockedPackage*> in_order_of_need(const Lock& lock) {
  std::vector<const LockedPackage*> packages;
  for (const LockedPackage& package : lock.packages())
    if (package.repository != "file") packages.push_back(&package);
  std::stable_sort(packages.begin(), packages.end(), [](const LockedPackage* a, const LockedPackage* b) {
    if (a->bootstrap != b->bootstrap) return a->bootstrap;
    return !a->bootstrap && a->size > b->size;
  });
  return packages;
}

RemoteFile remote_file(const LockedPackage& package, const std::vector<std::string>& bases) {
  RemoteFile file{
      .digest = package.sha256, .size = package.size, .label = package.name + " " + package.version};
  if (package.repository == "url") file.urls = {package.path};
  for (const std::string& base : bases) file.urls.push_back(base + "/" + package.path);
  return file;
}

class Debian : public Distro {
 public:
  [[nodiscard]] Resolution resolve(const ResolveRequest& request, const ToolBox& tools) const override {
    return debian::resolve(request, tools);
  }

  [[nodiscard]] std::vector<RemoteFile> package_files(const Manifest& manifest, const Lock& lock,
                                                      const Mirrors& mirrors) const override {
    std::map<std::string, std::vector<std::string>> bases;
    for (const LockedRepository& repository : lock.repositories)
      bases[repository.name + "/" + repository.suite] = bases_of(manifest, repository, mirrors);
    std::vector<RemoteFile> files;
    for (const LockedPackage* package : in_order_of_need(lock))
      files.push_back(remote_file(*package, bases[package->repository]));
    return files;
  }

  [[nodiscard]] std::vector<IndexProof> prove_packages(const Manifest& manifest, const Lock& lock,
                                                       const Mirrors& mirrors, const Keyrings& spare,
                                                       const ToolBox& tools) const override {
    return debian::prove_packages(manifest, lock, mirrors, spare, tools);
  }

  [[nodiscard]] ArchiveKind package_kind() const override { return ArchiveKind::deb; }

  [[nodiscard]] int install_version() const override { return 7; }

  void install(const InstallJob& job, Reporter& reporter) const override { debian::install(job, reporter); }

  [[nodiscard]] std::vector<SandboxCommand> remove_commands(
      const std::vector<std::string>& names) const override {
    SandboxCommand purge{.argv = {"dpkg", "--force-unsafe-io", "--purge"}};
    purge.argv.insert(purge.argv.end(), names.begin(), names.end());
    SandboxCommand clean{.argv = {"rm", "-f"}};
    for (const char* path : kTraces) clean.argv.push_back(std::string("/") + path);
    return {purge, clean};
  }

  [[nodiscard]] std::vector<SandboxCommand> locale_commands(
      const std::vector<std::string>& locales) const override {
    std::string list;
    for (const std::string& locale : locales) {
      const std::size_t dot = locale.find('.');
      list += locale + " " + (dot == std::string::npos ? "UTF-8" : locale.substr(dot + 1)) + "\n";
    }
    return {{.argv = {"sh", "-euc",
                      "command -v locale-gen >/dev/null || { echo 'the package locales is missing: add it to "
                      "packages.install'; exit 1; }; "
                      "cat > /etc/locale.gen; locale-gen"},
             .input = list}};
  }

  [[nodiscard]] std::vector<std::string> explain_package(const Manifest& manifest, const Lock& lock,
                                                         const Tree& tree,
                                                         const std::string& name) const override {
    return debian::explain_package(manifest, lock, tree, name);
  }
  [[nodiscard]] std::vector<std::string> explain_path(const Tree& tree,
                                                      const std::string& path) const override {
    return explain_owner(tree, path);
  }

  [[nodiscard]] std::vector<std::vector<std::string>> suspects(
      const Tree& tree, const std::vector<std::string>& paths) const override {
    return debian::suspects(tree, paths);
  }

  [[nodiscard]] std::optional<SourcesFile> image_sources(const Manifest& manifest,
                                                         const Lock& lock) const override {
    const std::vector<std::string>& wanted = manifest.base.image_sources;
    SourcesFile file{.path = "etc/apt/sources.list"};
    if (wanted == std::vector<std::string>{"none"}) return std::nullopt;
    if (wanted != std::vector<std::string>{"snapshot"}) {
      file.content = join(wanted, "\n") + "\n";
      return file;
    }
    for (const LockedRepository& repository : lock.repositories)
      if (repository.name == manifest.base.distro)
        file.content +=
            "deb [check-valid-until=no] " +
            snapshot_base(manifest.base.distro, repository.suite, compact_date(repository.date + 12 * 3600)) +
            " " + repository.suite + " " + join(manifest.base.components, " ") + "\n";
    return file;
  }

  [[nodiscard]] bool is_database(const std::string& path) const override { return debian::is_database(path); }
  [[nodiscard]] std::vector<InstalledPackage> read_database(
      const Listing& listing, const std::map<std::string, std::string>& texts) const override {
    return debian::read_database(listing, texts);
  }
};

}  // namespace

const Distro& distro() {
  static const Debian instance;
  return instance;
}

}  // namespace alephc::debian

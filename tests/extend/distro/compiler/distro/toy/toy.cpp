// SPDX-License-Identifier: MIT
#include "distro/toy/toy.hpp"

#include <charconv>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "tree/layer_writer.hpp"

namespace alephc::toy {
namespace {

constexpr std::uint64_t kMostIndex = 1U << 20U;
constexpr std::string_view kDatabase = "var/lib/toy/";  // a file of NAME with its version

std::string address(const Manifest& manifest, const std::string& file) {
  if (manifest.base.mirrors.empty()) throw Error(ErrorKind::failed, "a toy needs base.mirrors");
  return manifest.base.mirrors.front() + "/" + manifest.base.release + "/" + file;
}

LockedPackage parse_line(const std::string& line, const std::string& release) {
  const std::vector<std::string> words = split_words(line);
  const auto digest = words.size() == 4 ? Digest::from_hex(words[3]) : std::nullopt;
  if (!digest) throw Error(ErrorKind::integrity, "the toy's index has a damaged line: " + line);
  LockedPackage package{.name = words[0], .version = words[1], .arch = "all", .sha256 = *digest};
  std::from_chars(words[2].data(), words[2].data() + words[2].size(), package.size);
  package.repository = "toy/" + release;
  package.path = package.name + ".tar";
  return package;
}

class Toy : public Distro {
 public:
  [[nodiscard]] Resolution resolve(const ResolveRequest& request, const ToolBox& tools) const override {
    const std::string& release = request.manifest.base.release;
    const FetchedText index = tools.fetcher.fetch_text({address(request.manifest, "index")}, kMostIndex);
    LockedLayer layer{.name = "packages"};
    for (const Text& wanted : request.manifest.packages.install) {
      const std::size_t before = layer.packages.size();
      for (const std::string& line : split(index.text, '\n'))
        if (line.starts_with(wanted.value + " ")) layer.packages.push_back(parse_line(line, release));
      if (layer.packages.size() == before)
        throw Error(ErrorKind::failed, Diagnostic{.message = "there is no toy '" + wanted.value + "'", .at = wanted.at});
    }
    return {.layers = {std::move(layer)}, .resolver = "toy", .newest_index = latest_epoch().room.time};
  }

  [[nodiscard]] std::vector<RemoteFile> package_files(const Manifest& manifest, const Lock& lock,
                                                      const Mirrors& /*mirrors*/) const override {
    std::vector<RemoteFile> files;
    for (const LockedPackage& package : lock.packages())
      files.push_back({.digest = package.sha256,
                       .size = package.size,
                       .urls = {address(manifest, package.path)},
                       .label = package.name + " " + package.version});
    return files;
  }

  [[nodiscard]] std::vector<IndexProof> prove_packages(const Manifest& /*manifest*/, const Lock& /*lock*/,
                                                       const Mirrors& /*mirrors*/, const Keyrings& /*spare*/,
                                                       const ToolBox& /*tools*/) const override {
    return {};
  }

  [[nodiscard]] ArchiveKind package_kind() const override { return ArchiveKind::archive; }
  [[nodiscard]] int install_version() const override { return 1; }

  void install(const InstallJob& job, Reporter& /*reporter*/) const override {
    make_folders(job.upper / kDatabase);
    for (const InstallPackage& package : job.input.packages) {
      for (const DecodedEntry& decoded : job.decode_package(package).entries)
        if (decoded.entry.type == EntryType::regular)
          atomic_write(job.upper / base_name(decoded.entry.path), read_file(decoded.content), 0644);
      atomic_write(job.upper / kDatabase / package.name, package.version, 0644);
    }
  }

  [[nodiscard]] std::vector<SandboxCommand> remove_commands(
      const std::vector<std::string>& /*names*/) const override {
    return {};
  }
  [[nodiscard]] std::vector<SandboxCommand> locale_commands(
      const std::vector<std::string>& /*locales*/) const override {
    return {};
  }
  [[nodiscard]] std::vector<std::string> explain_package(const Manifest& /*manifest*/, const Lock& /*lock*/,
                                                         const Tree& /*tree*/,
                                                         const std::string& name) const override {
    return {name + " is in packages.install"};
  }
  [[nodiscard]] std::vector<std::string> explain_path(const Tree& tree, const std::string& path) const override {
    return explain_owner(tree, path);
  }
  [[nodiscard]] std::vector<std::vector<std::string>> suspects(
      const Tree& /*tree*/, const std::vector<std::string>& paths) const override {
    return std::vector<std::vector<std::string>>(paths.size());
  }
  [[nodiscard]] std::optional<SourcesFile> image_sources(const Manifest& /*manifest*/,
                                                         const Lock& /*lock*/) const override {
    return std::nullopt;
  }
  [[nodiscard]] bool is_database(const std::string& path) const override { return path.starts_with(kDatabase); }
  [[nodiscard]] std::vector<InstalledPackage> read_database(
      const Listing& /*listing*/, const std::map<std::string, std::string>& texts) const override {
    std::vector<InstalledPackage> packages;
    for (const auto& [path, text] : texts)
      if (is_database(path)) packages.push_back({.name = base_name(path), .version = text, .arch = "all"});
    return packages;
  }
};

}  // namespace

const Distro& distro() {
  static const Toy instance;
  return instance;
}

}  // namespace alephc::toy

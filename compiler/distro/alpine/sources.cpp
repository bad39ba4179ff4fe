// SPDX-License-Identifier: MIT
#include "distro/alpine/sources.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "distro/alpine/dependency.hpp"
#include "distro/alpine/keyring.hpp"
#include "distro/signed_index.hpp"
#include "tree/entry.hpp"

namespace alephc::alpine {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPublicMirror = "https://dl-cdn.alpinelinux.org/alpine";

/// "3.20" → "v3.20"; "edge" stays.
std::string branch_of(const std::string& release) {
  return !release.empty() && release[0] >= '0' && release[0] <= '9' ? "v" + release : release;
}

/// Of this machine's own apk: lines "[@TAG] BASE/BRANCH/COMPONENT".
std::vector<std::string> machine_mirrors() {
  std::vector<std::string> bases;
  for (const std::string& line : split(read_file_if_exists("/etc/apk/repositories").value_or(""), '\n')) {
    const std::vector<std::string> words = split_words(line);
    if (words.empty() || words[0].starts_with('#')) continue;
    std::string url = words.back();
    while (url.ends_with('/')) url.pop_back();
    for (int level = 0; level < 2 && url.find('/') != std::string::npos; ++level) url.resize(url.rfind('/'));
    if (url.find("://") != std::string::npos) add_address(bases, url);
  }
  return bases;
}

std::vector<std::string> mirrors_for(const Manifest& manifest, const Mirrors& mirrors) {
  std::vector<std::string> bases;
  for (const auto* list : {&mirrors.named, &manifest.base.mirrors, &mirrors.configured})
    for (const std::string& base : *list) add_address(bases, base);
  for (const std::string& base : machine_mirrors()) add_address(bases, base);
  add_address(bases, kPublicMirror);
  return bases;
}

/// A key file, or every one of a folder. An index names its key by the file.
std::vector<Key> read_keys(const Manifest& manifest, const std::string& declared) {
  const auto key = [](const std::string& path, const fs::path& content) {
    return Key{.name = fs::path(path).filename().string(), .pem = read_file(content)};
  };
  if (const auto file = manifest.contents.find(declared); file != manifest.contents.end())
    return {key(file->first, file->second)};
  std::vector<Key> keys;
  for (const auto& [path, content] : manifest.contents)
    if (parent_path(path) == declared && path.ends_with(".pub")) keys.push_back(key(path, content));
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return a.name < b.name; });
  return keys;
}

std::set<std::string> tags_of(const Manifest& manifest) {
  std::set<std::string> tags;
  for (const auto* list : {&manifest.packages.install, &manifest.packages.build})
    for (const Text& text : *list)
      if (const auto request = parse_dependency(text.value)) tags.insert(std::string(request->tag));
  return tags;
}

}  // namespace

std::vector<Source> sources_of(const Manifest& manifest, const Mirrors& mirrors) {
  std::vector<Source> sources;
  const BaseSpec& base = manifest.base;
  const std::vector<std::string> bases = mirrors_for(manifest, mirrors);
  const std::vector<Key> keys =
      base.keyring.empty() ? distribution_keys() : read_keys(manifest, base.keyring);
  std::vector<std::string> branches = base.suites;
  if (branches.empty()) branches.push_back(branch_of(base.release));
  for (const std::string& branch : branches)
    for (const std::string& component : base.components)
      sources.push_back({.name = "alpine",
                         .suite = branch + "/" + component,
                         .bases = bases,
                         .keys = keys,
                         .distribution_keyring = base.keyring.empty(),
                         .at = base.release_at});
  const std::set<std::string> tags = tags_of(manifest);
  for (const RepositorySpec& repository : manifest.repositories) {
    Source source{.name = repository.name,
                  .suite = repository.suite,
                  .tag = tags.contains(repository.name) ? repository.name : "",
                  .keys = read_keys(manifest, repository.key),
                  .fingerprint = repository.fingerprint,
                  .at = repository.at};
    add_address(source.bases, repository.url);
    if (repository.suite.ends_with('/')) {
      sources.push_back(std::move(source));
      continue;
    }
    for (const std::string& component : repository.components) {
      source.suite = repository.suite + "/" + component;
      sources.push_back(source);
    }
  }
  return sources;
}

std::vector<std::string> urls_of(const Source& source, const std::string& file) {
  std::string folder = source.suite == "./" ? "" : source.suite;
  if (!folder.empty() && !folder.ends_with('/')) folder += "/";
  std::vector<std::string> urls;
  for (const std::string& base : source.bases) urls.push_back(base + "/" + folder + file);
  return urls;
}

std::string apk_arch(const std::string& arch) {
  return arch == "amd64" ? "x86_64" : arch == "arm64" ? "aarch64" : arch;
}

}  // namespace alephc::alpine

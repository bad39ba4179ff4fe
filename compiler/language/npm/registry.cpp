// SPDX-License-Identifier: MIT
#include "language/npm/registry.hpp"

#include <filesystem>
#include <map>

#include "base/diagnostic.hpp"
#include "base/environment.hpp"
#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

void read_npmrc(const fs::path& file, std::map<std::string, std::string>& settings) {
  const auto text = read_file_if_exists(file);
  if (!text) return;
  for (const std::string& line : split(*text, '\n')) {
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    std::string value(trim(line.substr(equals + 1)));
    if (value.size() > 1 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    settings[std::string(trim(line.substr(0, equals)))] = value;
  }
}

/// "registry" and "@scope:registry", weakest file first.
std::map<std::string, std::string> read_settings() {
  std::map<std::string, std::string> settings;
  for (const char* file : {"/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc"})
    read_npmrc(file, settings);
  read_npmrc(environment("NPM_CONFIG_GLOBALCONFIG"), settings);
  read_npmrc(home_folder() / ".npmrc", settings);
  read_npmrc(environment("NPM_CONFIG_USERCONFIG"), settings);
  for (const char* name : {"NPM_CONFIG_REGISTRY", "npm_config_registry"})
    if (const std::string value = environment(name); !value.empty()) settings["registry"] = value;
  return settings;
}

/// What npm itself says, if this machine has it.
std::string default_registry() {
  const auto npm = find_program("npm");
  if (!npm) return {};
  const std::string path = environment("PATH");
  const std::string home = environment("HOME");
  const CommandResult result = run_command(
      {.argv = {*npm, "config", "get", "registry"}, .environment = {{"PATH", path}, {"HOME", home}}});
  const std::string answer(trim(result.output));
  return result.exit_code == 0 && answer.starts_with("http") ? answer : std::string();
}

std::string tarball_at(std::string registry, const NpmPackage& package) {
  while (registry.ends_with('/')) registry.pop_back();
  const std::string base = package.name.substr(package.name.rfind('/') + 1);
  return registry + "/" + package.name + "/-/" + base + "-" + package.version + ".tgz";
}

}  // namespace

std::vector<std::string> locate_module(const NpmPackage& package) {
  static const std::map<std::string, std::string> kSettings = read_settings();
  const auto setting = [&](const std::string& key) {
    const auto it = kSettings.find(key);
    return it == kSettings.end() ? std::string() : it->second;
  };
  std::vector<std::string> urls;
  std::string registry;
  if (package.name.starts_with('@'))
    registry = setting(package.name.substr(0, package.name.find('/')) + ":registry");
  if (registry.empty()) registry = setting("registry");
  if (!registry.empty()) urls.push_back(tarball_at(registry, package));
  if (!package.resolved.empty()) urls.push_back(package.resolved);
  if (urls.empty()) {
    static const std::string kDefault = default_registry();
    if (!kDefault.empty()) urls.push_back(tarball_at(kDefault, package));
  }
  if (!urls.empty()) return urls;
  throw Error(ErrorKind::failed, "no npm registry is known for " + package.name + "@" + package.version,
              "say 'registry = URL' in ~/.npmrc, set NPM_CONFIG_REGISTRY, or install npm");
}

NpmPackage parse_npm_package(const std::string& text) {
  const std::size_t at = text.rfind('@');
  return {.name = text.substr(0, at), .version = text.substr(at + 1)};
}

}  // namespace alephc

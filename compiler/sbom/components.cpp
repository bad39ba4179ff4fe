// SPDX-License-Identifier: MIT
#include <algorithm>
#include <ctime>
#include <set>

#include "base/text.hpp"
#include "distro/traits.hpp"
#include "sbom/sbom.hpp"

namespace alephc {
namespace {

/// Everything but letters, digits and ".-_~:" is written %XX.
std::string escaped(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view(".-_~:").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
      continue;
    }
    out += '%';
    out += kDigits[static_cast<unsigned char>(c) >> 4U];
    out += kDigits[static_cast<unsigned char>(c) & 15U];
  }
  return out;
}

std::string text_at(const Value& manifest, const char* table, const char* key) {
  const Value* outer = manifest.find(table);
  const Value* value = outer == nullptr ? nullptr : outer->find(key);
  return value != nullptr && value->is(Value::Kind::string) ? value->text : std::string();
}

struct System {
  std::string distro{};
  std::string release{};
  std::string origin{};
};

SbomComponent system_package(const System& system, const std::string& name, const std::string& version,
                             const std::string& arch) {
  const DistroTraits& traits = distro_traits(system.distro);
  const std::string distro =
      system.release.empty() ? "" : std::string(traits.purl_release_prefix) + system.release;
  SbomComponent component{.name = name, .version = version, .origin = system.distro};
  component.purl = "pkg:" + std::string(traits.purl_type) + "/" + escaped(system.distro) + "/" +
                   escaped(to_lower(name)) + "@" + escaped(version) + "?arch=" + escaped(arch);
  if (!distro.empty()) component.purl += "&distro=" + escaped(distro);
  return component;
}

std::string npm_purl(const std::string& name, const std::string& version) {
  const std::size_t slash = name.find('/');
  const std::string path = slash == std::string::npos
                               ? escaped(name)
                               : escaped(name.substr(0, slash)) + "/" + escaped(name.substr(slash + 1));
  return "pkg:npm/" + path + "@" + escaped(version);
}

void add_archives(const Lock& lock, std::vector<SbomComponent>& out) {
  const Value* entries = lock.manifest.find("archive");
  for (const LockedArchive& archive : lock.archives) {
    SbomComponent component{.name = archive.name, .sha256 = archive.sha256, .origin = "archive"};
    std::string npm;
    std::string url;
    if (entries != nullptr)
      for (const Value& entry : entries->items) {
        const auto text = [&](const char* key) {
          const Value* value = entry.find(key);
          if (value != nullptr && value->is(Value::Kind::array) && !value->items.empty())
            return value->items.front().text;
          return value != nullptr && value->is(Value::Kind::string) ? value->text : std::string();
        };
        if (text("name") != archive.name) continue;
        component.version = text("version");
        npm = text("npm");
        url = text("url");
      }
    if (!npm.empty()) {
      component.origin = "npm";
      component.name = npm.substr(0, npm.rfind('@'));
      component.version = npm.substr(npm.rfind('@') + 1);
      component.purl = npm_purl(component.name, component.version);
    } else {
      component.purl = "pkg:generic/" + escaped(component.name) +
                       (component.version.empty() ? "" : "@" + escaped(component.version)) +
                       "?checksum=sha256:" + archive.sha256.hex() +
                       (url.empty() ? "" : "&download_url=" + escaped(url));
    }
    out.push_back(std::move(component));
  }
}

std::vector<SbomComponent> from_lock(const Lock& lock) {
  std::vector<SbomComponent> out;
  const System system{
      text_at(lock.manifest, "base", "distro"), text_at(lock.manifest, "base", "release"), {}};
  const std::set<std::string> removed(lock.removed.begin(), lock.removed.end());
  // The system of a volume only made it.
  const bool has_system = text_at(lock.manifest, "runtime", "kind") != "volume";
  for (const LockedPackage& package : lock.packages()) {
    const bool is_removed =
        removed.contains(package.name) || removed.contains(package.name + ":" + package.arch);
    if (!has_system || is_removed) continue;
    SbomComponent component = system_package(system, package.name, package.version, package.arch);
    component.sha256 = package.sha256;
    out.push_back(std::move(component));
  }
  for (const LockedWheel& wheel : lock.wheels)
    out.push_back({.name = wheel.name,
                   .version = wheel.version,
                   .purl = "pkg:pypi/" + escaped(wheel.name) + "@" + escaped(wheel.version),
                   .sha256 = wheel.sha256,
                   .origin = "pypi"});
  for (const LockedModule& module : lock.modules)
    out.push_back({.name = module.name,
                   .version = module.version,
                   .purl = npm_purl(module.name, module.version),
                   .sha256 = module.sha256,
                   .origin = "npm"});
  add_archives(lock, out);
  return out;
}

}  // namespace

std::vector<SbomComponent> components_of(const SbomSubject& subject) {
  std::vector<SbomComponent> out;
  if (subject.lock) {
    out = from_lock(*subject.lock);
  } else {
    const System system{subject.system_id, subject.system_version, {}};
    for (const InstalledPackage& package : subject.installed)
      out.push_back(system_package(system, package.name, package.version, package.arch));
  }
  const auto by_purl = [](const SbomComponent& a, const SbomComponent& b) {
    return a.purl != b.purl ? a.purl < b.purl : a.sha256 < b.sha256;
  };
  std::sort(out.begin(), out.end(), by_purl);
  // The same npm package may stand in several places.
  const auto same = [](const SbomComponent& a, const SbomComponent& b) { return a.purl == b.purl; };
  out.erase(std::unique(out.begin(), out.end(), same), out.end());
  return out;
}

}  // namespace alephc

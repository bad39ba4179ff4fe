// SPDX-License-Identifier: MIT
#include "manifest/fill_manifest.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "base/text.hpp"
#include "image/image_format.hpp"
#include "manifest/table_view.hpp"

namespace alephc {
namespace {

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

// What a key fills where one value becomes one member. The functions behind the tables do the rest.

constexpr std::tuple kBaseMembers{
    field("distro", &BaseSpec::distro),
    field("release", &BaseSpec::release),
    field("arch", &BaseSpec::arch),
    field("components", &BaseSpec::components),
    field("suites", &BaseSpec::suites),
    field("mirrors", &BaseSpec::mirrors),
    field("keyring", &BaseSpec::keyring),
    field("snapshot", &BaseSpec::snapshot),
    field("check_valid_until", &BaseSpec::check_valid_until),
    field("image_sources", &BaseSpec::image_sources),
    field("distro", &BaseSpec::distro_at),
    field("release", &BaseSpec::release_at),
};
constexpr std::tuple kPackagesMembers{
    field("install", &PackageSpec::install), field("build", &PackageSpec::build),
    field("remove", &PackageSpec::remove),   field("recommends", &PackageSpec::recommends),
    field("debconf", &PackageSpec::debconf), field("exclude_paths", &PackageSpec::exclude_paths),
};
constexpr std::tuple kPackageFileMembers{
    field("url", &PackageFile::url),
    field("sha256", &PackageFile::sha256),
};
constexpr std::tuple kRepositoryMembers{
    field("name", &RepositorySpec::name),         field("url", &RepositorySpec::url),
    field("suite", &RepositorySpec::suite),       field("components", &RepositorySpec::components),
    field("key", &RepositorySpec::key),           field("fingerprint", &RepositorySpec::fingerprint),
    field("priority", &RepositorySpec::priority), field("name", &RepositorySpec::at),
};
constexpr std::tuple kArchiveMembers{
    field("name", &ArchiveSpec::name),     field("url", &ArchiveSpec::urls),
    field("source", &ArchiveSpec::source), field("npm", &ArchiveSpec::npm),
    field("sha256", &ArchiveSpec::sha256), field("integrity", &ArchiveSpec::integrity),
    field("strip", &ArchiveSpec::strip),   field("target", &ArchiveSpec::target),
    field("owner", &ArchiveSpec::owner),   field("name", &ArchiveSpec::at),
};
constexpr std::tuple kPythonMembers{
    field("requirements", &PythonSpec::requirements),
    field("requirements_files", &PythonSpec::requirements_files),
    field("constraints_files", &PythonSpec::constraints_files),
    field("lock_files", &PythonSpec::lock_files),
    field("index", &PythonSpec::index),
    field("extra_indexes", &PythonSpec::extra_indexes),
    field("sdist", &PythonSpec::sdist),
    field("target", &PythonSpec::target),
};
constexpr std::tuple kNodeMembers{
    field("lockfile", &NodeSpec::lockfile),
    field("target", &NodeSpec::target),
    field("production", &NodeSpec::production),
    field("lockfile", &NodeSpec::at),
};
constexpr std::tuple kFileMembers{
    field("target", &FileSpec::target),
    field("append", &FileSpec::append),
    field("owner", &FileSpec::owner),
    field("target", &FileSpec::at),
};
constexpr std::tuple kRunMembers{
    field("name", &RunSpec::name), field("script", &RunSpec::script), field("source", &RunSpec::source),
    field("user", &RunSpec::user), field("inputs", &RunSpec::inputs), field("network", &RunSpec::network),
    field("env", &RunSpec::env),   field("name", &RunSpec::at),
};
constexpr std::tuple kUserMembers{
    field("name", &UserSpec::name),     field("uid", &UserSpec::uid),
    field("groups", &UserSpec::groups), field("shell", &UserSpec::shell),
    field("home", &UserSpec::home),     field("authorized_keys", &UserSpec::authorized_keys),
};
constexpr std::tuple kPluginMembers{
    field("name", &PluginSpec::name),     field("stage", &PluginSpec::stage),
    field("source", &PluginSpec::source), field("exec", &PluginSpec::exec),
    field("files", &PluginSpec::files),   field("name", &PluginSpec::at),
};
constexpr std::tuple kServiceMembers{
    field("name", &ServiceSpec::name),
    field("exec", &ServiceSpec::exec),
    field("env", &ServiceSpec::env),
    field("name", &ServiceSpec::at),
};
constexpr std::tuple kInitMembers{
    field("sshd", &InitSpec::sshd),
    field("user", &InitSpec::user),
    field("workdir", &InitSpec::workdir),
    field("env", &InitSpec::env),
    field("sdk_plugins", &InitSpec::sdk_plugins),
    field("init0_plugin", &InitSpec::init0_plugin),
};
constexpr std::tuple kSystemMembers{
    field("timezone", &SystemSpec::timezone),
    field("locale", &SystemSpec::locale),
    field("locales", &SystemSpec::locales),
    field("hostname", &SystemSpec::hostname),
};
constexpr std::tuple kImageMembers{
    field("format", &ImageSpec::format),       field("compression", &ImageSpec::compression),
    field("level", &ImageSpec::level),         field("embed_recipe", &ImageSpec::embed_recipe),
    field("label", &ImageSpec::label),         field("filesystem", &ImageSpec::filesystem),
    field("subvolume", &ImageSpec::subvolume), field("verity", &ImageSpec::verity),
};
constexpr std::tuple kBootMembers{
    field("kernel", &BootSpec::kernel),
    field("kernel", &BootSpec::kernel_at),
    field("cmdline", &BootSpec::cmdline),
};

/// A value that does not become a member as it stands; fallback if the key is absent.
std::string text_at(const TableView& view, std::string_view key, std::string fallback = "") {
  view.get(key, fallback);
  return fallback;
}

BaseSpec base_of(const TableView& view) {
  BaseSpec base;
  fill(base, view, kBaseMembers);
  if (base.components.empty()) base.components = {"main"};
  if (base.image_sources.empty()) base.image_sources = {"none"};
  return base;
}

PackageFile package_file_of(const Value& item) {
  PackageFile file{.at = item.at};
  if (item.is(Value::Kind::string))
    file.path = item.text;
  else
    fill(file, TableView(&item), kPackageFileMembers);
  return file;
}

PackageSpec packages_of(const TableView& view) {
  PackageSpec packages;
  fill(packages, view, kPackagesMembers);
  if (const Value* files = view.find("files", Value::Kind::array))
    for (const Value& item : files->items) packages.files.push_back(package_file_of(item));
  return packages;
}

RepositorySpec repository_of(const TableView& view) {
  RepositorySpec repository;
  fill(repository, view, kRepositoryMembers);
  if (repository.components.empty()) repository.components = {"main"};
  std::erase(repository.fingerprint, ' ');
  for (char& c : repository.fingerprint)
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  return repository;
}

ArchiveSpec archive_of(const TableView& view) {
  ArchiveSpec archive;
  fill(archive, view, kArchiveMembers);
  const std::string version = text_at(view, "version");
  for (std::string& url : archive.urls) url = replace_all(url, "{version}", version);
  archive.target = replace_all(archive.target, "{version}", version);
  archive.npm = replace_all(archive.npm, "{version}", version);
  return archive;
}

PythonSpec python_of(const TableView& view) {
  PythonSpec python;
  fill(python, view, kPythonMembers);
  if (const Value* levels = view.find("optimize", Value::Kind::array);
      levels != nullptr && !levels->items.empty()) {
    python.optimize.clear();
    for (const Value& level : levels->items) python.optimize.push_back(static_cast<int>(level.number));
  }
  python.at = view.at();
  return python;
}

NodeSpec node_of(const TableView& view) {
  NodeSpec node;
  fill(node, view, kNodeMembers);
  return node;
}

FileSpec file_of(const TableView& view) {
  FileSpec file;
  fill(file, view, kFileMembers);
  if (const std::string mode = text_at(view, "mode"); !mode.empty()) file.mode = parse_mode(mode);
  file.before_packages = view.has("before");
  view.get("content", file.content);
  if (view.has("source")) {
    file.kind = FileSpec::Kind::source;
    view.get("source", file.content);
  } else if (view.has("link")) {
    file.kind = FileSpec::Kind::link;
    view.get("link", file.content);
  } else if (!view.has("content")) {
    file.kind = FileSpec::Kind::folder;
  }
  return file;
}

RunSpec run_of(const TableView& view) {
  RunSpec run;
  fill(run, view, kRunMembers);
  return run;
}

UserSpec user_of(const TableView& view) {
  UserSpec user{.home = "/home/" + text_at(view, "name")};
  fill(user, view, kUserMembers);
  return user;
}

std::uint32_t milliseconds_of(const std::string& text) {
  const bool in_ms = text.ends_with("ms");
  const auto number = parse_unsigned(std::string_view(text).substr(0, text.size() - (in_ms ? 2 : 1)));
  return static_cast<std::uint32_t>(number.value_or(0) * (in_ms ? 1 : 1000));
}

PluginSpec plugin_of(const TableView& view) {
  PluginSpec plugin;
  fill(plugin, view, kPluginMembers);
  plugin.fails = text_at(view, "on_error", "fail") == "fail";
  if (const std::string timeout = text_at(view, "timeout"); !timeout.empty())
    plugin.timeout_ms = milliseconds_of(timeout);
  return plugin;
}

ServiceSpec service_of(const TableView& view) {
  ServiceSpec service;
  fill(service, view, kServiceMembers);
  service.oneshot = text_at(view, "type") == "oneshot";
  service.restart = text_at(view, "restart") == "on-failure";
  return service;
}

InitSpec init_of(const Value& flat) {
  const TableView view(flat.find("init"));
  InitSpec init;
  fill(init, view, kInitMembers);
  // What a node tells functions over vsock it tells instances by cloud-init.
  const std::string kind = text_at(TableView(flat.find("runtime")), "kind");
  const bool needs_none = kind == "instance" || kind == "volume";
  const std::string program = text_at(view, "program", needs_none ? "none" : "aleph");
  if (program == "distro") init.program = InitSpec::Program::distro;
  if (program == "none") init.program = InitSpec::Program::none;
  init.at = view.at();
  for (const TableView& entry : entries_of(flat, "init.plugin")) init.plugins.push_back(plugin_of(entry));
  for (const TableView& entry : entries_of(flat, "init.service")) init.services.push_back(service_of(entry));
  return init;
}

void fill_image(Manifest& manifest, const TableView& view) {
  ImageSpec& image = manifest.image;
  fill(image, view, kImageMembers);
  if (manifest.kind == "volume") {
    // A recipe would stand among the user's own files.
    image.embed_recipe = false;
    image.subtree = text_at(view, "subtree", manifest.python.wanted() ? manifest.python.target : "/opt/code");
  }
  if (const std::string block_size = text_at(view, "block_size"); !block_size.empty())
    image.block_size =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(parse_size(block_size).value_or(0), UINT32_MAX));
  if (const std::string size = text_at(view, "size"); !size.empty())
    image.size = parse_size(size).value_or(0);
  settle_compression(image);
}

void fill_boot(Manifest& manifest, const TableView& view) {
  BootSpec& boot = manifest.boot;
  fill(boot, view, kBootMembers);
  std::vector<std::string> firmware{"bios", "uefi"};
  if (manifest.base.arch == "arm64") firmware = {"uefi"};
  if (boot.kernel == "none") firmware.clear();
  if (boot.kernel != "none") view.get("firmware", firmware);
  const auto has = [&](const char* name) {
    return std::find(firmware.begin(), firmware.end(), name) != firmware.end();
  };
  boot.bios = has("bios");
  boot.uefi = has("uefi");
  if (const std::string size = text_at(view, "esp_size"); !size.empty())
    boot.esp_size = parse_size(size).value_or(0);
}

}  // namespace

void fill_manifest(Manifest& manifest, const Value& flat) {
  const auto table = [&](std::string_view name) { return TableView(flat.find(name)); };
  table("runtime").get("kind", manifest.kind);
  manifest.base = base_of(table("base"));
  manifest.packages = packages_of(table("packages"));
  for (const TableView& view : entries_of(flat, "repository"))
    manifest.repositories.push_back(repository_of(view));
  manifest.python = python_of(table("python"));
  manifest.node = node_of(table("node"));
  for (const TableView& view : entries_of(flat, "archive")) manifest.archives.push_back(archive_of(view));
  for (const TableView& view : entries_of(flat, "file")) manifest.files.push_back(file_of(view));
  for (const TableView& view : entries_of(flat, "run")) manifest.runs.push_back(run_of(view));
  for (const TableView& view : entries_of(flat, "user")) manifest.users.push_back(user_of(view));
  manifest.init = init_of(flat);
  fill(manifest.system, table("system"), kSystemMembers);
  fill_image(manifest, table("image"));
  fill_boot(manifest, table("boot"));
  if (is_disk(manifest.image.format) && manifest.boot.kernel != "auto" && manifest.boot.kernel != "none")
    manifest.packages.install.push_back({manifest.boot.kernel, manifest.boot.kernel_at});
}

}  // namespace alephc

// SPDX-License-Identifier: MIT
#include "manifest/fill_manifest.hpp"

#include <algorithm>

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

BaseSpec base_of(const Value& flat) {
  const TableView view(flat.find("base"));
  BaseSpec base;
  view.get("distro", base.distro);
  view.get("release", base.release);
  view.get("arch", base.arch);
  view.get("components", base.components);
  if (base.components.empty()) base.components = {"main"};
  view.get("suites", base.suites);
  view.get("mirrors", base.mirrors);
  view.get("keyring", base.keyring);
  view.get("snapshot", base.snapshot);
  view.get("check_valid_until", base.check_valid_until);
  view.get("image_sources", base.image_sources);
  if (base.image_sources.empty()) base.image_sources = {"none"};
  base.distro_at = view.at("distro");
  base.release_at = view.at("release");
  return base;
}

PackageSpec packages_of(const Value& flat) {
  const TableView view(flat.find("packages"));
  PackageSpec packages;
  view.get("install", packages.install);
  view.get("build", packages.build);
  view.get("remove", packages.remove);
  view.get("recommends", packages.recommends);
  view.get("debconf", packages.debconf);
  view.get("exclude_paths", packages.exclude_paths);
  if (const Value* files = view.find("files", Value::Kind::array)) {
    for (const Value& item : files->items) {
      PackageFile file{.at = item.at};
      if (item.is(Value::Kind::string)) {
        file.path = item.text;
      } else {
        const TableView entry(&item);
        entry.get("url", file.url);
        entry.get("sha256", file.sha256);
      }
      packages.files.push_back(std::move(file));
    }
  }
  return packages;
}

RepositorySpec repository_of(const TableView& view) {
  RepositorySpec repository;
  view.get("name", repository.name);
  view.get("url", repository.url);
  view.get("suite", repository.suite);
  view.get("components", repository.components);
  if (repository.components.empty()) repository.components = {"main"};
  view.get("key", repository.key);
  view.get("fingerprint", repository.fingerprint);
  std::erase(repository.fingerprint, ' ');
  for (char& c : repository.fingerprint)
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  view.get_number("priority", repository.priority);
  repository.at = view.at("name");
  return repository;
}

ArchiveSpec archive_of(const TableView& view) {
  ArchiveSpec archive;
  std::string version;
  view.get("name", archive.name);
  view.get("url", archive.urls);
  view.get("source", archive.source);
  view.get("npm", archive.npm);
  view.get("sha256", archive.sha256);
  view.get("integrity", archive.integrity);
  view.get("version", version);
  view.get_number("strip", archive.strip);
  view.get("target", archive.target);
  view.get("owner", archive.owner);
  for (std::string& url : archive.urls) url = replace_all(url, "{version}", version);
  archive.target = replace_all(archive.target, "{version}", version);
  archive.npm = replace_all(archive.npm, "{version}", version);
  archive.at = view.at("name");
  return archive;
}

PythonSpec python_of(const Value& flat) {
  const TableView view(flat.find("python"));
  PythonSpec python;
  view.get("requirements", python.requirements);
  view.get("requirements_files", python.requirements_files);
  view.get("constraints_files", python.constraints_files);
  view.get("lock_files", python.lock_files);
  view.get("index", python.index);
  view.get("extra_indexes", python.extra_indexes);
  view.get("sdist", python.sdist);
  view.get("target", python.target);
  if (const Value* levels = view.find("optimize", Value::Kind::array);
      levels != nullptr && !levels->items.empty()) {
    python.optimize.clear();
    for (const Value& level : levels->items) python.optimize.push_back(static_cast<int>(level.number));
  }
  python.at = view.at();
  return python;
}

NodeSpec node_of(const Value& flat) {
  const TableView view(flat.find("node"));
  NodeSpec node;
  view.get("lockfile", node.lockfile);
  view.get("target", node.target);
  view.get("production", node.production);
  node.at = view.at("lockfile");
  return node;
}

FileSpec file_of(const TableView& view) {
  FileSpec file;
  view.get("target", file.target);
  view.get("append", file.append);
  view.get("owner", file.owner);
  std::string mode;
  view.get("mode", mode);
  if (!mode.empty()) file.mode = parse_mode(mode);
  file.before_packages = view.has("before");
  file.at = view.at("target");
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
  view.get("name", run.name);
  view.get("script", run.script);
  view.get("source", run.source);
  view.get("user", run.user);
  view.get("inputs", run.inputs);
  view.get("network", run.network);
  run.env = view.texts("env");
  run.at = view.at("name");
  return run;
}

UserSpec user_of(const TableView& view) {
  UserSpec user;
  view.get("name", user.name);
  if (view.has("uid")) view.get_number("uid", user.uid.emplace());
  view.get("groups", user.groups);
  view.get("shell", user.shell);
  user.home = "/home/" + user.name;
  view.get("home", user.home);
  view.get("authorized_keys", user.authorized_keys);
  return user;
}

std::uint32_t milliseconds_of(const std::string& text) {
  const bool in_ms = text.ends_with("ms");
  const auto number = parse_unsigned(std::string_view(text).substr(0, text.size() - (in_ms ? 2 : 1)));
  return static_cast<std::uint32_t>(number.value_or(0) * (in_ms ? 1 : 1000));
}

PluginSpec plugin_of(const TableView& view) {
  PluginSpec plugin;
  std::string on_error = "fail";
  std::string timeout = "5s";
  view.get("name", plugin.name);
  view.get("stage", plugin.stage);
  view.get("source", plugin.source);
  view.get("exec", plugin.exec);
  view.get("files", plugin.files);
  view.get("on_error", on_error);
  view.get("timeout", timeout);
  plugin.fails = on_error == "fail";
  plugin.timeout_ms = milliseconds_of(timeout);
  plugin.at = view.at("name");
  return plugin;
}

ServiceSpec service_of(const TableView& view) {
  ServiceSpec service;
  std::string type = "daemon";
  std::string restart = "never";
  view.get("name", service.name);
  view.get("exec", service.exec);
  view.get("type", type);
  view.get("restart", restart);
  service.oneshot = type == "oneshot";
  service.restart = restart == "on-failure";
  service.env = view.texts("env");
  service.at = view.at("name");
  return service;
}

InitSpec init_of(const Value& flat) {
  const TableView view(flat.find("init"));
  InitSpec init;
  std::string program = "aleph";
  view.get("program", program);
  // What a node tells functions over vsock it tells instances by cloud-init.
  const TableView runtime(flat.find("runtime"));
  std::string kind;
  runtime.get("kind", kind);
  if ((kind == "instance" || kind == "volume") && !view.has("program")) program = "none";
  if (program == "distro") init.program = InitSpec::Program::distro;
  if (program == "none") init.program = InitSpec::Program::none;
  view.get("sshd", init.sshd);
  view.get("user", init.user);
  view.get("workdir", init.workdir);
  init.env = view.texts("env");
  view.get("sdk_plugins", init.sdk_plugins);
  view.get("init0_plugin", init.init0_plugin);
  init.at = view.at();
  for (const TableView& entry : entries_of(flat, "init.plugin")) init.plugins.push_back(plugin_of(entry));
  for (const TableView& entry : entries_of(flat, "init.service")) init.services.push_back(service_of(entry));
  return init;
}

void fill_image(Manifest& manifest, const Value& flat) {
  const TableView image(flat.find("image"));
  image.get("format", manifest.image.format);
  image.get("compression", manifest.image.compression);
  image.get_number("level", manifest.image.level);
  image.get("embed_recipe", manifest.image.embed_recipe);
  if (manifest.kind == "volume") {
    // A recipe would stand among the user's own files.
    manifest.image.embed_recipe = false;
    manifest.image.subtree = manifest.python.wanted() ? manifest.python.target : "/opt/code";
    image.get("subtree", manifest.image.subtree);
  }
  std::string block_size;
  image.get("block_size", block_size);
  if (!block_size.empty())
    manifest.image.block_size =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(parse_size(block_size).value_or(0), UINT32_MAX));
  std::string size;
  image.get("size", size);
  if (!size.empty()) manifest.image.size = parse_size(size).value_or(0);
  image.get("label", manifest.image.label);
  image.get("filesystem", manifest.image.filesystem);
  image.get("subvolume", manifest.image.subvolume);
  image.get("verity", manifest.image.verity);
  settle_compression(manifest.image);
}

void fill_boot(Manifest& manifest, const Value& flat) {
  BootSpec& boot = manifest.boot;
  const TableView view(flat.find("boot"));
  view.get("kernel", boot.kernel);
  boot.kernel_at = view.at("kernel");
  std::vector<std::string> firmware{"bios", "uefi"};
  if (manifest.base.arch == "arm64") firmware = {"uefi"};
  if (boot.kernel == "none") firmware.clear();
  if (boot.kernel != "none") view.get("firmware", firmware);
  const auto has = [&](const char* name) {
    return std::find(firmware.begin(), firmware.end(), name) != firmware.end();
  };
  boot.bios = has("bios");
  boot.uefi = has("uefi");
  view.get("cmdline", boot.cmdline);
  std::string esp_size;
  view.get("esp_size", esp_size);
  if (!esp_size.empty()) boot.esp_size = parse_size(esp_size).value_or(0);
}

}  // namespace

void fill_manifest(Manifest& manifest, const Value& flat) {
  const TableView runtime(flat.find("runtime"));
  runtime.get("kind", manifest.kind);
  manifest.base = base_of(flat);
  manifest.packages = packages_of(flat);
  for (const TableView& view : entries_of(flat, "repository"))
    manifest.repositories.push_back(repository_of(view));
  manifest.python = python_of(flat);
  manifest.node = node_of(flat);
  for (const TableView& view : entries_of(flat, "archive")) manifest.archives.push_back(archive_of(view));
  for (const TableView& view : entries_of(flat, "file")) manifest.files.push_back(file_of(view));
  for (const TableView& view : entries_of(flat, "run")) manifest.runs.push_back(run_of(view));
  for (const TableView& view : entries_of(flat, "user")) manifest.users.push_back(user_of(view));
  manifest.init = init_of(flat);
  const TableView system(flat.find("system"));
  system.get("timezone", manifest.system.timezone);
  system.get("locale", manifest.system.locale);
  system.get("locales", manifest.system.locales);
  system.get("hostname", manifest.system.hostname);
  fill_image(manifest, flat);
  fill_boot(manifest, flat);
  if (is_disk(manifest.image.format) && manifest.boot.kernel != "auto" && manifest.boot.kernel != "none")
    manifest.packages.install.push_back({manifest.boot.kernel, manifest.boot.kernel_at});
}

}  // namespace alephc

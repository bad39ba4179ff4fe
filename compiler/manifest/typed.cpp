// SPDX-License-Identifier: MIT
#include "manifest/typed.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "manifest/image_rules.hpp"
#include "manifest/merge.hpp"

namespace alephc {
namespace {

/// Reads keys of one table; absent keys leave the default in place.
class TableView {
 public:
  explicit TableView(const Value* table) : table_(table) {}

  void get(std::string_view key, std::string& into) const {
    if (const Value* value = find(key, Value::Kind::string)) into = value->text;
  }
  void get(std::string_view key, bool& into) const {
    if (const Value* value = find(key, Value::Kind::boolean)) into = value->flag;
  }
  void get(std::string_view key, std::vector<std::string>& into) const {
    if (const Value* value = find(key, Value::Kind::string)) into = {value->text};
    if (const Value* value = find(key, Value::Kind::array)) {
      into.clear();
      for (const Value& item : value->items) into.push_back(item.text);
    }
  }
  void get(std::string_view key, std::vector<Text>& into) const {
    if (const Value* value = find(key, Value::Kind::array))
      for (const Value& item : value->items) into.push_back({item.text, item.at});
  }
  void get(std::string_view key, Digest& into) const {
    if (const Value* value = find(key, Value::Kind::string))
      into = Digest::from_hex(value->text).value_or(Digest{});
  }
  [[nodiscard]] std::map<std::string, std::string> texts(std::string_view key) const {
    std::map<std::string, std::string> out;
    if (const Value* value = find(key, Value::Kind::table))
      for (const auto& [name, text] : value->members) out[name] = text.text;
    return out;
  }
  template <typename Number>
  void get_number(std::string_view key, Number& into) const {
    if (const Value* value = find(key, Value::Kind::integer)) into = static_cast<Number>(value->number);
  }
  [[nodiscard]] const Value* find(std::string_view key, Value::Kind kind) const {
    const Value* value = table_ == nullptr ? nullptr : table_->find(key);
    return value != nullptr && value->is(kind) ? value : nullptr;
  }
  [[nodiscard]] bool has(std::string_view key) const {
    return table_ != nullptr && table_->find(key) != nullptr;
  }
  [[nodiscard]] SourceSpan at(std::string_view key) const {
    const Value* value = table_ == nullptr ? nullptr : table_->find(key);
    if (value != nullptr && value->at.source == nullptr && !value->items.empty())
      return value->items.front().at;
    if (value != nullptr) return value->at;
    return table_ == nullptr ? SourceSpan{} : table_->at;
  }
  [[nodiscard]] SourceSpan at() const { return table_ == nullptr ? SourceSpan{} : table_->at; }

 private:
  const Value* table_;
};

std::vector<TableView> entries_of(const Value& flat, std::string_view name) {
  std::vector<TableView> views;
  const Value* array = find_table(flat, name);
  if (array == nullptr) return views;
  for (const Value& item : array->items) views.emplace_back(&item);
  return views;
}

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

void check_exactly_one(const TableView& view, const std::vector<std::string>& keys, const std::string& where,
                       DiagnosticList& problems) {
  std::vector<std::string> given;
  for (const std::string& key : keys)
    if (view.has(key)) given.push_back(key);
  if (given.empty()) problems.error(where + " needs one of: " + join(keys, ", "), view.at());
  if (given.size() > 1)
    problems.error(where + " has " + join(given, " and ") + ": give one of them only", view.at(given[1]));
}

void check_files(const Value& flat, DiagnosticList& problems) {
  for (const TableView& view : entries_of(flat, "file")) {
    check_exactly_one(view, {"content", "source", "link", "dir"}, "[[file]]", problems);
    const Value* append = view.find("append", Value::Kind::boolean);
    if (append != nullptr && append->flag && !view.has("content") && !view.has("source"))
      problems.error("'append' needs 'content' or 'source'", append->at);
    if (view.has("mode") && view.has("link")) problems.error("a symlink has no mode", view.at("mode"));
    const Value* dir = view.find("dir", Value::Kind::boolean);
    if (dir != nullptr && !dir->flag) problems.error("'dir' can only be true", dir->at);
  }
}

void check_image(const Manifest& manifest, const Value& flat, DiagnosticList& problems) {
  const TableView image(flat.find("image"));
  const std::uint32_t block = manifest.image.block_size;
  if (block < 4096 || block > 1048576 || (block & (block - 1)) != 0)
    problems.error("'block_size' must be a power of two from 4K to 1M", image.at("block_size"));
  constexpr std::uint64_t kMiB = 1U << 20U;
  if (manifest.image.size && (*manifest.image.size == 0 || *manifest.image.size % kMiB != 0))
    problems.error("'size' must be in whole MiB", image.at("size"), "for example \"2G\"");
  const std::string& format = manifest.image.format;
  const std::vector<std::string> keys = split(std::string(image_rules(format).keys), '|');
  for (const char* key : {"size", "label", "filesystem", "subvolume", "verity"})
    if (image.has(key) && std::find(keys.begin(), keys.end(), key) == keys.end())
      problems.error("'" + std::string(key) + "' means nothing for " + format, image.at(key));
  const std::vector<std::string> known = compressions_of(format);
  std::string compression = manifest.image.compression;
  image.get("compression", compression);
  if (std::find(known.begin(), known.end(), compression) == known.end())
    problems.error("'" + compression + "' is not a compression of " + format, image.at("compression"),
                   "one of: " + join(known, ", "));
  if (image.has("subvolume") && is_disk(manifest.image.format) && manifest.image.filesystem != "btrfs")
    problems.error("'subvolume' needs filesystem = \"btrfs\"", image.at("subvolume"));
  if (!image.has("level")) return;
  if (compression == "gzip" && manifest.image.level > 9)
    problems.error("gzip has levels 1 to 9", image.at("level"));
  if (compression == "xz" || compression == "lz4" || compression == "none")
    problems.error("'" + compression + "' has no levels", image.at("level"));
}

void check_boot(const Manifest& manifest, const Value& flat, DiagnosticList& problems) {
  const TableView boot(flat.find("boot"));
  if (manifest.boot.kernel != "none" && !manifest.boot.bios && !manifest.boot.uefi)
    problems.error("'firmware' is empty: nothing could start the disk", boot.at("firmware"),
                   "kernel = \"none\" makes a disk that does not boot");
  if (manifest.boot.bios && manifest.base.arch != "amd64")
    problems.error("there is no BIOS on " + manifest.base.arch, boot.at("firmware"));
  // The smallest that every firmware takes for FAT32, and what a GPT leaves.
  constexpr std::uint64_t kMiB = 1U << 20U;
  if (manifest.boot.esp_size < 33 * kMiB || manifest.boot.esp_size % kMiB != 0 ||
      manifest.boot.esp_size > 2048 * kMiB)
    problems.error("'esp_size' must be from 33M to 2G, in whole MiB", boot.at("esp_size"));
  for (const char c : manifest.boot.cmdline)
    if (c < ' ' || c > '~' || std::string_view("\"'\\$;&|<>{}").find(c) != std::string_view::npos) {
      problems.error("'cmdline' may hold no quotes, '$', ';' and the like", boot.at("cmdline"));
      break;
    }
}

void check_archives(const Value& flat, DiagnosticList& problems) {
  for (const TableView& view : entries_of(flat, "archive")) {
    check_exactly_one(view, {"url", "source", "npm"}, "[[archive]]", problems);
    if (view.has("sha256") && view.has("integrity"))
      problems.error("'sha256' and 'integrity' say the same: give one of them only", view.at("integrity"));
  }
}

void check_python(const Manifest& manifest, const Value& flat, DiagnosticList& problems) {
  const TableView view(flat.find("python"));
  const PythonSpec& python = manifest.python;
  if (flat.find("python") != nullptr && manifest.base.distro == "none")
    problems.error("[python] needs a distribution with Python, but 'distro' is \"none\"", python.at);
  if (!python.wanted() && (!python.sdist.empty() || !python.constraints_files.empty()))
    problems.error("[python] names nothing to install", python.at,
                   "give requirements, requirements_files or lock_files");
  if (python.lock_files.size() > 1) problems.error("only one lock file can decide", view.at("lock_files"));
  for (const std::string& file : python.lock_files)
    if (!file.ends_with(".lock") && !file.ends_with(".toml"))
      problems.error("'" + file + "' is neither a pylock.toml nor a uv.lock", view.at("lock_files"));
}

void check_node(const Manifest& manifest, const Value& flat, DiagnosticList& problems) {
  if (flat.find("node") != nullptr && manifest.node.lockfile.empty())
    problems.error("'lockfile' is missing in [node]", TableView(flat.find("node")).at(),
                   "for example lockfile = \"package-lock.json\"");
}

void check_volume(const Manifest& manifest, const Value& flat, DiagnosticList& problems) {
  const TableView image(flat.find("image"));
  if (manifest.kind != "volume") {
    if (image.has("subtree"))
      problems.error("'subtree' is of volumes", image.at("subtree"), "kind = \"volume\"");
    return;
  }
  if (manifest.init.program != InitSpec::Program::none)
    problems.error("a volume boots nothing: it has no init", manifest.init.at);
  if (is_disk(manifest.image.format))
    problems.error("a volume cannot have a disk format", image.at("format"), "nodes mount squashfs");
  const Value* recipe = image.find("embed_recipe", Value::Kind::boolean);
  if (recipe != nullptr && recipe->flag)
    problems.error("a volume holds only its subtree, and no recipe", recipe->at);
}

void check_accounts(const Value& flat, DiagnosticList& problems) {
  std::vector<std::int64_t> seen;
  for (const TableView& view : entries_of(flat, "user")) {
    const Value* uid = view.find("uid", Value::Kind::integer);
    if (uid == nullptr) continue;
    if (std::find(seen.begin(), seen.end(), uid->number) != seen.end())
      problems.error("uid " + std::to_string(uid->number) + " is given twice", uid->at);
    seen.push_back(uid->number);
  }
}

void check_base(const Manifest& manifest, const Value& flat, DiagnosticList& problems) {
  const TableView base(flat.find("base"));
  SourceSpan at = base.at();
  if (at.source == nullptr) at = flat.at;
  if (!base.has("distro"))
    problems.error("'distro' is missing in [base]", at, "for example distro = \"debian\"");
  const bool needs_release = manifest.base.distro != "none";
  if (base.has("distro") && needs_release && !base.has("release"))
    problems.error("'release' is missing in [base]", at, "for example release = \"bookworm\"");
  const auto& sources = manifest.base.image_sources;
  for (const std::string& line : sources)
    if (sources.size() > 1 && (line == "none" || line == "snapshot"))
      problems.error("'" + line + "' stands alone in 'image_sources'", base.at("image_sources"));
}

void check_init(const Manifest& manifest, const Value& flat, DiagnosticList& problems) {
  for (const TableView& view : entries_of(flat, "init.plugin")) {
    check_exactly_one(view, {"exec", "source"}, "[[init.plugin]]", problems);
    const Value* exec = view.find("exec", Value::Kind::array);
    if (exec != nullptr && exec->items.empty()) problems.error("'exec' names no program", exec->at);
    if (view.has("files") && !view.has("source"))
      problems.error("'files' go beside a 'source'", view.at("files"));
  }
  for (const TableView& view : entries_of(flat, "init.service")) {
    const Value* exec = view.find("exec", Value::Kind::array);
    if (exec != nullptr && exec->items.empty()) problems.error("'exec' names no program", exec->at);
  }
  const TableView init(flat.find("init"));
  if (manifest.init.program != InitSpec::Program::none) return;
  for (const char* key :
       {"sshd", "user", "workdir", "env", "sdk_plugins", "init0_plugin", "plugin", "service"})
    if (init.has(key))
      problems.error("'" + std::string(key) + "' needs an init, but 'program' is \"none\"", init.at(key));
}

/// What only Debian's packages know.
void check_alpine(const Manifest& manifest, const Value& flat, DiagnosticList& problems) {
  if (manifest.base.distro != "alpine") return;
  const auto refuse = [&](const char* table, const char* key, const char* why) {
    const TableView view(flat.find(table));
    if (view.has(key)) problems.error("'" + std::string(key) + "' " + why, view.at(key));
  };
  refuse("packages", "debconf", "applies only to Debian and Ubuntu, but 'distro' is \"alpine\"");
  refuse("packages", "recommends", "applies only to Debian and Ubuntu, but 'distro' is \"alpine\"");
  refuse("base", "snapshot", "needs an archive of former indexes, which Alpine does not keep");
  for (const TableView& repository : entries_of(flat, "repository"))
    if (repository.has("priority"))
      problems.error("'priority' applies only to Debian and Ubuntu", repository.at("priority"),
                     "ask for a package of the repository with NAME@REPOSITORY");
  refuse("system", "locales", "applies only to Debian and Ubuntu, but 'distro' is \"alpine\"");
  if (manifest.base.image_sources == std::vector<std::string>{"snapshot"})
    problems.error("'image_sources' cannot be \"snapshot\": Alpine keeps no archive of former indexes",
                   TableView(flat.find("base")).at("image_sources"),
                   "give the lines of /etc/apk/repositories");
}

void check_packages(const Manifest& manifest, const Value& flat, DiagnosticList& problems) {
  if (manifest.base.distro != "none") return;
  for (const char* table : {"packages", "repository"})
    if (const Value* value = flat.find(table))
      if (!value->members.empty() || !value->items.empty())
        problems.error(
            "'" + std::string(table) + "' needs a distribution, but 'distro' is \"none\"",
            value->at.source != nullptr || value->items.empty() ? value->at : value->items.front().at);
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

void check_rules(const Manifest& manifest, const Value& flat, DiagnosticList& problems) {
  check_base(manifest, flat, problems);
  check_files(flat, problems);
  for (const TableView& view : entries_of(flat, "run"))
    check_exactly_one(view, {"script", "source"}, "[[run]]", problems);
  check_archives(flat, problems);
  check_python(manifest, flat, problems);
  check_node(manifest, flat, problems);
  check_volume(manifest, flat, problems);
  check_accounts(flat, problems);
  check_init(manifest, flat, problems);
  check_packages(manifest, flat, problems);
  check_alpine(manifest, flat, problems);
  check_image(manifest, flat, problems);
  check_boot(manifest, flat, problems);
  if (manifest.kind != "instance" && manifest.image.format != "squashfs")
    problems.warning("nodes take functions and volumes from squashfs only, not from " + manifest.image.format,
                     TableView(flat.find("image")).at("format"));
}

}  // namespace alephc

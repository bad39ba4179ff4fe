// SPDX-License-Identifier: MIT
#include "manifest/check_manifest.hpp"

#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "image/image_format.hpp"
#include "manifest/keys.hpp"
#include "manifest/table_view.hpp"

namespace alephc {
namespace {

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
  for (const char* key : {"size", "label", "filesystem", "subvolume", "verity"})
    if (image.has(key) && !image_format(format).has_key(key))
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

/// "Debian and Ubuntu"
std::string titles(std::string_view distros) {
  std::vector<std::string> names = split(distros, '|');
  for (std::string& name : names) name.front() = static_cast<char>(std::toupper(name.front()));
  return join(names, " and ");
}

std::string only_for(const KeySpec& key, const Manifest& manifest) {
  return " applies only to " + titles(key.distros) + ", but 'distro' is \"" + manifest.base.distro + "\"";
}

/// Keys that mean nothing to the manifest's distribution, by the key table.
void check_distro(const Manifest& manifest, const Value& flat, DiagnosticList& problems) {
  if (manifest.base.distro.empty() || manifest.base.distro == "none") return;
  const auto check_table = [&](const TableSpec& table, const TableView& view) {
    for (const KeySpec& key : table.keys)
      if (!is_for_distro(key, manifest.base.distro) && view.has(key.name))
        problems.error("'" + std::string(key.name) + "'" + only_for(key, manifest), view.at(key.name),
                       std::string(key.otherwise));
  };
  for (const TableSpec& table : table_specs()) {
    if (!table.is_array) check_table(table, TableView(find_table(flat, table.path)));
    if (table.is_array)
      for (const TableView& view : entries_of(flat, table.path)) check_table(table, view);
  }
  const KeySpec& snapshot = *find_key_spec(*find_table_spec("base"), "snapshot");
  if (!is_for_distro(snapshot, manifest.base.distro) &&
      manifest.base.image_sources == std::vector<std::string>{"snapshot"})
    problems.error("'image_sources' = \"snapshot\"" + only_for(snapshot, manifest),
                   TableView(flat.find("base")).at("image_sources"),
                   "give the lines of the image's own file of package sources");
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

void check_manifest(const Manifest& manifest, const Value& flat, DiagnosticList& problems) {
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
  check_distro(manifest, flat, problems);
  check_image(manifest, flat, problems);
  check_boot(manifest, flat, problems);
  if (manifest.kind != "instance" && manifest.image.format != "squashfs")
    problems.warning("nodes take functions and volumes from squashfs only, not from " + manifest.image.format,
                     TableView(flat.find("image")).at("format"));
}

}  // namespace alephc

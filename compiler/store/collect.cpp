// SPDX-License-Identifier: MIT
#include "store/collect.hpp"

#include <algorithm>
#include <ctime>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "store/store.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

struct Item {
  fs::path path;
  std::uint64_t bytes = 0;
  std::int64_t written = 0;
  bool used = false;
};

struct RootFile {
  fs::path path;
  BuildRecord record;
  std::int64_t written = 0;
};

fs::path record_path(const fs::path& store_folder, const fs::path& manifest) {
  return store_folder / "roots" / sha256(manifest.string()).hex();
}

/// Throws nlohmann's exception for a value of a wrong type.
BuildRecord record_of(const SortedJson& json) {
  BuildRecord record;
  record.manifest = json.value("manifest", "");
  const auto steps = json.value("steps", SortedJson::object());
  for (const auto& [step, key] : steps.items())
    if (const auto digest = Digest::from_hex(key.get<std::string>())) record.step_keys[step] = *digest;
  for (const auto& hex : json.value("layers", SortedJson::array()))
    if (const auto digest = Digest::from_hex(hex.get<std::string>())) record.layers.insert(*digest);
  for (const auto& hex : json.value("blobs", SortedJson::array()))
    if (const auto digest = Digest::from_hex(hex.get<std::string>())) record.blobs.insert(*digest);
  return record;
}

std::optional<BuildRecord> parse_record(const std::string& text) {
  const auto json = parse_json(text);
  try {
    return json.is_object() ? std::optional(record_of(json)) : std::nullopt;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

std::uint64_t disk_usage(const fs::path& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return 0;
  std::uint64_t bytes = static_cast<std::uint64_t>(info.st_blocks) * 512;
  // One node has a name for each whiteout of a layer.
  if (!S_ISDIR(info.st_mode)) return bytes / info.st_nlink;
  const UniqueFd dir = open_file(path, O_RDONLY | O_DIRECTORY);
  for (const std::string& name : list_folder(dir.get())) bytes += disk_usage(path / name);
  return bytes;
}

std::int64_t time_of(const fs::path& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? info.st_mtim.tv_sec : 0;
}

class Collector {
 public:
  Collector(fs::path folder, const CollectOptions& options) : folder_(std::move(folder)), options_(options), newest_(newest_of(options)) {}

  CollectResult run() {
    read_roots();
    find_items();
    mark();
    sweep_unused();
    if (options_.max_size) shrink(*options_.max_size);
    for (const Item& item : items_) result_.kept_bytes += item.bytes;
    return result_;
  }

 private:
  void read_roots() {
    for (const auto& file : fs::directory_iterator(folder_ / "roots")) {
      auto record = parse_record(read_file(file.path()));
      if (record && fs::exists(record->manifest))
        roots_.push_back({file.path(), std::move(*record), time_of(file.path())});
      else
        fs::remove(file.path());
    }
    std::sort(roots_.begin(), roots_.end(),
              [](const RootFile& a, const RootFile& b) { return a.written < b.written; });
  }

  void find_items() {
    for (const char* kind : {"blocks", "decoded", "layers", "actions", "partial", "logs"})
      if (fs::is_directory(folder_ / kind))
        for (const auto& file : fs::directory_iterator(folder_ / kind)) add_item(file.path());
    for (const auto& fan : fs::directory_iterator(folder_ / "blobs"))
      for (const auto& file : fs::directory_iterator(fan.path())) add_item(file.path());
  }

  void add_item(const fs::path& path) { items_.push_back({path, disk_usage(path), time_of(path)}); }

  void mark() {
    std::set<std::string> used;
    for (const RootFile& root : roots_) {
      for (const auto& [step, key] : root.record.step_keys) used.insert(key.hex());
      for (const Digest& digest : root.record.layers) used.insert(digest.hex());
      for (const Digest& digest : root.record.blobs) used.insert(digest.hex());
    }
    std::set<std::string> prefixes;
    for (const std::string& name : used) prefixes.insert(name.substr(0, 12));
    for (Item& item : items_) {
      const std::string name = item.path.filename().string();
      item.used = used.contains(name);
      // Logs are named STEP-<first 12 digits of the key>.log.
      if (name.ends_with(".log") && name.size() > 16)
        item.used = prefixes.contains(name.substr(name.size() - 16, 12));
    }
  }

  void sweep_unused() {
    std::erase_if(items_, [&](const Item& item) {
      if (item.used || item.written > newest_) return false;
      remove(item);
      return true;
    });
  }

  /// Forgets the build records that were written longest ago, one by one, until the store fits.
  void shrink(std::uint64_t max_size) {
    for (;;) {
      std::uint64_t total = 0;
      for (const Item& item : items_) total += item.bytes;
      if (total <= max_size || roots_.empty() || roots_.front().written > newest_) break;
      fs::remove(roots_.front().path);
      roots_.erase(roots_.begin());
      mark();
      sweep_unused();
    }
  }

  void remove(const Item& item) {
    remove_tree(item.path);
    result_.removed_bytes += item.bytes;
    ++result_.removed_entries;
  }

  /// What was written later stays, used or not.
  [[nodiscard]] static std::int64_t newest_of(const CollectOptions& options) {
    if (!options.older_than_seconds) return INT64_MAX;
    return std::time(nullptr) - static_cast<std::int64_t>(*options.older_than_seconds);
  }

  fs::path folder_;
  const CollectOptions& options_;
  std::int64_t newest_;
  std::vector<RootFile> roots_;
  std::vector<Item> items_;
  CollectResult result_;
};

}  // namespace

void put_build_record(const Store& store, const BuildRecord& record) {
  Json json;
  json["manifest"] = record.manifest.string();
  json["steps"] = Json::object();
  for (const auto& [step, key] : record.step_keys) json["steps"][step] = key.hex();
  json["layers"] = Json::array();
  for (const Digest& digest : record.layers) json["layers"].push_back(digest.hex());
  json["blobs"] = Json::array();
  for (const Digest& digest : record.blobs) json["blobs"].push_back(digest.hex());
  atomic_write(record_path(store.folder(), record.manifest), json_text(json, 1));
}

std::optional<BuildRecord> find_build_record(const Store& store, const fs::path& manifest) {
  const auto text = read_file_if_exists(record_path(store.folder(), manifest));
  return text ? parse_record(*text) : std::nullopt;
}

CollectResult collect_garbage(const fs::path& store_folder, const CollectOptions& options) {
  if (!fs::is_directory(store_folder / "locks")) return {};
  const auto alone = FileLock::try_lock(store_folder / "locks/store");
  if (!alone)
    throw Error(ErrorKind::failed, "the store " + store_folder.string() + " is in use by another alephc",
                "run gc again when it has finished");
  return Collector(store_folder, options).run();
}

}  // namespace alephc

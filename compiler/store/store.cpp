// SPDX-License-Identifier: MIT
#include "store/store.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/identity.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "store/stamp.hpp"
#include "tree/listing_text.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

/// Whoever could write into the store could lead root's own writes elsewhere.
void require_private(const fs::path& folder) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) throw system_error("look at " + folder.string(), errno);
  if (info.st_uid != ::geteuid())
    throw Error(ErrorKind::host, "the store " + folder.string() + " belongs to another user",
                "choose a folder of your own with --store");
  if ((info.st_mode & 022U) == 0) return;
  throw Error(ErrorKind::host, "the store " + folder.string() + " can be changed by other users",
              "run: chmod go-w " + folder.string() + ", or choose another folder with --store");
}

fs::path prepare(const fs::path& folder) {
  // Files of a root-owned tree, setuid ones too, lie below: no other user may look in.
  make_folders(folder, 0700);
  require_private(folder);
  for (const char* name : {"blobs", "blocks", "decoded", "layers", "actions", "logs", "locks", "outputs",
                           "partial", "roots", "work"})
    make_folders(folder / name, 0700);
  return fs::canonical(folder);
}

std::string safe_name(const std::string& name) {
  std::string out;
  for (const char c : name) out += (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-') ? c : '_';
  return out.substr(0, 60);
}

}  // namespace

WorkFolder::~WorkFolder() {
  if (folder_.empty()) return;
  try {
    remove_tree(folder_);
    fs::remove(folder_.string() + ".lock");
  } catch (const std::exception&) {
    // The next process reaps it.
  }
}

namespace {

/// Layers hold the owners that their maker's ids map to: no other user can use them.
void claim(const fs::path& folder) {
  if (::geteuid() != 0) return;  // makes no layers
  const fs::path file = folder / "owner";
  const auto owner = read_file_if_exists(file);
  if (!owner) return atomic_write(file, process_identity() + "\n", 0444);
  if (trim(*owner) == process_identity()) return;
  throw Error(ErrorKind::host, "the store " + folder.string() + " was made with other user ids",
              "choose another with --store, or remove this one as the user who made it");
}

}  // namespace

Store::Store(const fs::path& folder)
    : folder_(prepare(folder)), in_use_(FileLock::lock_shared(folder_ / "locks/store")) {
  claim(folder_);
  reap();
}

fs::path Store::blob_path(const Digest& digest) const {
  const std::string hex = digest.hex();
  return folder_ / "blobs" / hex.substr(0, 2) / hex;
}

bool Store::has_blob(const Digest& digest) const {
  return ::access(blob_path(digest).c_str(), R_OK) == 0;
}

std::optional<UniqueFd> Store::open_blob(const Digest& digest) const {
  const fs::path path = blob_path(digest);
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return std::nullopt;
  struct stat info {};
  if (::fstat(fd.get(), &info) == 0 && hashed_.find(info) == digest) return fd;
  if (sha256_fd(fd.get()) != digest) {
    ::unlink(path.c_str());
    return std::nullopt;
  }
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

std::optional<std::string> Store::read_blob(const Digest& digest) const {
  const auto fd = open_blob(digest);
  if (!fd) return std::nullopt;
  return read_all(fd->get());
}

Digest Store::put_blob(std::string_view data) const {
  const Digest digest = sha256(data);
  const fs::path path = blob_path(digest);
  make_folders(path.parent_path(), 0700);
  if (!open_blob(digest)) atomic_write(path, data, 0444);
  return digest;
}

Digest Store::put_file(int fd) const {
  if (::lseek(fd, 0, SEEK_SET) != 0) throw system_error("read a file", errno);
  if (const Digest digest = sha256_fd(fd); has_blob(digest)) return digest;
  std::string name = (folder_ / "partial/file.XXXXXX").string();
  const UniqueFd copy(::mkostemp(name.data(), O_CLOEXEC));
  if (!copy || ::lseek(fd, 0, SEEK_SET) != 0) throw system_error("copy a file into the store", errno);
  try {
    copy_bytes(fd, copy.get());
    if (::lseek(copy.get(), 0, SEEK_SET) != 0) throw system_error("copy a file into the store", errno);
    const Digest digest = sha256_fd(copy.get());
    adopt_blob(name, digest);
    return digest;
  } catch (...) {
    ::unlink(name.c_str());
    throw;
  }
}

void Store::adopt_blob(const fs::path& file, const Digest& digest) const {
  const fs::path path = blob_path(digest);
  make_folders(path.parent_path(), 0700);
  if (::chmod(file.c_str(), 0444) != 0) throw system_error("chmod " + file.string(), errno);
  // One that is there is exchanged, so that it is never missing. It is not renamed over: ext4 would
  // write all of the new one to disk first, in case of a crash.
  if (::renameat2(AT_FDCWD, file.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0)
    ::unlink(file.c_str());
  else if (::rename(file.c_str(), path.c_str()) != 0)
    throw system_error("move a file into the store", errno);
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) hashed_.add(info, digest);
}

fs::path Store::partial_path(const Digest& digest) const {
  return folder_ / "partial" / digest.hex();
}

void Store::put_decoded(const Digest& archive, std::string_view text) const {
  atomic_write(folder_ / "decoded" / archive.hex(), text, 0444);
}

std::optional<std::string> Store::find_decoded(const Digest& archive) const {
  return read_file_if_exists(folder_ / "decoded" / archive.hex());
}

bool Store::has_layer(const Digest& digest) const {
  return ::access((folder_ / "layers" / digest.hex() / "listing").c_str(), R_OK) == 0;
}

void Store::put_block_index(const Digest& image, std::string_view bytes) const {
  atomic_write(folder_ / "blocks" / image.hex(), bytes, 0600);
}

namespace {

std::vector<Digest> newest(std::vector<std::pair<fs::file_time_type, Digest>> found, std::size_t most) {
  std::sort(found.rbegin(), found.rend());
  if (found.size() > most) found.resize(most);
  std::vector<Digest> digests;
  for (const auto& [time, digest] : found) digests.push_back(digest);
  return digests;
}

}  // namespace

std::vector<Digest> Store::large_layers(std::size_t most) const {
  constexpr std::uintmax_t kLarge = 50'000;  // bytes of listing: some hundred entries
  std::vector<std::pair<fs::file_time_type, Digest>> found;
  for (const auto& folder : fs::directory_iterator(folder_ / "layers")) {
    const auto layer = Digest::from_hex(folder.path().filename().string());
    std::error_code gone;  // another process may remove it meanwhile
    const std::uintmax_t size = fs::file_size(folder.path() / "listing", gone);
    if (layer && !gone && size >= kLarge) found.emplace_back(folder.last_write_time(gone), *layer);
  }
  return newest(std::move(found), most);
}

std::vector<Store::BlockIndex> Store::block_indexes(std::size_t most) const {
  std::vector<std::pair<fs::file_time_type, Digest>> found;
  for (const auto& file : fs::directory_iterator(folder_ / "blocks")) {
    const auto image = Digest::from_hex(file.path().filename().string());
    if (image && has_blob(*image)) found.emplace_back(file.last_write_time(), *image);
  }
  std::vector<BlockIndex> indexes;
  for (const Digest& image : newest(std::move(found), most))
    if (auto bytes = read_file_if_exists(folder_ / "blocks" / image.hex()))
      indexes.push_back({image, std::move(*bytes)});
  return indexes;
}

std::shared_ptr<const Layer> Store::open_layer(const Digest& digest,
                                               const std::function<void(const std::string&)>& warn,
                                               unsigned jobs) const {
  const fs::path home = folder_ / "layers" / digest.hex();
  const auto text = read_file_if_exists(home / "listing");
  if (!text) return nullptr;
  auto layer = std::make_shared<Layer>();
  layer->digest = digest;
  layer->folder = home / "root";
  std::string problem;
  try {
    if (sha256(*text) != digest) throw Error(ErrorKind::integrity, "its listing has another hash");
    layer->listing = parse_layer_text(*text);
    check_stamp(*layer, home / "stamp", jobs);
    return layer;
  } catch (const Error& error) {
    problem = error.what();
  }
  warn("layer " + digest.hex().substr(0, 12) + " of the store is damaged and will be rebuilt: " + problem);
  fs::rename(home, make_work_folder().path() / "damaged");
  return nullptr;
}

std::shared_ptr<const Layer> Store::adopt_layer(const fs::path& folder, Listing listing) const {
  const std::string text = layer_text(listing);
  return adopt_layer(folder, std::move(listing), text);
}

std::shared_ptr<const Layer> Store::adopt_layer(const fs::path& folder, Listing listing,
                                                const std::string& text) const {
  auto layer = std::make_shared<Layer>();
  layer->digest = sha256(text);
  layer->listing = std::move(listing);
  const fs::path home = folder_ / "layers" / layer->digest.hex();
  layer->folder = home / "root";
  if (has_layer(layer->digest)) return layer;  // the same bytes under the same name
  const WorkFolder work = make_work_folder();
  const fs::path staged = work.path() / "layer";
  make_folders(staged, 0700);
  fs::rename(folder, staged / "root");
  write_stamp(layer->listing, staged / "root", staged / "stamp");
  atomic_write(staged / "listing", text, 0444);
  if (::rename(staged.c_str(), home.c_str()) == 0) return layer;
  // Another process was first with the same layer.
  if (errno != ENOTEMPTY && errno != EEXIST) throw system_error("move a layer into the store", errno);
  return layer;
}

namespace {

std::string output_stamp(const fs::path& file, const Digest& digest) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return {};
  std::string text = digest.hex();
  for (const auto number :
       {static_cast<std::int64_t>(info.st_ino), static_cast<std::int64_t>(info.st_size),
        static_cast<std::int64_t>(info.st_mtim.tv_sec), static_cast<std::int64_t>(info.st_mtim.tv_nsec),
        static_cast<std::int64_t>(info.st_ctim.tv_sec), static_cast<std::int64_t>(info.st_ctim.tv_nsec)})
    text += " " + std::to_string(number);
  return text;
}

}  // namespace

void Store::remember_output(const fs::path& file, const Digest& digest) const {
  atomic_write(folder_ / "outputs" / sha256(fs::absolute(file).string()).hex(), output_stamp(file, digest));
}

bool Store::is_known_output(const fs::path& file, const Digest& digest) const {
  const auto stamp = read_file_if_exists(folder_ / "outputs" / sha256(fs::absolute(file).string()).hex());
  return stamp && !stamp->empty() && *stamp == output_stamp(file, digest);
}

std::optional<ActionRecord> Store::find_action(const Digest& key) const {
  const auto text = read_file_if_exists(folder_ / "actions" / key.hex());
  if (!text) return std::nullopt;
  const auto json = parse_json(*text);
  try {
    if (!json.is_object() || !json.contains("check")) return std::nullopt;
    const ActionRecord record{.name = json.value("name", ""),
                              .key_text = json.value("key_text", ""),
                              .result = json.value("result", ""),
                              .log = json.value("log", ""),
                              .seconds = json.value("seconds", 0.0)};
    // A record that was tampered with, or belongs to another key, is as good as none.
    if (sha256(record.key_text) != key || json["check"] != sha256(record.key_text + record.result).hex())
      return std::nullopt;
    return record;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

void Store::put_action(const Digest& key, const ActionRecord& record) const {
  Json json;
  json["name"] = record.name;
  json["key_text"] = record.key_text;
  json["result"] = record.result;
  json["log"] = record.log;
  json["seconds"] = record.seconds;
  json["check"] = sha256(record.key_text + record.result).hex();
  atomic_write(folder_ / "actions" / key.hex(), json_text(json, 1));
}

FileLock Store::lock_key(const Digest& key) const {
  return FileLock::lock(folder_ / "locks" / key.hex());
}

WorkFolder Store::make_work_folder() const {
  for (;;) {
    std::string name = (folder_ / "work/XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw system_error("create a folder in the store", errno);
    FileLock lock = FileLock::lock(name + ".lock");
    // Between mkdtemp and the lock a reaper may have taken it for a leftover.
    if (::access(name.c_str(), F_OK) == 0) return {name, std::move(lock)};
  }
}

fs::path Store::log_path(const Digest& key, const std::string& name) const {
  return folder_ / "logs" / (safe_name(name) + "-" + key.hex().substr(0, 12) + ".log");
}

void Store::reap() const {
  const UniqueFd work = open_file(folder_ / "work", O_RDONLY | O_DIRECTORY);
  for (const std::string& name : list_folder(work.get())) {
    try {
      reap_one(work.get(), name);
    } catch (const Error&) {
      // A leftover that cannot be removed now takes space and nothing else.
    }
  }
}

void Store::reap_one(int work, const std::string& name) const {
  if (name.ends_with(".lock")) {
    // The lock of a folder that is gone.
    if (::access((folder_ / "work" / name.substr(0, name.size() - 5)).c_str(), F_OK) == 0) return;
    if (auto lock = FileLock::try_lock(folder_ / "work" / name)) remove_tree_at(work, name);
    return;
  }
  const fs::path lock_path = folder_ / "work" / (name + ".lock");
  if (auto lock = FileLock::try_lock(lock_path)) {
    remove_tree_at(work, name);
    fs::remove(lock_path);
  }
}

}  // namespace alephc

// SPDX-License-Identifier: MIT
#include "evidence/bundle.hpp"

#include <algorithm>
#include <cerrno>
#include <set>

#include <fcntl.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/json.hpp"
#include "decode/decode.hpp"
#include "image/image_format.hpp"
#include "lock/lock_file.hpp"
#include "sandbox/sandbox.hpp"
#include "tree/tree.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kTime = 1704067200;  ///< of every file in a bundle: 2024-01-01

constexpr const char* kIndex = "bundle.json";
constexpr const char* kLock = "runtime.lock";
constexpr std::string_view kBlobs = "blobs/";
constexpr std::size_t kMostText = 64U << 20U;

std::string index_text(const Bundle& bundle) {
  Json json;
  json["bundle"] = 1;
  json["lock"] = sha256(bundle.lock_text).hex();
  json["keyrings"] = Json::object();
  for (const auto& [repository, digest] : bundle.keyrings) json["keyrings"][repository] = digest.hex();
  json["blobs"] = Json::array();
  for (const Digest& digest : bundle.blobs) json["blobs"].push_back(digest.hex());
  return json_text(json, 1) + "\n";
}

/// Members of a bundle: small texts are kept, blobs go through their hash into the store.
class BundleSink : public ArchiveSink {
 public:
  explicit BundleSink(const Store& store) : store_(store), work_(store.make_work_folder()) {}

  void begin_entry(const std::string& /*member*/, Entry entry) override {
    if (entry.type != EntryType::regular && entry.type != EntryType::directory)
      throw Error(ErrorKind::integrity, "the bundle holds '" + entry.path + "', which is not a file");
    path_ = entry.type == EntryType::regular ? entry.path : "";
    if (is_blob())
      file_ = open_file(work_.path() / "blob", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    else if (!path_.empty() && path_ != kIndex && path_ != kLock)
      throw Error(ErrorKind::integrity, "the bundle holds a '" + path_ + "'");
  }
  void data(std::string_view bytes) override {
    if (is_blob()) {
      hash_.update(bytes);
      write_all(file_.get(), bytes);
    } else if (!path_.empty()) {
      texts[path_] += bytes;
      if (texts[path_].size() > kMostText)
        throw Error(ErrorKind::integrity, path_ + " of the bundle is too large");
    }
  }
  void end_entry() override {
    if (!is_blob()) return;
    const Digest digest = hash_.finish();
    file_.reset();
    if (path_.substr(kBlobs.size()) != digest.hex())
      throw Error(ErrorKind::integrity, "the bundle is damaged: " + path_ + " has other bytes");
    store_.adopt_blob(work_.path() / "blob", digest);
    found.insert(digest);
  }

  std::map<std::string, std::string> texts;
  std::set<Digest> found;

 private:
  [[nodiscard]] bool is_blob() const { return path_.starts_with(kBlobs); }

  const Store& store_;
  WorkFolder work_;
  std::string path_;
  UniqueFd file_;
  Sha256 hash_;
};

Digest digest_of(const SortedJson& value) {
  const auto digest = Digest::from_hex(value.get<std::string>());
  if (!digest) throw Error(ErrorKind::integrity, "the bundle is damaged: its index names no digest");
  return *digest;
}

Bundle read_index(const BundleSink& sink) {
  Bundle bundle;
  const auto text = [&](const char* name) {
    const auto it = sink.texts.find(name);
    if (it == sink.texts.end())
      throw Error(ErrorKind::failed, std::string("it holds no ") + name, "'alephc vendor' makes one");
    return it->second;
  };
  const auto json = parse_json(text(kIndex));
  bundle.lock_text = text(kLock);
  try {
    if (json.at("bundle") != 1)
      throw Error(ErrorKind::failed, "it was made by a later alephc", "update alephc");
    if (digest_of(json.at("lock")) != sha256(bundle.lock_text))
      throw Error(ErrorKind::integrity, "the bundle is damaged: its lock has other bytes");
    for (const auto& [repository, digest] : json.at("keyrings").items())
      bundle.keyrings[repository] = digest_of(digest);
    for (const auto& digest : json.at("blobs")) bundle.blobs.push_back(digest_of(digest));
  } catch (const Json::exception&) {
    throw Error(ErrorKind::integrity, "the bundle is damaged: its index cannot be read");
  }
  std::vector<Digest> named = bundle.blobs;
  for (const auto& [repository, digest] : bundle.keyrings) named.push_back(digest);
  for (const Digest& digest : named)
    if (!sink.found.contains(digest))
      throw Error(ErrorKind::integrity, "the bundle is damaged: it lacks " + digest.hex());
  return bundle;
}

}  // namespace

void write_bundle(Bundle bundle, const Store& store, const fs::path& file) {
  for (const auto& [repository, digest] : bundle.keyrings) bundle.blobs.push_back(digest);
  std::sort(bundle.blobs.begin(), bundle.blobs.end());
  bundle.blobs.erase(std::unique(bundle.blobs.begin(), bundle.blobs.end()), bundle.blobs.end());
  const WorkFolder work = store.make_work_folder();
  auto layer = std::make_shared<Layer>();
  layer->folder = work.path() / "bundle";
  make_folders(layer->folder / "blobs");
  layer->listing = {{.path = "", .type = EntryType::directory, .mode = 0755},
                    {.path = "blobs", .type = EntryType::directory, .mode = 0755}};
  for (const Digest& digest : bundle.blobs) {
    const std::string path = std::string(kBlobs) + digest.hex();
    // A second name of the same bytes, not a copy.
    if (::link(store.blob_path(digest).c_str(), (layer->folder / path).c_str()) != 0)
      throw system_error("take " + digest.hex() + " from the store", errno);
    layer->listing.push_back(
        {.path = path, .mode = 0644, .size = fs::file_size(layer->folder / path), .content = digest});
  }
  for (const auto& [name, text] :
       {std::pair{kIndex, index_text(bundle)}, std::pair{kLock, bundle.lock_text}}) {
    atomic_write(layer->folder / name, text);
    layer->listing.push_back({.path = name, .mode = 0644, .size = text.size(), .content = sha256(text)});
  }
  std::sort(layer->listing.begin(), layer->listing.end(),
            [](const Entry& a, const Entry& b) { return a.path < b.path; });
  Tree tree;
  tree.add(layer);
  const TempDir staging(fs::absolute(file).parent_path(), ".alephc");
  image_format("tar").write(tree, {.time = kTime}, staging.path() / "bundle");
  fs::rename(staging.path() / "bundle", file);
}

Bundle import_bundle(const fs::path& file, const Store& store) {
  return with_context("reading the bundle " + file.string(), [&] {
    BundleSink sink(store);
    const UniqueFd fd = open_file(file, O_RDONLY);
    decode_archive(fd.get(), ArchiveKind::archive, sink);
    Bundle bundle = read_index(sink);
    (void)parse_lock("the bundle's lock", bundle.lock_text);
    return bundle;
  });
}

}  // namespace alephc

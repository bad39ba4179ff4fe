// SPDX-License-Identifier: MIT
// The store's promises: what is damaged counts as absent, what is half done is never seen, and garbage collection takes
// what no build uses.
#include <algorithm>
#include <ctime>
#include <filesystem>
#include <functional>
#include <map>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.hpp"
#include "store/collect.hpp"
#include "store/layer_contents.hpp"
#include "store/store.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"
#include "tree/layer_writer.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

void overwrite(const fs::path& path, const std::string& text) {
  if (fs::exists(path)) fs::permissions(path, fs::perms(0600));
  atomic_write(path, text);
}

std::shared_ptr<const Layer> put_layer(const Store& store, const std::map<std::string, std::string>& files) {
  const WorkFolder work = store.make_work_folder();
  make_folders(work.path() / "l");
  const Listing nothing{{.path = "", .type = EntryType::directory, .mode = 0755}};
  LayerWriter out(work.path() / "l", &nothing, 0);
  for (const auto& [path, text] : files) out.put_file({.path = path, .mode = 0644}, text);
  return store.adopt_layer(work.path() / "l", out.finish());
}

/// The warning of a layer that cannot be opened; empty if it can.
std::string problem_of(const Store& store, const Digest& digest) {
  std::string warning;
  const auto layer = store.open_layer(digest, [&](const std::string& text) { warning = text; });
  CHECK((layer == nullptr) == !warning.empty());
  return warning.substr(0, warning.find(" of the store")) +
         warning.substr(std::min(warning.size(), warning.rfind(": ")));
}

void make_older(const fs::path& path, std::int64_t seconds) {
  const std::int64_t then = ::time(nullptr) - seconds;
  const timespec times[2]{{then, 0}, {then, 0}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

}  // namespace

TEST_CASE("a blob is what its name says, however it came into the store") {
  const TestStore test;
  const Digest text = test.store.put_blob("text");
  CHECK(text == sha256("text"));
  CHECK(test.store.blob_path(text) == test.store.folder() / "blobs" / text.hex().substr(0, 2) / text.hex());
  CHECK(fs::status(test.store.blob_path(text)).permissions() == fs::perms(0444));
  const fs::path file = test.folder() / "file";
  atomic_write(file, "of a file");
  const UniqueFd fd = open_file(file, O_RDONLY);
  ::lseek(fd.get(), 3, SEEK_SET);  // from wherever the descriptor stands
  CHECK(test.store.put_file(fd.get()) == sha256("of a file"));
  CHECK(test.store.read_blob(sha256("of a file")) == "of a file");
  CHECK(test.store.put_file(fd.get()) == sha256("of a file"));
  CHECK(fs::is_empty(test.store.folder() / "partial"));
  CHECK_FALSE(test.store.read_blob(sha256("absent")));
}

TEST_CASE("a damaged blob is put again, and one that was damaged behind our back is noticed") {
  const TestStore test;
  const Digest text = test.store.put_blob("text");
  for (const char* damage : {"", "tex", "textx", "Text"}) {
    overwrite(test.store.blob_path(text), damage);
    CHECK(test.store.put_blob("text") == text);
    CHECK(test.store.read_blob(text) == "text");
  }
  // Adopted blobs are trusted without hashing only as long as nobody touches them.
  const fs::path file = test.store.folder() / "work/file";
  atomic_write(file, "adopted");
  test.store.adopt_blob(file, sha256("adopted"));
  REQUIRE(test.store.open_blob(sha256("adopted")));
  overwrite(test.store.blob_path(sha256("adopted")), "ADOPTED");
  CHECK_FALSE(test.store.open_blob(sha256("adopted")));
  CHECK_FALSE(fs::exists(test.store.blob_path(sha256("adopted"))));
}

TEST_CASE("a symlink in the place of a blob is none") {
  const TestStore test;
  const Digest text = test.store.put_blob("text");
  atomic_write(test.folder() / "outside", "text");
  fs::remove(test.store.blob_path(text));
  fs::create_symlink(test.folder() / "outside", test.store.blob_path(text));
  CHECK_FALSE(test.store.open_blob(text));
}

TEST_CASE("every way in which a layer can be damaged is found, named, and removes the layer") {
  const TestStore test;
  const auto damaged = [&](const std::function<void(const fs::path&)>& damage) {
    const auto layer = put_layer(test.store, {{"a", "text"}, {"d/b", "more"}});
    damage(layer->folder);
    std::string problem = problem_of(test.store, layer->digest);
    CHECK_FALSE(test.store.has_layer(layer->digest));
    CHECK(test.store.open_layer(layer->digest, [](const std::string&) {}) == nullptr);
    const std::string start = "layer " + layer->digest.hex().substr(0, 12);
    REQUIRE(problem.starts_with(start));
    return problem.substr(start.size());
  };
  CHECK(damaged([](const fs::path& root) { atomic_write(root / "a", "TEXT"); }) == ": /a was changed");
  CHECK(damaged([](const fs::path& root) { atomic_write(root / "a", "text and more"); }) == ": /a was changed");
  CHECK(damaged([](const fs::path& root) { fs::permissions(root / "a", fs::perms(0600)); }) == ": /a was changed");
  CHECK(damaged([](const fs::path& root) { fs::remove(root / "d/b"); }) == ": /d/b is missing");
  CHECK(damaged([](const fs::path& root) {
          fs::remove(root / "a");
          fs::create_symlink("d/b", root / "a");
        }) == ": /a was changed");
  CHECK(damaged([](const fs::path& root) { overwrite(root.parent_path() / "listing", "alephc-layer 1\n"); }) ==
        ": its listing has another hash");
  CHECK(fs::is_empty(test.store.folder() / "work"));
}

TEST_CASE("a layer whose files were only touched, or whose stamp is lost, is hashed again and good") {
  const TestStore test;
  const auto layer = put_layer(test.store, {{"a", "text"}, {"d/b", "more"}});
  make_older(layer->folder / "a", 100);
  CHECK(problem_of(test.store, layer->digest).empty());
  atomic_write(layer->folder / "a", "text");
  CHECK(problem_of(test.store, layer->digest).empty());
  overwrite(layer->folder.parent_path() / "stamp", "no stamp");
  CHECK(problem_of(test.store, layer->digest).empty());
}

TEST_CASE("the same layer made twice is one") {
  const TestStore test;
  const auto first = put_layer(test.store, {{"a", "text"}});
  const auto second = put_layer(test.store, {{"a", "text"}});
  CHECK(first->digest == second->digest);
  CHECK(first->folder == second->folder);
  CHECK(put_layer(test.store, {{"a", "other"}})->digest != first->digest);
  CHECK(fs::is_empty(test.store.folder() / "work"));
  CHECK(std::distance(fs::directory_iterator(test.store.folder() / "layers"), {}) == 2);
}

TEST_CASE("an action is found by the text of its key, with all that it says") {
  const TestStore test;
  const Digest key = sha256("key\n");
  CHECK_FALSE(test.store.find_action(key));
  test.store.put_action(key,
                        {.name = "step", .key_text = "key\n", .result = "result", .log = "logs/x.log", .seconds = 1.5});
  const auto found = test.store.find_action(key);
  REQUIRE(found);
  CHECK(found->name == "step");
  CHECK(found->key_text == "key\n");
  CHECK(found->result == "result");
  CHECK(found->log == "logs/x.log");
  CHECK(found->seconds == 1.5);
  const fs::path file = test.store.folder() / "actions" / key.hex();
  fs::copy_file(file, test.store.folder() / "actions" / sha256("other").hex());
  CHECK_FALSE(test.store.find_action(sha256("other")));
  for (const char* text : {"", "{", "[]", "{}", "{\"check\": 1}"}) {
    atomic_write(file, text);
    CHECK_FALSE(test.store.find_action(key));
  }
}

TEST_CASE("a log is named by step and key, with nothing that a file name must not have") {
  const TestStore test;
  const Digest key = sha256("key");
  const fs::path log = test.store.log_path(key, "run:a/../b c");
  CHECK(log.parent_path() == test.store.folder() / "logs");
  CHECK(log.filename() == "run_a____b_c-" + key.hex().substr(0, 12) + ".log");
  CHECK(test.store.log_path(key, std::string(200, 'x')).filename().string().size() == 60 + 1 + 12 + 4);
}

TEST_CASE("a file outside the store is the one that was written only as long as nobody touches it") {
  const TestStore test;
  const fs::path file = test.folder() / "image";
  CHECK_FALSE(test.store.is_known_output(file, sha256("image")));
  atomic_write(file, "image");
  test.store.remember_output(file, sha256("image"));
  CHECK(test.store.is_known_output(file, sha256("image")));
  CHECK_FALSE(test.store.is_known_output(file, sha256("other")));
  atomic_write(file, "IMAGE");
  CHECK_FALSE(test.store.is_known_output(file, sha256("image")));
  fs::remove(file);
  CHECK_FALSE(test.store.is_known_output(file, sha256("image")));
  test.store.remember_output(file, sha256("image"));  // of a file that is gone again
  CHECK_FALSE(test.store.is_known_output(file, sha256("image")));
}

TEST_CASE("indexes of compressed blocks are those of images that are there, the newest first") {
  const TestStore test;
  for (int i = 0; i < 3; ++i) {
    const Digest image = test.store.put_blob("image " + std::to_string(i));
    test.store.put_block_index(image, "index " + std::to_string(i));
    make_older(test.store.folder() / "blocks" / image.hex(), 100 - i);
  }
  test.store.put_block_index(sha256("no image"), "index");
  atomic_write(test.store.folder() / "blocks/leftover", "");
  const auto newest = test.store.block_indexes(2);
  REQUIRE(newest.size() == 2);
  CHECK(newest[0].bytes == "index 2");
  CHECK(newest[0].image == sha256("image 2"));
  CHECK(newest[1].bytes == "index 1");
}

TEST_CASE("large layers are told by their listing, and their contents found by hash until they are damaged") {
  const TestStore test;
  std::map<std::string, std::string> files;
  for (int i = 0; i < 500; ++i)
    files["usr/share/a-rather-long-name-" + std::to_string(i)] = "content " + std::to_string(i);
  const auto large = put_layer(test.store, files);
  (void)put_layer(test.store, {{"small", "small"}});
  CHECK(test.store.large_layers(8) == std::vector<Digest>{large->digest});
  CHECK(test.store.large_layers(0).empty());
  LayerContents contents(test.store);
  CHECK(contents.has(sha256("content 7")));
  CHECK_FALSE(contents.has(sha256("small")));
  CHECK(read_all(contents.open(sha256("content 7"))->get()) == "content 7");
  atomic_write(large->folder / "usr/share/a-rather-long-name-8", "Content 8");
  CHECK_FALSE(contents.open(sha256("content 8")));
}

TEST_CASE("a work folder is gone with its object, and what a killed process left is reaped") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  fs::path alive;
  const Store store(temp.path() / "s");
  {
    const WorkFolder work = store.make_work_folder();
    alive = work.path();
    make_folders(alive / "closed/deep");
    atomic_write(alive / "closed/deep/file", "x");
    fs::permissions(alive / "closed", fs::perms(0));
    make_folders(store.folder() / "work/killed/deep");
    atomic_write(store.folder() / "work/killed.lock", "");
    atomic_write(store.folder() / "work/alone.lock", "");
    const Store another(temp.path() / "s");  // reaps
    CHECK(fs::exists(alive));
    CHECK_FALSE(fs::exists(store.folder() / "work/killed"));
    CHECK_FALSE(fs::exists(store.folder() / "work/killed.lock"));
    CHECK_FALSE(fs::exists(store.folder() / "work/alone.lock"));
  }
  CHECK_FALSE(fs::exists(alive));
  CHECK(fs::is_empty(store.folder() / "work"));
}

TEST_CASE("a store that others could write to is not used") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  const auto open = [&](const fs::path& folder) { return error_kind([&] { const Store store(folder); }); };
  CHECK_FALSE(open(temp.path() / "new"));
  CHECK(fs::status(temp.path() / "new").permissions() == fs::perms(0700));
  fs::permissions(temp.path() / "new", fs::perms(0777));
  CHECK(open(temp.path() / "new") == ErrorKind::host);
  fs::permissions(temp.path() / "new", fs::perms(0755));
  CHECK_FALSE(open(temp.path() / "new"));
  if (::geteuid() != 0) return;  // who has no rights claims no store
  overwrite(temp.path() / "new/owner", "somebody else's ids\n");
  CHECK(open(temp.path() / "new") == ErrorKind::host);
}

// ---- garbage collection

namespace {

constexpr std::size_t kBlob = 100'000;  // bytes, so that sizes on disk differ by more than blocks do

/// A store that is closed, with blobs of one letter each and records of builds.
struct Garbage {
  TempDir temp{fs::temp_directory_path(), "alephc-test"};
  fs::path folder = temp.path() / "s";

  explicit Garbage(const std::string& letters) {
    const Store store(folder);
    for (const char c : letters) store.put_blob(std::string(kBlob, c));
  }
  /// A build that used the blobs, made so many seconds ago, of a manifest that is there.
  void use(const std::string& manifest, const std::string& letters, std::int64_t seconds = 0) const {
    const Store store(folder);
    BuildRecord record{.manifest = temp.path() / manifest};
    for (const char c : letters) record.blobs.insert(blob(c));
    atomic_write(record.manifest, "");
    put_build_record(store, record);
    make_older(folder / "roots" / sha256(record.manifest.string()).hex(), seconds);
  }
  static Digest blob(char c) { return sha256(std::string(kBlob, c)); }
  [[nodiscard]] fs::path path(char c) const { return folder / "blobs" / blob(c).hex().substr(0, 2) / blob(c).hex(); }
  [[nodiscard]] std::string left() const {
    std::string out;
    for (char c = 'a'; c <= 'z'; ++c)
      if (fs::exists(path(c))) out += c;
    return out;
  }
};

}  // namespace

TEST_CASE("a build's record reads back, and a damaged one is none") {
  const TestStore test;
  const BuildRecord record{.manifest = test.folder() / "runtime.toml",
                           .step_keys = {{"run:a", sha256("a")}, {"write", sha256("w")}},
                           .layers = {sha256("l")},
                           .blobs = {sha256("b"), sha256("c")}};
  put_build_record(test.store, record);
  const auto found = find_build_record(test.store, record.manifest);
  REQUIRE(found);
  CHECK(found->manifest == record.manifest);
  CHECK(found->step_keys == record.step_keys);
  CHECK(found->layers == record.layers);
  CHECK(found->blobs == record.blobs);
  CHECK_FALSE(find_build_record(test.store, test.folder() / "other.toml"));
  atomic_write(test.store.folder() / "roots" / sha256(record.manifest.string()).hex(), "{");
  CHECK_FALSE(find_build_record(test.store, record.manifest));
}

TEST_CASE("what builds of manifests that are there use stays, whatever kind it is of") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  const fs::path folder = temp.path() / "s";
  atomic_write(temp.path() / "runtime.toml", "");
  fs::path used_log;
  {
    const Store store(folder);
    BuildRecord record{.manifest = temp.path() / "runtime.toml"};
    for (const bool used : {true, false}) {
      const std::string word = used ? "used" : "unused";
      const auto layer = put_layer(store, {{word, word}});
      store.put_action(sha256(word), {.key_text = word});
      atomic_write(store.log_path(sha256(word), "run:" + word), "log");
      store.put_block_index(store.put_blob(word), "index");
      store.put_decoded(sha256(word), "decoded");
      if (!used) continue;
      used_log = store.log_path(sha256(word), "run:used");
      record.layers.insert(layer->digest);
      record.step_keys["x"] = sha256(word);
      record.blobs.insert(sha256(word));
    }
    atomic_write(store.partial_path(sha256("half")), "half");
    put_build_record(store, record);
  }
  const CollectResult result = collect_garbage(folder, {});
  CHECK(result.removed_entries == 7);  // a layer, an action, a log, a blob, its index, a decoded text, a partial file
  CHECK(result.removed_bytes > 0);
  CHECK(result.kept_bytes > 0);
  CHECK(fs::exists(used_log));
  for (const char* kind : {"layers", "actions", "logs", "blocks", "decoded"}) {
    INFO(kind);
    CHECK(std::distance(fs::directory_iterator(folder / kind), {}) == 1);
  }
  CHECK(fs::is_empty(folder / "partial"));
  const Store store(folder);
  CHECK(store.read_blob(sha256("used")) == "used");
  CHECK(store.find_action(sha256("used")));
  CHECK(collect_garbage(temp.path() / "no store", {}).removed_entries == 0);
}

TEST_CASE("builds of a manifest that is gone are forgotten") {
  const Garbage garbage("abc");
  garbage.use("one", "ab");
  garbage.use("two", "bc");
  fs::remove(garbage.temp.path() / "two");
  CHECK(collect_garbage(garbage.folder, {}).removed_entries == 1);
  CHECK(garbage.left() == "ab");
  CHECK(std::distance(fs::directory_iterator(garbage.folder / "roots"), {}) == 1);
  fs::remove(garbage.temp.path() / "one");
  CHECK(collect_garbage(garbage.folder, {}).removed_entries == 2);
  CHECK(garbage.left().empty());
}

TEST_CASE("what is younger than asked for stays though nobody uses it") {
  const Garbage garbage("abc");
  garbage.use("one", "a");
  make_older(garbage.path('a'), 10'000);
  make_older(garbage.path('b'), 10'000);
  CHECK(collect_garbage(garbage.folder, {.older_than_seconds = 5'000}).removed_entries == 1);
  CHECK(garbage.left() == "ac");
  CHECK(collect_garbage(garbage.folder, {.older_than_seconds = 0}).removed_entries == 1);
  CHECK(garbage.left() == "a");
}

TEST_CASE("a store that is too large forgets its oldest builds, one by one, until it fits") {
  const auto left_with = [](std::uint64_t blobs) {
    const Garbage garbage("abcd");
    garbage.use("old", "ab", 300);
    garbage.use("middle", "bc", 200);
    garbage.use("new", "cd", 100);
    (void)collect_garbage(garbage.folder, {.max_size = blobs * (kBlob + 10'000)});
    return garbage.left();
  };
  CHECK(left_with(5) == "abcd");
  CHECK(left_with(3) == "bcd");
  CHECK(left_with(2) == "cd");
  CHECK(left_with(0) == "");
}

TEST_CASE("a store is collected alone") {
  const Garbage garbage("a");
  {
    const Store store(garbage.folder);
    CHECK(error_kind([&] { (void)collect_garbage(garbage.folder, {}); }) == ErrorKind::failed);
    CHECK(garbage.left() == "a");
  }
  CHECK(collect_garbage(garbage.folder, {}).removed_entries == 1);
}

TEST_CASE("a store that is too large keeps what is younger than asked for") {
  const Garbage garbage("abcd");
  garbage.use("old", "ab", 20'000);
  garbage.use("new", "c", 100);
  make_older(garbage.path('a'), 20'000);
  (void)collect_garbage(garbage.folder, {.max_size = 0, .older_than_seconds = 5'000});
  CHECK(garbage.left() == "bcd");
  CHECK(std::distance(fs::directory_iterator(garbage.folder / "roots"), {}) == 1);
}

TEST_CASE("records with values of another type count as absent") {
  const TestStore test;
  const Digest key = sha256("key");
  test.store.put_action(key, {.name = "step", .key_text = "key", .result = "result"});
  const fs::path action = test.store.folder() / "actions" / key.hex();
  std::string text = read_file(action);
  const std::size_t at = text.find("\"step\"");
  REQUIRE(at != std::string::npos);
  overwrite(action, text.replace(at, 6, "5"));
  CHECK_FALSE(test.store.find_action(key));

  const Garbage garbage("a");
  garbage.use("one", "a");
  const fs::path manifest = garbage.temp.path() / "one";
  for (const char* damage : {"\"layers\": [5]", "\"layers\": 5", "\"steps\": {\"x\": 1}", "\"steps\": [1]"}) {
    CAPTURE(damage);
    overwrite(garbage.folder / "roots" / sha256(manifest.string()).hex(),
              "{\"manifest\": \"" + manifest.string() + "\", " + damage + "}");
    CHECK_FALSE(error_kind([&] { (void)find_build_record(Store(garbage.folder), manifest); }));
    CHECK_NOTHROW(collect_garbage(garbage.folder, {}));
  }
}

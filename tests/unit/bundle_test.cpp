// SPDX-License-Identifier: MIT
#include "evidence/bundle.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "image/image_format.hpp"
#include "lock/lock_file.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

std::string some_lock() {
  Lock lock;
  lock.epoch = {.number = 1, .draft = 1};
  lock.resolver = "apt 2.6.1";
  return lock_text(lock);
}

struct Member {
  std::string path{};
  std::string text{};
  char type = '0';
  std::string link{};
};

/// A ustar archive of any members: those that no writer of ours would make, too.
std::string tar_of(const std::vector<Member>& members) {
  std::string tar;
  for (const Member& member : members) {
    std::string block(512, '\0');
    const auto put = [&](std::size_t at, const std::string& text) { block.replace(at, text.size(), text); };
    char size[12];
    std::snprintf(size, sizeof size, "%011zo", member.text.size());
    put(0, member.path);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, size);
    put(136, "00000000000");
    put(148, "        ");
    block[156] = member.type;
    put(157, member.link);
    put(257, std::string("ustar\00000", 8));
    unsigned sum = 0;
    for (const char c : block) sum += static_cast<unsigned char>(c);
    char digits[8];
    std::snprintf(digits, sizeof digits, "%06o", sum);
    put(148, std::string(digits) + '\0');
    tar += block + member.text;
    tar.resize((tar.size() + 511) / 512 * 512, '\0');
  }
  return tar + std::string(1024, '\0');
}

std::string blob_path(const std::string& text) {
  return "blobs/" + sha256(text).hex();
}

nlohmann::json index_of(const std::string& lock, const std::vector<std::string>& blobs) {
  nlohmann::json json{{"bundle", 1}, {"lock", sha256(lock).hex()}, {"keyrings", nlohmann::json::object()}};
  json["blobs"] = nlohmann::json::array();
  for (const std::string& blob : blobs) json["blobs"].push_back(sha256(blob).hex());
  return json;
}

std::vector<Member> good_members() {
  return {{"bundle.json", index_of(some_lock(), {"one"}).dump()},
          {"runtime.lock", some_lock()},
          {blob_path("one"), "one"}};
}

struct Importer {
  TestStore store{};

  Bundle import(const std::string& bytes) const {
    atomic_write(store.folder() / "bundle.tar", bytes);
    return import_bundle(store.folder() / "bundle.tar", store.store);
  }
  /// "integrity: MESSAGE", first line only.
  std::string refusal(const std::vector<Member>& members) const {
    const std::string tar = tar_of(members);
    const auto kind = error_kind([&] { (void)import(tar); });
    if (!kind) return "taken";
    const std::string text = error_text([&] { (void)import(tar); });
    CHECK(text.find("reading the bundle " + (store.folder() / "bundle.tar").string()) != std::string::npos);
    return (*kind == ErrorKind::integrity ? "integrity: " : "failed: ") + text.substr(0, text.find('\n'));
  }
};

}  // namespace

TEST_CASE("a bundle brings lock, keyrings and blobs into another store") {
  const TestStore from;
  const Digest one = from.store.put_blob("one");
  const Digest two = from.store.put_blob(std::string(300000, '2'));
  const Digest keyring = from.store.put_blob("keyring");
  const Digest empty = from.store.put_blob("");
  const fs::path file = from.folder() / "bundle.tar";
  write_bundle({.lock_text = some_lock(), .keyrings = {{"debian/bookworm", keyring}}, .blobs = {two, one, two, empty}},
               from.store, file);
  const TestStore to;
  const Bundle bundle = import_bundle(file, to.store);
  CHECK(bundle.lock_text == some_lock());
  CHECK(bundle.keyrings.at("debian/bookworm") == keyring);
  std::vector<Digest> expected{one, two, keyring, empty};
  std::sort(expected.begin(), expected.end());
  CHECK(bundle.blobs == expected);
  CHECK(to.store.read_blob(one) == "one");
  CHECK(to.store.read_blob(two) == std::string(300000, '2'));
  CHECK(to.store.read_blob(keyring) == "keyring");
  CHECK(to.store.read_blob(empty) == "");
  CHECK(std::distance(fs::directory_iterator(from.folder()), {}) == 2);  // the store and the bundle
}

TEST_CASE("a bundle of the same lock has the same bytes, whoever writes it and in whatever order") {
  std::vector<std::string> bundles;
  for (const bool turned : {false, true}) {
    const TestStore store;
    std::vector<Digest> blobs;
    for (const char* text : {"a", "b", "c"}) blobs.push_back(store.store.put_blob(text));
    if (turned) std::reverse(blobs.begin(), blobs.end());
    if (turned) blobs.push_back(blobs.front());
    fs::last_write_time(store.store.blob_path(blobs[0]), fs::file_time_type::clock::now() - std::chrono::hours(9));
    write_bundle({.lock_text = some_lock(), .blobs = blobs}, store.store, store.folder() / "bundle");
    bundles.push_back(read_file(store.folder() / "bundle"));
  }
  CHECK((bundles[0] == bundles[1]));
}

TEST_CASE("a bundle is a tar of an index, the lock and blobs by their hash") {
  const TestStore store;
  const Digest one = store.store.put_blob("one");
  write_bundle({.lock_text = some_lock(), .blobs = {one}}, store.store, store.folder() / "bundle.tar");
  const auto all = [](const std::string&) { return true; };
  const ImageContent content = read_image(store.folder() / "bundle.tar", {.wanted = all});
  std::vector<std::string> paths;
  for (const Entry& entry : content.listing) {
    paths.push_back(entry.path);
    CHECK(entry.mtime == 1704067200);
    CHECK(entry.uid == 0);
  }
  CHECK(paths == std::vector<std::string>{"", "blobs", "blobs/" + one.hex(), "bundle.json", "runtime.lock"});
  CHECK(content.texts.at("runtime.lock") == some_lock());
  CHECK(nlohmann::json::parse(content.texts.at("bundle.json")) == index_of(some_lock(), {"one"}));
}

TEST_CASE("a bundle that lacks a blob, or would hold a damaged one, is not written") {
  const TestStore store;
  const fs::path file = store.folder() / "bundle";
  atomic_write(file, "what was there before");
  const auto write = [&](const Digest& blob) {
    write_bundle({.lock_text = some_lock(), .blobs = {blob}}, store.store, file);
  };
  CHECK(error_text([&] { write(sha256("nowhere")); }).find("take " + sha256("nowhere").hex() + " from the store") !=
        std::string::npos);
  const Digest damaged = store.store.put_blob("good");
  fs::permissions(store.store.blob_path(damaged), fs::perms::owner_all);
  atomic_write(store.store.blob_path(damaged), "evil");
  CHECK(error_kind([&] { write(damaged); }) == ErrorKind::integrity);
  CHECK(read_file(file) == "what was there before");
  CHECK(std::distance(fs::directory_iterator(store.folder()), {}) == 2);
}

TEST_CASE("a bundle whose blob has other bytes than its name is refused, and nothing gets that name") {
  const Importer importer;
  auto members = good_members();
  members[2].text = "evil";
  CHECK(importer.refusal(members) == "integrity: the bundle is damaged: " + blob_path("one") + " has other bytes");
  CHECK_FALSE(importer.store.store.has_blob(sha256("one")));
  members[2] = {"blobs/short", "one"};
  CHECK(importer.refusal(members) == "integrity: the bundle is damaged: blobs/short has other bytes");
  members[2] = {"blobs/sub/" + sha256("one").hex(), "one"};
  CHECK(importer.refusal(members).starts_with("integrity: the bundle is damaged: blobs/sub/"));
  members[2] = {"blobs/" + sha256("one").hex(), "", '1', "bundle.json"};
  CHECK(importer.refusal(members).starts_with("integrity: "));
}

TEST_CASE("a bundle that holds something else, or leads out, is refused") {
  const Importer importer;
  CHECK(importer.refusal(good_members()) == "taken");
  for (const Member& more : {Member{"README", "hello"}, Member{"blobs2/" + sha256("x").hex(), "x"}}) {
    auto members = good_members();
    members.push_back(more);
    CHECK(importer.refusal(members) == "integrity: the bundle holds a '" + more.path + "'");
  }
  for (const char* path : {"../" "escaped", "/escaped", "blobs/../../escaped"}) {
    CAPTURE(path);
    auto members = good_members();
    members.insert(members.begin(), {path, "evil"});
    CHECK(importer.refusal(members).starts_with("integrity: "));
    CHECK_FALSE(fs::exists(importer.store.folder() / "escaped"));
    CHECK_FALSE(fs::exists("/escaped"));
  }
}

TEST_CASE("a bundle that lacks what its index names, or the index itself, says what") {
  const Importer importer;
  auto members = good_members();
  members.pop_back();
  CHECK(importer.refusal(members) == "integrity: the bundle is damaged: it lacks " + sha256("one").hex());
  members = good_members();
  members.erase(members.begin());
  CHECK(importer.refusal(members) == "failed: it holds no bundle.json");
  members = good_members();
  members.erase(members.begin() + 1);
  CHECK(importer.refusal(members) == "failed: it holds no runtime.lock");
  CHECK(importer.refusal({}) != "taken");
}

TEST_CASE("a bundle whose index cannot be trusted is refused") {
  const Importer importer;
  const auto with_index = [&](const std::string& text) {
    auto members = good_members();
    members[0].text = text;
    return importer.refusal(members);
  };
  const auto changed = [&](const char* key, const nlohmann::json& value) {
    nlohmann::json json = index_of(some_lock(), {"one"});
    json[key] = value;
    return with_index(json.dump());
  };
  const std::string unreadable = "integrity: the bundle is damaged: its index cannot be read";
  for (const char* text : {"{", "[]", "null", "{}", "{\"bundle\":1}"}) {
    CAPTURE(text);
    CHECK(with_index(text) == unreadable);
  }
  CHECK(changed("bundle", 2) == "failed: it was made by a later alephc");
  CHECK(changed("blobs", {1}) == unreadable);
  CHECK(changed("lock", "zz") == "integrity: the bundle is damaged: its index names no digest");
  CHECK(changed("blobs", {"../../etc/passwd"}) == "integrity: the bundle is damaged: its index names no digest");
  CHECK(changed("keyrings", {{"debian/bookworm", "x"}}) ==
        "integrity: the bundle is damaged: its index names no digest");
  CHECK(changed("lock", sha256("another").hex()) == "integrity: the bundle is damaged: its lock has other bytes");
}

TEST_CASE("a bundle with a lock that was edited by hand is refused") {
  const Importer importer;
  std::string lock = some_lock();
  const std::size_t at = lock.find("2.6.1");
  REQUIRE(at != std::string::npos);
  lock[at] = '3';
  auto members = good_members();
  members[0].text = index_of(lock, {"one"}).dump();
  members[1].text = lock;
  CHECK(importer.refusal(members).starts_with("integrity: "));
}

TEST_CASE("a bundle that is cut off or no archive is refused") {
  const Importer importer;
  const std::string tar = tar_of(good_members());
  for (const std::size_t size : {std::size_t{700}, tar.size() - 1024 - 600}) {
    CAPTURE(size);
    CHECK(error_kind([&] { (void)importer.import(tar.substr(0, size)); }).has_value());
  }
  CHECK(error_kind([&] { (void)importer.import("no archive"); }).has_value());
  CHECK(error_kind([&] { (void)import_bundle(importer.store.folder() / "none", importer.store.store); }).has_value());
}

TEST_CASE("a bundle without a keyring that its index names is refused") {
  const Importer importer;
  nlohmann::json json = index_of(some_lock(), {"one"});
  json["keyrings"] = {{"debian/bookworm", sha256("keyring").hex()}};
  auto members = good_members();
  members[0].text = json.dump();
  CHECK(importer.refusal(members) == "integrity: the bundle is damaged: it lacks " + sha256("keyring").hex());
  members.push_back({blob_path("keyring"), "keyring"});
  CHECK(importer.refusal(members) == "taken");
}

TEST_CASE("a bundle holds files and folders, and nothing else") {
  const Importer importer;
  for (const char type : {'2', '6'}) {
    CAPTURE(type);
    auto members = good_members();
    members.push_back({"odd", "", type, type == '2' ? "/etc/passwd" : ""});
    CHECK(importer.refusal(members) == "integrity: the bundle holds 'odd', which is not a file");
  }
  auto members = good_members();
  members.insert(members.begin(), {"blobs/", "", '5'});
  CHECK(importer.refusal(members) == "taken");
}

// SPDX-License-Identifier: MIT
// A manifest and what was locked before become a lock: what stays, what is fetched, and what is told to have changed.
#include "resolve/resolve.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "guest/guest_files.hpp"
#include "lock/lock_file.hpp"
#include "manifest/load.hpp"
#include "project/read_project.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

/// sha512 of "tool", as npm writes it.
const std::string kIntegrity =
    "sha512-YrlQBLbrX0OQUQSoH9MsKM3LTj/7UBBa/QPrElfPA0pO220fD5/RXXb6QqDQgyXVSx3oEVqJhnXK3HnaosurZA==";

/// A project without distribution, its former lock and a web for its archives.
class Project {
 public:
  explicit Project(const std::string& tables = {}) { write(tables); }

  void write(const std::string& tables) {
    put("runtime.toml", "schema = 1\n[runtime]\nname = \"t\"\nversion = \"1\"\n[base]\ndistro = \"none\"\n" + tables +
                            (tables.find("[init]") == std::string::npos ? "[init]\nprogram = \"none\"\n" : ""));
  }
  void put(const std::string& name, const std::string& text) const {
    make_folders((folder_ / name).parent_path());
    atomic_write(folder_ / name, text);
  }
  void remove(const std::string& name) const { fs::remove(folder_ / name); }
  void make_program(const std::string& name) const { fs::permissions(folder_ / name, fs::perms(0755)); }

  [[nodiscard]] Lock lock(const Lock* previous = nullptr, bool update_all = false) {
    Manifest manifest = load_manifest(folder_);
    const std::vector<LockedInput> inputs = read_project(manifest, test.store);
    const Mirrors mirrors;
    const ResolveRequest request{
        .manifest = manifest, .previous = previous, .update_all = update_all, .mirrors = mirrors};
    return resolve_lock(request, inputs, {test.store, web, test.reporter});
  }
  /// Why a lock does not answer the project as it is now.
  [[nodiscard]] std::string stale(const Lock& locked) const {
    Manifest manifest = load_manifest(folder_);
    const std::vector<LockedInput> inputs = read_project(manifest, test.store);
    return staleness(locked, manifest, inputs);
  }

  TestStore test{};
  FakeFetcher web{test.store};

 private:
  fs::path folder_ = test.folder() / "project";
};

std::string archive(const std::string& lines) {
  return "[[archive]]\nname = \"tool\"\nurl = \"https://a/t.tar\"\ntarget = \"/opt\"\n" + lines;
}

std::string file(const std::string& source) {
  return "[[file]]\ntarget = \"/srv/" + source + "\"\nsource = \"" + source + "\"\n";
}

LockedPackage package(const std::string& name, const std::string& version, const std::string& arch = "amd64",
                      const std::string& bytes = "x") {
  return {.name = name, .version = version, .arch = arch, .size = 2500, .sha256 = sha256(bytes)};
}

}  // namespace

TEST_CASE("a lock says what it was made of and for, and reads back") {
  Project project(file("data"));
  project.put("data", "text");
  const Lock lock = project.lock();
  CHECK(lock.epoch == latest_epoch().id);
  CHECK(lock.corrections == latest_epoch().correction_numbers());
  REQUIRE(lock.inputs.size() == 1);
  CHECK(lock.inputs[0].path == "data");
  CHECK(lock.inputs[0].kind == "file");
  CHECK(lock.inputs[0].sha256 == sha256("text"));
  CHECK(lock.layers.empty());
  CHECK(lock.guest_files.empty());
  CHECK(lock.source_date_epoch == latest_epoch().room.time);
  CHECK_FALSE(lock.manifest_digest.is_zero());
  CHECK(lock_text(parse_lock("runtime.lock", lock_text(lock))) == lock_text(lock));
  CHECK(project.stale(lock).empty());
  CHECK(lock_text(project.lock(&lock)) == lock_text(lock));
}

TEST_CASE("a lock is stale when the manifest or a declared file changed, and says which") {
  Project project(file("data") + file("more"));
  project.put("data", "text");
  project.put("more", "text");
  project.put("undeclared", "text");
  const Lock lock = project.lock();
  project.put("undeclared", "other");
  CHECK(project.stale(lock).empty());
  project.put("more", "other");
  CHECK(project.stale(lock) == "'more' changed");
  project.put("more", "text");
  project.write(file("data") + file("more") + "[system]\nhostname = \"box\"\n");
  CHECK(project.stale(lock) == "the manifest changed");
}

TEST_CASE("a lock is stale when files of a declared folder come, go or become programs") {
  Project project(file("tree"));
  project.put("tree/a", "a");
  project.put("tree/b", "b");
  const Lock lock = project.lock();
  project.put("tree/c", "c");
  CHECK(project.stale(lock) == "'tree/c' changed");
  project.remove("tree/c");
  CHECK(project.stale(lock).empty());
  project.make_program("tree/a");
  CHECK(project.stale(lock) == "'tree/a' changed");
  project.put("tree/a", "a");
  project.remove("tree/b");
  CHECK(project.stale(lock) == "'tree/b' is gone");
}

TEST_CASE("an empty folder that git would not keep is told as what it is") {
  Manifest manifest;
  Lock lock;
  lock.epoch = latest_epoch().id;
  lock.corrections = latest_epoch().correction_numbers();
  lock.inputs = {{.path = "empty", .kind = "folder"}};
  CHECK(staleness(lock, manifest, {}) == "the empty folder 'empty' is gone; git keeps a folder only with a file in it");
  CHECK(staleness(lock, manifest, {{.path = "empty", .kind = "link"}}) == "'empty' changed");
}

TEST_CASE("a lock of an epoch that this alephc does not build is stale before all else") {
  Manifest manifest;
  Lock lock;
  lock.epoch = latest_epoch().id;
  lock.corrections = latest_epoch().correction_numbers();
  CHECK(staleness(lock, manifest, {}).empty());
  lock.corrections.push_back(999);
  CHECK_FALSE(staleness(lock, manifest, {}).empty());
  lock.corrections.pop_back();
  lock.epoch.draft += 1;
  lock.declared = sha256("another manifest");
  CHECK(staleness(lock, manifest, {}) ==
        "it is for " + lock.epoch.text() + ", and this alephc builds " + latest_epoch().id.text());
}

TEST_CASE("an archive with a hash is locked by it and not fetched") {
  Project project(archive("sha256 = \"" + sha256("tool").hex() + "\"\n"));
  const Lock lock = project.lock();
  REQUIRE(lock.archives.size() == 1);
  CHECK(lock.archives[0].name == "tool");
  CHECK(lock.archives[0].sha256 == sha256("tool"));
  CHECK(project.web.asked().empty());
}

TEST_CASE("an archive of the project is locked as the file that it is") {
  Project project("[[archive]]\nname = \"own\"\nsource = \"own.tar\"\ntarget = \"/opt\"\n");
  project.put("own.tar", "bytes");
  const Lock lock = project.lock();
  REQUIRE(lock.archives.size() == 1);
  CHECK(lock.archives[0].sha256 == sha256("bytes"));
  CHECK(project.web.asked().empty());
}

TEST_CASE("an archive without a hash is pinned as it is now, and stays so until an update") {
  Project project(archive(""));
  project.web.put("https://a/t.tar", "tool");
  const Lock first = project.lock();
  REQUIRE(first.archives.size() == 1);
  CHECK(first.archives[0].sha256 == sha256("tool"));
  CHECK(first.archives[0].size == 4);
  CHECK(project.test.store.has_blob(sha256("tool")));
  project.web.put("https://a/t.tar", "a later one");
  CHECK(project.lock(&first).archives == first.archives);
  CHECK(project.web.asked().size() == 1);
  CHECK(project.lock(&first, true).archives[0].sha256 == sha256("a later one"));
}

TEST_CASE("a pinned archive whose address or version changed is another one") {
  const std::string versioned = "[[archive]]\nname = \"tool\"\nurl = \"https://a/{version}.tar\"\ntarget = \"/opt\"\n";
  Project project(versioned + "version = \"1\"\n");
  project.web.put("https://a/1.tar", "one");
  project.web.put("https://a/2.tar", "two");
  const Lock first = project.lock();
  CHECK(first.archives[0].sha256 == sha256("one"));
  project.write(versioned + "version = \"2\"\n");
  CHECK(project.lock(&first).archives[0].sha256 == sha256("two"));
  project.write(versioned + "version = \"1\"\nowner = \"root:games\"\n");
  const std::size_t asked = project.web.asked().size();
  CHECK(project.lock(&first).archives == first.archives);
  CHECK(project.web.asked().size() == asked);
}

TEST_CASE("an archive must be what its integrity says") {
  Project project(archive("integrity = \"" + kIntegrity + "\"\n"));
  project.web.put("https://a/t.tar", "tool");
  CHECK(project.lock().archives.at(0).sha256 == sha256("tool"));
  project.web.put("https://a/t.tar", "forged");
  CHECK(error_kind([&] { (void)project.lock(); }) == ErrorKind::integrity);
  CHECK(error_text([&] { (void)project.lock(); }).find("is not what its integrity says") != std::string::npos);
}

TEST_CASE("an archive that nobody has is named with what to do") {
  Project project(archive(""));
  CHECK(error_kind([&] { (void)project.lock(); }) == ErrorKind::failed);
  const std::string text = error_text([&] { (void)project.lock(); });
  CHECK(text.find("the archive 'tool'") != std::string::npos);
  CHECK(text.find("give another url of the same file in [[archive]]") != std::string::npos);
}

TEST_CASE("an archive's file has all its addresses, and the promise that its hash comes from") {
  const RemoteFile plain = archive_file({.name = "t", .urls = {"https://a", "https://b"}});
  CHECK(plain.urls == std::vector<std::string>{"https://a", "https://b"});
  CHECK(plain.label == "the archive 't'");
  CHECK(plain.advice.promise == "the lock");
  CHECK_FALSE(plain.locate);
  CHECK(archive_file({.name = "t", .integrity = kIntegrity}).advice.promise == "the manifest");
  CHECK(archive_file({.name = "t", .npm = "left-pad@1.0.0"}).locate);
}

TEST_CASE("what scripts with network left stays locked while they are in the manifest, until an update") {
  const std::string script = "[[run]]\nname = \"get\"\nscript = \"x\"\nnetwork = true\n";
  Project project(script);
  Lock before = project.lock();
  before.runs = {{"get", sha256("layer")}, {"gone", sha256("other")}};
  const Lock kept = project.lock(&before);
  REQUIRE(kept.runs.size() == 1);
  CHECK(kept.runs[0] == before.runs[0]);
  CHECK(project.lock(&before, true).runs.empty());
  project.write("[[run]]\nname = \"get\"\nscript = \"x\"\n");
  CHECK(project.lock(&before).runs.empty());
}

TEST_CASE("the files of alephc's init are locked once and stay until an update") {
  Project project("[init]\nprogram = \"aleph\"\n");
  const Lock first = project.lock();
  REQUIRE(first.guest_files.size() == guest_files().size());
  CHECK(first.guest_files[0].name == guest_files()[0].name);
  CHECK(first.guest_files[0].sha256 == guest_files()[0].sha256);
  Lock of_old_alephc = first;
  of_old_alephc.guest_files[0].sha256 = sha256("an older init");
  CHECK(project.lock(&of_old_alephc).guest_files == of_old_alephc.guest_files);
  CHECK(project.lock(&of_old_alephc, true).guest_files == first.guest_files);
  project.write("");
  CHECK(project.lock(&of_old_alephc).guest_files.empty());
}

TEST_CASE("packages and their date stay as locked unless what decides them changed or an update is asked for") {
  Project project;
  Lock before = project.lock();
  before.resolver = "apt 1";
  before.layers = {{"p", {package("a", "1")}, {}}};
  before.removed = {"nano"};
  before.repositories = {{.name = "debian", .suite = "sid", .date = 5}};
  before.source_date_epoch = 12345;
  project.write("[system]\nhostname = \"box\"\n");
  const Lock kept = project.lock(&before);
  CHECK(kept.layers == before.layers);
  CHECK(kept.removed == before.removed);
  CHECK(kept.repositories == before.repositories);
  CHECK(kept.resolver == "apt 1");
  CHECK(kept.source_date_epoch == 12345);
  const Lock updated = project.lock(&before, true);
  CHECK(updated.layers.empty());
  CHECK(updated.source_date_epoch == latest_epoch().room.time);
  // The same choice again is no reason to date the image again.
  before.layers.clear();
  before.removed.clear();
  CHECK(project.lock(&before, true).source_date_epoch == 12345);
}

TEST_CASE("a change is told by package: name and architecture make one, its version and bytes may change") {
  Lock before;
  before.layers = {{"p", {package("a", "1"), package("b", "1"), package("c", "1"), package("lib", "1", "i386")}, {}}};
  before.wheels = {{.name = "idna", .version = "3.4", .size = 1}};
  before.modules = {{.path = "node_modules/x", .version = "1", .size = 1}};
  Lock after = before;
  after.layers = {{"q", {package("lib", "1"), package("a", "2")}, {}},
                  {"r", {package("c", "1", "amd64", "rebuilt"), package("lib", "1", "i386")}, {}}};
  after.wheels = {{.name = "idna", .version = "3.6", .size = 1}, {.name = "pip", .version = "23", .size = 2'000'000}};
  after.modules = {{.path = "node_modules/x/node_modules/y", .version = "2", .size = 1}};
  CHECK(change_text(compare_locks(&before, after)) ==
        "  + lib 1 (2.5 kB)\n"
        "  + npm x/node_modules/y 2 (1 B)\n"
        "  + python pip 23 (2.0 MB)\n"
        "  - b 1\n"
        "  - npm x 1\n"
        "  ~ a 1 → 2\n"
        "  ~ c 1 has other bytes\n"
        "  ~ python idna 3.4 → 3.6\n");
}

TEST_CASE("what changes beside packages is named, and nothing of it for a first lock") {
  Lock before;
  Lock after;
  CHECK(compare_locks(&before, after).empty());
  CHECK(change_text(compare_locks(&before, after)).empty());
  after.inputs = {{.path = "x"}};
  after.archives = {{.name = "a"}};
  after.removed = {"nano"};
  after.manifest_digest = sha256("m");
  after.source_date_epoch = 7;
  CHECK(change_text(compare_locks(&before, after)) ==
        "  changed: files of the project, archives, packages to remove, the manifest\n");
  CHECK(compare_locks(nullptr, after).empty());
  after.layers = {{"p", {package("a", "1")}, {}}};
  CHECK(change_text(compare_locks(nullptr, after)) == "  + a 1 (2.5 kB)\n");
}

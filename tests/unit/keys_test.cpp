// SPDX-License-Identifier: MIT
// Every key of the manifest, every field of the lock and every file of the project either changes the key of a step, or
// what the lock is made for, or nothing at all. A key that is in none of these lists fails the test: decide.
#include "manifest/keys.hpp"

#include <filesystem>
#include <set>

#include "base/files.hpp"
#include "base/text.hpp"
#include "graph/plan.hpp"
#include "lock/lock_file.hpp"
#include "manifest/load.hpp"
#include "manifest/value.hpp"
#include "project/read_project.hpp"
#include "support/catch.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

constexpr const char* kFunction = R"(schema = 1
[runtime]
name = "t"
version = "1.0"
kind = "function"
description = "words"
license = "MIT"
repository = "https://example.org/x"
authors = ["A"]
[base]
distro = "debian"
release = "bookworm"
arch = "amd64"
components = ["main"]
suites = ["bookworm"]
mirrors = ["https://m.example.org/debian"]
keyring = "key.gpg"
snapshot = "20260101T000000Z"
check_valid_until = false
image_sources = ["deb http://s main"]
[packages]
install = ["python3"]
files = ["own.deb"]
build = ["gcc"]
remove = ["nano"]
recommends = false
debconf = ["a a/b select c"]
exclude_paths = ["/usr/share/doc/*"]
[[repository]]
name = "extra"
url = "https://r.example.org/debian"
suite = "stable"
components = ["contrib"]
key = "repo.gpg"
fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"
priority = 400
[python]
requirements = ["idna"]
requirements_files = ["r.txt"]
constraints_files = ["c.txt"]
index = "https://i.example.org/simple"
extra_indexes = ["https://j.example.org/simple"]
sdist = ["idna-ext"]
target = "/opt/python"
optimize = [0]
[node]
lockfile = "package-lock.json"
target = "/opt/node"
production = true
[[archive]]
name = "tool"
url = "https://a.example.org/t-{version}.tar"
version = "7"
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
strip = 1
target = "/opt/tool"
owner = "root:games"
[[file]]
target = "/etc/a"
content = "text"
append = false
mode = "0600"
owner = "root:users"
[[file]]
target = "/etc/b"
source = "data"
[[file]]
target = "/etc/l"
link = "aim"
[[file]]
target = "/srv/d"
dir = true
[[run]]
name = "first"
script = "echo"
user = "worker"
network = false
inputs = ["input"]
env = { ONE = "1" }
[[run]]
name = "second"
source = "run.sh"
[system]
timezone = "Etc/UTC"
locale = "C.UTF-8"
locales = ["en_US.UTF-8"]
hostname = "box"
[[user]]
name = "app"
uid = 1001
groups = ["audio"]
shell = "/bin/bash"
home = "/srv/app"
authorized_keys = ["ssh-ed25519 AAAA a"]
[init]
program = "aleph"
sshd = true
user = "serve"
workdir = "/srv/work"
env = { TWO = "2" }
sdk_plugins = "sdk.py"
init0_plugin = "init0.sh"
[[init.plugin]]
name = "early"
stage = "before_variables"
source = "plugin.sh"
files = ["helper.sh"]
on_error = "warn"
timeout = "500ms"
[[init.plugin]]
name = "late"
stage = "boot"
exec = ["/usr/bin/env"]
[[init.service]]
name = "svc"
exec = ["/usr/bin/true"]
type = "daemon"
restart = "on-failure"
env = { THREE = "3" }
[image]
format = "squashfs"
compression = "zstd"
level = 9
block_size = "128K"
embed_recipe = false
verity = false
)";

/// A disk has keys that a function has not.
const std::string kDisk = R"(schema = 1
[runtime]
name = "t"
kind = "instance"
[base]
distro = "debian"
release = "bookworm"
[image]
format = "disk"
size = "1G"
label = "disk-label"
filesystem = "ext4"
[boot]
firmware = ["bios", "uefi"]
cmdline = "quiet"
esp_size = "64M"
)";

struct Mutation {
  const char* key;
  const char* from;
  const char* to;
};

// These change the key of a step while the lock stays.
const std::vector<Mutation> kInKeys{
    {"base.image_sources", "deb http://s main", "deb http://s contrib"},
    {"packages.debconf", "select c", "select d"},
    {"packages.exclude_paths", "/usr/share/doc/*", "/usr/share/info/*"},
    {"python.target", "/opt/python", "/opt/other"},
    {"python.optimize", "optimize = [0]", "optimize = [2]"},
    {"node.target", "/opt/node", "/opt/other"},
    {"archive.strip", "strip = 1", "strip = 2"},
    {"archive.target", "/opt/tool", "/opt/other"},
    {"archive.owner", "root:games", "root:root"},
    {"file.target", "/etc/a", "/etc/other"},
    {"file.content", "\"text\"", "\"other\""},
    {"file.source", "source = \"data\"", "source = \"input\""},
    {"file.link", "\"aim\"", "\"other\""},
    {"file.dir", "dir = true", "content = \"\""},
    {"file.append", "append = false", "append = true"},
    {"file.mode", "0600", "0640"},
    {"file.owner", "root:users", "root:root"},
    {"file.before", "dir = true", "dir = true\nbefore = \"packages\""},
    {"file.enabled", "dir = true", "dir = true\nenabled = false"},
    {"run.name", "name = \"first\"", "name = \"other\""},
    {"run.script", "\"echo\"", "\"false\""},
    {"run.source", "source = \"run.sh\"", "source = \"plugin.sh\""},
    {"run.env", "ONE = \"1\"", "ONE = \"2\""},
    {"run.user", "user = \"worker\"", "user = \"root\""},
    {"run.inputs", "inputs = [\"input\"]", "inputs = [\"data\"]"},
    {"run.network", "network = false", "network = true"},
    {"run.enabled", "name = \"second\"", "name = \"second\"\nenabled = false"},
    {"system.timezone", "Etc/UTC", "Etc/GMT"},
    {"system.locale", "locale = \"C.UTF-8\"", "locale = \"C\""},
    {"system.locales", "en_US.UTF-8", "de_DE.UTF-8"},
    {"system.hostname", "hostname = \"box\"", "hostname = \"other\""},
    {"user.name", "name = \"app\"", "name = \"other\""},
    {"user.uid", "uid = 1001", "uid = 1002"},
    {"user.groups", "\"audio\"", "\"video\""},
    {"user.shell", "/bin/bash", "/bin/sh"},
    {"user.home", "/srv/app", "/srv/other"},
    {"user.authorized_keys", "AAAA a", "BBBB b"},
    {"user.enabled", "uid = 1001", "uid = 1001\nenabled = false"},
    {"init.program", "program = \"aleph\"", "program = \"distro\""},
    {"init.sshd", "sshd = true", "sshd = false"},
    {"init.user", "user = \"serve\"", "user = \"root\""},
    {"init.workdir", "/srv/work", "/srv/other"},
    {"init.env", "TWO = \"2\"", "TWO = \"3\""},
    {"init.sdk_plugins", "sdk_plugins = \"sdk.py\"", "sdk_plugins = \"data\""},
    {"init.init0_plugin", "init0_plugin = \"init0.sh\"", "init0_plugin = \"plugin.sh\""},
    {"init.plugin.name", "name = \"early\"", "name = \"other\""},
    {"init.plugin.stage", "stage = \"boot\"", "stage = \"before_variables\""},
    {"init.plugin.source", "source = \"plugin.sh\"", "source = \"init0.sh\""},
    {"init.plugin.exec", "/usr/bin/env", "/usr/bin/other"},
    {"init.plugin.files", "helper.sh", "run.sh"},
    {"init.plugin.on_error", "on_error = \"warn\"", "on_error = \"fail\""},
    {"init.plugin.timeout", "500ms", "600ms"},
    {"init.plugin.enabled", "name = \"late\"", "name = \"late\"\nenabled = false"},
    {"init.service.name", "name = \"svc\"", "name = \"other\""},
    {"init.service.exec", "/usr/bin/true", "/usr/bin/false"},
    {"init.service.type", "type = \"daemon\"\nrestart = \"on-failure\"", "type = \"oneshot\""},
    {"init.service.restart", "restart = \"on-failure\"", "restart = \"never\""},
    {"init.service.env", "THREE = \"3\"", "THREE = \"4\""},
    {"init.service.enabled", "name = \"svc\"", "name = \"svc\"\nenabled = false"},
    {"image.format", "format = \"squashfs\"\ncompression = \"zstd\"\nlevel = 9\nblock_size = \"128K\"",
     "format = \"ext4\""},
    {"image.compression", "compression = \"zstd\"", "compression = \"gzip\""},
    {"image.level", "level = 9", "level = 8"},
    {"image.block_size", "128K", "256K"},
    {"image.embed_recipe", "embed_recipe = false", "embed_recipe = true"},
    {"image.verity", "verity = false", "verity = true"},
};
const std::vector<Mutation> kInKeysOfDisks{
    {"image.size", "1G", "2G"},
    {"image.label", "disk-label", "other"},
    {"image.filesystem", "\"ext4\"", "\"btrfs\""},
    {"image.subvolume", "filesystem = \"ext4\"", "filesystem = \"btrfs\"\nsubvolume = \"at\""},
    {"boot.firmware", "[\"bios\", \"uefi\"]", "[\"uefi\"]"},
    {"boot.cmdline", "quiet", "debug"},
    {"boot.esp_size", "64M", "128M"},
    {"boot.kernel", "[boot]\n", "[boot]\nkernel = \"none\"\n"},
};

// These decide what the lock chooses. The lock is stale when they change, and its packages, files and hashes are in keys.
const std::vector<Mutation> kInLock{
    {"runtime.extends", "name = \"t\"", "name = \"t\"\nextends = [\"stdlib:debian/slim\"]"},
    {"runtime.kind", "", ""},  // checks what else may be said
    {"base.distro", "distro = \"debian\"", "distro = \"ubuntu\""},
    {"base.release", "release = \"bookworm\"", "release = \"trixie\""},
    {"base.arch", "arch = \"amd64\"", "arch = \"arm64\""},
    {"base.components", "components = [\"main\"]", "components = [\"main\", \"contrib\"]"},
    {"base.suites", "suites = [\"bookworm\"]", "suites = [\"bookworm\", \"bookworm-updates\"]"},
    {"base.mirrors", "m.example.org", "n.example.org"},
    {"base.keyring", "keyring = \"key.gpg\"", "keyring = \"repo.gpg\""},
    {"base.snapshot", "20260101T000000Z", "20260102T000000Z"},
    {"base.check_valid_until", "check_valid_until = false", "check_valid_until = true"},
    {"packages.install", "install = [\"python3\"]", "install = [\"vim\"]"},
    {"packages.files", "files = [\"own.deb\"]", "files = []"},
    {"packages.build", "build = [\"gcc\"]", "build = [\"make\"]"},
    {"packages.remove", "remove = [\"nano\"]", "remove = [\"vim\"]"},
    {"packages.recommends", "recommends = false", "recommends = true"},
    {"repository.name", "name = \"extra\"", "name = \"other\""},
    {"repository.url", "r.example.org", "s.example.org"},
    {"repository.suite", "suite = \"stable\"", "suite = \"testing\""},
    {"repository.components", "components = [\"contrib\"]", "components = [\"main\"]"},
    {"repository.key", "key = \"repo.gpg\"", "key = \"key.gpg\""},
    {"repository.fingerprint", "0123456789ABCDEF0123456789ABCDEF01234567", "1123456789ABCDEF0123456789ABCDEF01234567"},
    {"repository.priority", "priority = 400", "priority = 300"},
    {"repository.enabled", "priority = 400", "priority = 400\nenabled = false"},
    {"python.requirements", "requirements = [\"idna\"]", "requirements = [\"flask\"]"},
    {"python.requirements_files", "requirements_files = [\"r.txt\"]", "requirements_files = [\"c.txt\"]"},
    {"python.constraints_files", "constraints_files = [\"c.txt\"]", "constraints_files = [\"r.txt\"]"},
    {"python.lock_files", "requirements = [\"idna\"]\nrequirements_files = [\"r.txt\"]", "lock_files = [\"pylock.toml\"]"},
    {"python.index", "i.example.org", "k.example.org"},
    {"python.extra_indexes", "j.example.org", "k.example.org"},
    {"python.sdist", "idna-ext", "idna-other"},
    {"node.lockfile", "lockfile = \"package-lock.json\"", "lockfile = \"data\""},
    {"node.production", "production = true", "production = false"},
    {"archive.name", "name = \"tool\"", "name = \"other\""},
    {"archive.url", "a.example.org", "b.example.org"},
    {"archive.source", "url = \"https://a.example.org/t-{version}.tar\"\nversion = \"7\"\nsha256 = "
                       "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
     "source = \"data\""},
    {"archive.npm", "url = \"https://a.example.org/t-{version}.tar\"", "npm = \"left-pad@{version}\""},
    {"archive.sha256", "e3b0c442", "f3b0c442"},
    {"archive.integrity",
     "sha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
     "integrity = \"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\""},
    {"archive.version", "version = \"7\"", "version = \"8\""},
    {"archive.enabled", "strip = 1", "strip = 1\nenabled = false"},
};

/// The keys that only describe.
std::set<std::string> describing_keys() {
  std::set<std::string> names;
  for (const TableSpec& table : table_specs())
    for (const KeySpec& key : table.keys)
      if (key.describes) names.insert(std::string(table.path) + "." + std::string(key.name));
  return names;
}

// Not mutated here: the format of a volume is tested end to end; a service's start has one value.
const std::set<std::string> kElsewhere{"image.subtree", "init.service.after"};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  INFO(from << " stands in the manifest once");
  REQUIRE(at != std::string::npos);
  CHECK(text.find(from, at + 1) == std::string::npos);
  return text.replace(at, from.size(), to);
}

/// A project with a lock that stays while the manifest changes.
class Recipes {
 public:
  Recipes() {
    make_folders(folder_);
    for (const char* file : {"key.gpg", "repo.gpg", "own.deb", "r.txt", "c.txt", "package-lock.json", "data", "input",
                             "run.sh", "plugin.sh", "helper.sh", "sdk.py", "init0.sh", "pylock.toml"})
      put(file, std::string("#!/bin/sh\n# ") + file + "\n");
    lock_.source_date_epoch = 1;
    lock_.layers = {{.name = "packages",
                     .packages = {{.name = "python3", .version = "3", .arch = "amd64", .size = 5, .sha256 = sha256("p")}}}};
    lock_.removed = {"gcc"};
    lock_.wheels = {{.name = "idna", .version = "3", .file = "idna-3-py3-none-any.whl", .size = 1, .sha256 = sha256("w")}};
    lock_.modules = {{.path = "node_modules/m", .name = "m", .version = "1", .integrity = "sha512-x", .size = 1, .sha256 = sha256("m")}};
    lock_.archives = {{"tool", 1, sha256("")}};
    for (const char* file : {"aleph-init", "asgi_worker.py", "runtime_types.py", "sdk_plugins.py"})
      lock_.guest_files.push_back({file, sha256(file)});
  }

  void put(const std::string& name, const std::string& text) const { atomic_write(folder_ / name, text); }
  [[nodiscard]] Lock& lock() { return lock_; }

  [[nodiscard]] Manifest load(const std::string& text) const {
    put("runtime.toml", text);
    return load_manifest(folder_);
  }

  /// Everything that decides what steps make.
  [[nodiscard]] std::string keys(const std::string& text) const {
    Manifest manifest = load(text);
    Lock lock = lock_;
    lock.inputs = read_project(manifest, store_);
    std::string out;
    for (const Step& step : plan({manifest, lock, "the lock's text", latest_epoch()}).steps)
      out += step.id + "\n" + key_text(step, latest_epoch(), {});
    return out;
  }

 private:
  TempDir temp_{fs::temp_directory_path(), "alephc-test"};
  fs::path folder_ = temp_.path() / "project";
  Store store_{temp_.path() / "store"};
  Lock lock_;
};

/// The first line of a manifest that sets a key of a table; empty if there is none.
std::string line_of(const std::string& text, std::string_view table, std::string_view key) {
  std::string header;
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with("[")) header = line.substr(line.find_first_not_of('['));
    if (header.starts_with(std::string(table) + "]") && line.starts_with(std::string(key) + " = "))
      return line;
  }
  return "";
}

/// As a manifest has it.
std::string default_of(const KeySpec& key) {
  const bool bare =
      key.type == KeyType::boolean || key.type == KeyType::integer || key.fallback.starts_with('[');
  return std::string(key.name) + " = " + (bare ? std::string(key.fallback) : quote_toml(key.fallback));
}

void check_keys(const Recipes& recipes, const std::string& base, const std::vector<Mutation>& mutations) {
  const std::string before = recipes.keys(base);
  for (const Mutation& mutation : mutations) {
    INFO(mutation.key << " changes a step");
    CHECK(recipes.keys(replaced(base, mutation.from, mutation.to)) != before);
  }
}

}  // namespace

TEST_CASE("every key of the manifest has its place: a step's key, the lock, or nothing") {
  std::set<std::string> placed = describing_keys();
  placed.insert("schema");  // has one value
  placed.insert(kElsewhere.begin(), kElsewhere.end());
  for (const auto* mutations : {&kInKeys, &kInKeysOfDisks, &kInLock})
    for (const Mutation& mutation : *mutations) placed.insert(mutation.key);
  for (const TableSpec& table : table_specs()) {
    if (table.path == "expect") continue;
    for (const KeySpec& key : table.keys) {
      const std::string name = (table.path.empty() ? "" : std::string(table.path) + ".") + std::string(key.name);
      INFO(name << " decides what? Add it to a list of this test");
      CHECK(placed.contains(name));
    }
  }
}

TEST_CASE("a key that decides a step changes the step's key") {
  const Recipes recipes;
  check_keys(recipes, kFunction, kInKeys);
  check_keys(recipes, kDisk, kInKeysOfDisks);
}

TEST_CASE("a key that is left out has the default that the schema names") {
  // These say it in words, or a file is written for them only when they are set. What is embedded of the recipe says
  // which keys it has, and no other format takes the keys of a disk.
  const std::set<std::string> words{"base.suites",   "file.dir",           "file.mode",
                                    "user.home",     "init.program",       "system.timezone",
                                    "system.locale", "image.compression",  "image.level",
                                    "image.size",    "image.embed_recipe", "image.format"};
  const Recipes recipes;
  const std::string disk = replaced(kDisk, "size = \"1G\"", "size = \"1G\"\nembed_recipe = false");
  std::set<std::string> checked;
  for (const std::string& text : {std::string(kFunction), disk})
    for (const TableSpec& table : table_specs())
      for (const KeySpec& key : table.keys) {
        const std::string name = std::string(table.path) + "." + std::string(key.name);
        const std::string line = line_of(text, table.path, key.name);
        if (key.fallback.empty() || line.empty() || words.contains(name)) continue;
        const std::size_t at = text.find("\n" + line + "\n");
        const auto with = [&](const std::string& other) {
          return text.substr(0, at + 1) + other + text.substr(at + 1 + line.size());
        };
        INFO(name << " is " << key.fallback << " when it is left out");
        CHECK(recipes.keys(with("")) == recipes.keys(with(default_of(key))));
        checked.insert(name);
      }
  for (const char* name :
       {"archive.strip", "init.plugin.timeout", "init.service.type", "image.block_size", "image.label",
        "boot.esp_size", "boot.firmware", "run.user", "user.shell", "python.optimize"})
    CHECK(checked.contains(name));
}

TEST_CASE("a key that decides the lock makes it stale, and one that describes does neither") {
  const Recipes recipes;
  const Manifest before = recipes.load(kFunction);
  for (const Mutation& mutation : kInLock) {
    if (std::string(mutation.from).empty()) continue;
    INFO(mutation.key);
    const Manifest after = recipes.load(replaced(kFunction, mutation.from, mutation.to));
    CHECK(after.declared != before.declared);
    CHECK(after.digest != before.digest);
  }
  const std::string keys = recipes.keys(kFunction);
  for (const std::string& name : describing_keys()) {
    INFO(name << " stands in the manifest of this test, with a string");
    const std::string line = "\n" + name.substr(name.find('.') + 1) + " = ";
    std::string text = kFunction;
    const std::size_t begin = text.find(line);
    REQUIRE(begin != std::string::npos);
    text.insert(text.rfind('"', text.find('\n', begin + 1)), "1");
    CHECK(recipes.load(text).digest == before.digest);
    CHECK(recipes.keys(text) == keys);
  }
}

TEST_CASE("every file of the project that a step reads is in its key") {
  const Recipes recipes;
  const std::string before = recipes.keys(kFunction);
  for (const char* file : {"data", "input", "run.sh", "plugin.sh", "helper.sh", "sdk.py", "init0.sh"}) {
    INFO(file);
    recipes.put(file, "#!/bin/sh\n# other\n");
    CHECK(recipes.keys(kFunction) != before);
    recipes.put(file, std::string("#!/bin/sh\n# ") + file + "\n");
    CHECK(recipes.keys(kFunction) == before);
  }
}

TEST_CASE("every field of the lock that decides a step is in its key") {
  Recipes recipes;
  const std::string before = recipes.keys(kFunction);
  const Lock lock = recipes.lock();
  const std::vector<std::pair<const char*, std::function<void(Lock&)>>> changes{
      {"source_date_epoch", [](Lock& l) { l.source_date_epoch = 2; }},
      {"removed", [](Lock& l) { l.removed = {"make"}; }},
      {"package.version", [](Lock& l) { l.layers[0].packages[0].version = "4"; }},
      {"package.arch", [](Lock& l) { l.layers[0].packages[0].arch = "i386"; }},
      {"package.size", [](Lock& l) { l.layers[0].packages[0].size = 6; }},
      {"package.sha256", [](Lock& l) { l.layers[0].packages[0].sha256 = sha256("q"); }},
      {"package.automatic", [](Lock& l) { l.layers[0].packages[0].automatic = true; }},
      {"package.bootstrap", [](Lock& l) { l.layers[0].packages[0].bootstrap = true; }},
      {"package.identity", [](Lock& l) { l.layers[0].packages[0].identity = "Q1"; }},
      {"package.tag", [](Lock& l) { l.layers[0].packages[0].tag = "edge"; }},
      {"layer.requests", [](Lock& l) { l.layers[0].requests = {"python3"}; }},
      {"layer.name", [](Lock& l) { l.layers[0].name = "other"; }},
      {"wheel.version", [](Lock& l) { l.wheels[0].version = "4"; }},
      {"wheel.file", [](Lock& l) { l.wheels[0].file = "idna-4.tar.gz"; }},
      {"wheel.sha256", [](Lock& l) { l.wheels[0].sha256 = sha256("v"); }},
      {"module.path", [](Lock& l) { l.modules[0].path = "node_modules/n"; }},
      {"module.integrity", [](Lock& l) { l.modules[0].integrity = "sha512-y"; }},
      {"module.bins", [](Lock& l) { l.modules[0].bins = {"m=cli.js"}; }},
      {"module.sha256", [](Lock& l) { l.modules[0].sha256 = sha256("n"); }},
      {"archive.sha256", [](Lock& l) { l.archives[0].sha256 = sha256("a"); }},
      {"init.sha256", [](Lock& l) { l.guest_files[0].sha256 = sha256("i"); }},
      {"worker.sha256", [](Lock& l) { l.guest_files[1].sha256 = sha256("i"); }}};
  for (const auto& [field, change] : changes) {
    INFO(field);
    recipes.lock() = lock;
    change(recipes.lock());
    CHECK(recipes.keys(kFunction) != before);
  }
  // Where a package came from decides nothing once its bytes are known.
  recipes.lock() = lock;
  recipes.lock().layers[0].packages[0].path = "pool/other.deb";
  recipes.lock().resolver = "apt 3";
  CHECK(recipes.keys(kFunction) == before);
}

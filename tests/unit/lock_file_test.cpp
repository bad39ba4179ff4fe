// SPDX-License-Identifier: MIT
// The text of runtime.lock: every field goes there and back, and what is not as alephc writes it is refused.
#include "lock/lock_file.hpp"

#include <cctype>
#include <filesystem>

#include "base/files.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

/// A lock in which no field has its default.
Lock full_lock() {
  Lock lock;
  lock.declared = sha256("declared");
  lock.manifest_digest = sha256("manifest");
  lock.epoch = latest_epoch().id;
  lock.corrections = {1, 3};
  lock.source_date_epoch = 1700000000;
  lock.resolver = "apt 2.6.1";
  lock.parts = {{"stdlib:a", "schema = 1\n\tx = \"[manifest]\"\n"}, {"stdlib:b", ""}};
  lock.inputs = {{"../shared/a b", "executable", sha256("a")}, {"empty", "folder", sha256("")}};
  lock.repositories = {{"debian", "bookworm", 1690000000, sha256("i"), "ABCD", true},
                       {"extra", "./", -5, sha256("j"), "EF", false}};
  lock.layers = {{.name = "packages",
                  .packages = {{"bash", "5.2", "amd64", 10, sha256("b"), "debian/bookworm", "pool/b.deb", true, true,
                                "Q1abc=", "edge"},
                               {"own", "1", "all", 0, sha256("o"), "file", "own \"x\".deb", false, false, "", ""}},
                  .requests = {"bash", "busybox@edge"}},
                 {.name = "second", .packages = {}, .requests = {}}};
  lock.removed = {"gcc", "make"};
  lock.wheels = {{"idna", "3.7", "idna-3.7-py3-none-any.whl", 7, sha256("w")}};
  lock.modules = {{"node_modules/a/node_modules/@s/b", "@s/b", "1.0.0", "sha512-x", {"b=./cli.js"}, 8, sha256("m")},
                  {"node_modules/c", "c", "2.0.0", "sha512-y", {}, 9, sha256("n")}};
  lock.archives = {{"tool", 5, sha256("t")}};
  lock.runs = {{"fetch", sha256("r")}, {"later", Digest{}}};
  lock.guest_files = {{"aleph-init", sha256("g")}};
  lock.manifest_text = "[manifest]\nschema = 1\n\n[manifest.runtime]\nkind = \"function\"\n";
  return lock;
}

std::string with_digest(const std::string& body) {
  return "lock = 1\ndigest = \"" + sha256(body).hex() + "\"\n" + body;
}

std::string body_of(const std::string& text) {
  const std::size_t digest = text.find("\ndigest = ");
  return text.substr(text.find('\n', digest + 1) + 1);
}

/// The lock with one piece of its body changed by somebody who also made the digest line fit.
std::string forged(const std::string& from, const std::string& to) {
  std::string body = body_of(lock_text(full_lock()));
  const std::size_t at = body.find(from);
  REQUIRE(at != std::string::npos);
  return with_digest(body.replace(at, from.size(), to));
}

std::optional<ErrorKind> kind_of(const std::string& text) {
  return error_kind([&] { (void)parse_lock("runtime.lock", text); });
}

std::string message_of(const std::string& text) {
  return error_text([&] { (void)parse_lock("runtime.lock", text); });
}

}  // namespace

TEST_CASE("every field of a lock reads back as it was written") {
  const Lock lock = full_lock();
  const std::string text = lock_text(lock);
  const Lock back = parse_lock("runtime.lock", text);
  CHECK(back.declared == lock.declared);
  CHECK(back.manifest_digest == lock.manifest_digest);
  CHECK(back.epoch == lock.epoch);
  CHECK(back.corrections == lock.corrections);
  CHECK(back.source_date_epoch == lock.source_date_epoch);
  CHECK(back.resolver == lock.resolver);
  CHECK(back.parts == lock.parts);
  CHECK(back.inputs == lock.inputs);
  CHECK(back.repositories == lock.repositories);
  CHECK(back.layers == lock.layers);
  CHECK(back.removed == lock.removed);
  CHECK(back.wheels == lock.wheels);
  CHECK(back.modules == lock.modules);
  CHECK(back.archives == lock.archives);
  CHECK(back.runs == lock.runs);
  CHECK(back.guest_files == lock.guest_files);
  CHECK(back.manifest_text == lock.manifest_text);
  CHECK(back.manifest.find("runtime")->find("kind")->text == "function");
  CHECK(lock_text(back) == text);
}

TEST_CASE("a lock of nothing is written and read too, without what it does not have") {
  Lock lock;
  lock.epoch = latest_epoch().id;
  lock.manifest_text = "[manifest]\nschema = 1\n";
  const std::string text = lock_text(lock);
  for (const char* absent : {"corrections", "removed", "[python]", "[node]", "[[layer]]", "[[archive]]", "[[run]]"})
    CHECK(text.find(absent) == std::string::npos);
  CHECK(lock_text(parse_lock("runtime.lock", text)) == text);
}

TEST_CASE("a package of a lock is one line, with nothing said that is as always") {
  const std::string text = lock_text(full_lock());
  CHECK(text.find("  { name = \"own\", version = \"1\", arch = \"all\", size = 0, sha256 = \"" + sha256("o").hex() +
                  "\", from = \"file\", path = \"own \\\"x\\\".deb\" },\n") != std::string::npos);
  CHECK(text.find("auto = true, bootstrap = true, identity = \"Q1abc=\", tag = \"edge\" },\n") != std::string::npos);
}

TEST_CASE("any changed, lost or added byte below the digest line is an integrity error") {
  const std::string text = lock_text(full_lock());
  const std::size_t begin = text.size() - body_of(text).size();
  REQUIRE_FALSE(kind_of(text));
  for (std::size_t at = begin; at < text.size(); at += 97) {
    std::string edited = text;
    edited[at] = edited[at] == 'x' ? 'y' : 'x';
    CHECK(kind_of(edited) == ErrorKind::integrity);
  }
  CHECK(kind_of(text.substr(0, text.size() - 1)) == ErrorKind::integrity);
  CHECK(kind_of(text + "\n") == ErrorKind::integrity);
  CHECK(message_of(text + "\n") ==
        "the lock was edited or damaged: its digest line does not fit\n"
        "restore it from version control, or make it again with 'alephc lock'\n");
}

TEST_CASE("a lock without a digest line, or with half of one, is damaged") {
  const std::string text = lock_text(full_lock());
  std::string without = text;
  const std::size_t line = without.find("digest = ");
  without.erase(line, without.find('\n', line) + 1 - line);
  CHECK(kind_of(without) == ErrorKind::integrity);
  CHECK(kind_of("") == ErrorKind::integrity);
  CHECK(kind_of("lock = 1\n") == ErrorKind::integrity);
  CHECK(kind_of(text.substr(0, text.find("digest = ") + 20)) == ErrorKind::integrity);
  std::string upper = text;
  for (std::size_t i = line; upper[i] != '\n'; ++i) upper[i] = static_cast<char>(std::toupper(upper[i]));
  CHECK(kind_of(upper) == ErrorKind::integrity);
}

TEST_CASE("a lock with the ends of lines of another system is damaged") {
  std::string text;
  for (const char c : lock_text(full_lock())) text += c == '\n' ? std::string("\r\n") : std::string(1, c);
  CHECK(kind_of(text) == ErrorKind::integrity);
}

TEST_CASE("a lock of a later version or epoch is not damaged: this alephc is old") {
  const std::string text = lock_text(full_lock());
  std::string later = text;
  later.replace(later.find("lock = 1\n"), 9, "lock = 2\n");
  CHECK(kind_of(later) == ErrorKind::failed);
  CHECK(message_of(later) == "the lock was made by a later alephc\nupdate alephc\n");
  const std::string epoch = "epoch = " + std::to_string(latest_epoch().id.number) + "\n";
  CHECK(kind_of(forged(epoch, "epoch = " + std::to_string(latest_epoch().id.number + 1) + "\n")) == ErrorKind::failed);
}

TEST_CASE("the first locks had no number of their draft") {
  const std::string draft = "draft = " + std::to_string(latest_epoch().id.draft) + "\n";
  CHECK(parse_lock("l", forged(draft, "")).epoch.draft == 1);
  CHECK(kind_of(forged(draft, "draft = \"2\"\n")) == ErrorKind::integrity);
}

TEST_CASE("a field that is missing, or of another type or form, is named and refused") {
  const std::string hash = sha256("b").hex();
  struct Damage {
    std::string from;
    std::string to;
    std::string field;
  };
  for (const Damage& each :
       std::vector<Damage>{{"declared = ", "declarad = ", "declared"},
                           {"manifest_digest = \"", "manifest_digest = \"x", "manifest_digest"},
                           {"source_date_epoch = 1700000000", "source_date_epoch = \"now\"", "source_date_epoch"},
                           {"resolver = \"apt 2.6.1\"", "resolver = 2", "resolver"},
                           {"corrections = [1, 3]", "corrections = [\"1\"]", "corrections"},
                           {"corrections = [1, 3]", "corrections = 1", "corrections"},
                           {"date = 1690000000\n", "", "date"},
                           {"signer = \"ABCD\"", "signer = false", "signer"},
                           {"index = \"" + sha256("i").hex(), "index = \"" + sha256("i").hex().substr(1), "index"},
                           {"name = \"packages\"\n", "", "name"},
                           {"size = 10,", "size = -1,", "size"},
                           {"size = 10,", "size = 1.5,", "size"},
                           {hash, std::string(64, 'A'), "sha256"},
                           {"version = \"5.2\", ", "", "version"},
                           {"from = \"debian/bookworm\", ", "", "from"},
                           {"path = \"pool/b.deb\"", "path = 7", "path"},
                           {"identity = \"Q1abc=\"", "identity = true", "identity"},
                           {"file = \"idna-3.7-py3-none-any.whl\"", "file = \"../idna.whl\"", "file"},
                           {"file = \"idna-3.7-py3-none-any.whl\"", "file = \".hidden.whl\"", "file"},
                           {"file = \"idna-3.7-py3-none-any.whl\"", "file = \"\"", "file"},
                           {"path = \"node_modules/c\"", "path = \"node_modules/../c\"", "path"},
                           {"integrity = \"sha512-y\", ", "", "integrity"},
                           {"layer = \"" + sha256("r").hex() + "\"\n", "", "layer"},
                           {"kind = \"executable\"\n", "", "kind"}}) {
    INFO(each.from << " → " << each.to);
    const std::string text = forged(each.from, each.to);
    CHECK(kind_of(text) == ErrorKind::integrity);
    CHECK(message_of(text) ==
          "the lock's '" + each.field + "' is missing or damaged\nmake it again with 'alephc lock'\n");
  }
}

TEST_CASE("a lock whose digest fits but that is no TOML fails where it stops to be TOML") {
  const auto source = with_digest("declared = \n");
  CHECK(kind_of(source) == ErrorKind::failed);
  CHECK(message_of(source).starts_with("not valid TOML: "));
}

TEST_CASE("a module stays below node_modules of its target") {
  for (const char* good : {"node_modules/a", "node_modules/@s/a", "node_modules/a/node_modules/b"})
    CHECK(is_module_path(good));
  for (const char* bad : {"", "node_modules", "node_modules/", "a", "/node_modules/a", "node_modules/../a",
                          "node_modules/./a", "node_modules//a", "node_modules/a/", "xnode_modules/a"})
    CHECK_FALSE(is_module_path(bad));
  CHECK_FALSE(is_module_path(std::string("node_modules/a\0b", 16)));
}

TEST_CASE("inputs at and below a path are found, and those that only begin alike are not") {
  const std::vector<LockedInput> inputs{{"a", "file", {}},   {"a-b", "file", {}},   {"a.x", "file", {}},
                                        {"a/b", "file", {}}, {"a/c/d", "link", {}}, {"b/a", "file", {}}};
  const auto paths = [&](const std::string& path) {
    std::string out;
    for (const LockedInput& input : inputs_below(inputs, path)) out += input.path + " ";
    return out;
  };
  CHECK(paths("a") == "a a/b a/c/d ");
  CHECK(paths("a/c") == "a/c/d ");
  CHECK(paths("a/") == "");
  CHECK(paths("c") == "");
}

TEST_CASE("the lock stands beside its manifest, and one that is not there is none") {
  CHECK(lock_path_of("/p/runtime.toml") == "/p/runtime.lock");
  CHECK(lock_path_of("dev.x.toml") == "dev.x.lock");
  const TempDir temp(std::filesystem::temp_directory_path(), "alephc-test");
  CHECK_FALSE(read_lock(temp.path() / "runtime.lock"));
  atomic_write(temp.path() / "runtime.lock", lock_text(full_lock()));
  CHECK(read_lock(temp.path() / "runtime.lock")->archives == full_lock().archives);
}

TEST_CASE("above a lock's digest line stand comments and the version, and nothing that would be believed") {
  const std::string text = lock_text(full_lock());
  const auto with = [&](const std::string& line) {
    std::string edited = text;
    return edited.insert(edited.find("digest = "), line + "\n");
  };
  CHECK_FALSE(kind_of(with("# a comment\n")));
  for (const char* line : {"removed = [\"x\"]", "lock = 1", "lock = \"1\"", " x = 1", "[[run]]"}) {
    CAPTURE(line);
    CHECK(kind_of(with(line)) == ErrorKind::integrity);
  }
}

TEST_CASE("an optional field of another type is damage, not absence") {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"auto = true", "auto = 1"},
           {"removed = [\"gcc\", \"make\"]", "removed = \"gcc\""},
           {"removed = [\"gcc\", \"make\"]", "removed = [1]"}}) {
    CAPTURE(to);
    CHECK(kind_of(forged(from, to)) == ErrorKind::integrity);
  }
  Lock lock = full_lock();
  lock.archives.clear();
  const std::string body = body_of(lock_text(lock));
  for (const char* line : {"archive = 5\n", "archive = [5]\n"})
    CHECK(kind_of(with_digest(line + body)) == ErrorKind::integrity);
}

TEST_CASE("a lock in another form than its own is refused, though it says the same") {
  Lock lock = full_lock();
  lock.epoch = latest_epoch().id;
  lock.corrections.clear();
  const std::string body = body_of(lock_text(lock));
  CHECK_NOTHROW(parse_lock("runtime.lock", with_digest(body)));
  const std::size_t manifest = body.find("\n[manifest]\n");
  REQUIRE(manifest != std::string::npos);
  for (const std::string& other : {"foo = \"x\"\n" + body, "# a comment\n" + body, body + "\n[evil]\n", body + "# more\n",
                                   body.substr(0, manifest) + "\n" + body.substr(manifest)})
    CHECK(kind_of(with_digest(other)) == ErrorKind::integrity);
}

// SPDX-License-Identifier: MIT
#include <filesystem>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "lock/lock_file.hpp"
#include "manifest/keys.hpp"
#include "manifest/load.hpp"
#include "manifest/merge.hpp"
#include "manifest/stdlib.hpp"
#include "support/catch.hpp"

using namespace alephc;

namespace {

struct Folder {
  TempDir temp{std::filesystem::temp_directory_path()};
  void put(const std::string& name, const std::string& text) const {
    make_folders((temp.path() / name).parent_path());
    atomic_write(temp.path() / name, text);
  }
  [[nodiscard]] Manifest load() const { return load_manifest(temp.path()); }
};

const std::string kBase = "[base]\ndistro = \"debian\"\nrelease = \"bookworm\"\n";
const std::string kHead = "schema = 1\n[runtime]\nname = \"t\"\n";

std::vector<std::string> names(const std::vector<Text>& texts) {
  std::vector<std::string> out;
  for (const Text& text : texts) out.push_back(text.value);
  return out;
}

std::vector<std::string> problems_of(const Folder& folder) {
  try {
    (void)folder.load();
  } catch (const Error& error) {
    std::vector<std::string> out;
    for (const Diagnostic& item : error.diagnostics()) out.push_back(item.message);
    return out;
  }
  return {};
}

}  // namespace

TEST_CASE("arrays append over parts, the file itself last, without duplicates") {
  const Folder folder;
  folder.put("a.toml", "schema = 1\n[packages]\ninstall = [\"one\", \"two\"]\n");
  folder.put("b.toml", "schema = 1\n[packages]\ninstall = [\"two\", \"three\"]\n");
  folder.put("runtime.toml", "schema = 1\n[runtime]\nname = \"t\"\nextends = [\"a.toml\", \"b.toml\"]\n" +
                                 kBase + "[packages]\ninstall = [\"!one\", \"four\"]\n");
  const Manifest manifest = folder.load();
  CHECK(names(manifest.packages.install) == std::vector<std::string>{"two", "three", "four"});
  CHECK(manifest.parts == std::vector<std::string>{"a.toml", "b.toml", "runtime.toml"});
  CHECK(manifest.packages.install[1].at.source->name == "b.toml");
}

TEST_CASE("entries with the same identity replace in place, enabled = false drops") {
  const Folder folder;
  folder.put("a.toml",
             "schema = 1\n[[file]]\ntarget = \"/a\"\ncontent = \"1\"\n[[file]]\ntarget = \"/b\"\ncontent = "
             "\"1\"\n[[file]]\ntarget = \"/c\"\ncontent = \"1\"\n");
  folder.put("runtime.toml",
             "schema = 1\n[runtime]\nname = \"t\"\nextends = [\"a.toml\"]\n" + kBase +
                 "[[file]]\ntarget = \"/a\"\ncontent = \"2\"\n[[file]]\ntarget = \"/b\"\nenabled = false\n");
  const Manifest manifest = folder.load();
  REQUIRE(manifest.files.size() == 2);
  CHECK(manifest.files[0].target == "/a");
  CHECK(manifest.files[0].content == "2");
  CHECK(manifest.files[1].target == "/c");
}

TEST_CASE("name, version and expect are never inherited") {
  const Folder folder;
  folder.put("a.toml",
             "schema = 1\n[runtime]\nname = \"part\"\nversion = \"9\"\n[expect]\nmax_size = \"1\"\n");
  folder.put("runtime.toml", "schema = 1\n[runtime]\nname = \"t\"\nextends = [\"a.toml\"]\n" + kBase);
  const Manifest manifest = folder.load();
  CHECK(manifest.name == "t");
  CHECK(manifest.version == "0.0.0");
  CHECK_FALSE(manifest.expect.max_size);
}

TEST_CASE("the digest covers what matters and nothing else") {
  const Folder folder;
  folder.put("runtime.toml", kHead + kBase);
  const Manifest plain = folder.load();
  folder.put("runtime.toml", "# a comment\n" + kHead + "version = \"2\"\ndescription = \"d\"\n" + kBase +
                                 "[expect]\nmax_size = \"1M\"\n");
  const Manifest described = folder.load();
  CHECK(plain.digest == described.digest);
  CHECK(plain.declared == described.declared);
  folder.put("runtime.toml", kHead + kBase + "[packages]\ninstall = [\"vim\"]\n");
  CHECK(folder.load().digest != plain.digest);
}

TEST_CASE("a part reached twice counts once, a loop is an error") {
  const Folder folder;
  folder.put("base.toml", "schema = 1\n[packages]\ninstall = [\"x1\"]\n");
  folder.put("a.toml", "schema = 1\n[runtime]\nextends = [\"base.toml\"]\n");
  folder.put("b.toml", "schema = 1\n[runtime]\nextends = [\"base.toml\"]\n");
  folder.put("runtime.toml",
             "schema = 1\n[runtime]\nname = \"t\"\nextends = [\"a.toml\", \"b.toml\"]\n" + kBase);
  CHECK(folder.load().parts.size() == 4);
  folder.put("base.toml", "schema = 1\n[runtime]\nextends = [\"a.toml\"]\n");
  CHECK(problems_of(folder) ==
        std::vector<std::string>{"extends runs in a circle: a.toml → base.toml → a.toml"});
}

TEST_CASE("paths stay inside the project") {
  const Folder folder;
  folder.put("runtime.toml", kHead + kBase +
                                 "[[file]]\ntarget = \"/a\"\nsource = \"../x\"\n[[file]]\ntarget = "
                                 "\"/b\"\nsource = \"link/passwd\"\n");
  std::filesystem::create_directory_symlink("/etc", folder.temp.path() / "link");
  CHECK(problems_of(folder) == std::vector<std::string>{"'../x' leads out of the project",
                                                        "'link/passwd' leads out of the project"});
}

TEST_CASE("a part in a subfolder names its files from there") {
  const Folder folder;
  folder.put("parts/p.toml", "schema = 1\n[[file]]\ntarget = \"/a\"\nsource = \"data\"\n");
  folder.put("parts/data", "x");
  folder.put("runtime.toml", "schema = 1\n[runtime]\nname = \"t\"\nextends = [\"parts/p.toml\"]\n" + kBase);
  CHECK(folder.load().files.at(0).content == "parts/data");
}

TEST_CASE("a lock reads back as it was written") {
  const Folder folder;
  folder.put(
      "runtime.toml",
      kHead + kBase + "[[run]]\nname = \"r\"\nscript = '''\n#!/bin/sh\necho \"[manifest]\" '\\n'\n'''\n");
  const Manifest manifest = folder.load();
  Lock lock;
  lock.declared = manifest.declared;
  lock.manifest_digest = manifest.digest;
  lock.source_date_epoch = 1700000000;
  lock.resolver = "apt 2.6.1";
  lock.parts = {{"stdlib:debian/x", "schema = 1\n\n[runtime]\nname = \"x\"\n"}};
  lock.inputs = {{"files/a", "file", sha256("a")}};
  lock.repositories = {{"debian", "bookworm", 1700000000, sha256("i"), "ABCD", true}};
  lock.layers = {
      {"packages", {{"bash", "5.2", "amd64", 10, sha256("b"), "debian/bookworm", "pool/b.deb", true, true}}}};
  lock.removed = {"gcc"};
  lock.archives = {{"tool", 5, sha256("t")}};
  const auto source = std::make_shared<const SourceText>(SourceText{"m", manifest.text});
  lock.manifest_text = canonical_text(parse_toml(source), "manifest.");
  const std::string text = lock_text(lock);
  const Lock back = parse_lock("runtime.lock", text);
  CHECK(lock_text(back) == text);
  CHECK(back.layers == lock.layers);
  CHECK(back.repositories == lock.repositories);
  CHECK(canonical_text(back.manifest) == manifest.text);
  CHECK(back.parts == lock.parts);

  std::string edited = text;
  edited.replace(edited.find("5.2"), 3, "5.3");
  CHECK_THROWS_AS(parse_lock("runtime.lock", edited), Error);
}

TEST_CASE("every part of the stdlib is in its history, which never loses a row") {
  for (const std::string& name : stdlib_names()) {
    INFO(name << ": add a line to stdlib-recipes/history.txt");
    CHECK(is_stdlib_text(name, sha256(*stdlib_part(name))));
  }
  CHECK_FALSE(is_stdlib_text("debian/slim", sha256("other")));
}

TEST_CASE("a recorded part of the stdlib stands in for this alephc's") {
  const Folder folder;
  folder.put("runtime.toml",
             "schema = 1\n[runtime]\nname = \"t\"\nextends = [\"stdlib:debian/slim\"]\n" + kBase);
  const Manifest now = folder.load();
  REQUIRE(now.stdlib.size() == 1);
  const Manifest then = load_manifest(folder.temp.path(), {{"stdlib:debian/slim", "schema = 1\n"}});
  CHECK(then.declared == now.declared);
  CHECK(then.digest != now.digest);
  CHECK(then.packages.exclude_paths.empty());
}

TEST_CASE("every format pattern compiles and says what is wrong") {
  CHECK_FALSE(format_problem(Format::name, "debian-12"));
  CHECK(format_problem(Format::name, "Debian"));
  CHECK_FALSE(format_problem(Format::package_request, "libstdc++6:amd64=12.2.0-14"));
  CHECK(format_problem(Format::package_request, "foo bar"));
  CHECK(format_problem(Format::package_request, "^foo"));
  CHECK_FALSE(format_problem(Format::absolute_path, "/etc/x"));
  CHECK(format_problem(Format::absolute_path, "/etc/../x"));
  CHECK(format_problem(Format::absolute_path, "/"));
  CHECK(format_problem(Format::absolute_path, "/a/"));
  CHECK(format_problem(Format::snapshot_date, "2026"));
}

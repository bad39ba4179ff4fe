// SPDX-License-Identifier: MIT
// How parts of a manifest become one, and the canonical text that keys and locks are made from.
#include "manifest/merge.hpp"

#include <filesystem>

#include "base/files.hpp"
#include "manifest/load.hpp"
#include "manifest/stdlib.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

const std::string kNone = "[base]\ndistro = \"none\"\n";
const std::string kDebian = "[base]\ndistro = \"debian\"\nrelease = \"bookworm\"\n";

/// A project of one runtime.toml and the parts a, b … that it extends in this order.
struct Parts {
  TempDir temp{fs::temp_directory_path(), "alephc-test"};

  explicit Parts(const std::string& own, const Lines& parts = {}) {
    std::string extends;
    char letter = 'a';
    for (const std::string& text : parts) {
      const std::string name = std::string(1, letter++) + ".toml";
      put(name, "schema = 1\n" + text);
      extends += (extends.empty() ? "" : ", ") + ("\"" + name + "\"");
    }
    put("runtime.toml", "schema = 1\n[runtime]\nname = \"t\"\nextends = [" + extends + "]\n" + own);
  }
  void put(const std::string& name, const std::string& text) const {
    make_folders((temp.path() / name).parent_path());
    atomic_write(temp.path() / name, text);
  }
  [[nodiscard]] Manifest load() const { return load_manifest(temp.path()); }
  [[nodiscard]] std::string problems() const {
    return error_text([&] { (void)load(); });
  }
};

Lines values(const std::vector<Text>& texts) {
  Lines out;
  for (const Text& text : texts) out.push_back(text.value);
  return out;
}

Lines names(const std::vector<RunSpec>& runs) {
  Lines out;
  for (const RunSpec& run : runs) out.push_back(run.name);
  return out;
}

std::string canonical(const std::string& toml, const std::string& prefix = {}) {
  return canonical_text(parse_toml(std::make_shared<const SourceText>(SourceText{"m", toml})), prefix);
}

}  // namespace

TEST_CASE("what is taken back and given again stands at its new place") {
  const Parts parts(kDebian + "[packages]\ninstall = [\"!a\", \"d\", \"a\"]\n",
                    {"[packages]\ninstall = [\"a\", \"b\"]\n", "[packages]\ninstall = [\"!b\", \"c\"]\n"});
  CHECK(values(parts.load().packages.install) == Lines{"c", "d", "a"});
}

TEST_CASE("taking back what no part before has is an error that guesses what was meant") {
  const Parts parts(kDebian + "[packages]\ninstall = [\"!vimm\"]\n", {"[packages]\ninstall = [\"vim\"]\n"});
  CHECK(parts.problems() == "'!vimm' takes back nothing: no part before has 'vimm'\ndid you mean 'vim'?\n");
  // What comes later is not before.
  const Parts late(kDebian, {"[packages]\ninstall = [\"!vim\"]\n", "[packages]\ninstall = [\"vim\"]\n"});
  CHECK(late.problems().starts_with("'!vim' takes back nothing"));
}

TEST_CASE("'!' in excluded paths is dpkg's and takes nothing back") {
  const Parts parts(kDebian + "[packages]\nexclude_paths = [\"!/usr/share/doc/a\", \"/usr/share/doc/*\"]\n",
                    {"[packages]\nexclude_paths = [\"/usr/share/doc/*\"]\n"});
  CHECK(parts.load().packages.exclude_paths == Lines{"/usr/share/doc/*", "!/usr/share/doc/a"});
}

TEST_CASE("package files are the same by path or address") {
  const std::string hash(64, 'a');
  const std::string other(64, 'b');
  const auto remote = [](const std::string& url, const std::string& sha) {
    return "{ url = \"https://h/" + url + "\", sha256 = \"" + sha + "\" }";
  };
  const Parts parts(kDebian + "[packages]\nfiles = [\"!x.deb\", " + remote("new", other) + "]\n",
                    {"[packages]\nfiles = [\"x.deb\", \"y.deb\", " + remote("new", hash) + "]\n"});
  const std::vector<PackageFile> files = parts.load().packages.files;
  REQUIRE(files.size() == 2);
  CHECK(files[0].path == "y.deb");
  CHECK(files[1].url == "https://h/new");
  CHECK(files[1].sha256.hex() == hash);
}

TEST_CASE("image_sources, addresses and levels are replaced as a whole") {
  const Parts parts(
      kDebian +
          "image_sources = [\"deb http://own s main\"]\n[python]\noptimize = [1]\n"
          "[[archive]]\nname = \"t\"\ntarget = \"/t\"\nurl = [\"https://own/t\"]\n",
      {"[base]\nimage_sources = [\"deb http://part s main\"]\n[python]\noptimize = [0, 2]\n"
       "[[archive]]\nname = \"t\"\ntarget = \"/t\"\nstrip = 3\nurl = [\"https://a/t\", \"https://b/t\"]\n"});
  const Manifest manifest = parts.load();
  CHECK(manifest.base.image_sources == Lines{"deb http://own s main"});
  CHECK(manifest.python.optimize == std::vector<int>{1});
  REQUIRE(manifest.archives.size() == 1);
  CHECK(manifest.archives[0].urls == Lines{"https://own/t"});
  CHECK(manifest.archives[0].strip == 0);  // an entry replaces the other, key for key is not merged
}

TEST_CASE("variables of the init merge by name, those of a run are replaced with it") {
  const std::string run = "[[run]]\nname = \"r\"\nscript = \"\"\n";
  const Parts parts(kNone + "[init.env]\nB = \"own\"\nC = \"own\"\n" + run + "env = { Y = \"own\" }\n",
                    {"[init.env]\nA = \"part\"\nB = \"part\"\n" + run + "env = { X = \"part\" }\n"});
  const Manifest manifest = parts.load();
  CHECK(manifest.init.env == std::map<std::string, std::string>{{"A", "part"}, {"B", "own"}, {"C", "own"}});
  CHECK(manifest.runs.at(0).env == std::map<std::string, std::string>{{"Y", "own"}});
}

TEST_CASE("runs keep the order of the parts: replaced in place, dropped, and back again") {
  const auto run = [](const std::string& name, const std::string& rest = "script = \"\"\n") {
    return "[[run]]\nname = \"" + name + "\"\n" + rest;
  };
  const std::string three = run("one") + run("two") + run("three");
  CHECK(names(Parts(kNone + run("four") + run("two", "script = \"new\"\n"), {three}).load().runs) ==
        Lines{"one", "two", "three", "four"});
  CHECK(names(Parts(kNone + run("two", "enabled = false\n"), {three}).load().runs) == Lines{"one", "three"});
  CHECK(names(Parts(kNone + run("two", "script = \"x\"\nenabled = true\n"), {three, run("two", "enabled = false\n")})
                  .load()
                  .runs) == Lines{"one", "two", "three"});
}

TEST_CASE("a dropped entry needs its name only, one that is kept needs all") {
  CHECK(Parts(kNone + "[[archive]]\nname = \"t\"\nenabled = false\n",
              {"[[archive]]\nname = \"t\"\ntarget = \"/t\"\nurl = \"https://h/t\"\n"})
            .load()
            .archives.empty());
  CHECK(Parts(kNone + "[[archive]]\nname = \"t\"\n").problems().starts_with("'target' is missing in [[archive]]"));
  CHECK(Parts(kNone + "[[archive]]\nenabled = false\n").problems().starts_with("'name' is missing in [[archive]]"));
}

TEST_CASE("what is dropped is in the digest as if it had never been, and the dropping is declared") {
  const Parts with(kNone + "[[run]]\nname = \"r\"\nenabled = false\n", {"[[run]]\nname = \"r\"\nscript = \"\"\n"});
  const Parts without(kNone, {"[[run]]\nname = \"r\"\nscript = \"\"\n"});
  const Parts never(kNone);
  CHECK(with.load().text == never.load().text);
  CHECK(with.load().digest != without.load().digest);
  CHECK(with.load().declared != without.load().declared);
}

TEST_CASE("parts are merged depth first, and plain values are the last one's") {
  const Parts parts(kNone + "[system]\nhostname = \"own\"\n", {"[system]\nhostname = \"a\"\ntimezone = \"A\"\n"});
  parts.put("deep/base.toml", "schema = 1\n[system]\ntimezone = \"deep\"\nlocale = \"deep\"\n");
  parts.put("a.toml",
            "schema = 1\n[runtime]\nextends = [\"deep/base.toml\"]\n[system]\nhostname = \"a\"\ntimezone = \"A\"\n");
  const Manifest manifest = parts.load();
  CHECK(manifest.parts == Lines{"deep/base.toml", "a.toml", "runtime.toml"});
  CHECK(manifest.system.hostname == "own");
  CHECK(manifest.system.timezone == "A");
  CHECK(manifest.system.locale == "deep");
}

TEST_CASE("parts that are missing, outside or unknown are told at the line that names them") {
  const auto problem = [](const std::string& part) {
    const Parts parts(kNone);
    parts.put("runtime.toml", "schema = 1\n[runtime]\nname = \"t\"\nextends = [\"" + part + "\"]\n" + kNone);
    try {
      (void)parts.load();
    } catch (const Error& error) {
      const Diagnostic& first = error.diagnostics().front();
      return std::to_string(first.at->line) + ":" + std::to_string(first.at->column) + " " + first.message;
    }
    return std::string("none");
  };
  CHECK(problem("no.toml") == "4:12 no such file: 'no.toml'");
  CHECK(problem("../x.toml") == "4:12 '../x.toml' leads out of the project");
  CHECK(problem("/x.toml") == "4:12 '/x.toml' is absolute; paths are relative to the file that declares them");
  CHECK(problem("stdlib:debian/slimm") == "4:12 unknown part 'stdlib:debian/slimm'");
  CHECK(problem("runtime.toml") == "4:12 extends runs in a circle: runtime.toml → runtime.toml");
}

TEST_CASE("a path may lead out of its folder, but not out of the git work tree") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  make_folders(temp.path() / "work/.git");
  make_folders(temp.path() / "work/a");
  const auto load = [&](const std::string& source) {
    atomic_write(temp.path() / "work/a/runtime.toml", "schema = 1\n[runtime]\nname = \"t\"\n" + kNone +
                                                          "[[file]]\ntarget = \"/x\"\nsource = \"" + source + "\"\n");
    return load_manifest(temp.path() / "work/a").files.at(0).content;
  };
  CHECK(load("../shared/file") == "../shared/file");
  CHECK(load("./sub/../file/") == "file");
  CHECK_THROWS_AS(load("../../outside"), Error);
}

TEST_CASE("a recorded part of the stdlib has no files and extends the stdlib only") {
  const Parts parts(kNone);
  parts.put("runtime.toml", "schema = 1\n[runtime]\nname = \"t\"\nextends = [\"stdlib:x\"]\n" + kNone);
  const auto load = [&](const std::string& text) {
    return error_text([&] { (void)load_manifest(parts.temp.path(), {{"stdlib:x", "schema = 1\n" + text}}); });
  };
  CHECK(load("").empty());
  CHECK(load("[[file]]\ntarget = \"/a\"\nsource = \"b\"\n") == "a stdlib part has no files of its own\n");
  CHECK(load("[runtime]\nextends = [\"b.toml\"]\n") == "a stdlib part can extend stdlib parts only\n");
}

TEST_CASE("the canonical text has the order of the key table, whatever the order of the file") {
  CHECK(canonical("[[run]]\nscript = \"a\\\"b\\n\"\nname = \"r\"\n[runtime]\nkind = \"function\"\nname = \"gone\"\n"
                  "description = \"gone\"\n[expect]\nmax_size = \"1\"\n[init.env]\nB = \"2\"\n\"A\" = \"1\"\n"
                  "[packages]\ninstall = [\"x\", \"y\"]\nremove = []\nrecommends = true\n[base]\n"
                  "distro = \"debian\"\n[system]\n[image]\nlevel = 9\n") ==
        "\n[runtime]\nkind = \"function\"\n"
        "\n[base]\ndistro = \"debian\"\n"
        "\n[packages]\ninstall = [\n  \"x\",\n  \"y\",\n]\nremove = []\nrecommends = true\n"
        "\n[[run]]\nname = \"r\"\nscript = \"a\\\"b\\n\"\n"
        "\n[init]\nenv = { A = \"1\", B = \"2\" }\n"
        "\n[image]\nlevel = 9\n");
}

TEST_CASE("a canonical text reads back as itself, also behind a prefix") {
  const std::string text = canonical(
      "schema = 1\n[[init.plugin]]\nname = \"p\"\nstage = \"boot\"\nexec = [\"/bin/sh\", \"-c\", \"a\\tb\\u0001\"]\n"
      "[packages]\nfiles = [\"a.deb\", { url = \"https://h/x\", sha256 = \"00\" }]\n[init]\nenv = { a-b = \"c\" }\n");
  CHECK(canonical(text) == text);
  const std::string prefixed = canonical(text, "manifest.");
  CHECK(prefixed.starts_with("[manifest]\nschema = 1\n"));
  CHECK(prefixed.find("\n[[manifest.init.plugin]]\n") != std::string::npos);
  const Value back = parse_toml(std::make_shared<const SourceText>(SourceText{"m", prefixed}));
  REQUIRE(back.find("manifest") != nullptr);
  CHECK(canonical_text(*back.find("manifest")) == text);
  CHECK(find_table(back, "manifest.init.plugin")->items.size() == 1);
  CHECK(find_table(back, "manifest.boot") == nullptr);
}

TEST_CASE("what a manifest leaves out has the documented defaults") {
  const Manifest manifest = Parts(kDebian +
                                  "[[run]]\nname = \"r\"\nscript = \"\"\n[[user]]\nname = \"u\"\n"
                                  "[[init.plugin]]\nname = \"p\"\nstage = \"boot\"\nexec = [\"/x\"]\n"
                                  "[[init.service]]\nname = \"s\"\nexec = [\"/x\"]\n"
                                  "[[file]]\ntarget = \"/a\"\ncontent = \"\"\n")
                                .load();
  CHECK(manifest.version == "0.0.0");
  CHECK(manifest.kind == "function");
  CHECK(manifest.base.arch == "amd64");
  CHECK(manifest.base.components == Lines{"main"});
  CHECK(manifest.base.check_valid_until);
  CHECK_FALSE(manifest.packages.recommends);
  CHECK(manifest.runs[0].user == "root");
  CHECK_FALSE(manifest.runs[0].network);
  CHECK(manifest.users[0].home == "/home/u");
  CHECK(manifest.users[0].shell == "/bin/sh");
  CHECK_FALSE(manifest.users[0].uid);
  CHECK(manifest.init.plugins[0].timeout_ms == 5000);
  CHECK(manifest.init.plugins[0].fails);
  CHECK_FALSE(manifest.init.services[0].oneshot);
  CHECK_FALSE(manifest.init.services[0].restart);
  CHECK(manifest.files[0].owner == "root:root");
  CHECK_FALSE(manifest.files[0].mode);
  CHECK(manifest.image.format == "squashfs");
  CHECK(manifest.image.block_size == 131072);
  CHECK(manifest.image.embed_recipe);
}

TEST_CASE("what a manifest says arrives with its type") {
  const Manifest manifest =
      Parts(
          kDebian +
          "[[repository]]\nname = \"r\"\nurl = \"https://h\"\nsuite = \"s\"\nkey = \"k\"\n"
          "fingerprint = \"0123 4567 89ab cdef 0123  4567 89ab cdef 0123 4567\"\n"
          "[[archive]]\nname = \"t\"\nversion = \"1.2\"\nurl = [\"https://h/{version}/t-{version}\"]\n"
          "target = \"/opt/t-{version}\"\n"
          "[[file]]\ntarget = \"/a\"\nlink = \"b\"\nbefore = \"packages\"\n"
          "[[file]]\ntarget = \"/d\"\ndir = true\nmode = \"1777\"\n"
          "[[init.plugin]]\nname = \"p\"\nstage = \"boot\"\nexec = [\"/x\"]\ntimeout = \"250ms\"\non_error = \"warn\"\n"
          "[expect]\nmax_size = \"120M\"\ntree = \"2:" +
          std::string(64, 'a') + "\"\n")
          .load();
  CHECK(manifest.repositories[0].fingerprint == "0123456789ABCDEF0123456789ABCDEF01234567");
  CHECK(manifest.repositories[0].components == Lines{"main"});
  CHECK(manifest.archives[0].urls == Lines{"https://h/1.2/t-1.2"});
  CHECK(manifest.archives[0].target == "/opt/t-1.2");
  CHECK(manifest.files[0].kind == FileSpec::Kind::link);
  CHECK(manifest.files[0].before_packages);
  CHECK(manifest.files[1].kind == FileSpec::Kind::folder);
  CHECK(manifest.files[1].mode == 01777);
  CHECK(manifest.init.plugins[0].timeout_ms == 250);
  CHECK_FALSE(manifest.init.plugins[0].fails);
  CHECK(manifest.expect.max_size == 120ULL << 20U);
  CHECK(manifest.expect.tree == "2:" + std::string(64, 'a'));
}

TEST_CASE("a manifest is found in its folder or by its name, and else the command line is wrong") {
  const Parts parts(kNone);
  CHECK(find_manifest(parts.temp.path()) == parts.temp.path() / "runtime.toml");
  CHECK(find_manifest(parts.temp.path() / "runtime.toml") == parts.temp.path() / "runtime.toml");
  make_folders(parts.temp.path() / "empty");
  CHECK(error_kind([&] { (void)find_manifest(parts.temp.path() / "empty"); }) == ErrorKind::usage);
  CHECK(error_kind([&] { (void)find_manifest(parts.temp.path() / "missing.toml"); }) == ErrorKind::usage);
}

TEST_CASE("a part takes a package file back that another names by address") {
  const std::string remote = "{ url = \"https://h/x\", sha256 = \"" + std::string(64, 'a') + "\" }";
  const Parts parts(kDebian, {"[packages]\nfiles = [\"y.deb\", " + remote + "]\n",
                              "[packages]\nfiles = [\"!https://h/x\"]\n"});
  const std::vector<PackageFile> files = parts.load().packages.files;
  REQUIRE(files.size() == 1);
  CHECK(files[0].path == "y.deb");
}

// SPDX-License-Identifier: MIT
// Which files of a project count as inputs, for every key that names one.
#include <filesystem>

#include "base/files.hpp"
#include "manifest/load.hpp"
#include "project/read_project.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

constexpr const char* kHead =
    "schema = 1\n[runtime]\nname = \"t\"\n[base]\ndistro = \"debian\"\nrelease = \"bookworm\"\n";

struct Project {
  TestStore test{};
  fs::path folder = test.folder() / "project";

  void put(const std::string& path, const std::string& text, mode_t mode = 0644) const {
    make_folders((folder / path).parent_path());
    atomic_write(folder / path, text, mode);
  }
  [[nodiscard]] Manifest load(const std::string& tables) const {
    put("runtime.toml", kHead + tables);
    return load_manifest(folder);
  }
  [[nodiscard]] Lines inputs(const std::string& tables) const {
    Manifest manifest = load(tables);
    Lines out;
    for (const LockedInput& input : read_project(manifest, test.store)) out.push_back(input.path + " " + input.kind);
    return out;
  }
};

constexpr const char* kEvery = R"(keyring = "keyring"
[packages]
files = [
  "own.deb",
  { url = "https://h/x.deb", sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
]
[[repository]]
name = "r"
url = "https://h"
suite = "s"
key = "repository-key"
fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"
[python]
requirements_files = ["requirements"]
constraints_files = ["constraints"]
lock_files = ["uv.lock"]
[node]
lockfile = "package-lock"
[[archive]]
name = "a"
source = "archive"
target = "/a"
[[file]]
target = "/f"
source = "file"
[[run]]
name = "r"
source = "script"
inputs = ["input"]
[init]
sdk_plugins = "sdk"
init0_plugin = "init0"
[[init.plugin]]
name = "p"
stage = "boot"
source = "plugin"
files = ["helper"]
)";

}  // namespace

TEST_CASE("whatever a manifest names of its project is read, sorted by path, and nothing else") {
  const Project project;
  const Lines names{"archive",        "constraints",  "file",    "helper",       "init0",
                    "input",          "keyring",      "own.deb", "package-lock", "plugin",
                    "repository-key", "requirements", "script",  "sdk",          "uv.lock"};
  Lines wanted;
  for (const std::string& name : names) {
    project.put(name, name);
    wanted.push_back(name + " file");
  }
  project.put("nobody names this", "x");
  CHECK(project.inputs(kEvery) == wanted);
  Manifest manifest = project.load(kEvery);
  (void)read_project(manifest, project.test.store);
  for (const std::string& name : names) CHECK(read_file(manifest.content_of(name)) == name);
  CHECK(error_kind([&] { (void)manifest.content_of("nobody names this"); }) == ErrorKind::bug);
}

TEST_CASE("each named file that is missing is told at the line that names it") {
  const Project project;
  const std::string text =
      std::string(kHead) + "[[run]]\nname = \"r\"\nscript = \"\"\ninputs = [\"there\", \"missing\"]\n";
  project.put("there", "x");
  Manifest manifest = project.load(text.substr(std::string(kHead).size()));
  try {
    (void)read_project(manifest, project.test.store);
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::failed);
    CHECK(std::string(error.what()) == "no such file: 'missing'");
    CHECK(error.diagnostics().front().at->line == 8);
  }
}

TEST_CASE("only the owner's right to execute makes a program, and no other mode counts") {
  const Project project;
  project.put("d/owner", "x", 0744);
  project.put("d/others", "x", 0655);
  project.put("d/secret", "x", 0600);
  CHECK(project.inputs("[[file]]\ntarget = \"/d\"\nsource = \"d\"\n") ==
        Lines{"d/others file", "d/owner executable", "d/secret file"});
}

TEST_CASE("a path that is named twice is one input") {
  const Project project;
  project.put("d/a", "x");
  project.put("d/b", "x");
  CHECK(project.inputs(
            "[[file]]\ntarget = \"/d\"\nsource = \"d\"\n[[run]]\nname = \"r\"\nsource = \"d/a\"\ninputs = [\"d\"]\n") ==
        Lines{"d/a file", "d/b file"});
}

TEST_CASE("in a git work tree a project may name what lies beside its folder, by the path it wrote") {
  const TestStore test;
  const fs::path work = test.folder() / "work";
  make_folders(work / ".git");
  make_folders(work / "a");
  make_folders(work / "shared");
  atomic_write(work / "shared/file", "shared");
  atomic_write(work / "a/runtime.toml",
               std::string(kHead) + "[[file]]\ntarget = \"/f\"\nsource = \"../shared/file\"\n");
  Manifest manifest = load_manifest(work / "a");
  CHECK(read_project(manifest, test.store) == std::vector<LockedInput>{{"../shared/file", "file", sha256("shared")}});
  fs::remove(work / "shared/file");
  fs::create_symlink("/etc/hostname", work / "shared/file");
  CHECK(error_text([&] {
          (void)read_project(manifest, test.store);
        }).starts_with("'../shared/file' leads out of the project\n"));
}

TEST_CASE("a link below a named folder stays a link, to wherever it leads") {
  const Project project;
  project.put("d/file", "x");
  fs::create_symlink("/nowhere", project.folder / "d/broken");
  fs::create_directory_symlink(".", project.folder / "d/loop");
  Manifest manifest = project.load("[[file]]\ntarget = \"/d\"\nsource = \"d\"\n");
  CHECK(read_project(manifest, project.test.store) == std::vector<LockedInput>{{"d/broken", "link", sha256("/nowhere")},
                                                                               {"d/file", "file", sha256("x")},
                                                                               {"d/loop", "link", sha256(".")}});
  CHECK(project.test.store.read_blob(sha256("/nowhere")) == "/nowhere");
}

TEST_CASE("a folder that is nested without end is refused, one of 100 levels is not") {
  const Project project;
  std::string deep = "d";
  for (int i = 0; i < 100; ++i) deep += "/d";
  make_folders(project.folder / deep);
  const std::string tables = "[[file]]\ntarget = \"/d\"\nsource = \"d\"\n";
  CHECK(project.inputs(tables) == Lines{deep + " folder"});
  for (int i = 0; i < 100; ++i) deep += "/d";
  make_folders(project.folder / deep);
  CHECK(error_text([&] { (void)project.inputs(tables); }).find("' is nested too deep\n") != std::string::npos);
}

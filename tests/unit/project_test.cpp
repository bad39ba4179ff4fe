// SPDX-License-Identifier: MIT
#include <filesystem>

#include <sys/stat.h>

#include "base/files.hpp"
#include "manifest/load.hpp"
#include "project/read_project.hpp"
#include "support/catch.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

/// A project in a folder, with a store beside it.
struct TestProject {
  TempDir temp{fs::temp_directory_path(), "alephc-test"};
  fs::path folder = temp.path() / "project";
  Store store{temp.path() / "store"};

  explicit TestProject(const std::string& tables) {
    make_folders(folder);
    atomic_write(folder / "runtime.toml",
                 "schema = 1\n[runtime]\nname = \"t\"\n[base]\ndistro = \"none\"\n[init]\nprogram = \"none\"\n" + tables);
  }

  void put(const std::string& path, const std::string& text, mode_t mode = 0644) const {
    make_folders((folder / path).parent_path());
    atomic_write(folder / path, text, mode);
  }

  /// "path kind" of each input.
  [[nodiscard]] std::vector<std::string> inputs() const {
    Manifest manifest = load_manifest(folder);
    std::vector<std::string> lines;
    for (const LockedInput& input : read_project(manifest, store)) lines.push_back(input.path + " " + input.kind);
    return lines;
  }

  [[nodiscard]] std::string problem() const {
    try {
      (void)inputs();
      return "none";
    } catch (const Error& error) {
      return error.diagnostics().front().message;
    }
  }
};

constexpr const char* kData = "[[file]]\ntarget = \"/srv/data\"\nsource = \"data\"\n";

}  // namespace

TEST_CASE("files, links and empty folders of a project are its inputs") {
  const TestProject project(kData);
  project.put("data/b/run.sh", "#!/bin/sh\n", 0755);
  project.put("data/a", "x");
  make_folders(project.folder / "data/empty");
  make_folders(project.folder / "data/.git/objects");
  fs::create_symlink("/srv/elsewhere", project.folder / "data/link");
  CHECK(project.inputs() == std::vector<std::string>{"data/a file", "data/b/run.sh executable", "data/empty folder",
                                                     "data/link link"});
  fs::remove(project.folder / "data/empty");
  CHECK(project.inputs() ==
        std::vector<std::string>{"data/a file", "data/b/run.sh executable", "data/link link"});
}

TEST_CASE("what was read of a project stays what it was") {
  const TestProject project(kData);
  project.put("data", "first");
  Manifest manifest = load_manifest(project.folder);
  const std::vector<LockedInput> inputs = read_project(manifest, project.store);
  project.put("data", "swapped");
  REQUIRE(inputs.size() == 1);
  CHECK(inputs.front().sha256 == sha256("first"));
  CHECK(project.store.read_blob(inputs.front().sha256) == "first");
  CHECK(read_file(manifest.content_of("data")) == "first");
}

TEST_CASE("a declared path may be a link within the project and counts with its content") {
  const TestProject project(kData);
  project.put("real", "one");
  fs::create_symlink("real", project.folder / "data");
  Manifest manifest = load_manifest(project.folder);
  CHECK(read_project(manifest, project.store) == std::vector<LockedInput>{{"data", "file", sha256("one")}});
  project.put("real", "two");
  CHECK(read_project(manifest, project.store) == std::vector<LockedInput>{{"data", "file", sha256("two")}});
}

TEST_CASE("an input that is missing, special or outside the project is an error") {
  const TestProject project(kData);
  CHECK(project.problem() == "no such file: 'data'");
  REQUIRE(::mkfifo((project.folder / "data").c_str(), 0600) == 0);
  CHECK(project.problem() == "'data' is not a file, folder or symlink");
  fs::remove(project.folder / "data");
  // Swapped between the check of the manifest and the reading.
  project.put("data", "x");
  Manifest manifest = load_manifest(project.folder);
  fs::remove(project.folder / "data");
  fs::create_symlink("/etc/hostname", project.folder / "data");
  CHECK_THROWS_AS(read_project(manifest, project.store), Error);
}

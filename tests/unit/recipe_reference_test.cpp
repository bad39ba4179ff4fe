// SPDX-License-Identifier: MIT
// Where a published image's recipe is: its receipt, its project and that one's git repository.
#include "network/recipe_reference.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/reporter.hpp"
#include "base/subprocess.hpp"
#include "evidence/receipt.hpp"
#include "network/git.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;

/// A folder with a git repository in it, made by git itself with nobody's configuration.
struct Repository {
  TempDir temp{fs::temp_directory_path(), "alephc-test"};
  Reporter reporter{Verbosity::quiet, ColorMode::never, false};

  [[nodiscard]] fs::path top() const { return temp.path() / "project"; }
  void put(const std::string& name, const std::string& text, mode_t mode = 0644) const {
    make_folders((top() / name).parent_path());
    atomic_write(top() / name, text, mode);
  }
  std::string git(std::vector<std::string> arguments) const {
    make_folders(top());
    const auto program = find_program("git");
    REQUIRE(program);
    arguments.insert(arguments.begin(), {*program, "-C", top().string()});
    const CommandResult result = run_command({.argv = arguments,
                                              .environment = {{"PATH", "/usr/bin:/bin"},
                                                              {"GIT_CONFIG_GLOBAL", "/dev/null"},
                                                              {"GIT_CONFIG_NOSYSTEM", "1"},
                                                              {"GIT_AUTHOR_NAME", "A"},
                                                              {"GIT_AUTHOR_EMAIL", "a@example.org"},
                                                              {"GIT_COMMITTER_NAME", "A"},
                                                              {"GIT_COMMITTER_EMAIL", "a@example.org"}}});
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    return result.output.substr(0, result.output.find('\n'));
  }
  /// The hash of a commit of everything.
  std::string commit() const {
    git({"add", "--all"});
    git({"commit", "--quiet", "--message", "x"});
    return git({"rev-parse", "HEAD"});
  }
  [[nodiscard]] WorkTree tree(const std::string& folder = "") {
    const auto found = read_work_tree(top() / folder, reporter);
    REQUIRE(found);
    return *found;
  }
};

const std::string kManifest =
    "schema = 1\n[runtime]\nname = \"t\"\nkind = \"instance\"\n[base]\ndistro = \"debian\"\nrelease = \"bookworm\"\n";
const Digest kImage = sha256("image");

/// A repository with a project and an image that was built by its lock.
struct Project : Repository {
  Project() {
    git({"init", "--quiet"});
    put("runtimes/runtime.toml", kManifest);
    put("runtimes/runtime.lock", "the lock");
    put_receipt("the lock");
  }
  void put_receipt(const std::string& lock) const {
    const Receipt receipt{.name = "t",
                          .lock = sha256(lock),
                          .epoch = 3,
                          .image = {.sha256 = kImage, .size = 5, .tree = {.v2 = sha256("tree")}}};
    atomic_write(image().string() + ".receipt.json", receipt_text(receipt));
  }
  [[nodiscard]] fs::path image() const { return temp.path() / "image"; }
  [[nodiscard]] ImageRecipe recipe(const Digest& image_hash = kImage) {
    return recipe_of_image(image(), image_hash, top() / "runtimes", reporter);
  }
};

}  // namespace

TEST_CASE("a folder outside of a repository has no work tree") {
  Repository repository;
  make_folders(repository.top());
  CHECK_FALSE(read_work_tree(repository.top(), repository.reporter));
}

TEST_CASE("a repository before its first commit has no revision, and changes") {
  Repository repository;
  repository.git({"init", "--quiet"});
  const WorkTree tree = repository.tree();
  CHECK(tree.top == fs::canonical(repository.top()));
  CHECK(tree.revision.empty());
  CHECK(tree.remote.empty());
  CHECK(tree.has_changes);
}

TEST_CASE("changed, new, staged and removed files of the project's folder are changes, others are not") {
  Repository repository;
  repository.git({"init", "--quiet"});
  repository.put("project/a", "a");
  repository.put("project/.gitignore", "*.img\n");
  repository.put("other/b", "b");
  const std::string revision = repository.commit();
  const auto has_changes = [&] { return repository.tree("project").has_changes; };
  CHECK(repository.tree("project").revision == revision);
  CHECK_FALSE(has_changes());
  repository.put("other/b", "changed");
  repository.put("project/x.img", "ignored");
  repository.put("project/mine", "excluded for this clone alone");
  atomic_write(repository.top() / ".git/info/exclude", "mine\n");
  CHECK_FALSE(has_changes());
  CHECK(repository.tree("other").has_changes);
  repository.put("project/new", "new");
  CHECK(has_changes());
  repository.git({"add", "project/new"});
  CHECK(has_changes());
  const std::string next = repository.commit();
  CHECK(repository.tree("project").revision == next);
  CHECK_FALSE(has_changes());
  repository.put("project/a", "b");
  CHECK(has_changes());
  fs::remove(repository.top() / "project/a");
  CHECK(has_changes());
}

TEST_CASE("no program that a repository names is run to look at it") {
  Repository repository;
  repository.git({"init", "--quiet"});
  const fs::path mark = repository.temp.path() / "ran";
  const fs::path program = repository.temp.path() / "program";
  atomic_write(program, "#!/bin/sh\ntouch " + mark.string() + "\ncat\n", 0755);
  repository.put(".gitattributes", "* filter=evil diff=evil\n");
  repository.put("a", "a");
  (void)repository.commit();
  for (const char* setting : {"core.fsmonitor", "filter.evil.clean", "filter.evil.process", "diff.external",
                              "diff.evil.textconv", "core.pager", "core.editor", "credential.helper"})
    repository.git({"config", setting, program.string()});
  repository.put(".git/hooks/post-index-change", "#!/bin/sh\ntouch " + mark.string() + "\n", 0755);
  // A file of the same size and another time is read again, and that asks the filters.
  repository.put("a", "b");
  CHECK(repository.tree().has_changes);
  CHECK_FALSE(fs::exists(mark));
}

TEST_CASE("a linked work tree is one, and its remote is the repository's") {
  Repository repository;
  repository.git({"init", "--quiet"});
  repository.put("a", "a");
  const std::string revision = repository.commit();
  repository.git({"remote", "add", "origin", "git@example.org:me/project.git"});
  repository.git({"worktree", "add", "--quiet", "../linked"});
  const auto linked = read_work_tree(repository.temp.path() / "linked", repository.reporter);
  REQUIRE(linked);
  CHECK(linked->top == fs::canonical(repository.temp.path() / "linked"));
  CHECK(linked->revision == revision);
  CHECK(linked->remote == "git@example.org:me/project.git");
  CHECK_FALSE(linked->has_changes);
}

TEST_CASE("only http addresses and whole revisions are cloned") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  const fs::path into = temp.path() / "clone";
  const std::string revision(40, 'a');
  for (const char* url : {"", "/srv/git", "file:///srv/git", "ssh://git@example.org/a", "git@example.org:a",
                          "ext::sh -c true", "--upload-pack=true", "ftp://example.org/a", "HTTP://127.0.0.1/a"}) {
    INFO(url);
    const auto clone = [&] { clone_repository(url, revision, into, true); };
    CHECK(error_kind(clone) == ErrorKind::failed);
    CHECK_THAT(error_text(clone), ContainsSubstring("names no repository and revision that can be fetched"));
  }
  for (const char* name : {"", "HEAD", "main", "--help", "ABC", "abc def", "abc\n"})
    CHECK_THAT(error_text([&] { clone_repository("http://127.0.0.1:1/a", name, into, true); }),
               ContainsSubstring("names no repository and revision that can be fetched"));
  CHECK_THAT(error_text([&] { clone_repository("http://127.0.0.1:1/a", revision, into, false); }),
             ContainsSubstring("on this machine or its network"));
  CHECK_THAT(error_text([&] { clone_repository("http://127.0.0.1:1/a", revision, into, true); }),
             ContainsSubstring("cannot get http://127.0.0.1:1/a at " + revision));
  CHECK_FALSE(fs::exists(into));
}

TEST_CASE("an address is local by what its host is, however that is written") {
  for (const char* url : {"http://127.0.0.1/a", "https://localhost:8080", "http://[::1]/", "http://10.1.2.3/a",
                          "https://me:word@192.168.0.1/a", "http://0x7f000001/", "http://2130706433/",
                          "http://1.1.1.1@127.0.0.1/", "http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/"}) {
    INFO(url);
    CHECK(is_local_host(url));
  }
  for (const char* url : {"http://1.1.1.1/a", "https://127.0.0.1@1.1.1.1/", "http://[2606:4700::1111]/",
                          "http://1.1.1.1#@127.0.0.1/"}) {
    INFO(url);
    CHECK_FALSE(is_local_host(url));
  }
  for (const char* url : {"", "/srv/git", "http://"})
    CHECK(error_kind([&] { (void)is_local_host(url); }) == ErrorKind::failed);
}

TEST_CASE("remotes by which nobody else can fetch are none, and logins are left out") {
  for (const auto& [remote, expected] : std::map<std::string, std::string>{
           {"http://me@host/a", "http://host/a"},
           {"https://host:8443/a/b", "https://host:8443/a/b"},
           {"ssh://host/a", "https://host/a"},
           {"ssh://me@host//srv/a", "https://host/srv/a"},
           {"me@host:/srv/a", "https://host/srv/a"},
           {"git://host/a", ""},
           {"ssh://host/", ""},
           {"ssh:///a", ""},
           {"@:a", ""},
           {":a", ""},
           {"folder", ""},
           {"C", ""}}) {
    INFO(remote);
    CHECK(public_repository(remote) == expected);
  }
}

TEST_CASE("an image's recipe is its receipt's lock, tree and epoch, and the project in its repository") {
  Project project;
  project.git({"remote", "add", "origin", "https://me:word@example.org/project.git"});
  const std::string revision = project.commit();
  const ImageRecipe found = project.recipe();
  CHECK(found.kind == "instance");
  CHECK(found.reference.lock == sha256("the lock").hex());
  CHECK(found.reference.tree == "2:" + sha256("tree").hex());
  CHECK(found.reference.epoch == "3");
  CHECK(found.reference.repository == "https://example.org/project.git");
  CHECK(found.reference.revision == revision);
  CHECK(found.reference.path == "runtimes/runtime.toml");
  CHECK(found.reference.bundle.empty());
}

TEST_CASE("a project that the image was not built from says nothing about it") {
  Project project;
  (void)project.commit();
  project.put_receipt("another lock");
  const ImageRecipe found = project.recipe();
  CHECK(found.kind.empty());
  CHECK(found.reference.lock == sha256("another lock").hex());
  CHECK(found.reference.revision.empty());
  CHECK(found.reference.path.empty());
  project.put_receipt("the lock");
  CHECK_FALSE(project.recipe().reference.revision.empty());
  fs::remove(project.top() / "runtimes/runtime.lock");
  CHECK(project.recipe().kind.empty());
}

TEST_CASE("a receipt of other bytes is not the image's, and a broken one is an error") {
  Project project;
  (void)project.commit();
  const RecipeReference other = project.recipe(sha256("another image")).reference;
  CHECK(other.lock.empty());
  CHECK(other.tree.empty());
  CHECK(other.epoch.empty());
  CHECK(other.revision.empty());
  atomic_write(project.image().string() + ".receipt.json", "{}");
  CHECK_THAT(error_text([&] { (void)project.recipe(); }),
             ContainsSubstring("image.receipt.json is not a receipt"));
  fs::remove(project.image().string() + ".receipt.json");
  CHECK(project.recipe().reference.lock.empty());
}

TEST_CASE("without a project only the receipt speaks") {
  Project project;
  const ImageRecipe found = recipe_of_image(project.image(), kImage, {}, project.reporter);
  CHECK(found.kind.empty());
  CHECK(found.reference.epoch == "3");
  CHECK(found.reference.repository.empty());
}

TEST_CASE("the manifest's repository goes before git's remote, and stands without a repository") {
  Project project;
  project.put("runtimes/runtime.toml",
              "schema = 1\n[runtime]\nname = \"t\"\nrepository = \"https://example.org/said\"\n[base]\n"
              "distro = \"debian\"\nrelease = \"bookworm\"\n");
  project.git({"remote", "add", "origin", "https://example.org/remote"});
  (void)project.commit();
  CHECK(project.recipe().reference.repository == "https://example.org/said");
  remove_tree(project.top() / ".git");
  const RecipeReference bare = project.recipe().reference;
  CHECK(bare.repository == "https://example.org/said");
  CHECK(bare.revision.empty());
  CHECK(bare.path.empty());
}

}  // namespace alephc

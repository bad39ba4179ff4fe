// SPDX-License-Identifier: MIT
// Steps that run programs, with a runner that looks at what it is given instead.
#include <filesystem>
#include <map>

#include <sys/stat.h>

#include "base/files.hpp"
#include "sandbox/given_files.hpp"
#include "sandbox/network.hpp"
#include "sandbox/run_checked.hpp"
#include "steps/boot.hpp"
#include "steps/commands.hpp"
#include "steps/pip.hpp"
#include "steps/python.hpp"
#include "steps/script.hpp"
#include "steps/worker.hpp"
#include "steps/workplace.hpp"
#include "support/catch.hpp"
#include "support/contents.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

/// What a mount shows: "MODE text" of a file, "→ target" of a link, "folder"; by the path in the sandbox.
std::map<std::string, std::string> given_to(const SandboxOptions& options) {
  std::map<std::string, std::string> found;
  const auto look = [&](const fs::path& host, const std::string& target) {
    struct stat info{};
    REQUIRE(::lstat(host.c_str(), &info) == 0);
    if (S_ISLNK(info.st_mode))
      found[target] = "→ " + fs::read_symlink(host).string();
    else if (S_ISDIR(info.st_mode))
      found[target] = "folder";
    else
      found[target] = ((info.st_mode & 0111U) != 0 ? "x " : "- ") + read_file(host);
  };
  for (const BindMount& mount : options.read_only) {
    CHECK(mount.host.parent_path() == options.given);
    look(mount.host, mount.target);
    if (!fs::is_directory(mount.host)) continue;
    for (const auto& each : fs::recursive_directory_iterator(mount.host))
      look(each.path(), mount.target + "/" + each.path().lexically_relative(mount.host).string());
  }
  return found;
}

/// A place for steps that run programs, over a tree of one file.
struct TestPlace {
  TestStore test{};
  Tree tree{};
  fs::path upper = test.folder() / "upper";
  TestContents contents{};
  KnownContents known{};
  StepRoom room = latest_epoch().room;
  std::map<std::string, std::string> given{};  ///< to the last run
  std::string log_text{};                      ///< that commands leave
  SandboxResult result{.ok = true};
  FakeRunner runner{[this](const SandboxOptions& options, const std::vector<SandboxCommand>&) {
    given = given_to(options);
    // As the sandbox does: the targets of mounts are made.
    for (const BindMount& mount : options.read_only) make_folders(upper / mount.target.substr(1));
    if (!log_text.empty()) atomic_write(options.log, log_text);
    return result;
  }};

  TestPlace() {
    auto layer = std::make_shared<Layer>();
    layer->folder = test.folder() / "below";
    make_folders(layer->folder);
    const Listing nothing{{.path = "", .type = EntryType::directory, .mode = 0755}};
    LayerWriter out(layer->folder, &nothing, 0);
    out.put_file({.path = "bin/sh", .mode = 0755}, "sh");
    layer->listing = out.finish();
    tree.add(layer);
    make_folders(upper);
    make_folders(test.folder() / "scratch");
  }
  void run(const Step& step) {
    std::get<Step::InSandbox>(step.run)({.below = tree,
                                         .upper = upper,
                                         .scratch = test.folder() / "scratch",
                                         .log = test.folder() / "log",
                                         .known = known,
                                         .vary = {.clock = true},
                                         .contents = contents,
                                         .room = room,
                                         .runner = runner,
                                         .store = test.store,
                                         .reporter = test.reporter});
  }
  [[nodiscard]] const FakeRunner::Run& last() const { return runner.runs().back(); }
  [[nodiscard]] const SandboxCommand& command(std::size_t i = 0) const { return last().commands.at(i); }
};

Step script(ScriptInput input) {
  input.name = {"setup"};
  if (input.user.empty()) input.user = "root";
  return script_step({"run:setup", "run setup"}, std::move(input));
}

}  // namespace

TEST_CASE("a script runs by its first line, or by a shell that stops at errors") {
  TestPlace place;
  place.run(script({.script = "echo hello\n", .user = "app", .env = {{"A", "1"}}}));
  CHECK(place.command().argv == Words{"/bin/sh", "-eu", "/run/alephc/script"});
  CHECK(place.command().user == "app");
  CHECK(place.command().env == std::map<std::string, std::string>{{"A", "1"}});
  CHECK(place.given.at("/run/alephc/script") == "x echo hello\n");
  place.run(script({.script = "#!/usr/bin/perl\nprint 1\n"}));
  CHECK(place.command().argv == Words{"/run/alephc/script"});
}

TEST_CASE("a script of the project is run as one in the manifest is") {
  TestPlace place;
  place.run(script({.source = place.contents.add("#!/bin/sh\nexit 0\n")}));
  CHECK(place.given.at("/run/alephc/script") == "x #!/bin/sh\nexit 0\n");
  CHECK(place.command().argv == Words{"/run/alephc/script"});
}

TEST_CASE("a script runs over the tree below, in the room of the epoch, without network") {
  TestPlace place;
  place.run(script({.script = ""}));
  const SandboxOptions& options = place.last().options;
  CHECK(options.root.lowers == std::vector<fs::path>{place.test.folder() / "below"});
  CHECK(options.root.upper == place.upper);
  CHECK(options.room == latest_epoch().room);
  CHECK(options.network == nullptr);
  CHECK(options.vary.clock);
  CHECK_FALSE(options.interactive);
  CHECK(options.log == place.test.folder() / "log");
}

TEST_CASE("inputs of a script stand below one folder, as files, programs, links and empty folders") {
  TestPlace place;
  const Digest text = place.contents.add("text");
  place.run(script({.script = "",
                    .inputs = {{"../shared/file", "file", text},
                               {"dir/run", "executable", text},
                               {"dir/link", "link", place.contents.add("run")},
                               {"empty", "folder", sha256("")}}}));
  std::map<std::string, std::string> wanted{{"", "folder"},      {"/shared", "folder"},  {"/shared/file", "- text"},
                                            {"/dir", "folder"},  {"/dir/run", "x text"}, {"/dir/link", "→ run"},
                                            {"/empty", "folder"}};
  for (const auto& [path, what] : wanted) {
    INFO(path);
    CHECK(place.given.at("/run/alephc/inputs" + path) == what);
  }
  CHECK(place.given.size() == wanted.size() + 1);  // and the script
}

TEST_CASE("two inputs of one name, and a name that leads elsewhere, are refused before anything runs") {
  TestPlace place;
  const Digest text = place.contents.add("text");
  const auto problem = [&](const std::vector<InputFile>& inputs) {
    const std::string found = error_text([&] { place.run(script({.script = "", .inputs = inputs})); });
    remove_tree(place.test.folder() / "scratch");
    make_folders(place.test.folder() / "scratch");
    return found.substr(0, found.find('\n'));
  };
  CHECK(problem({{"../a", "file", text}, {"a", "file", text}}) == "two inputs have the name 'a'");
  CHECK(problem({{"a", "link", place.contents.add("/etc")}, {"a/b", "file", text}}) ==
        "'a/b' is below a link or a file that is an input too");
  CHECK(problem({{"a/../b", "file", text}}) == "'a/../b' cannot be handed to a step");
  CHECK(problem({{"a", "file", sha256("nowhere")}}) == "'a' of the project is not there");
  CHECK(place.runner.runs().empty());
}

TEST_CASE("the places of what a script was given are not left in the layer") {
  TestPlace place;
  place.run(script({.script = ""}));
  CHECK(fs::exists(place.upper / "run"));
  CHECK_FALSE(fs::exists(place.upper / "run/alephc"));
}

TEST_CASE("a script that fails is told with the end of its log") {
  TestPlace place;
  place.result = {.ok = false, .command = 0, .exit_code = 3, .reason = "exit code 3"};
  for (int i = 1; i <= 20; ++i) place.log_text += "line " + std::to_string(i) + "\n";
  place.log_text += "\n  \n";
  const std::string text = error_text([&] { place.run(script({.script = ""})); });
  CHECK(text.starts_with("the script 'setup' failed: /bin/sh: exit code 3\nlog: line 6\nlog: line 7\n"));
  CHECK(text.find("log: line 20\nthe whole log is " + (place.test.folder() / "log").string() + "\n") !=
        std::string::npos);
}

TEST_CASE("a full disk is the machine's fault and not the command's") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  const SandboxOptions options{.log = temp.path() / "no log"};
  const auto run = [&](bool is_full) {
    const FakeRunner runner([&](const auto&, const auto&) {
      return SandboxResult{.ok = false, .command = 1, .reason = "why", .host_is_full = is_full};
    });
    run_checked(runner, options, {{.argv = {"first"}}, {.argv = {"second", "word"}}}, "doing it");
  };
  CHECK(error_kind([&] { run(true); }) == ErrorKind::host);
  CHECK(error_kind([&] { run(false); }) == ErrorKind::failed);
  CHECK(error_text([&] { run(true); }) == "doing it failed: second: why\nthe whole log is " + options.log.string() +
                                              "\nfree some space, or put the store elsewhere with --store\n");
  CHECK_NOTHROW(run_checked(FakeRunner{}, options, {{.argv = {"first"}}}, "doing it"));
}

TEST_CASE("given files have numbers for names, so that no path of the machine shows") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  GivenFiles given(temp.path());
  given.add_text("/run/alephc/a", "one", 0755);
  write_all(given.add_folder("/run/alephc/b").create(StagedName::of_file_name("x"), 0600).get(), "two");
  given.add_text("/run/alephc/c", "");
  SandboxOptions options;
  given.give_to(options);
  REQUIRE(options.read_only.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(options.read_only[i].host == options.given / std::to_string(i));
  CHECK(given_to(options) == std::map<std::string, std::string>{{"/run/alephc/a", "x one"},
                                                                {"/run/alephc/b", "folder"},
                                                                {"/run/alephc/b/x", "- two"},
                                                                {"/run/alephc/c", "- "}});
}

TEST_CASE("commands of alephc's own run in their order, as root") {
  TestPlace place;
  place.run(commands_step({"remove", "purge"}, "purging packages",
                          {{.argv = {"apt-get", "purge"}, .env = {{"A", "1"}}, .input = "yes\n"}, {.argv = {"true"}}}));
  REQUIRE(place.last().commands.size() == 2);
  CHECK(place.command(0).argv == Words{"apt-get", "purge"});
  CHECK(place.command(0).env.at("A") == "1");
  CHECK(place.command(0).input == "yes\n");
  CHECK(place.command(0).user == "root");
  CHECK(place.command(1).argv == Words{"true"});
  CHECK(error_kind([] { (void)commands_step({"x", "x"}, "x", {{.argv = {"true"}, .user = "app"}}); }) ==
        ErrorKind::bug);
}

TEST_CASE("GRUB's cores are made for each firmware of the disk, with the filesystem's module") {
  const auto text = [](BootInput input) {
    TestPlace place;
    place.run(boot_loader_step({"boot:loader", "x"}, input));
    CHECK(Words(place.command().argv.begin(), place.command().argv.begin() + 2) == Words{"/bin/sh", "-euc"});
    return place.command().argv.at(2);
  };
  const std::string both = text({.arch = "amd64", .filesystem = "ext4", .bios = true, .uefi = true});
  CHECK(both.find("grub-mkimage -O i386-pc ") != std::string::npos);
  CHECK(both.find(" -o /boot/grub/i386-pc/core.img biosdisk part_gpt ext2 ") != std::string::npos);
  CHECK(both.find(" -o /boot/efi/EFI/BOOT/BOOTX64.EFI ") != std::string::npos);
  const std::string arm = text({.arch = "arm64", .filesystem = "btrfs", .uefi = true});
  CHECK(arm.find("i386-pc") == std::string::npos);
  CHECK(arm.find(" -o /boot/efi/EFI/BOOT/BOOTAA64.EFI ") != std::string::npos);
  CHECK(arm.find("part_gpt btrfs ") != std::string::npos);
}

TEST_CASE("the ASGI worker is compiled at a place of its own, at the level that is asked for") {
  TestPlace place;
  place.run(worker_step({"init:worker", "w"}, {.source = place.contents.add("import x\n"), .optimize = 2}));
  CHECK(place.given.at("/run/alephc/asgi_worker.py") == "- import x\n");
  const std::string& code = place.command().argv.at(2);
  CHECK(code.find("dfile='asgi_worker.py'") != std::string::npos);
  CHECK(code.find("optimize=2") != std::string::npos);
  CHECK(code.find("UNCHECKED_HASH") != std::string::npos);
  CHECK_FALSE(fs::exists(place.upper / "run/alephc"));
}

TEST_CASE("wheels are installed offline, each by its hash, and compiled afterwards") {
  TestPlace place;
  const Digest wheel = place.contents.add("wheel");
  place.run(python_step(
      {"python", "p"},
      {.target = "/opt/libs", .optimize = {0, 2}, .wheels = {{"idna", "3.7", "idna-3.7-py3-none-any.whl", wheel}}}));
  CHECK(place.given.at("/run/alephc/wheels/idna-3.7-py3-none-any.whl") == "- wheel");
  CHECK(place.given.at("/run/alephc/requirements.txt") == "- idna==3.7 --hash=sha256:" + wheel.hex() + "\n");
  REQUIRE(place.last().commands.size() == 2);
  CHECK(place.command(0).argv == Words{"python3", "-m", "pip", "install", "--no-index", "--find-links",
                                       "/run/alephc/wheels", "--no-deps", "--no-compile", "--target", "/opt/libs",
                                       "--upgrade", "--requirement", "/run/alephc/requirements.txt",
                                       "--require-hashes"});
  CHECK(place.command(0).env == pip_environment());
  CHECK(place.command(0).env.at("PIP_CONFIG_FILE") == "/dev/null");
  CHECK(place.command(1).argv.back() == "/opt/libs");
  CHECK(place.command(1).argv.at(2).find("optimize=[0, 2]") != std::string::npos);
}

TEST_CASE("a source package is built in a folder that is always the same, then installed from what was built") {
  TestPlace place;
  place.run(python_step({"python", "p"}, {.target = "/opt/libs",
                                          .optimize = {0},
                                          .wheels = {{"toy", "1.0", "toy-1.0.tar.gz", place.contents.add("source")}}}));
  REQUIRE(place.last().commands.size() == 4);
  CHECK(Words(place.command(0).argv.end() - 2, place.command(0).argv.end()) ==
        Words{"/run/alephc/wheels/toy-1.0.tar.gz", "/run/alephc/sources/toy"});
  CHECK(place.command(1).argv == Words{"python3", "-m", "pip", "wheel", "--no-index", "--no-deps",
                                       "--no-build-isolation", "--wheel-dir", "/run/alephc/built",
                                       "/run/alephc/sources/toy/toy-1.0"});
  CHECK(place.command(2).argv.back() == "/run/alephc/sources.txt");
  CHECK(place.given.at("/run/alephc/sources.txt") == "- toy==1.0\n");
  CHECK(place.given.at("/run/alephc/requirements.txt") == "- ");
}

TEST_CASE("a wheel whose name is a path goes nowhere") {
  TestPlace place;
  const auto step = python_step(
      {"python", "p"},
      {.target = "/opt/libs", .optimize = {0}, .wheels = {{"x", "1", "../../x.whl", place.contents.add("wheel")}}});
  CHECK(error_kind([&] { place.run(step); }) == ErrorKind::integrity);
  CHECK(place.runner.runs().empty());
}

TEST_CASE("an upper folder has the root's attributes and every hard-link group as real links") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  auto layer = std::make_shared<Layer>();
  layer->folder = temp.path() / "below";
  make_folders(layer->folder);
  const Listing nothing{{.path = "", .type = EntryType::directory, .mode = 0755}};
  LayerWriter out(layer->folder, &nothing, 0);
  out.put({.path = "", .type = EntryType::directory, .mode = 0711});
  out.put_file({.path = "a/one", .mode = 0640}, "x");
  out.put({.path = "b/two", .mode = 0640, .size = 1, .content = sha256("x"), .hard_link = "a/one"});
  out.put_file({.path = "alone", .mode = 0644}, "y");
  layer->listing = out.finish();
  Tree tree;
  tree.add(layer);
  const fs::path upper = temp.path() / "upper";
  prepare_upper(tree, upper);
  CHECK(fs::hard_link_count(upper / "a/one") == 2);
  CHECK(fs::equivalent(upper / "a/one", upper / "b/two"));
  CHECK(read_file(upper / "b/two") == "x");
  CHECK_FALSE(fs::exists(upper / "alone"));
  CHECK(fs::status(upper).permissions() == fs::perms(0711));
  prepare_upper(Tree{}, temp.path() / "empty");
  CHECK(fs::is_empty(temp.path() / "empty"));
}

TEST_CASE("steps with network see its name server, and an image without resolv.conf stays so") {
  TestPlace place;
  const auto names = [&](const Tree& tree) {
    return NetworkNames({.below = tree,
                         .upper = place.upper,
                         .known = place.known,
                         .contents = place.contents,
                         .room = place.room,
                         .runner = place.runner,
                         .store = place.test.store,
                         .reporter = place.test.reporter});
  };
  const NetworkNames fresh = names(place.tree);
  CHECK(read_file(place.upper / "etc/resolv.conf") == PrivateNetwork::kResolver);
  fresh.take_back();
  CHECK_FALSE(fs::exists(place.upper / "etc/resolv.conf"));
  atomic_write(place.upper / "etc/resolv.conf", "own\n");
  const NetworkNames own = names(place.tree);
  CHECK(read_file(place.upper / "etc/resolv.conf") == "own\n");
  own.take_back();
  CHECK(read_file(place.upper / "etc/resolv.conf") == "own\n");
}

// SPDX-License-Identifier: MIT
// The engine with steps that a test makes: what is run, what is found, what heals, what is refused.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include <sys/stat.h>

#include "graph/run.hpp"
#include "steps/files.hpp"
#include "steps/script.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

using Put = std::function<void(const fs::path& upper)>;

/// A step that leaves what `put` makes in its upper folder, as one that runs programs does.
Step program(const std::string& id, const std::string& input, Put put) {
  Step step{.id = id, .title = "run " + id, .kind = "test", .input = input};
  step.run = Step::InSandbox([put = std::move(put)](const SandboxPlace& place) { put(place.upper); });
  return step;
}

Step text_file(const std::string& path, const std::string& text) {
  return files_step({path, path}, {.files = {{.target = "/" + path, .kind = "content", .text = text}}});
}

struct Engine : TestStore {
  FakeFetcher fetcher{store};
  FakeRunner runner{};
  const Distro& distro = distro_of("none");
  std::vector<RemoteFile> files{};
  std::vector<AuditFinding> findings{};
  bool audits = false;

  std::vector<StepReport> run(const std::vector<Step>& steps, const std::string& stop = "") {
    PackageSupply supply(store, fetcher);
    const RunTools tools{.store = store,
                         .reporter = reporter,
                         .supply = supply,
                         .runner = runner,
                         .distro = distro,
                         .remote_files = files,
                         .jobs = 2,
                         .audit = audits ? &findings : nullptr};
    return run_steps({steps, latest_epoch()}, tools, stop);
  }

  Tree tree(const std::vector<Step>& steps) { return open_tree(run(steps), store, reporter); }

  std::vector<StepState> states(const std::vector<Step>& steps) {
    return inspect_steps({steps, latest_epoch()}, store, folder() / "runtime.toml");
  }
};

std::string text_of(const Tree& tree, const std::string& path) {
  const Entry* entry = tree.find(path);
  return entry == nullptr ? "(absent)" : tree.read_content(*entry);
}

}  // namespace

TEST_CASE("what a program leaves behind becomes a layer, no younger than the time of steps") {
  Engine engine;
  const Tree tree = engine.tree({program("p", "", [](const fs::path& upper) {
    atomic_write(upper / "made", "just now");
    fs::create_directory_symlink("made", upper / "link");
    fs::create_hard_link(upper / "made", upper / "twin");
    make_folders(upper / "d/e");
  })});
  REQUIRE(tree.find("made") != nullptr);
  CHECK(tree.find("made")->mtime == latest_epoch().room.time);
  CHECK(text_of(tree, "made") == "just now");
  CHECK(tree.find("link")->link_target == "made");
  CHECK(tree.find("twin")->hard_link == "made");
  CHECK(tree.find("d/e")->type == EntryType::directory);
}

TEST_CASE("a program over a tree changes only what it touches") {
  Engine engine;
  const std::vector<Step> below{text_file("a", "old"), text_file("b", "kept")};
  std::vector<Step> steps = below;
  steps.push_back(program("p", "", [](const fs::path& upper) { atomic_write(upper / "a", "new"); }));
  const Tree tree = engine.tree(steps);
  CHECK(text_of(tree, "a") == "new");
  CHECK(text_of(tree, "b") == "kept");
  CHECK(tree.layers().size() == 3);
}

TEST_CASE("a removed path of the tree below is gone") {
  Engine engine;
  const Tree tree = engine.tree({text_file("a", "x"), text_file("b", "y"), program("p", "", [](const fs::path& upper) {
                                   if (::mknod((upper / "a").c_str(), S_IFCHR | 0600, 0) != 0)
                                     throw Error(ErrorKind::host, "cannot make a whiteout");
                                 })});
  CHECK(tree.find("a") == nullptr);
  CHECK(text_of(tree, "b") == "y");
}

TEST_CASE("two runs of one graph at a time run each step once") {
  Engine engine;
  std::atomic<int> runs = 0;
  const std::vector<Step> steps{program("slow", "", [&](const fs::path& upper) {
    ++runs;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    atomic_write(upper / "x", "1");
  })};
  std::thread other([&] { (void)engine.run(steps); });
  (void)engine.run(steps);
  other.join();
  CHECK(runs == 1);
}

TEST_CASE("a file is fetched only if a step that reads it has to run") {
  Engine engine;
  const Digest digest = sha256("package");
  engine.files = {{.digest = digest, .urls = {"http://mirror/p"}, .label = "p 1"}};
  engine.fetcher.put("http://mirror/p", "package");
  const auto reader = [&](const std::string& input) {
    Step step{.id = "r", .title = "r", .kind = "test", .input = input};
    step.fetches = {{"p 1", digest}};
    step.run = Step::Computed([digest](const ComputedPlace& place) {
      place.out.put_file({.path = "p", .mode = 0644}, place.contents.open(digest, "p 1").get());
    });
    return step;
  };
  (void)engine.run({reader("1")});
  CHECK(engine.fetcher.asked() == std::vector<std::string>{"http://mirror/p"});
  (void)engine.run({reader("1")});
  fs::remove(engine.store.blob_path(digest));
  (void)engine.run({reader("1"), text_file("later", "x")});
  CHECK(engine.fetcher.asked().size() == 1);
  (void)engine.run({reader("2")});
  CHECK(engine.fetcher.asked().size() == 2);
}

TEST_CASE("a file with other bytes than its hash stops the step") {
  Engine engine;
  const Digest digest = sha256("good");
  engine.files = {{.digest = digest, .urls = {"http://mirror/p"}, .label = "p 1"}};
  engine.fetcher.put("http://mirror/p", "evil");
  Step step{.id = "r", .title = "r", .kind = "test"};
  step.fetches = {{"p 1", digest}};
  step.run = Step::Computed([digest](const ComputedPlace& place) { (void)place.contents.open(digest, "p 1"); });
  CHECK(error_kind([&] { (void)engine.run({step}); }) == ErrorKind::integrity);
  CHECK_FALSE(engine.store.has_blob(digest));
}

TEST_CASE("a script with network must give the locked result") {
  Engine engine;
  const auto fetched = [](const std::string& text) {
    return program("run:n", "", [text](const fs::path& upper) { atomic_write(upper / "x", text); });
  };
  const std::string good = engine.run({fetched("1")}).front().layer()->hex();
  Engine other;
  Step pinned = fetched("1");
  pinned.pin = PinnedResult{"n", *Digest::from_hex(good)};
  CHECK(other.run({pinned}).front().layer()->hex() == good);
  Engine third;
  pinned = fetched("2");
  pinned.pin = PinnedResult{"n", *Digest::from_hex(good)};
  const std::string text = error_text([&] { (void)third.run({pinned}); });
  CHECK(text.find("the script 'n' has network and gave another result than the locked one") != std::string::npos);
  CHECK(text.find("locked " + good) != std::string::npos);
}

TEST_CASE("an audit runs programs twice and names what differs") {
  Engine engine;
  engine.audits = true;
  int count = 0;
  const std::vector<Step> steps{text_file("fixed", "x"), program("p", "", [&](const fs::path& upper) {
                                  make_folders(upper / "srv");
                                  atomic_write(upper / "srv/same", "always");
                                  atomic_write(upper / "srv/random", std::to_string(++count));
                                })};
  (void)engine.run(steps);
  CHECK(count == 2);
  REQUIRE(engine.findings.size() == 1);
  CHECK(engine.findings.front().step == "p");
  CHECK(engine.findings.front().change.path == "srv/random");
  // Cached or not: an audit looks again.
  engine.findings.clear();
  (void)engine.run(steps);
  CHECK(count == 4);
}

TEST_CASE("what normalization takes away is no finding of an audit") {
  Engine engine;
  engine.audits = true;
  int count = 0;
  (void)engine.run({program("p", "", [&](const fs::path& upper) {
    make_folders(upper / "var/log");
    make_folders(upper / "tmp");
    atomic_write(upper / "var/log/x", std::to_string(++count));
    atomic_write(upper / "tmp/x", std::to_string(count));
  })});
  CHECK(count == 2);
  CHECK(engine.findings.empty());
}

TEST_CASE("the second run of an audit has another clock and another order of folders") {
  Engine engine;
  engine.audits = true;
  std::vector<bool> varied;
  Step step{.id = "p", .title = "p", .kind = "test"};
  step.run = Step::InSandbox([&](const SandboxPlace& place) {
    varied.push_back(place.vary.clock && place.vary.directory_order);
    atomic_write(place.upper / "x", "1");
  });
  (void)engine.run({step});
  CHECK(varied == std::vector{false, true});
}

TEST_CASE("a step that fails says where to look around, and leaves neither layer nor work folder") {
  Engine engine;
  const std::string text = error_text([&] {
    (void)engine.run({program("broken", "", [](const fs::path& upper) {
      atomic_write(upper / "half", "done");
      throw Error(ErrorKind::failed, "it broke");
    })});
  });
  CHECK(text == "it broke\nin step broken\nlook around with: alephc shell --at broken\n");
  CHECK(fs::is_empty(engine.store.folder() / "work"));
  CHECK(fs::is_empty(engine.store.folder() / "layers"));
  CHECK(fs::is_empty(engine.store.folder() / "actions"));
}

TEST_CASE("an interrupted step keeps its message") {
  Engine engine;
  CHECK(error_text([&] {
          (void)engine.run({program("p", "", [](const fs::path&) { throw Error(ErrorKind::interrupted, "interrupted"); })});
        }) == "interrupted\n");
}

TEST_CASE("a layer that was removed from the store is made again") {
  Engine engine;
  int runs = 0;
  const auto steps = [&](const std::string& last) {
    return std::vector<Step>{program("a", "", [&](const fs::path& upper) {
                               ++runs;
                               atomic_write(upper / "a", "1");
                             }),
                             text_file("b", last)};
  };
  const auto reports = engine.run(steps("x"));
  fs::remove_all(engine.store.folder() / "layers" / reports.front().layer()->hex());
  CHECK(text_of(engine.tree(steps("y")), "a") == "1");
  CHECK(runs == 2);
}

TEST_CASE("a layer that is damaged each time is given up on") {
  Engine engine;
  Step step = program("a", "", [](const fs::path& upper) { atomic_write(upper / "a", "1"); });
  Step spoiler{.id = "b", .title = "b", .kind = "test"};
  spoiler.run = Step::Computed([](const ComputedPlace&) { throw DamagedLayer(); });
  CHECK(error_kind([&] { (void)engine.run({step, spoiler}); }) == ErrorKind::host);
}

TEST_CASE("a plan says what is there, what will run and why") {
  Engine engine;
  const auto states = [&](const std::vector<Step>& steps) { return engine.states(steps); };
  const std::vector<Step> steps{text_file("a", "1"), text_file("b", "1")};
  CHECK(states(steps)[0].status == StepState::Status::will_run);
  CHECK(states(steps)[0].why == "new");
  CHECK(states(steps)[1].status == StepState::Status::unknown);
  CHECK(states(steps)[1].why == "follows a");
  (void)engine.run(steps);
  CHECK(states(steps)[0].status == StepState::Status::cached);
  CHECK(states(steps)[1].status == StepState::Status::cached);
  CHECK(states({text_file("a", "1"), text_file("b", "2")})[0].status == StepState::Status::cached);
  CHECK(states({text_file("a", "1"), text_file("b", "2")})[1].status == StepState::Status::will_run);
}

TEST_CASE("the steps' keys are those of their inputs and of the layers below") {
  Engine engine;
  const auto first = engine.run({text_file("a", "1"), text_file("b", "1")});
  const auto second = engine.run({text_file("a", "2"), text_file("b", "1")});
  CHECK(first[0].key != second[0].key);
  CHECK(first[1].key != second[1].key);
  // The same layer by another way is the same layer below.
  const auto third = engine.run({program("other", "", [](const fs::path& upper) {
                                   atomic_write(upper / "a", "1", 0644);
                                   fs::permissions(upper, fs::perms(0755));
                                 }),
                                 text_file("b", "1")});
  CHECK(*third[0].layer() == *first[0].layer());
  CHECK(third[1].key == first[1].key);
  CHECK(third[1].cached);
}

TEST_CASE("where a layer comes from is told to the steps above") {
  Engine engine;
  Step open = text_file("a", "1");
  open.published = true;
  std::vector<LayerOrigin> seen;
  Step look{.id = "look", .title = "look", .kind = "test"};
  look.run = Step::Computed([&](const ComputedPlace& place) {
    seen = place.layers;
    place.out.put_file({.path = "x", .mode = 0644}, "x");
  });
  (void)engine.run({open, text_file("b", "1"), look});
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].step == "a");
  CHECK(seen[0].published);
  CHECK_FALSE(seen[1].published);
}

TEST_CASE("a script's commands get the room of the epoch, and only its own variables beside it") {
  Engine engine;
  (void)engine.run({script_step({"run:s", "run s"}, {.name = {"s"}, .script = "true", .user = "daemon", .env = {{"A", "b"}}})});
  REQUIRE(engine.runner.runs().size() == 1);
  const FakeRunner::Run& run = engine.runner.runs().front();
  CHECK(run.options.room == latest_epoch().room);
  CHECK(run.options.network == nullptr);
  CHECK_FALSE(run.options.interactive);
  REQUIRE(run.commands.size() == 1);
  CHECK(run.commands[0].argv == std::vector<std::string>{"/bin/sh", "-eu", "/run/alephc/script"});
  CHECK(run.commands[0].user == "daemon");
  CHECK(run.commands[0].env == std::map<std::string, std::string>{{"A", "b"}});
}

TEST_CASE("a script with an interpreter of its own is run by it") {
  Engine engine;
  (void)engine.run({script_step({"run:s", "run s"}, {.name = {"s"}, .script = "#!/usr/bin/env python3\n", .user = "root"})});
  CHECK(engine.runner.runs().at(0).commands.at(0).argv == std::vector<std::string>{"/run/alephc/script"});
}

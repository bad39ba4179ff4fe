// SPDX-License-Identifier: MIT
// Keys of steps, and the engine that runs them, with steps that a test makes.
#include <array>
#include <filesystem>
#include <functional>
#include <set>

#include <sys/mman.h>
#include <unistd.h>

#include "base/files.hpp"
#include "base/output_epoch.hpp"
#include "graph/run.hpp"
#include "image/image_format.hpp"
#include "lock/lock_file.hpp"
#include "steps/files.hpp"
#include "steps/normalize.hpp"
#include "steps/write.hpp"
#include "support/catch.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

struct InnerInput {
  static constexpr std::string_view kMembers = "name flag list";
  std::string name{};
  bool flag = false;
  std::vector<std::string> list{};
};

struct OuterInput {
  static constexpr std::string_view kMembers = "text number maybe inner env label at large";
  std::string text{};
  int number = 0;
  std::optional<std::string> maybe{};
  std::vector<InnerInput> inner{};
  std::map<std::string, std::string> env{};
  Label label{};
  SourceSpan at{};
  LargeText large{};
};

/// A store, and what a run needs besides.
struct TestRun {
  TempDir temp{fs::temp_directory_path(), "alephc-test"};
  Store store{temp.path() / "store"};
  Reporter reporter{Verbosity::quiet, ColorMode::never, false};
  HttpFetcher fetcher{store, reporter, {.offline = true}};
  const Distro& distro = distro_of("none");
  std::vector<RemoteFile> files{};
  Sandbox runner{};

  [[nodiscard]] std::vector<StepReport> run(const std::vector<Step>& steps, const std::string& stop = "",
                                            const OutputEpoch& epoch = latest_epoch()) {
    PackageSupply supply(store, fetcher);
    const RunTools tools{.store = store,
                         .reporter = reporter,
                         .supply = supply,
                         .runner = runner,
                         .distro = distro,
                         .remote_files = files};
    return run_steps({steps, epoch}, tools, stop);
  }
};

/// Puts a file, and counts how often it ran.
Step counted(const std::string& id, const std::string& text, int& runs) {
  Step step = files_step({id, id}, {.files = {{.target = "/" + id, .kind = "content", .text = text}}});
  const Step::Computed run = std::get<Step::Computed>(step.run);
  step.run = Step::Computed([&runs, run](const ComputedPlace& place) {
    ++runs;
    run(place);
  });
  return step;
}

std::vector<bool> cached(const std::vector<StepReport>& reports) {
  std::vector<bool> out;
  for (const StepReport& report : reports) out.push_back(report.cached);
  return out;
}

}  // namespace

TEST_CASE("the key of an input is its members, in an order and form of their own") {
  const OuterInput input{.text = "a b\nc",
                         .number = 7,
                         .maybe = "",
                         .inner = {{.name = "x y", .flag = true, .list = {"1", "2"}}, {.name = ""}},
                         .env = {{"A", "b c"}},
                         .label = {"for messages"},
                         .large = {"much"}};
  CHECK(key_text_of(input) == "text a%20b%0Ac\nnumber 7\nmaybe \n"
                              "inner name=x%20y flag=yes list=1 list=2\ninner name= flag=no\n"
                              "env A b%20c\nlarge " +
                                  sha256("much").hex() + "\n");
  OuterInput other = input;
  other.label = {"another message"};
  CHECK(key_text_of(other) == key_text_of(input));
  other.maybe.reset();
  CHECK(key_text_of(other) != key_text_of(input));
  // Two lists never read as one.
  const OuterInput split{.inner = {{.list = {"a", "b"}}}};
  const OuterInput joined{.inner = {{.list = {"a list=b"}}}};
  CHECK(key_text_of(split) != key_text_of(joined));
}

TEST_CASE("a step runs once for each input and tree below") {
  TestRun test;
  int first = 0;
  int second = 0;
  CHECK(cached(test.run({counted("a", "1", first), counted("b", "1", second)})) == std::vector{false, false});
  CHECK(cached(test.run({counted("a", "1", first), counted("b", "1", second)})) == std::vector{true, true});
  CHECK(cached(test.run({counted("a", "1", first), counted("b", "2", second)})) == std::vector{true, false});
  CHECK(cached(test.run({counted("a", "2", first), counted("b", "2", second)})) == std::vector{false, false});
  CHECK(first == 2);
  CHECK(second == 3);
  CHECK(test.run({counted("a", "1", first), counted("b", "1", second)}, "b").size() == 1);
}

TEST_CASE("kind, version and input are in a key, title and id are not") {
  int runs = 0;
  const Step step = counted("a", "1", runs);
  Step other = step;
  other.title = "another title";
  CHECK(key_text(step, latest_epoch(), {}) == key_text(other, latest_epoch(), {}));
  other.version = 99;
  CHECK(key_text(step, latest_epoch(), {}) != key_text(other, latest_epoch(), {}));
  other = step;
  other.kind = "other";
  CHECK(key_text(step, latest_epoch(), {}) != key_text(other, latest_epoch(), {}));
  CHECK(key_text(step, latest_epoch(), {sha256("x")}) != key_text(step, latest_epoch(), {}));
}

TEST_CASE("a damaged layer is made again") {
  TestRun test;
  int first = 0;
  int second = 0;
  const auto reports = test.run({counted("a", "1", first), counted("b", "1", second)});
  const fs::path file = test.store.folder() / "layers" / reports.front().layer()->hex() / "root/a";
  fs::permissions(file, fs::perms(0644));
  atomic_write(file, "damaged");
  (void)test.run({counted("a", "1", first), counted("b", "2", second)});
  CHECK(first == 2);
  const Tree tree = open_tree(test.run({counted("a", "1", first)}), test.store, test.reporter);
  CHECK(tree.read_content(*tree.find("a")) == "1");
}

TEST_CASE("a step that starts a tree leaves nothing of those below in it") {
  TestRun test;
  int runs = 0;
  Step alone = counted("b", "2", runs);
  alone.starts_a_tree = true;
  Step image{.id = "image", .title = "image", .kind = "test"};
  std::vector<std::string> seen;
  image.run = Step::Image([&](const ImagePlace& place) {
    for (const Entry& entry : place.tree.entries()) seen.push_back(entry.path);
    return ImageResult{.tree = {.v1 = sha256("t")}};
  });
  (void)test.run({counted("a", "1", runs), alone, image});
  CHECK(std::find(seen.begin(), seen.end(), "b") != seen.end());
  CHECK(std::find(seen.begin(), seen.end(), "a") == seen.end());
}

TEST_CASE("a layer that the store has is not written a second time") {
  TestRun test;
  int runs = 0;
  const auto first = test.run({counted("a", "same", runs)});
  const fs::path layer = test.store.folder() / "layers" / first.back().layer()->hex();
  const auto written = fs::last_write_time(layer / "listing");
  Step other = counted("a", "same", runs);
  const Step::Computed run = std::get<Step::Computed>(other.run);
  other.version = 2;  // another key, the same result
  fs::path upper;
  other.run = Step::Computed([&](const ComputedPlace& place) {
    run(place);
    upper = place.out.folder();
    CHECK(fs::is_empty(upper));
  });
  const auto second = test.run({other});
  CHECK(runs == 2);
  CHECK_FALSE(second.back().cached);
  CHECK(*second.back().layer() == *first.back().layer());
  CHECK(fs::last_write_time(layer / "listing") == written);
  CHECK_FALSE(fs::exists(upper));
}

TEST_CASE("a failing step is named and leaves no record") {
  TestRun test;
  int runs = 0;
  Step step = counted("a", "1", runs);
  step.run = Step::Computed([](const ComputedPlace&) { throw Error(ErrorKind::failed, "no"); });
  try {
    (void)test.run({step});
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.diagnostics().front().context == std::vector<std::string>{"in step a"});
  }
  CHECK_FALSE(test.store.find_action(sha256(key_text(step, latest_epoch(), {}))));
}

TEST_CASE("two output epochs live side by side, each with its own time, rules and settings") {
  TestRun test;
  OutputEpoch toy = latest_epoch();
  toy.id = {.number = 7, .draft = 0};
  toy.room.time = 86400;
  toy.normalize = {"logs"};  // and not "leftovers", which empties /tmp
  const std::vector<Step> steps{
      files_step({"files", "files"}, {.files = {{.target = "/tmp/left", .kind = "content", .text = "over"},
                                                {.target = "/var/log/x", .kind = "content", .text = "said"}}})};
  const auto tree_in = [&](const OutputEpoch& epoch) {
    std::vector<Step> all = steps;
    all.push_back(normalize_step({"normalize", "normalize"}, {.rules = epoch.normalize}));
    const auto reports = test.run(all, "", epoch);
    CHECK(cached(reports) == std::vector<bool>{false, false});
    CHECK(cached(test.run(all, "", epoch)) == std::vector<bool>{true, true});
    return open_tree(reports, test.store, test.reporter);
  };
  const Tree ours = tree_in(latest_epoch());
  const Tree theirs = tree_in(toy);
  CHECK(ours.find("tmp")->mtime == latest_epoch().room.time);
  CHECK(theirs.find("tmp")->mtime == 86400);
  CHECK(ours.find("tmp/left") == nullptr);
  CHECK(theirs.find("tmp/left") != nullptr);
  CHECK(ours.find("var/log/x") == nullptr);
  CHECK(theirs.find("var/log/x") == nullptr);
}

TEST_CASE("whatever an epoch says of the room is in every key") {
  const Step step = files_step({"a", "a"}, {.files = {{.target = "/a", .kind = "content", .text = "x"}}});
  std::set<std::string> keys{key_text(step, latest_epoch(), {})};
  const auto changed = [&](const std::function<void(OutputEpoch&)>& change) {
    OutputEpoch epoch = latest_epoch();
    change(epoch);
    return keys.insert(key_text(step, epoch, {})).second;
  };
  CHECK(changed([](OutputEpoch& epoch) { ++epoch.id.number; }));
  CHECK(changed([](OutputEpoch& epoch) { ++epoch.id.draft; }));
  CHECK(changed([](OutputEpoch& epoch) { ++epoch.room.time; }));
  CHECK(changed([](OutputEpoch& epoch) { epoch.room.host_name = "other"; }));
  CHECK(changed([](OutputEpoch& epoch) { epoch.room.environment["TZ"] = "CET"; }));
  CHECK(changed([](OutputEpoch& epoch) { epoch.room.environment["NEW"] = ""; }));
  CHECK(changed([](OutputEpoch& epoch) { epoch.corrections = {{.number = 1, .why = "a bug"}}; }));
  // What only one kind of step goes by is in the input of that kind.
  CHECK_FALSE(changed([](OutputEpoch& epoch) { epoch.normalize.clear(); }));
  CHECK_FALSE(changed([](OutputEpoch& epoch) { epoch.writer.page = 1; }));
}

TEST_CASE("an epoch is found by number and draft, with the corrections that the lock names") {
  OutputEpoch frozen = latest_epoch();
  frozen.id = {.number = 7, .draft = 0};
  frozen.corrections = {{.number = 1, .why = "an owner was lost"}, {.number = 2, .why = "a time was wrong"}};
  const std::array known{latest_epoch(), frozen};
  CHECK(find_epoch(known, latest_epoch().id, {}) == latest_epoch());
  CHECK_FALSE(find_epoch(known, {.number = 8, .draft = 0}, {}));
  CHECK_FALSE(find_epoch(known, {.number = 7, .draft = 1}, {}));
  const auto without = find_epoch(known, frozen.id, {});
  REQUIRE(without);
  CHECK(without->corrections.empty());
  const auto second = find_epoch(known, frozen.id, {2});
  REQUIRE(second);
  CHECK_FALSE(second->has_correction(1));
  CHECK(second->has_correction(2));
  CHECK(second->correction_numbers() == std::vector<std::int64_t>{2});
  CHECK(find_epoch(known, frozen.id, {1, 2}) == frozen);
  CHECK_FALSE(find_epoch(known, frozen.id, {3}));
  CHECK(EpochId{.number = 7, .draft = 2}.text() == "draft 2 of output epoch 7");
}

TEST_CASE("a lock of another epoch is refused with what to do") {
  Lock lock;
  lock.epoch = {.number = 1, .draft = 1};
  CHECK_THROWS_AS(epoch_of(lock), Error);
  lock.epoch = latest_epoch().id;
  CHECK(epoch_of(lock) == latest_epoch());
  lock.corrections = {99};
  CHECK_THROWS_AS(epoch_of(lock), Error);
  const Lock read = parse_lock("l", lock_text(lock));
  CHECK(read.epoch == lock.epoch);
  CHECK(read.corrections == lock.corrections);
}

TEST_CASE("each rule of normalization that the epoch names exists, once") {
  const std::vector<std::string>& rules = latest_epoch().normalize;
  CHECK(std::set<std::string>(rules.begin(), rules.end()).size() == rules.size());
  TestRun test;
  for (const std::string& rule : rules)
    CHECK_NOTHROW(test.run({normalize_step({rule, rule}, {.rules = {rule}})}));
  CHECK_THROWS_AS(test.run({normalize_step({"x", "x"}, {.rules = {"no such rule"}})}), Error);
}

TEST_CASE("a level that the manifest leaves open is the epoch's") {
  const WriterSettings& settings = latest_epoch().writer;
  const auto level = [&](const ImageSpec& image) { return with_settings(image, settings).level; };
  CHECK(level({.format = "squashfs", .compression = "zstd"}) == 9);
  CHECK(level({.format = "squashfs", .compression = "zstd", .level = 3}) == 3);
  CHECK(level({.format = "squashfs", .compression = "xz"}) == 0);
  CHECK(level({.format = "btrfs", .compression = "zstd"}) == 3);
  CHECK(level({.format = "disk", .compression = "zstd", .filesystem = "btrfs"}) == 3);
  CHECK(image_tools({}).empty());
  CHECK(image_tools(settings.libraries) == image_tools());
}

TEST_CASE("a result of writing with values of another type is none") {
  const std::string text = image_result_text({.sha256 = sha256("i"), .size = 7, .tree = {.v1 = sha256("1")}});
  REQUIRE(parse_image_result(text));
  CHECK(parse_image_result(text)->size == 7);
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"size\":7", "\"size\":\"7\""},
           {"\"sha256\":\"", "\"sha256\":5,\"x\":\""},
           {"\"accounts\":[]", "\"accounts\":5"},
           {"\"groups\":[]", "\"groups\":[5]"},
           {"\"groups\":[]", "\"x\":[]"}}) {
    CAPTURE(to);
    std::string damaged = text;
    const std::size_t at = damaged.find(from);
    REQUIRE(at != std::string::npos);
    CHECK_FALSE(parse_image_result(damaged.replace(at, from.size(), to)));
  }
  for (const char* none : {"", "[]", "5", "{}"}) CHECK_FALSE(parse_image_result(none));
}

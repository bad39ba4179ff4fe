// SPDX-License-Identifier: MIT
// lock, build, plan, verify and vendor of a project, with a web of the test's own and nothing that runs programs.
#include <algorithm>
#include <filesystem>

#include "base/dates.hpp"
#include "base/files.hpp"
#include "evidence/bundle.hpp"
#include "evidence/key.hpp"
#include "image/image_format.hpp"
#include "lock/lock_file.hpp"
#include "manifest/load.hpp"
#include "pipeline/build.hpp"
#include "pipeline/expectation.hpp"
#include "pipeline/locking.hpp"
#include "pipeline/planned.hpp"
#include "pipeline/receipts.hpp"
#include "pipeline/shell.hpp"
#include "pipeline/vendor.hpp"
#include "pipeline/why.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"
#include "verify/verify.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "[[file]]\ntarget = \"/srv/hello\"\ncontent = \"hello\\n\"\n";

/// A project without a distribution, and everything that a command works with.
struct Project : TestStore {
  fs::path path = folder() / "project";
  std::map<std::string, std::string> web{};
  std::shared_ptr<FakeRunner> runner = std::make_shared<FakeRunner>();
  std::vector<std::string> asked{};

  explicit Project(const std::string& tables = kFile) {
    make_folders(path);
    write(tables);
  }

  void write(const std::string& tables) const {
    atomic_write(path / "runtime.toml",
                 "schema = 1\n[runtime]\nname = \"t\"\nversion = \"1\"\n[base]\ndistro = \"none\"\n"
                 "[init]\nprogram = \"none\"\n" +
                     tables);
  }

  void act(FakeRunner::Act what) { runner = std::make_shared<FakeRunner>(std::move(what)); }

  [[nodiscard]] Settings settings(const std::string& where = "store") {
    Settings out{.store = folder() / where, .jobs = 2};
    out.outside.runner = runner;
    out.outside.fetcher = [this](const Store& into, Reporter&, const FetchOptions& options) {
      return std::make_unique<FakeFetcher>(into, web, options.offline);
    };
    return out;
  }

  [[nodiscard]] Session session(const std::string& where = "store") { return {settings(where), reporter}; }

  LockOutcome lock(LockRequest request = {}) {
    request.path = path;
    return lock_runtime(request, session());
  }

  BuildOutcome build(BuildRequest request = {}, const std::string& where = "store") {
    request.path = path;
    if (request.output.empty()) request.output = folder() / "image";
    return build_runtime(request, session(where));
  }

  [[nodiscard]] std::string build_error(const BuildRequest& request = {}) {
    return error_text([&] { (void)build(request); });
  }

  [[nodiscard]] VerifyReport verify(VerifyRequest request = {}) {
    request.path = path;
    return verify_runtime(request, settings(), reporter);
  }

  [[nodiscard]] std::string lock_text_now() const { return read_file(path / "runtime.lock"); }
};

std::string content_of(const fs::path& image, const std::string& path) {
  const ImageContent content = read_image(image, {.wanted = [&](const std::string& each) { return each == path; }});
  const auto found = content.texts.find(path);
  return found == content.texts.end() ? "(absent)" : found->second;
}

std::vector<std::string> ran(const BuildOutcome& outcome) {
  std::vector<std::string> ids;
  for (const StepReport& step : outcome.steps)
    if (!step.cached) ids.push_back(step.id);
  return ids;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// "verdict: text" of each check of a name.
std::vector<std::string> rows(const VerifyReport& report, const std::string& name) {
  std::vector<std::string> out;
  for (const VerifyCheck& check : report.checks)
    if (check.name == name) out.push_back(std::string(verdict_name(check.verdict)) + ": " + check.text);
  return out;
}

/// A script that leaves a file behind, as the sandbox's overlay would show it.
FakeRunner::Act leaves(const std::string& path, const std::string& text) {
  return [=](const SandboxOptions& options, const std::vector<SandboxCommand>&) {
    make_folders((options.root.upper / path).parent_path());
    atomic_write(options.root.upper / path, text);
    return SandboxResult{.ok = true};
  };
}

}  // namespace

TEST_CASE("a build locks, writes the image and finds everything again") {
  Project project;
  const BuildOutcome first = project.build();
  CHECK(fs::exists(project.path / "runtime.lock"));
  CHECK(first.format == "squashfs");
  CHECK(sha256_file(first.image) == first.result.sha256);
  CHECK(content_of(first.image, "srv/hello") == "hello\n");
  CHECK(content_of(first.image, "usr/share/alephc/runtime.lock") == project.lock_text_now());
  const BuildOutcome second = project.build();
  CHECK(ran(second).empty());
  CHECK(second.result.sha256 == first.result.sha256);
  CHECK(second.output_was_there);
}

TEST_CASE("two stores give the same image, and so do one and several jobs") {
  Project project;
  const BuildOutcome first = project.build();
  const BuildOutcome second = project.build({.output = project.folder() / "second"}, "other-store");
  CHECK_FALSE(ran(second).empty());
  CHECK(first.result.sha256 == second.result.sha256);
  Settings one = project.settings("third-store");
  one.jobs = 1;
  const BuildOutcome third = build_runtime({.path = project.path, .output = project.folder() / "third"},
                                           Session(one, project.reporter));
  CHECK(third.result.sha256 == first.result.sha256);
}

TEST_CASE("a changed manifest makes the lock stale, and --locked refuses it") {
  Project project;
  (void)project.build();
  const std::string before = project.lock_text_now();
  project.write(std::string(kFile) + "[[file]]\ntarget = \"/srv/more\"\ncontent = \"x\"\n");
  CHECK(has(project.build_error({.locked = true}), "runtime.lock is stale: the manifest changed"));
  CHECK(error_kind([&] { (void)project.lock({.check = true}); }) == ErrorKind::failed);
  CHECK(project.lock_text_now() == before);
  (void)project.build();
  CHECK(project.lock_text_now() != before);
  CHECK_FALSE(project.lock({.check = true}).written);
}

TEST_CASE("without a lock nothing but a build or a lock makes one") {
  Project project;
  CHECK(has(project.build_error({.locked = true}), "runtime.lock does not exist"));
  CHECK(has(error_text([&] { (void)plan_runtime(project.path, project.session()); }),
            "run 'alephc lock' and commit the result"));
  CHECK(has(error_text([&] { (void)project.verify(); }), "runtime.lock"));
  CHECK_FALSE(fs::exists(project.path / "runtime.lock"));
}

TEST_CASE("a project file that changed makes the lock stale") {
  Project project("[[file]]\ntarget = \"/srv/data\"\nsource = \"data\"\n");
  make_folders(project.path / "data");
  atomic_write(project.path / "data/a", "1");
  const BuildOutcome first = project.build();
  CHECK(content_of(first.image, "srv/data/a") == "1");
  atomic_write(project.path / "data/a", "2");
  CHECK(has(project.build_error({.locked = true}), "'data/a' changed"));
  const BuildOutcome second = project.build();
  CHECK(content_of(second.image, "srv/data/a") == "2");
  CHECK(ran(second).front() == "files");
  fs::remove(project.path / "data/a");
  atomic_write(project.path / "data/b", "2");
  CHECK(has(project.build_error({.locked = true}), "is stale"));
}

TEST_CASE("a lock with another manifest than runtime.toml is forged, for every command") {
  Project project;
  (void)project.lock();
  Lock lock = parse_lock("l", project.lock_text_now());
  Project evil("[[user]]\nname = \"backdoor\"\nuid = 1000\n" + std::string(kFile));
  (void)evil.lock();
  const Lock other = parse_lock("l", evil.lock_text_now());
  lock.manifest = other.manifest;
  lock.manifest_text = other.manifest_text;
  lock.manifest_digest = other.manifest_digest;
  atomic_write(project.path / "runtime.lock", lock_text(lock));
  const auto kind = [&](auto&& body) { return error_kind(body); };
  CHECK(kind([&] { (void)project.lock({.check = true}); }) == ErrorKind::integrity);
  CHECK(kind([&] { (void)project.build({.locked = true}); }) == ErrorKind::integrity);
  CHECK(kind([&] { (void)project.build(); }) == ErrorKind::integrity);
  CHECK(kind([&] { (void)project.verify(); }) == ErrorKind::integrity);
  CHECK(kind([&] { (void)plan_runtime(project.path, project.session()); }) == ErrorKind::integrity);
}

TEST_CASE("an edited lock is refused before anything of it is believed") {
  Project project;
  (void)project.lock();
  std::string text = project.lock_text_now();
  const std::size_t at = text.find("source_date_epoch = ");
  REQUIRE(at != std::string::npos);
  text[at + 20] = text[at + 20] == '1' ? '2' : '1';
  atomic_write(project.path / "runtime.lock", text);
  CHECK(error_kind([&] { (void)project.build(); }) == ErrorKind::integrity);
}

TEST_CASE("a lock of another epoch or draft is stale") {
  Project project;
  (void)project.lock();
  Lock lock = parse_lock("l", project.lock_text_now());
  ++lock.epoch.draft;
  atomic_write(project.path / "runtime.lock", lock_text(lock));
  CHECK(has(project.build_error({.locked = true}), "run 'alephc lock' and commit the result"));
  (void)project.build();
  CHECK(parse_lock("l", project.lock_text_now()).epoch == latest_epoch().id);
}

TEST_CASE("an archive is fetched once, locked by its hash and refused with other bytes") {
  Project project("[[archive]]\nname = \"data\"\nurl = \"http://there/data.tar\"\ntarget = \"/srv\"\n");
  const fs::path tree = project.folder() / "tree";
  make_folders(tree);
  atomic_write(tree / "inside", "from the archive");
  auto layer = std::make_shared<Layer>();
  layer->folder = tree;
  layer->listing = {{.path = "", .type = EntryType::directory, .mode = 0755},
                    {.path = "inside", .mode = 0644, .size = 16, .content = sha256("from the archive")}};
  Tree whole;
  whole.add(layer);
  image_format("tar").write(whole, {}, project.folder() / "data.tar");
  project.web["http://there/data.tar"] = read_file(project.folder() / "data.tar");
  const BuildOutcome outcome = project.build();
  CHECK(content_of(outcome.image, "srv/inside") == "from the archive");
  CHECK(parse_lock("l", project.lock_text_now()).archives.at(0).sha256 == sha256_file(project.folder() / "data.tar"));
  // Another machine, and the file was replaced where it is published.
  project.web["http://there/data.tar"] = "something else";
  CHECK(error_kind([&] { (void)project.build({.locked = true}, "new-store"); }) == ErrorKind::integrity);
  project.web.clear();
  CHECK(error_kind([&] { (void)project.build({.locked = true}, "new-store"); }) == ErrorKind::failed);
  // What is there needs no network.
  CHECK(ran(project.build({.locked = true})).empty());
}

TEST_CASE("what an image is expected to be is compared, and the image is kept") {
  Project project;
  const ImageResult image = project.build().result;
  const auto expecting = [&](const std::string& line) {
    project.write(std::string(kFile) + "[expect]\n" + line + "\n");
    return project.build_error();
  };
  CHECK(expecting("sha256 = \"" + image.sha256.hex() + "\"").empty());
  CHECK(expecting("cid = \"" + image.cid_v0 + "\"").empty());
  CHECK(expecting("item_hash = \"" + image.sha256.hex() + "\"").empty());
  CHECK(expecting("tree = \"" + image.tree.text() + "\"").empty());
  CHECK(expecting("tree = \"" + image.tree.v1.hex() + "\"").empty());
  CHECK(expecting("max_size = \"" + std::to_string(image.size) + "\"").empty());
  const std::string other = sha256("other").hex();
  CHECK(has(expecting("sha256 = \"" + other + "\""), "the sha256 differs"));
  CHECK(has(expecting("tree = \"2:" + other + "\""), "the tree digest differs"));
  CHECK(has(expecting("tree = \"" + other + "\""), "expected " + other));
  CHECK(has(expecting("tree = \"" + image.tree.text() + "\"\noutside = \"" + other + "\""), "(not a disk)"));
  CHECK(has(expecting("outside = \"" + other + "\""), "expect.outside needs expect.tree"));
  CHECK(has(expecting("tree = \"2:" + std::string(64, '0') + "\""), "is not the digest of a tree"));
  CHECK(has(expecting("max_size = \"1\""), "more than expect.max_size allows"));
  CHECK(has(expecting("sha256 = \"" + other + "\""), "the image is kept as"));
  CHECK(has(project.build_error({.expect = "not a hash"}), "is not a file hash"));
}

TEST_CASE("a recorded receipt is held against every later build of the lock") {
  Project project;
  const BuildOutcome outcome = project.build({.record = true});
  const fs::path file = project.path / "runtime.receipt.json";
  const Receipt good = parse_receipt("r", read_file(file));
  CHECK(good.image.sha256 == outcome.result.sha256);
  CHECK(good.image.tree.text() == outcome.result.tree.text());
  CHECK(project.build_error().empty());
  Receipt bad = good;
  bad.image.tree.v2 = bad.image.sha256 = sha256("other");
  bad.layers.back().second = sha256("another layer").hex();
  atomic_write(file, receipt_text(bad));
  const std::string text = project.build_error();
  CHECK(has(text, "the image is not the recorded one: the tree digest differs"));
  CHECK(has(text, "steps with another result: " + bad.layers.back().first));
  // A receipt of another lock says nothing.
  bad.lock = sha256("another lock");
  atomic_write(file, receipt_text(bad));
  CHECK(project.build_error().empty());
}

TEST_CASE("other bytes of the recorded tree are a warning only if other libraries made them") {
  Project project;
  (void)project.build({.record = true});
  const fs::path file = project.path / "runtime.receipt.json";
  Receipt receipt = parse_receipt("r", read_file(file));
  receipt.image.sha256 = sha256("other bytes");
  atomic_write(file, receipt_text(receipt));
  CHECK(has(project.build_error(), "the sha256 differs"));
  receipt.tools = {"libzstd 0.1"};
  atomic_write(file, receipt_text(receipt));
  CHECK(project.build_error().empty());
}

TEST_CASE("a script's result is in the image, and its input decides whether it runs again") {
  Project project(std::string(kFile) + "[[run]]\nname = \"r\"\nscript = \"make\"\n");
  project.act(leaves("srv/made", "by the script"));
  CHECK(content_of(project.build().image, "srv/made") == "by the script");
  (void)project.build();
  CHECK(project.runner->runs().size() == 1);
  project.write("[[file]]\ntarget = \"/srv/hello\"\ncontent = \"changed\"\n[[run]]\nname = \"r\"\nscript = \"make\"\n");
  (void)project.build();
  CHECK(project.runner->runs().size() == 2);
}

TEST_CASE("a script that fails is told with its log, and no image is left") {
  Project project("[[run]]\nname = \"r\"\nscript = \"make\"\n");
  project.act([](const SandboxOptions& options, const std::vector<SandboxCommand>&) {
    atomic_write(options.log, "first line\nmake: no rule\n");
    return SandboxResult{.ok = false, .exit_code = 2, .reason = "exit code 2"};
  });
  const std::string text = project.build_error();
  CHECK(has(text, "the script 'r' failed: /bin/sh: exit code 2"));
  CHECK(has(text, "log: make: no rule"));
  CHECK(has(text, "in step run:r"));
  CHECK_FALSE(fs::exists(project.folder() / "image"));
}

TEST_CASE("a full disk of the host is not the script's fault") {
  Project project("[[run]]\nname = \"r\"\nscript = \"make\"\n");
  project.act([](const SandboxOptions&, const std::vector<SandboxCommand>&) {
    return SandboxResult{.ok = false, .reason = "the disk is full", .host_is_full = true};
  });
  CHECK(error_kind([&] { (void)project.build(); }) == ErrorKind::host);
}

TEST_CASE("an audit tells what a script makes at random") {
  Project project("[[run]]\nname = \"r\"\nscript = \"make\"\n");
  int count = 0;
  project.act([&](const SandboxOptions& options, const std::vector<SandboxCommand>&) {
    atomic_write(options.root.upper / "id", std::to_string(++count));
    return SandboxResult{.ok = true};
  });
  const BuildOutcome outcome = project.build({.audit = true});
  REQUIRE(outcome.audit.size() == 1);
  CHECK(outcome.audit[0].change.path == "id");
  CHECK(outcome.audit[0].step == "run:r");
}

TEST_CASE("overrides make another image of the same tree, and are checked") {
  Project project;
  const TreeDigest tree = project.build().result.tree;
  for (const char* format : {"tar", "ext4", "btrfs"}) {
    const BuildOutcome outcome =
        project.build({.output = project.folder() / format, .overrides = {std::string("image.format=") + format}});
    CAPTURE(format);
    CHECK(outcome.format == format);
    CHECK(compare_trees(outcome.result.tree, tree) == TreeMatch::same);
    CHECK(read_image(outcome.image, {}).format == format);
  }
  CHECK(has(project.build_error({.overrides = {"image.format=floppy"}}), "unknown image.format 'floppy'"));
  CHECK(has(project.build_error({.overrides = {"runtime.name=x"}}), "--set takes image.KEY=VALUE"));
  CHECK(has(project.build_error({.overrides = {"image.format"}}), "--set takes image.KEY=VALUE"));
  CHECK(has(project.build_error({.overrides = {"image.level=many"}}), "image.level"));
}

TEST_CASE("a folder is written all or nothing, and never over what is there") {
  Project project;
  const fs::path out = project.folder() / "out";
  (void)project.build({.output = out, .overrides = {"image.format=dir"}});
  CHECK(read_file(out / "srv/hello") == "hello\n");
  CHECK(has(project.build_error({.output = out, .overrides = {"image.format=dir"}}), "exists and is not empty"));
  CHECK(has(project.build_error({.output = project.folder() / "new", .expect = sha256("x").hex(), .overrides = {"image.format=dir"}}),
            "a folder has no file hash to compare"));
}

TEST_CASE("a plan shows what a build would do, and does nothing") {
  Project project;
  (void)project.lock();
  const PlannedRuntime before = plan_runtime(project.path, project.session());
  REQUIRE(before.states.size() == before.graph.steps.size());
  CHECK(before.states.front().status == StepState::Status::will_run);
  CHECK(before.graph.epoch == latest_epoch());
  (void)project.build();
  const PlannedRuntime after = plan_runtime(project.path, project.session());
  CHECK(std::all_of(after.states.begin(), after.states.end(),
                    [](const StepState& state) { return state.status == StepState::Status::cached; }));
}

TEST_CASE("an image, its rebuild and what is expected of it agree, or verify says where they do not") {
  Project project;
  const BuildOutcome outcome = project.build();
  const fs::path image = outcome.image;
  VerifyReport report = project.verify({.image = image, .expect = outcome.result.sha256.hex(), .rebuild = true});
  CHECK(report.verdict == Verdict::verified);
  CHECK(rows(report, "image") == std::vector<std::string>{"verified: the image is that of --expect",
                                                          "verified: the image is the rebuilt one, byte for byte"});
  report = project.verify({.expect = sha256("x").hex(), .rebuild = true});
  CHECK(report.verdict == Verdict::mismatch);
  CHECK(has(rows(report, "image").at(0), "mismatch: the rebuilt image is not that of --expect"));
  CHECK(project.verify({.image = image}).verdict == Verdict::undecided);
  CHECK(project.verify({.expect = outcome.result.cid_v0}).verdict == Verdict::undecided);
}

TEST_CASE("an image with other files is a mismatch that names them and the step that wrote them") {
  Project project;
  (void)project.build();
  Project other("[[file]]\ntarget = \"/srv/hello\"\ncontent = \"evil\\n\"\n");
  const BuildOutcome evil = other.build();
  const VerifyReport report = project.verify({.image = evil.image, .rebuild = true});
  CHECK(report.verdict == Verdict::mismatch);
  CHECK(has(rows(report, "tree").at(0), "mismatch: the image has another tree than the rebuilt one"));
  const auto& lines = report.explanation;
  CHECK(std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
    return has(line, "/srv/hello: content") && has(line, "written by step files");
  }));
}

TEST_CASE("the tree decides where it is asked to, and the bytes where it is not") {
  Project project;
  const BuildOutcome outcome = project.build();
  const BuildOutcome packed = project.build({.output = project.folder() / "xz", .overrides = {"image.compression=xz"}});
  CHECK(outcome.result.sha256 != packed.result.sha256);
  CHECK(project.verify({.image = packed.image, .rebuild = true}).verdict == Verdict::mismatch);
  const VerifyReport report = project.verify({.image = packed.image, .rebuild = true, .tree_level = true});
  CHECK(report.verdict == Verdict::verified);
  CHECK(std::find(report.explanation.begin(), report.explanation.end(), "with --level tree the contents decide") !=
        report.explanation.end());
}

TEST_CASE("expected trees of both versions are understood by verify") {
  Project project;
  const BuildOutcome outcome = project.build();
  for (const std::string& tree : {outcome.result.tree.text(), outcome.result.tree.v1.hex()}) {
    project.write(std::string(kFile) + "[expect]\ntree = \"" + tree + "\"\n");
    const VerifyReport report = project.verify({.image = outcome.image});
    CHECK(rows(report, "tree") == std::vector<std::string>{"verified: the image has the tree digest of [expect]"});
    CHECK(report.verdict == Verdict::verified);
  }
  project.write(std::string(kFile) + "[expect]\ntree = \"2:" + sha256("x").hex() + "\"\n");
  CHECK(project.verify({.image = outcome.image}).verdict == Verdict::mismatch);
}

TEST_CASE("a stranger's script with network cannot be verified") {
  Project project("[[run]]\nname = \"r\"\nscript = \"curl\"\nnetwork = true\n");
  (void)project.build();
  CHECK(has(error_text([&] { (void)project.verify(); }), "the script 'r' uses the network"));
}

TEST_CASE("the result of a script with network is locked, and another one refused") {
  Project project("[[run]]\nname = \"r\"\nscript = \"curl\"\nnetwork = true\n");
  project.act(leaves("got", "1"));
  (void)project.build();
  CHECK(parse_lock("l", project.lock_text_now()).runs.size() == 1);
  project.act(leaves("got", "2"));
  CHECK(error_kind([&] { (void)project.build({.locked = true}, "other-store"); }) == ErrorKind::integrity);
}

TEST_CASE("the result of a script with network is locked before an image is written") {
  Project project("[[run]]\nname = \"r\"\nscript = \"curl\"\nnetwork = true\n");
  project.act(leaves("got", "1"));
  // A folder that is there already would be refused.
  const BuildOutcome outcome =
      project.build({.output = project.folder() / "tree", .overrides = {"image.format=dir"}});
  CHECK(read_file(outcome.image / "got") == "1");
  CHECK(outcome.lock == sha256(project.lock_text_now()));
  Project refused("[[run]]\nname = \"r\"\nscript = \"curl\"\nnetwork = true\n");
  (void)refused.lock();
  CHECK(has(refused.build_error({.locked = true}), "the lock lacks the result of a script with network"));
}

TEST_CASE("a bundle holds all that a build needs, and is the same for the same lock") {
  Project project;
  const BuildOutcome outcome = project.build();
  vendor_runtime(project.path, project.folder() / "a.bundle", project.session());
  vendor_runtime(project.path, project.folder() / "b.bundle", project.session("third-store"));
  CHECK(sha256_file(project.folder() / "a.bundle") == sha256_file(project.folder() / "b.bundle"));
  const Bundle bundle = import_bundle(project.folder() / "a.bundle", Store(project.folder() / "new-store"));
  CHECK(bundle.lock_text == project.lock_text_now());
  const VerifyReport report = project.verify({.image = outcome.image, .bundle = project.folder() / "a.bundle", .rebuild = true});
  CHECK(report.verdict == Verdict::verified);
  // For another lock it is said to be another's.
  project.write(std::string(kFile) + "[[file]]\ntarget = \"/b\"\ncontent = \"x\"\n");
  (void)project.lock();
  const VerifyReport other = project.verify({.bundle = project.folder() / "a.bundle", .rebuild = true});
  CHECK(other.verdict == Verdict::mismatch);
  CHECK(has(rows(other, "bundle").at(1), "it was made for the lock"));
}

TEST_CASE("a shell is opened in the tree before a step") {
  Project project(std::string(kFile) + "[[run]]\nname = \"r\"\nscript = \"make\"\n");
  project.act([](const SandboxOptions& options, const std::vector<SandboxCommand>&) {
    return SandboxResult{.ok = true, .exit_code = options.interactive ? 7 : 0};
  });
  (void)project.lock();
  CHECK(open_shell(project.path, "run:r", {"/bin/ls"}, project.session()) == 7);
  REQUIRE(project.runner->runs().size() == 1);
  CHECK(project.runner->runs()[0].options.interactive);
  CHECK(project.runner->runs()[0].options.room == latest_epoch().room);
  CHECK(project.runner->runs()[0].commands[0].argv == std::vector<std::string>{"/bin/ls"});
}

TEST_CASE("lock --outdated tells and changes nothing") {
  Project project;
  (void)project.lock();
  const std::string before = project.lock_text_now();
  const LockOutcome outcome = project.lock({.update_all = true, .outdated = true});
  CHECK_FALSE(outcome.written);
  CHECK(project.lock_text_now() == before);
}

TEST_CASE("a policy that nobody spoke for is not fulfilled") {
  Project project;
  (void)project.lock();
  const fs::path policy = project.folder() / "policy.toml";
  atomic_write(policy, "policy = 1\nthreshold = 1\n[[key]]\nname = \"a\"\npublic_key = \"\"\"" +
                           public_pem(generate_key().public_key()) + "\"\"\"\n");
  const VerifyReport report = project.verify({.policy = policy});
  CHECK(report.verdict == Verdict::undecided);
  CHECK(rows(report, "policy") == std::vector<std::string>{"undecided: 0 of the 1 statements needed"});
  CHECK_THROWS_AS(project.verify({.policy = project.folder() / "none.toml"}), Error);
}

TEST_CASE("a lock that no 'alephc lock' can have made is forged") {
  Project project;
  (void)project.lock();
  const Lock good = parse_lock("l", project.lock_text_now());
  const auto kind_with = [&](const std::function<void(Lock&)>& change) {
    Lock lock = good;
    change(lock);
    atomic_write(project.path / "runtime.lock", lock_text(lock));
    return error_kind([&] { (void)project.lock({.check = true}); });
  };
  CHECK(kind_with([](Lock&) {}) == std::nullopt);
  CHECK(kind_with([](Lock& lock) { lock.source_date_epoch = -5; }) == ErrorKind::integrity);
  CHECK(kind_with([](Lock& lock) { ++lock.source_date_epoch; }) == ErrorKind::integrity);
  CHECK(kind_with([](Lock& lock) { lock.layers = {{.name = "packages"}}; }) == ErrorKind::integrity);
  CHECK(kind_with([](Lock& lock) { lock.archives = {{.name = "x", .sha256 = sha256("x")}}; }) == ErrorKind::integrity);
}

TEST_CASE("a project's own lock and receipt are no inputs of it") {
  Project project("[[file]]\ntarget = \"/srv/all\"\nsource = \".\"\n");
  (void)project.build({.record = true});
  CHECK_FALSE(project.lock({.check = true}).written);
  const BuildOutcome outcome = project.build({.locked = true});
  CHECK(content_of(outcome.image, "srv/all/runtime.lock") == "(absent)");
  CHECK(content_of(outcome.image, "srv/all/runtime.toml") == read_file(project.path / "runtime.toml"));
}

TEST_CASE("a name that no lock can hold is refused before one is written") {
  Project project("[[file]]\ntarget = \"/srv/data\"\nsource = \"data\"\n");
  make_folders(project.path / "data");
  atomic_write(project.path / "data/bad\xff", "x");
  CHECK(has(error_text([&] { (void)project.lock(); }), "is not UTF-8, so no lock can name it"));
  CHECK_FALSE(fs::exists(project.path / "runtime.lock"));
}

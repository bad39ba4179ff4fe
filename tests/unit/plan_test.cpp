// SPDX-License-Identifier: MIT
// Which steps a manifest and a lock make, in which order, and how they are shown.
#include "graph/plan.hpp"

#include <algorithm>
#include <filesystem>
#include <map>

#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "distro/distro.hpp"
#include "graph/audit.hpp"
#include "graph/drawing.hpp"
#include "graph/run.hpp"
#include "steps/files.hpp"
#include "store/collect.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"
#include "tree/listing_text.hpp"

using namespace alephc;

namespace {

using Words = std::vector<std::string>;
using Status = StepState::Status;

/// A manifest of Debian that wants nothing, and a lock to go with it.
struct TestRecipe {
  Manifest manifest{};
  Lock lock{};
  std::string lock_text = "the lock";

  TestRecipe() {
    manifest.base.distro = "debian";
    manifest.base.release = "bookworm";
    manifest.base.components = {"main"};
    manifest.base.image_sources = {"none"};
    manifest.init.program = InitSpec::Program::none;
    manifest.image.compression = "zstd";
    manifest.text = "the manifest";
    lock.source_date_epoch = 7;
  }
  [[nodiscard]] BuildGraph graph(bool normalize = true) const {
    return plan({manifest, lock, lock_text, latest_epoch(), normalize});
  }
  [[nodiscard]] Words ids() const {
    Words out;
    for (const Step& step : graph().steps) out.push_back(step.id);
    return out;
  }
  [[nodiscard]] Step step(const std::string& id) const {
    for (const Step& each : graph().steps)
      if (each.id == id) return each;
    FAIL("there is no step " << id);
    return {};
  }
};

bool has_line(const Step& step, const std::string& line) {
  return ("\n" + step.input).find("\n" + line + "\n") != std::string::npos;
}

LockedPackage package(const std::string& name, const std::string& arch = "amd64") {
  return {
      .name = name, .version = "1", .arch = arch, .size = 1, .sha256 = sha256(name), .repository = "debian/bookworm"};
}

/// Everything that can make a step of a function.
TestRecipe full_recipe() {
  TestRecipe recipe;
  Manifest& manifest = recipe.manifest;
  manifest.files = {{.target = "/early", .before_packages = true}, {.target = "/late"}};
  manifest.system.hostname = "box";
  manifest.system.locales = {"de_DE.UTF-8"};
  manifest.archives = {{.name = "tool", .target = "/opt"}};
  manifest.runs = {{.name = "one", .script = "1"}, {.name = "two", .script = "2"}};
  manifest.packages.exclude_paths = {"/usr/share/doc/*"};
  manifest.init.program = InitSpec::Program::aleph;
  Lock& lock = recipe.lock;
  lock.layers = {{.name = "base", .packages = {package("python3")}},
                 {.name = "more", .packages = {package("vim", "i386"), package("doc", "all")}}};
  lock.wheels = {{"idna", "3", "idna-3-py3-none-any.whl", 1, sha256("w")}};
  lock.modules = {{.path = "node_modules/m", .name = "m", .version = "1", .sha256 = sha256("m")}};
  lock.archives = {{"tool", 1, sha256("t")}};
  lock.removed = {"gcc"};
  lock.guest_files = {{"asgi_worker.py", sha256("g")}};
  return recipe;
}

}  // namespace

TEST_CASE("steps come in the order of effects that the documentation promises") {
  TestRecipe recipe = full_recipe();
  CHECK(recipe.ids() == Words{"files:early", "install:base", "install:more", "init:worker", "system", "locales",
                              "python", "archive:tool", "node", "files", "run:one", "run:two", "remove", "exclude",
                              "init", "normalize", "embed", "write"});
  recipe.manifest.image.format = "disk";
  const Words disk = recipe.ids();
  const auto boot = std::find(disk.begin(), disk.end(), "boot");
  REQUIRE(boot != disk.end());
  CHECK(*(boot - 1) == "run:two");
  CHECK(*(boot + 1) == "boot:loader");
  CHECK(*(boot + 2) == "remove");
}

TEST_CASE("what a manifest does not ask for makes no step") {
  TestRecipe recipe;
  CHECK(recipe.ids() == Words{"normalize", "embed", "write"});
  recipe.manifest.image.format = "qcow2";
  recipe.manifest.boot.kernel = "none";
  CHECK(recipe.ids() == Words{"normalize", "embed", "write"});
  // A worker needs Python, and an init that it works for.
  recipe.lock.guest_files = {{"asgi_worker.py", sha256("g")}};
  recipe.manifest.init.program = InitSpec::Program::aleph;
  CHECK(recipe.ids() == Words{"init", "normalize", "embed", "write"});
  recipe.lock.layers = {{.name = "p", .packages = {package("python3-minimal")}}};
  CHECK(recipe.ids() == Words{"install:p", "init:worker", "init", "normalize", "embed", "write"});
  recipe.manifest.init.program = InitSpec::Program::none;
  CHECK(recipe.ids() == Words{"install:p", "normalize", "embed", "write"});
}

TEST_CASE("a volume is taken out of the normalized tree and checked there") {
  TestRecipe recipe;
  recipe.manifest.kind = "volume";
  recipe.manifest.image.subtree = "/opt/code";
  recipe.manifest.image.embed_recipe = false;  // as for every volume
  CHECK(recipe.ids() == Words{"normalize", "subtree", "write"});
  CHECK(recipe.step("subtree").starts_a_tree);
  CHECK(has_line(recipe.step("write"), "checked no"));
  recipe.manifest.image.subtree.clear();
  CHECK(has_line(recipe.step("write"), "checked yes"));
}

TEST_CASE("a comparison leaves the tree as its steps leave it") {
  const BuildGraph graph = TestRecipe().graph(false);
  REQUIRE(graph.steps.size() == 1);
  CHECK(has_line(graph.steps[0], "keep_times yes"));
  CHECK(has_line(graph.steps[0], "checked no"));
}

TEST_CASE("the first layer of packages knows the architectures of all, and the answers to questions") {
  TestRecipe recipe = full_recipe();
  recipe.manifest.packages.debconf = {"a a/b string c"};
  const Step first = recipe.step("install:base");
  const Step second = recipe.step("install:more");
  CHECK(has_line(first, "is_first yes"));
  CHECK(has_line(first, "architectures amd64\narchitectures i386"));
  CHECK(has_line(first, "debconf a%20a/b%20string%20c"));
  CHECK(has_line(second, "is_first no"));
  CHECK(second.input.find("architectures") == std::string::npos);
  CHECK(second.input.find("debconf") == std::string::npos);
}

TEST_CASE("what is fetched has its hash, and what all can fetch counts as published") {
  TestRecipe recipe = full_recipe();
  LockedPackage own = package("own");
  own.repository = "file";
  recipe.lock.layers[0].packages.push_back(own);
  const auto fetches = [&](const std::string& id) { return recipe.step(id).fetches; };
  using Fetches = std::vector<std::pair<std::string, Digest>>;
  CHECK(fetches("install:base") == Fetches{{"python3 1", sha256("python3")}});
  CHECK(fetches("python") == Fetches{{"idna-3-py3-none-any.whl", sha256("w")}});
  CHECK(fetches("node") == Fetches{{"m 1", sha256("m")}});
  CHECK(fetches("archive:tool") == Fetches{{"tool", sha256("t")}});
  for (const char* id : {"python", "node", "archive:tool"}) CHECK(recipe.step(id).published);
  CHECK_FALSE(recipe.step("run:one").published);
  recipe.manifest.archives[0].source = "tool.tar";
  CHECK(fetches("archive:tool").empty());
  CHECK_FALSE(recipe.step("archive:tool").published);
}

TEST_CASE("an archive that the lock lacks, and a script that is a folder, are refused") {
  TestRecipe recipe = full_recipe();
  recipe.lock.archives.clear();
  CHECK(error_text([&] { (void)recipe.graph(); }) == "the lock does not name the archive 'tool'\nrun 'alephc lock'\n");
  TestRecipe folder;
  folder.manifest.runs = {{.name = "r", .source = "dir"}};
  folder.lock.inputs = {{"dir/file", "file", sha256("x")}};
  CHECK(error_text([&] { (void)folder.graph(); }) == "'dir' is not a file of the project\n");
}

TEST_CASE("an input that is named twice, by itself and with its folder, is given once") {
  TestRecipe recipe;
  recipe.manifest.runs = {{.name = "r", .script = "x", .inputs = {"dir", "dir/a", "other"}}};
  recipe.lock.inputs = {{"dir/a", "file", sha256("a")},
                        {"dir/b", "link", sha256("b")},
                        {"dirt", "file", sha256("c")},
                        {"other", "executable", sha256("o")}};
  const std::string& input = recipe.step("run:r").input;
  CHECK(input.find("input path=dir/a kind=file sha256=" + sha256("a").hex() + "\ninput path=dir/b kind=link sha256=" +
                   sha256("b").hex() + "\ninput path=other kind=executable") != std::string::npos);
  CHECK(input.find("dirt") == std::string::npos);
}

TEST_CASE("the result of a run with network is held against the lock, that of another is not") {
  TestRecipe recipe;
  recipe.manifest.runs = {{.name = "pure", .script = "x"}, {.name = "impure", .script = "x", .network = true}};
  CHECK_FALSE(recipe.step("run:impure").pin);
  recipe.lock.runs = {{"pure", sha256("p")}, {"impure", sha256("i")}};
  CHECK_FALSE(recipe.step("run:pure").pin);
  REQUIRE(recipe.step("run:impure").pin);
  CHECK(recipe.step("run:impure").pin->layer == sha256("i"));
}

TEST_CASE("the image is written from what its format has, and from nothing else") {
  TestRecipe recipe;
  const auto input = [&](const std::string& format) {
    recipe.manifest.image.format = format;
    return recipe.step("write").input;
  };
  const std::string seed = "seed " + sha256("the lock").hex() + "\n";
  const auto has = [](const std::string& text, const std::string& part) {
    return ("\n" + text).find("\n" + part) != std::string::npos;
  };
  CHECK(has(input("squashfs"), "block_size 131072\n"));
  CHECK_FALSE(has(input("squashfs"), "seed "));
  CHECK_FALSE(has(input("squashfs"), "label "));
  CHECK(has(input("ext4"), seed));
  CHECK(has(input("ext4"), "label root\n"));
  CHECK_FALSE(has(input("ext4"), "block_size "));
  CHECK_FALSE(has(input("ext4"), "esp_size "));
  CHECK(has(input("disk"), "esp_size 67108864\n"));
  CHECK(has(input("disk"), "bios yes\nuefi yes\n"));
  for (const char* word : {"compression ", "level ", "seed ", "label ", "tool ", "esp_size "})
    CHECK_FALSE(has(input("tar"), word));
  CHECK(has(input("tar"), "time 7\n"));
  recipe.manifest.image.verity = true;
  CHECK(has(input("squashfs"), seed));
}

TEST_CASE("settings of the init are what it reads, plugins by their place in the image") {
  TestRecipe recipe;
  InitSpec& init = recipe.manifest.init;
  init.program = InitSpec::Program::aleph;
  init.user = "app";
  init.plugins = {{.name = "own", .stage = "boot", .source = "plugins/own.sh", .files = {"data"}, .timeout_ms = 250},
                  {.name = "there", .stage = "before_volumes", .exec = {"/bin/x", "-v"}, .fails = false}};
  init.services = {{.name = "s", .exec = {"/bin/s"}, .oneshot = true, .env = {{"A", "1"}}}};
  recipe.manifest.python.optimize = {2};
  recipe.lock.inputs = {{"plugins/own.sh", "executable", sha256("p")}, {"data", "file", sha256("d")}};
  std::string line = recipe.step("init").input;
  line = line.substr(line.find("settings ") + 9);
  const auto json = nlohmann::json::parse(unescape_path(line.substr(0, line.find('\n'))));
  CHECK(json["user"] == "app");
  CHECK(json["python_optimize"] == 2);
  CHECK(json["plugins"][0] == nlohmann::json{{"name", "own"},
                                             {"stage", "boot"},
                                             {"exec", {"/usr/lib/aleph/plugins/own.sh"}},
                                             {"on_error", "fail"},
                                             {"timeout_ms", 250}});
  CHECK(json["plugins"][1]["exec"] == nlohmann::json{"/bin/x", "-v"});
  CHECK(json["plugins"][1]["on_error"] == "warn");
  CHECK(json["services"][0] ==
        nlohmann::json{
            {"name", "s"}, {"exec", {"/bin/s"}}, {"type", "oneshot"}, {"restart", "never"}, {"env", {{"A", "1"}}}});
}

// ---- drawings

namespace {

struct Drawn {
  BuildGraph graph{};
  std::vector<StepState> states{{.status = Status::cached, .key = sha256("k")},
                                {.status = Status::will_run, .why = "script changed"},
                                {.status = Status::unknown, .why = "follows run:b"}};
  Drawn() {
    graph.steps.push_back({.id = "a", .title = "first <&> \"one\"", .kind = "files", .input = "one 1\ntwo 2\n"});
    graph.steps.push_back({.id = "run:b", .title = "second", .kind = "script"});
    graph.steps.push_back({.id = "c", .title = "third", .kind = "install"});
    graph.steps[1].fetches = {{"x 1", sha256("x")}};
    graph.steps[2].fetches = {{"y 1", sha256("y")}, {"z 1", sha256("z")}};
  }
};

}  // namespace

TEST_CASE("a plan in words is a line for each step, in columns") {
  const Drawn drawn;
  CHECK(draw_text(drawn.graph, drawn.states) ==
        "a      cached    first <&> \"one\"\n"
        "run:b  will run  second (fetch 1 file): script changed\n"
        "c      depends   third (fetch 2 files): follows run:b\n");
}

TEST_CASE("a plan in JSON holds all that there is to know of a step") {
  const Drawn drawn;
  const auto steps = nlohmann::json::parse(draw_json(drawn.graph, drawn.states))["steps"];
  REQUIRE(steps.size() == 3);
  CHECK(steps[0] == nlohmann::json{{"id", "a"},
                                   {"kind", "files"},
                                   {"title", "first <&> \"one\""},
                                   {"status", "cached"},
                                   {"why", ""},
                                   {"key", sha256("k").hex()},
                                   {"after", nlohmann::json::array()},
                                   {"parameters", {"one 1", "two 2"}},
                                   {"fetches", nlohmann::json::array()}});
  CHECK(steps[1]["after"] == nlohmann::json{"a"});
  CHECK(steps[1]["key"].is_null());
  CHECK(steps[2]["fetches"][1] == nlohmann::json{{"label", "z 1"}, {"sha256", sha256("z").hex()}});
}

TEST_CASE("a plan for graphviz names its nodes in quotes and goes from each step to the next") {
  const Drawn drawn;
  const std::string dot = draw_dot(drawn.graph, drawn.states);
  CHECK(dot.starts_with("digraph build {\n"));
  CHECK(dot.ends_with("}\n"));
  CHECK(dot.find("  \"a\" [label=\"first <&> \\\"one\\\"\\ncached\", fillcolor=\"#d7f0dd\"];\n") != std::string::npos);
  CHECK(dot.find("  \"a\" -> \"run:b\";\n") != std::string::npos);
  CHECK(dot.find("  \"fetch for c\" [label=\"fetch 2 files\"") != std::string::npos);
  CHECK(dot.find("  \"fetch for c\" -> \"c\";\n") != std::string::npos);
  CHECK(dot.find("\"c\" -> \"a\"") == std::string::npos);
}

TEST_CASE("a plan as a picture escapes what XML would read") {
  const Drawn drawn;
  const std::string svg = draw_svg(drawn.graph, drawn.states);
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(svg.find("first &lt;&amp;&gt; \"one\"</text>") != std::string::npos);
  CHECK(svg.find("will run: script changed</text>") != std::string::npos);
  CHECK(draw_svg({}, {}).find("<text") == std::string::npos);
}

TEST_CASE("a change of a key is told by what people call it") {
  CHECK(explain_change("version 1\n", "version 1\n").empty());
  CHECK(explain_change("file target=/a mode=420\nfile target=/b\n", "file target=/a mode=384\nfile target=/c%20d\n") ==
        "file /a changed, +/c d, -/b");
  CHECK(explain_change("script " + std::string(80, 'a') + "\n", "script " + std::string(80, 'b') + "\n") ==
        "script changed");
  CHECK(explain_change("user root\n", "user app\nenv A 1\n") == "env changed; user root → app");
  CHECK(explain_change("text a%20b\n", "text c\n") == "text a b → c");
  CHECK(explain_change("package name=a version=1 sha256=x\n", "package name=a version=1 sha256=y\n") ==
        "the packages changed");
  std::string many;
  for (char c = 'a'; c < 'j'; ++c) many += "package name=" + std::string(1, c) + " version=1\n";
  CHECK(explain_change("", many) == "+a 1, +b 1, +c 1, +d 1, +e 1, +f 1, 3 more");
}

// ---- what a build would do, and what an audit finds

namespace {

Step file_step(const std::string& id, const std::string& text) {
  return files_step({id, id}, {.files = {{.target = "/" + id, .kind = "content", .text = text}}});
}

}  // namespace

TEST_CASE("a plan knows what is there, why a step runs, and that the others follow it") {
  TestStore test;
  const FakeFetcher fetcher(test.store);
  const FakeRunner runner;
  const Distro& distro = distro_of("none");
  PackageSupply supply(test.store, fetcher);
  const std::vector<RemoteFile> files;
  const RunTools tools{.store = test.store,
                       .reporter = test.reporter,
                       .supply = supply,
                       .runner = runner,
                       .distro = distro,
                       .remote_files = files};
  const std::filesystem::path manifest = test.folder() / "runtime.toml";
  const auto inspect = [&](const std::vector<Step>& steps) {
    std::string out;
    for (const StepState& state : inspect_steps({steps, latest_epoch()}, test.store, manifest))
      out += (state.status == Status::cached     ? "cached"
              : state.status == Status::will_run ? "runs"
                                                 : "?") +
             (state.why.empty() ? "" : " (" + state.why + ")") + (state.key.is_zero() ? " no key" : "") + "\n";
    return out;
  };
  const std::vector<Step> before{file_step("a", "1"), file_step("b", "1"), file_step("c", "1")};
  CHECK(inspect(before) == "runs (new)\n? (follows a) no key\n? (follows a) no key\n");
  BuildRecord record{.manifest = manifest};
  for (const StepReport& report : run_steps({before, latest_epoch()}, tools, ""))
    record.step_keys[report.id] = report.key;
  put_build_record(test.store, record);
  CHECK(inspect(before) == "cached\ncached\ncached\n");
  CHECK(inspect({file_step("a", "1"), file_step("b", std::string(60, '2')), file_step("c", "1")}) ==
        "cached\nruns (file /b changed)\n? (follows b) no key\n");
  CHECK(inspect({file_step("a", "1"), file_step("new", "2")}) == "cached\nruns (new)\n");
}

TEST_CASE("an audit names each path that two runs made differently, once it is normalized, and the likely cause") {
  TestStore test;
  const auto layer_of = [&](const std::map<std::string, std::string>& files) {
    const WorkFolder work = test.store.make_work_folder();
    make_folders(work.path() / "l");
    const Listing nothing{{.path = "", .type = EntryType::directory, .mode = 0755}};
    LayerWriter out(work.path() / "l", &nothing, 0);
    for (const auto& [path, text] : files) out.put_file({.path = path, .mode = 0644}, text);
    return test.store.adopt_layer(work.path() / "l", out.finish());
  };
  Tree below;
  below.add(layer_of({{"etc/conf", "x"}}));
  const auto first = layer_of(
      {{"srv/same", "s"}, {"srv/built", "built at 10:11\n"}, {"srv/one", "1"}, {"var/log/setup.log", "10:11"}});
  const auto second = layer_of(
      {{"srv/same", "s"}, {"srv/built", "built at 12:13\n"}, {"srv/two", "2"}, {"var/log/setup.log", "12:13"}});
  const auto findings =
      audit_results("run:x", below, first, second, latest_epoch(), distro_of("none"), test.store);
  REQUIRE(findings.size() == 3);
  CHECK(findings[0].change.path == "srv/built");
  CHECK(findings[0].step == "run:x");
  CHECK(findings[0].change.cause == "a date, a time or another number");
  CHECK(findings[0].change.lines.find("- built at 10:11") != std::string::npos);
  CHECK(findings[1].change.path == "srv/one");
  CHECK(findings[1].change.kind == PathChange::Kind::removed);
  CHECK(findings[2].change.path == "srv/two");
  CHECK(findings[2].change.kind == PathChange::Kind::added);
  CHECK(findings[2].change.cause == "a name or a decision that depends on time, chance or order");
  CHECK(audit_results("run:x", below, first, first, latest_epoch(), distro_of("none"), test.store).empty());
}

TEST_CASE("one of a thing is told in the singular") {
  TestRecipe recipe = full_recipe();
  CHECK(recipe.step("install:base").title == "install 1 package of base");
  CHECK(recipe.step("install:more").title == "install 2 packages of more");
  CHECK(recipe.step("python").title == "install 1 Python package");
  CHECK(recipe.step("node").title == "install 1 npm package");
  CHECK(recipe.step("remove").title == "purge 1 package");
  recipe.lock.layers.resize(1);
  CHECK(recipe.step("install:base").title == "install 1 package");
}

TEST_CASE("a reason that is too long for a picture is cut between characters") {
  Drawn drawn;
  for (std::size_t ascii = 0; ascii < 4; ++ascii) {
    drawn.states[1].why = std::string(ascii, 'x');
    for (int i = 0; i < 40; ++i) drawn.states[1].why += "→";
    const std::string svg = draw_svg(drawn.graph, drawn.states);
    CHECK(svg.find("→...") != std::string::npos);
    // nlohmann refuses to write what is not UTF-8.
    CHECK_NOTHROW(nlohmann::json(svg).dump());
  }
}

TEST_CASE("a change of the only file is told by its name") {
  CHECK(explain_change("file target=/b mode=420\n", "file target=/b mode=384\n") == "file /b changed");
  CHECK(explain_change("file target=/b\n", "file target=/c\n") == "file +/c, -/b");
}

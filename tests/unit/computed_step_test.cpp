// SPDX-License-Identifier: MIT
// Steps that are computed from listings: accounts and settings, files, archives, npm packages, the init, the boot
// loader's files, volumes, and the last check of a tree.
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>

#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "steps/accounts.hpp"
#include "steps/archive.hpp"
#include "steps/boot.hpp"
#include "steps/exclude.hpp"
#include "steps/files.hpp"
#include "steps/final_check.hpp"
#include "steps/init.hpp"
#include "steps/node.hpp"
#include "steps/subtree.hpp"
#include "steps/system.hpp"
#include "support/catch.hpp"
#include "support/contents.hpp"
#include "support/fakes.hpp"
#include "tree/scan.hpp"

using namespace alephc;

namespace {

using Texts = std::map<std::string, std::string>;

constexpr std::int64_t kTime = 1704067200;  // 2024-01-01, day 19723

/// A tree whose lowest layer is made by hand; each computed step puts another layer on it.
struct TestTree {
  TempDir temp{std::filesystem::temp_directory_path(), "alephc-test"};
  Tree tree{};
  std::vector<LayerOrigin> origins{};
  TestContents contents{};

  explicit TestTree(const Texts& files, const std::vector<Entry>& entries = {}) {
    add("below", [&](LayerWriter& out) {
      for (const auto& [path, text] : files) out.put_file({.path = path, .mode = 0644, .mtime = 5}, text);
      for (const Entry& entry : entries) out.put(entry);
    });
  }
  void run(const Step& step) {
    add(step.id, [&](LayerWriter& out) {
      std::get<Step::Computed>(step.run)({.below = tree, .out = out, .contents = contents, .layers = origins});
    });
  }
  [[nodiscard]] std::string text(const std::string& path) const {
    const Entry* entry = tree.find(path);
    return entry == nullptr ? "(absent)" : tree.read_content(*entry);
  }
  /// "TYPE MODE UID:GID → TARGET", or "(absent)".
  [[nodiscard]] std::string about(const std::string& path) const {
    const Entry* entry = tree.find(path);
    if (entry == nullptr) return "(absent)";
    const std::string target = entry->link_target.empty() ? "" : " → " + entry->link_target;
    return std::string(1, static_cast<char>(entry->type)) + " " + octal(entry->mode) + " " +
           std::to_string(entry->uid) + ":" + std::to_string(entry->gid) + target;
  }
  [[nodiscard]] std::string problem(const Step& step) {
    return error_text([&] { run(step); });
  }

 private:
  template <typename Put>
  void add(const std::string& step, Put&& put) {
    auto layer = std::make_shared<Layer>();
    layer->folder = temp.path() / std::to_string(tree.layers().size());
    make_folders(layer->folder);
    const Listing nothing{{.path = "", .type = EntryType::directory, .mode = 0755}};
    LayerWriter out(layer->folder, tree.layers().empty() ? &nothing : &tree.entries(), kTime);
    put(out);
    layer->listing = out.finish();
    tree.add(layer);
    origins.push_back({.step = step});
  }

  static std::string octal(std::uint32_t mode) {
    std::string out;
    for (int shift = 9; shift >= 0; shift -= 3) out += static_cast<char>('0' + ((mode >> shift) & 7U));
    return out;
  }
};

Entry link_to(const std::string& path, const std::string& target) {
  return {.path = path, .type = EntryType::symlink, .mode = 0777, .link_target = target};
}
Entry folder(const std::string& path, std::uint32_t mode = 0755, std::uint32_t uid = 0) {
  return {.path = path, .type = EntryType::directory, .mode = mode, .uid = uid, .gid = uid};
}

// ---- accounts and settings

const Texts kAccounts{{"etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000::/srv:/bin/sh"},
                      {"etc/group", "root:x:0:\naudio:x:29:web\nvideo:x:44:\nother:x:1001:\nweb:x:1000:\n"},
                      {"etc/shadow", "root:*:1:0:99999:7:::\n"},
                      {"etc/gshadow", "root:*::\naudio:!::web\n"}};

Step users(std::vector<UserInput> list) {
  return system_step({"system", "system"}, {.users = std::move(list)});
}
UserInput user(const std::string& name, std::optional<std::uint32_t> uid = {}) {
  return {.name = name, .uid = uid, .shell = "/bin/sh", .home = "/home/" + name};
}

}  // namespace

TEST_CASE("a new account is in all four files, locked, with a group of its own") {
  TestTree test(kAccounts);
  UserInput app = user("app", 2000);
  app.shell = "/bin/bash";
  app.groups = {"audio", "video"};
  test.run(users({app}));
  CHECK(test.text("etc/passwd") ==
        "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000::/srv:/bin/sh\napp:x:2000:2000::/home/app:/bin/bash\n");
  CHECK(test.text("etc/shadow") == "root:*:1:0:99999:7:::\napp:!:19723:0:99999:7:::\n");
  CHECK(test.text("etc/group") ==
        "root:x:0:\naudio:x:29:web,app\nvideo:x:44:app\nother:x:1001:\nweb:x:1000:\napp:x:2000:\n");
  CHECK(test.text("etc/gshadow") == "root:*::\naudio:!::web,app\napp:!::\n");
  CHECK(test.about("home/app") == "d 0755 2000:2000");
}

TEST_CASE("an account without a number gets the first from 1000 that neither a user nor a group has") {
  TestTree test(kAccounts);
  test.run(users({user("one"), user("two"), user("three", 5000), user("four")}));
  CHECK(account_id(test.tree, "etc/passwd", "one") == 1002);
  CHECK(account_id(test.tree, "etc/passwd", "two") == 1003);
  CHECK(account_id(test.tree, "etc/passwd", "three") == 5000);
  CHECK(account_id(test.tree, "etc/passwd", "four") == 1004);
}

TEST_CASE("an image without shadow files gets none by an account") {
  TestTree test(Texts{{"etc/passwd", "root:x:0:0::/:/bin/sh\n"}, {"etc/group", "root:x:0:\n"}});
  test.run(users({user("app")}));
  CHECK(account_id(test.tree, "etc/passwd", "app") == 1000);
  CHECK(test.tree.find("etc/shadow") == nullptr);
  CHECK(test.tree.find("etc/gshadow") == nullptr);
}

TEST_CASE("the files of accounts keep their owners and modes") {
  TestTree test(kAccounts);
  test.run(files_step(
      {"f", "f"},
      {.files = {
           {.target = "/etc/shadow", .kind = "content", .text = "root:*:1::::::\n", .mode = 0640, .owner = "0:42"}}}));
  test.run(users({user("app")}));
  CHECK(test.about("etc/shadow") == "f 0640 0:42");
  CHECK(test.tree.find("etc/shadow")->mtime == kTime);
}

TEST_CASE("a home has what /etc/skel has, and keys only their owner reads") {
  TestTree test(kAccounts,
                {link_to("etc/skel/link", ".profile"), folder("etc/skel/sub", 0700), link_to("home", "srv/homes")});
  test.run(files_step({"f", "f"},
                      {.files = {{.target = "/etc/skel/.profile", .kind = "content", .text = "hello", .mode = 0640}}}));
  UserInput app = user("app");
  app.authorized_keys = {"ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"};
  test.run(users({app}));
  // /home is a link in this image.
  CHECK(test.about("srv/homes/app") == "d 0755 1002:1002");
  CHECK(test.about("srv/homes/app/.profile") == "f 0640 1002:1002");
  CHECK(test.text("srv/homes/app/.profile") == "hello");
  CHECK(test.about("srv/homes/app/link") == "l 0777 1002:1002 → .profile");
  CHECK(test.about("srv/homes/app/sub") == "d 0700 1002:1002");
  CHECK(test.about("srv/homes/app/.ssh") == "d 0700 1002:1002");
  CHECK(test.about("srv/homes/app/.ssh/authorized_keys") == "f 0600 1002:1002");
  CHECK(test.text("srv/homes/app/.ssh/authorized_keys") == "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n");
}

TEST_CASE("an account that a package made, and a group that is nowhere, are refused") {
  TestTree test(kAccounts);
  CHECK(test.problem(users({user("web")})) == "the user 'web' is there already: a package made it\n");
  UserInput app = user("app");
  app.groups = {"vidoe"};
  CHECK(test.problem(users({app})) == "there is no group 'vidoe' for the user 'app'\ndid you mean 'video'?\n");
}

TEST_CASE("settings of the system are the files that programs read") {
  TestTree test(Texts{{"usr/share/zoneinfo/Europe/Rome", "TZif"}, {"etc/hostname", "old\n"}},
                {link_to("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")});
  test.run(system_step({"system", "system"}, {.timezone = "Europe/Rome",
                                              .locale = "de_DE.UTF-8",
                                              .hostname = "box",
                                              .sources_path = "etc/apt/sources.list",
                                              .sources = "deb x\n"}));
  CHECK(test.about("etc/localtime") == "l 0777 0:0 → /usr/share/zoneinfo/Europe/Rome");
  CHECK(test.text("etc/timezone") == "Europe/Rome\n");
  CHECK(test.text("etc/default/locale") == "LANG=de_DE.UTF-8\n");
  CHECK(test.text("etc/hostname") == "box\n");
  CHECK(test.text("etc/apt/sources.list") == "deb x\n");
}

TEST_CASE("what is not set stays as the distribution has it") {
  TestTree test(Texts{{"etc/hostname", "old\n"}});
  test.run(system_step({"system", "system"}, {.locale = "C.UTF-8"}));
  CHECK(test.text("etc/hostname") == "old\n");
  CHECK(test.tree.find("etc/localtime") == nullptr);
  CHECK(test.tree.find("etc/timezone") == nullptr);
}

TEST_CASE("a time zone that the image does not have is refused with what to do") {
  const Step step = system_step({"system", "system"}, {.timezone = "Europe/Rom"});
  CHECK(TestTree(Texts{{"x", ""}}).problem(step) ==
        "the image has no time zone 'Europe/Rom'\nadd the package tzdata\n");
  CHECK(TestTree(Texts{{"usr/share/zoneinfo/UTC", ""}}).problem(step) ==
        "the image has no time zone 'Europe/Rom'\nis it spelled as in /usr/share/zoneinfo?\n");
}

TEST_CASE("owners are names of the image's accounts, or numbers") {
  const TestTree test(kAccounts);
  const auto ids = [&](const std::string& owner) {
    const OwnerIds found = owner_ids(test.tree, owner);
    return std::to_string(found.uid) + ":" + std::to_string(found.gid);
  };
  CHECK(ids("web:audio") == "1000:29");
  CHECK(ids("0:65534") == "0:65534");
  CHECK(ids("root:root") == "0:0");
  CHECK(error_text([&] { (void)ids("web:audoi"); }) ==
        "there is no group 'audoi' in the image\ndid you mean 'audio'?\n");
  CHECK(account_fields(test.tree, "etc/group", {0, 2}).at(1) == "audio:29");
  CHECK(account_fields(test.tree, "etc/passwd", {0, 2, 3}).at(1) == "web:1000:1000");
  CHECK(account_fields(test.tree, "etc/shadow", {0, 9}).empty());
  CHECK(account_lines(test.tree, "etc/none").empty());
}

// ---- files

namespace {

Step files(std::vector<FileInput> list) {
  return files_step({"files", "files"}, {.files = std::move(list)});
}

}  // namespace

TEST_CASE("a folder of the project becomes one of the image, with modes of ours") {
  TestTree test(Texts{{"etc/app/kept", "k"}}, {folder("etc/app", 0700, 7)});
  const Digest text = test.contents.add("text");
  test.run(files({{.target = "/etc/app",
                   .kind = "source",
                   .owner = "5:6",
                   .content = {{"bin/run", "executable", text},
                               {"conf", "file", text},
                               {"empty", "folder", sha256("")},
                               {"link", "link", test.contents.add("conf")}}}}));
  // What is a folder in the image already keeps its attributes.
  CHECK(test.about("etc/app") == "d 0700 7:7");
  CHECK(test.about("etc/app/bin") == "d 0755 5:6");
  CHECK(test.about("etc/app/bin/run") == "f 0755 5:6");
  CHECK(test.about("etc/app/conf") == "f 0644 5:6");
  CHECK(test.about("etc/app/empty") == "d 0755 5:6");
  CHECK(test.about("etc/app/link") == "l 0777 5:6 → conf");
  CHECK(test.text("etc/app/kept") == "k");
  CHECK(test.tree.find("etc/app/conf")->mtime == kTime);
}

TEST_CASE("a mode of a source folder is the folder's, one of a source file the file's") {
  TestTree test(Texts{{"x", ""}});
  const Digest text = test.contents.add("text");
  test.run(files({{.target = "/d", .kind = "source", .mode = 0750, .content = {{"f", "executable", text}}},
                  {.target = "/f", .kind = "source", .mode = 04711, .content = {{"", "file", text}}},
                  {.target = "/e", .kind = "source", .content = {{"", "executable", text}}},
                  {.target = "/empty", .kind = "source", .content = {{"", "folder", sha256("")}}}}));
  CHECK(test.about("d") == "d 0750 0:0");
  CHECK(test.about("d/f") == "f 0755 0:0");
  CHECK(test.about("f") == "f 4711 0:0");
  CHECK(test.about("e") == "f 0755 0:0");
  CHECK(test.about("empty") == "d 0755 0:0");
}

TEST_CASE("text is appended behind the end of a line, and the file stays whose it is") {
  TestTree test(Texts{{"etc/conf", "old"}, {"etc/empty", ""}}, {link_to("etc/way", "conf")});
  test.run(files({{.target = "/etc/conf", .kind = "content", .text = "a\n", .mode = 0640, .owner = "3:4"}}));
  const Digest source = test.contents.add("from source\n");
  test.run(files({{.target = "/etc/way", .kind = "content", .text = "b\n", .append = true},
                  {.target = "/etc/conf", .kind = "source", .append = true, .content = {{"", "file", source}}},
                  {.target = "/etc/empty", .kind = "content", .text = "x", .append = true, .mode = 0600},
                  {.target = "/etc/new", .kind = "content", .text = "y", .append = true}}));
  CHECK(test.text("etc/conf") == "a\nb\nfrom source\n");
  CHECK(test.about("etc/conf") == "f 0640 3:4");
  CHECK(test.about("etc/way") == "l 0777 0:0 → conf");
  CHECK(test.text("etc/empty") == "x");
  CHECK(test.about("etc/empty") == "f 0600 0:0");
  CHECK(test.text("etc/new") == "y");
}

TEST_CASE("a file that is not appended takes the place of a link, and folders on the way are followed") {
  TestTree test(Texts{{"usr/lib/x", "x"}}, {link_to("lib", "usr/lib"), link_to("etc/conf", "/usr/lib/x")});
  test.run(files({{.target = "/etc/conf", .kind = "content", .text = "own"},
                  {.target = "/lib/new", .kind = "content", .text = "new"},
                  {.target = "/lib/x", .kind = "link", .text = "../../nowhere"}}));
  CHECK(test.text("etc/conf") == "own");
  CHECK(test.text("usr/lib/new") == "new");
  CHECK(test.about("usr/lib/x") == "l 0777 0:0 → ../../nowhere");
  CHECK(test.about("lib") == "l 0777 0:0 → usr/lib");
}

TEST_CASE("a folder keeps its mode unless another is asked for, and takes the owner") {
  TestTree test(Texts{}, {folder("srv/kept", 0711), folder("srv/new", 0711)});
  test.run(files({{.target = "/srv/kept", .kind = "folder", .owner = "8:9"},
                  {.target = "/srv/new", .kind = "folder", .mode = 01777},
                  {.target = "/srv/fresh", .kind = "folder"}}));
  CHECK(test.about("srv/kept") == "d 0711 8:9");
  CHECK(test.about("srv/new") == "d 1777 0:0");
  CHECK(test.about("srv/fresh") == "d 0755 0:0");
}

TEST_CASE("folders become no files and files no folders, and the place in the manifest is told") {
  TestTree test(Texts{{"etc/file", ""}}, {folder("etc/dir")});
  const auto source = std::make_shared<const SourceText>(SourceText{"runtime.toml", "x"});
  const SourceSpan at{.source = source, .line = 12, .column = 3};
  const auto problem = [&](FileInput input) {
    input.at = at;
    try {
      test.run(files({input}));
    } catch (const Error& error) {
      CHECK(error.diagnostics().front().at->line == 12);
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string becomes_file = "/etc/dir is a folder in the image and cannot become a file";
  CHECK(problem({.target = "/etc/dir", .kind = "content"}) == becomes_file);
  CHECK(problem({.target = "/etc/dir", .kind = "link", .text = "x"}) == becomes_file);
  CHECK(problem({.target = "/etc/dir", .kind = "source", .content = {{"", "file", test.contents.add("")}}}) ==
        becomes_file);
  CHECK(problem({.target = "/etc/file", .kind = "folder"}) == "/etc/file is not a folder in the image");
  CHECK(problem({.target = "/etc/file/below", .kind = "content"}).find("/etc/file is not a folder") == 0);
  CHECK(problem({.target = "/etc/new", .kind = "content", .owner = "nobody:root"}) ==
        "there is no user 'nobody' in the image");
}

// ---- excluded paths

TEST_CASE("the last pattern that matches a path decides, and copyrights stay unless they are named") {
  const Texts tree{{"usr/share/doc/a/copyright", ""},
                   {"usr/share/doc/a/x", ""},
                   {"usr/share/doc/a/y", ""},
                   {"usr/share/doc/a-b", ""}};
  const auto left = [&](const std::vector<std::string>& globs) {
    TestTree test(tree);
    test.run(exclude_step({"exclude", "exclude"}, {.globs = globs}));
    std::string out;
    for (const Entry& entry : test.tree.entries())
      if (entry.type == EntryType::regular) out += entry.path.substr(14) + " ";
    return out;
  };
  CHECK(left({"/usr/share/doc/*"}) == "a/copyright ");
  CHECK(left({"/usr/share/doc/*", "!/usr/share/doc/a/x"}) == "a/copyright a/x ");
  CHECK(left({"!/usr/share/doc/a/x", "/usr/share/doc/*"}) == "a/copyright ");
  CHECK(left({"/usr/share/doc/a", "/usr/share/doc/?-b"}) == "a/copyright a/x a/y ");
  CHECK(left({"/usr/share/doc/*", "/usr/share/doc/*/copyright"}) == "");
  CHECK(left({"/nothing/*"}) == "a-b a/copyright a/x a/y ");
}

// ---- archives

namespace {

struct Member {
  std::string name{};
  std::string content{};
  char type = '0';
  unsigned mode = 0644;
  std::string link{};
};

/// A tar in its POSIX form; owners are 7 and 8, times lie in the future.
std::string tar_of(const std::vector<Member>& members) {
  std::string out;
  for (const Member& member : members) {
    std::string head(512, '\0');
    const auto put = [&](std::size_t at, const std::string& text) { head.replace(at, text.size(), text); };
    const auto number = [&](std::size_t at, int width, unsigned long value) {
      std::array<char, 16> text{};
      (void)std::snprintf(text.data(), text.size(), "%0*lo", width, value);
      put(at, text.data());
    };
    put(0, member.name);
    number(100, 7, member.mode);
    number(108, 7, 7);
    number(116, 7, 8);
    number(124, 11, member.content.size());
    number(136, 11, 4000000000UL);
    put(148, "        ");
    head[156] = member.type;
    put(157, member.link);
    put(257, std::string("ustar\0", 6) + "00");
    unsigned long sum = 0;
    for (const char c : head) sum += static_cast<unsigned char>(c);
    number(148, 6, sum);
    head[154] = '\0';
    out += head + member.content + std::string((512 - member.content.size() % 512) % 512, '\0');
  }
  return out + std::string(1024, '\0');
}

Step archive(TestTree& test, const std::vector<Member>& members, const std::string& target, std::uint32_t strip = 0,
             const std::string& integrity = {}) {
  return archive_step({"archive:t", "unpack t"}, {.name = {"t"},
                                                  .sha256 = test.contents.add(tar_of(members)),
                                                  .integrity = integrity,
                                                  .target = target,
                                                  .owner = "1:2",
                                                  .strip = strip});
}

}  // namespace

TEST_CASE("an archive is unpacked below its target, without its first folders, for its owner") {
  TestTree test(Texts{}, {link_to("opt", "usr/opt"), folder("usr/opt")});
  test.run(archive(test,
                   {{.name = "t-1/", .type = '5', .mode = 0700},
                    {.name = "t-1/README", .content = "readme"},
                    {.name = "t-1/bin/tool", .content = "#!", .mode = 04755},
                    {.name = "t-1/bin/again", .type = '1', .link = "t-1/bin/tool"},
                    {.name = "t-1/link", .type = '2', .link = "../../etc"},
                    {.name = "top", .content = "dropped with the first folders"}},
                   "/opt/tool", 1));
  CHECK(test.about("usr/opt/tool") == "d 0755 1:2");
  CHECK(test.text("usr/opt/tool/README") == "readme");
  CHECK(test.about("usr/opt/tool/bin/tool") == "f 4755 1:2");
  CHECK(test.about("usr/opt/tool/link") == "l 0777 1:2 → ../../etc");
  CHECK(test.tree.find("usr/opt/tool/top") == nullptr);
  // A hard link is a copy, and nothing is younger than the steps.
  CHECK(test.text("usr/opt/tool/bin/again") == "#!");
  CHECK(test.tree.find("usr/opt/tool/bin/again")->hard_link.empty());
  CHECK(test.tree.find("usr/opt/tool/README")->mtime == kTime);
}

TEST_CASE("an archive that would write outside its target is refused and leaves nothing") {
  const std::vector<std::vector<Member>> evil{
      {{.name = "../x", .content = "e"}},
      {{.name = "a/../../x", .content = "e"}},
      {{.name = "x", .type = '2', .link = "/etc"}, {.name = "x/passwd", .content = "e"}},
      {{.name = "x/y", .content = "e"}, {.name = "x", .type = '2', .link = "/etc"}},
      {{.name = "x/", .type = '5'}, {.name = "x", .type = '2', .link = "/etc"}},
      {{.name = "x", .type = '1', .link = "../../etc/passwd"}},
      {{.name = "x", .type = '1', .link = "later"}, {.name = "later", .content = "e"}}};
  for (const std::vector<Member>& members : evil) {
    TestTree test(Texts{{"etc/passwd", "root"}});
    INFO(members.front().name << " " << members.front().link);
    CHECK(error_kind([&] { test.run(archive(test, members, "/opt")); }) == ErrorKind::integrity);
    CHECK(test.tree.layers().size() == 1);
  }
}

TEST_CASE("an archive is what its integrity says, or is not unpacked") {
  TestTree test(Texts{});
  const std::vector<Member> members{{.name = "f", .content = "x"}};
  const auto raw = sha256(tar_of(members)).bytes;
  const std::string good = "sha256-" + to_base64(std::string(raw.begin(), raw.end()));
  CHECK_NOTHROW(test.run(archive(test, members, "/a", 0, good)));
  CHECK(test.text("a/f") == "x");
  const std::string bad = "sha256-" + to_base64(std::string(32, 'x'));
  CHECK(test.problem(archive(test, members, "/b", 0, bad)) ==
        "the archive t is not what its integrity says\nthe lock was changed: run 'alephc lock'\n");
  CHECK(error_kind([&] {
          test.run(archive_step({"a", "a"},
                                {.sha256 = test.contents.add("no archive at all"), .target = "/", .owner = "0:0"}));
        }) == ErrorKind::integrity);
}

TEST_CASE("npm packages stand below node_modules with their programs in .bin") {
  TestTree test(Texts{});
  const std::vector<Member> members{{.name = "package/package.json", .content = "{}", .mode = 0666},
                                    {.name = "package/cli.js", .content = "#!", .mode = 0644},
                                    {.name = "package/tool.sh", .content = "#!", .mode = 0700}};
  const Digest tarball = test.contents.add(tar_of(members));
  test.run(node_step(
      {"node", "node"},
      {.target = "/opt",
       .modules = {
           {.path = "node_modules/@s/a", .name = "@s/a", .version = "1", .bins = {"a=./cli.js"}, .sha256 = tarball},
           {.path = "node_modules/@s/a/node_modules/b",
            .name = "b",
            .version = "2",
            .bins = {"b=cli.js"},
            .sha256 = tarball}}}));
  CHECK(test.about("opt/node_modules/@s/a/package.json") == "f 0644 0:0");
  CHECK(test.about("opt/node_modules/@s/a/cli.js") == "f 0755 0:0");
  CHECK(test.about("opt/node_modules/@s/a/tool.sh") == "f 0755 0:0");
  CHECK(test.about("opt/node_modules/.bin/a") == "l 0777 0:0 → ../@s/a/cli.js");
  CHECK(test.about("opt/node_modules/@s/a/node_modules/.bin/b") == "l 0777 0:0 → ../b/cli.js");
  for (const char* bin : {"../evil=cli.js", ".hidden=cli.js", "=cli.js", "a/b=cli.js"})
    CHECK(error_kind([&] {
            test.run(
                node_step({"node", "node"},
                          {.target = "/opt",
                           .modules = {{.path = "node_modules/a", .name = "a", .bins = {bin}, .sha256 = tarball}}}));
          }) == ErrorKind::integrity);
}

// ---- the init

namespace {

constexpr std::array kGuests{"aleph-init", "asgi_worker.py", "runtime_types.py", "sdk_plugins.py"};

InitInput init_input(TestTree& test) {
  InitInput input{.settings = R"({"sshd":false})", .user = "root"};
  for (const char* name : kGuests) input.guest_files.push_back({name, test.contents.add(std::string("guest ") + name)});
  return input;
}
std::string init_problem(TestTree& test, const InitInput& input) {
  return test.problem(init_step({"init", "init"}, input));
}

}  // namespace

TEST_CASE("the init stands at /sbin/init, whatever link was there, with its settings and mount points") {
  TestTree test(Texts{{"lib/systemd/systemd", "systemd"}},
                {link_to("sbin", "usr/sbin"), link_to("usr/sbin/init", "/lib/systemd/systemd"), folder("tmp", 0700)});
  test.run(init_step({"init", "init"}, init_input(test)));
  CHECK(test.about("usr/sbin/init") == "f 0755 0:0");
  CHECK(test.text("usr/sbin/init") == "guest aleph-init");
  CHECK(test.text("lib/systemd/systemd") == "systemd");
  CHECK(test.text("usr/lib/aleph/asgi_worker.py") == "guest asgi_worker.py");
  CHECK(nlohmann::json::parse(test.text("usr/lib/aleph/init.json")) == nlohmann::json{{"sshd", false}});
  for (const char* path : {"proc", "sys", "dev", "run", "mnt", "overlay", "opt", "var"})
    CHECK(test.about(path) == "d 0755 0:0");
  CHECK(test.about("root") == "d 0700 0:0");
  CHECK(test.about("tmp") == "d 0700 0:0");  // was there
}

TEST_CASE("the distribution's init is told to the agent, and kept where ours takes its place") {
  TestTree linked(Texts{{"lib/systemd/systemd", "systemd"}}, {link_to("sbin/init", "/lib/systemd/systemd")});
  InitInput input = init_input(linked);
  input.with_distro = true;
  linked.run(init_step({"init", "init"}, input));
  CHECK(nlohmann::json::parse(linked.text("usr/lib/aleph/init.json"))["distro_init"] == "/lib/systemd/systemd");
  CHECK(linked.about("etc/systemd/system/basic.target.wants/aleph-agent.service") ==
        "l 0777 0:0 → /etc/systemd/system/aleph-agent.service");
  CHECK(linked.text("etc/systemd/system/aleph-agent.service").find("ExecStart=/usr/lib/aleph/aleph-init agent") !=
        std::string::npos);
  TestTree own(Texts{{"sbin/init", "busybox"}, {"sbin/openrc", "openrc"}});
  InitInput other = init_input(own);
  other.with_distro = true;
  own.run(init_step({"init", "init"}, other));
  CHECK(nlohmann::json::parse(own.text("usr/lib/aleph/init.json"))["distro_init"] == "/usr/lib/aleph/distro-init");
  CHECK(own.text("usr/lib/aleph/distro-init") == "busybox");
  CHECK(own.text("sbin/init") == "guest aleph-init");
  CHECK(own.about("etc/runlevels/default/aleph-agent") == "l 0777 0:0 → /etc/init.d/aleph-agent");
  CHECK(own.about("etc/init.d/aleph-agent") == "f 0755 0:0");
}

TEST_CASE("an image without the distribution's init or its manager cannot have one") {
  TestTree nothing(Texts{{"x", ""}});
  InitInput input = init_input(nothing);
  input.with_distro = true;
  CHECK(init_problem(nothing, input).starts_with("program = \"distro\", but no package brings /sbin/init\n"));
  TestTree alone(Texts{{"sbin/init", "busybox"}});
  InitInput other = init_input(alone);
  other.with_distro = true;
  CHECK(init_problem(alone, other).starts_with("program = \"distro\" needs systemd or OpenRC in the image\n"));
}

TEST_CASE("plugins are in the image: the first file runs, the others lie beside it") {
  TestTree test(Texts{{"bin/sh", "\x7f"}});
  InitInput input = init_input(test);
  input.plugins = {{.name = {"p"},
                    .files = {{"run.sh", "file", test.contents.add("#!/bin/sh\nexit\n")},
                              {"data", "executable", test.contents.add("data")}}}};
  test.run(init_step({"init", "init"}, input));
  CHECK(plugin_path("run.sh") == "/usr/lib/aleph/plugins/run.sh");
  CHECK(test.about("usr/lib/aleph/plugins/run.sh") == "f 0755 0:0");
  CHECK(test.about("usr/lib/aleph/plugins/data") == "f 0644 0:0");
}

TEST_CASE("what plugins and services run is in the image, executable, with its interpreter") {
  TestTree test(
      Texts{{"usr/bin/env", "\x7f"}, {"usr/bin/plain", "#!/usr/bin/perl\n"}, {"etc/passwd", "app:x:5:5::/:/bin/sh\n"}},
      {folder("usr/bin/dir")});
  const InitInput base = init_input(test);
  test.run(
      files({{.target = "/usr/bin/good", .kind = "content", .text = "#!/usr/bin/env\n", .mode = 0755},
             {.target = "/usr/bin/perly", .kind = "content", .text = "#!/usr/bin/perl -w\n", .mode = 0755},
             {.target = "/usr/bin/pythonic", .kind = "content", .text = "#!/usr/bin/env python3\n", .mode = 0755}}));
  const auto service = [&](const std::string& program) {
    InitInput input = base;
    input.services = {{.name = {"s"}, .program = program}};
    return init_problem(test, input);
  };
  CHECK(service("/usr/bin/good").empty());
  CHECK(service("/usr/bin/none") == "the service 's' needs /usr/bin/none, which is not in the image\n");
  CHECK(service("none") == "the service 's' needs none, which is not in the image\n");
  CHECK(service("/usr/bin/dir") == "the service 's' needs /usr/bin/dir, which is not in the image\n");
  CHECK(service("/usr/bin/plain") == "the service 's': /usr/bin/plain is not executable\ngive it mode = \"0755\"\n");
  CHECK(service("perly") == "the service 's' needs /usr/bin/perl, which is not in the image\n");
  CHECK(service("/usr/bin/pythonic") == "the service 's' needs python3, which is not in the image\n");
  const auto plugin = [&](const std::string& text) {
    InitInput input = base;
    input.plugins = {{.name = {"p"}, .files = {{"p", "executable", test.contents.add(text)}}}};
    return init_problem(test, input);
  };
  CHECK(plugin("print(1)\n") == "the plugin 'p' is neither a script with a first line like #!/bin/sh nor a program\n");
  CHECK(plugin("#!/bin/zsh\n") == "the plugin 'p' needs /bin/zsh, which is not in the image\n");
  CHECK(plugin("\x7f"
               "ELF static")
            .empty());
}

TEST_CASE("a dynamic program needs its loader in the image") {
  std::string elf = std::string(
                        "\x7f"
                        "ELF\x02\x01",
                        6) +
                    std::string(58, '\0');
  elf[32] = 64;  // the table of segments
  elf[54] = 56;  // size of one
  elf[56] = 1;   // how many
  std::string segment(56, '\0');
  segment[0] = 3;  // the path of the loader
  segment[8] = 120;
  segment[32] = 9;
  elf += segment + "/lib/ld\0\0";
  const auto problem = [&](const Texts& image) {
    TestTree test(image);
    InitInput input = init_input(test);
    input.plugins = {{.name = {"p"}, .files = {{"p", "executable", test.contents.add(elf)}}}};
    return init_problem(test, input);
  };
  CHECK(problem({{"x", ""}}) == "the plugin 'p' needs /lib/ld, which is not in the image\n");
  CHECK(problem({{"lib/ld", ""}}).empty());
}

TEST_CASE("all that an init lacks is told at once") {
  TestTree test(Texts{{"x", ""}});
  InitInput input = init_input(test);
  input.sshd = true;
  input.user = "app";
  input.sdk_plugins = {{"custom_plugins.py", "file", test.contents.add("")}};
  input.init0_plugin = {{"init0.sh", "file", test.contents.add("#!/bin/sh\n")}};
  const std::string problems = init_problem(test, input);
  for (const char* part : {"'sshd' needs the package openssh-server", "there is no user 'app' in the image",
                           "'sdk_plugins' needs python3 in the image", "init0_plugin.sh needs /bin/sh"})
    CHECK(problems.find(part) != std::string::npos);
}

TEST_CASE("an init that the lock does not name, or that this alephc does not have, is refused") {
  TestTree test(Texts{{"x", ""}});
  InitInput input = init_input(test);
  input.guest_files.erase(input.guest_files.begin());
  CHECK(init_problem(test, input) == "the lock does not name aleph-init\nrun 'alephc lock --update'\n");
  InitInput other = init_input(test);
  other.guest_files[1].sha256 = sha256("unknown");
  CHECK(init_problem(test, other)
            .starts_with("the lock names another asgi_worker.py (" + sha256("unknown").hex().substr(0, 12) +
                         "…) than this alephc has\n"));
}

// ---- what starts a disk

namespace {

const Texts kBootable{{"boot/vmlinuz-6.1.0-9-amd64", ""},      {"boot/vmlinuz-6.1.0-10-amd64", ""},
                      {"boot/initrd.img-6.1.0-10-amd64", ""},  {"usr/bin/grub-mkimage", ""},
                      {"usr/lib/grub/i386-pc/normal.mod", ""}, {"usr/lib/grub/x86_64-efi/normal.mod", ""}};

BootInput boot_input(const std::string& filesystem = "ext4") {
  return {.seed = sha256("seed"),
          .arch = "amd64",
          .filesystem = filesystem,
          .cmdline = "console=ttyS0",
          .bios = true,
          .uefi = true};
}

}  // namespace

TEST_CASE("a disk starts the newest kernel, by the versions' numbers, from the filesystem's own UUID") {
  TestTree test(kBootable);
  test.run(boot_step({"boot", "boot"}, boot_input()));
  const std::string menu = test.text("boot/grub/grub.cfg");
  const std::string load = test.text("boot/grub/load.cfg");
  REQUIRE(load.starts_with("search.fs_uuid "));
  const std::string uuid = load.substr(15, 36);
  CHECK(menu.find("  linux /boot/vmlinuz-6.1.0-10-amd64 root=UUID=" + uuid + " ro console=ttyS0\n") !=
        std::string::npos);
  CHECK(menu.find("  initrd /boot/initrd.img-6.1.0-10-amd64\n") != std::string::npos);
  CHECK(load.ends_with("set prefix=($root)/boot/grub\n"));
  const std::string fstab = test.text("etc/fstab");
  CHECK(fstab.starts_with("UUID=" + uuid + " / ext4 rw,discard,errors=remount-ro 0 1\nUUID="));
  CHECK(fstab.ends_with(" /boot/efi vfat umask=0022,nofail 0 0\n"));
  CHECK(test.tree.find("etc/default/grub.d/10-alephc.cfg") == nullptr);
}

TEST_CASE("GRUB reads btrfs from its top, and an image with update-grub keeps the command line") {
  Texts files = kBootable;
  files["usr/sbin/grub-mkconfig"] = "";
  TestTree test(files);
  BootInput input = boot_input("btrfs");
  input.subvolume = "at";
  input.uefi = false;
  test.run(boot_step({"boot", "boot"}, input));
  CHECK(test.text("boot/grub/grub.cfg").find("  linux /at/boot/vmlinuz-6.1.0-10-amd64 ") != std::string::npos);
  CHECK(test.text("boot/grub/load.cfg").ends_with("set prefix=($root)/at/boot/grub\n"));
  CHECK(test.text("etc/fstab").ends_with(" / btrfs rw,discard=async 0 0\n"));
  CHECK(test.text("etc/default/grub.d/10-alephc.cfg").find("GRUB_CMDLINE_LINUX=\"console=ttyS0\"\n") !=
        std::string::npos);
}

TEST_CASE("an fstab of the recipe stays, one of comments only is written again") {
  const auto fstab = [](const std::string& before) {
    Texts files = kBootable;
    files["etc/fstab"] = before;
    TestTree test(files);
    test.run(boot_step({"boot", "boot"}, boot_input()));
    return test.text("etc/fstab");
  };
  CHECK(fstab("/dev/vda / ext4 rw 0 1\n") == "/dev/vda / ext4 rw 0 1\n");
  CHECK(fstab("# UNCONFIGURED FSTAB\n\n  \n").starts_with("UUID="));
}

TEST_CASE("all that a disk lacks to start is told at once, with the packages that bring it") {
  TestTree test(Texts{{"boot/config-6.1", ""}});
  const std::string problems = test.problem(boot_step({"boot", "boot"}, boot_input()));
  for (const char* part : {"there is no kernel: /boot has no vmlinuz-VERSION", "add grub2-common", "add grub-pc-bin",
                           "add grub-efi-amd64-bin"})
    CHECK(problems.find(part) != std::string::npos);
  TestTree bare(Texts{{"boot/vmlinuz-6", ""}, {"usr/bin/grub-mkimage", ""}, {"usr/lib/grub/arm64-efi/normal.mod", ""}});
  BootInput arm = boot_input();
  arm.arch = "arm64";
  arm.bios = false;
  CHECK(bare.problem(boot_step({"boot", "boot"}, arm)).starts_with("the kernel 6 has no initramfs in /boot\n"));
}

// ---- volumes, and the last check

TEST_CASE("a volume is one folder of the tree, whose attributes become the root's") {
  TestTree test(
      Texts{{"opt/code/app/main.py", "m"}, {"opt/code-old/x", "x"}, {"aaa", "shared"}},
      {folder("opt/code", 0750, 5),
       link_to("data", "opt/code"),
       {.path = "opt/code/one", .mode = 0644, .mtime = 5, .size = 6, .content = sha256("shared"), .hard_link = "aaa"},
       {.path = "opt/code/two", .mode = 0644, .mtime = 5, .size = 6, .content = sha256("shared"), .hard_link = "aaa"}});
  const Step step = subtree_step({"subtree", "subtree"}, {.folder = "/data"});
  CHECK(step.starts_a_tree);
  auto volume = std::make_shared<Layer>();
  volume->folder = test.temp.path() / "volume";
  make_folders(volume->folder);
  LayerWriter out(volume->folder, nullptr, kTime);
  std::get<Step::Computed>(step.run)(
      {.below = test.tree, .out = out, .contents = test.contents, .layers = test.origins});
  volume->listing = out.finish();
  Tree tree;
  tree.add(volume);
  std::string paths;
  for (const Entry& entry : tree.entries()) paths += "/" + entry.path + " ";
  CHECK(paths == "/ /app /app/main.py /one /two ");
  CHECK(tree.find("")->mode == 0750);
  CHECK(tree.find("")->uid == 5);
  // The group's first path lies outside: another takes its place.
  CHECK(tree.find("one")->hard_link.empty());
  CHECK(tree.find("two")->hard_link == "one");
  CHECK(tree.read_content(*tree.find("one")) == "shared");
}

TEST_CASE("a volume of a folder that is not there, or of a file, is refused") {
  TestTree test(Texts{{"opt/file", ""}});
  for (const char* path : {"/opt/code", "/opt/file"})
    CHECK(test.problem(subtree_step({"subtree", "s"}, {.folder = path})) ==
          "nothing was put into " + std::string(path) +
              ", which is to be the volume\nname another folder in image.subtree\n");
}

TEST_CASE("a tree that all machines would share is fit for that, or every reason is told") {
  const std::string key = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n";
  const auto problem = [](const Texts& files, const std::vector<Entry>& entries = {}, bool published = false) {
    const TestTree test(files, entries);
    const std::string text = error_text([&] { check_final_tree(test.tree, {{"files", published}}, kTime); });
    if (!text.empty()) CHECK(text.find("written by step files") != std::string::npos);
    return text.substr(0, text.find('\n'));
  };
  const std::string shared = ": everyone who has the image would have it too";
  CHECK(problem({{"etc/app/tls.pem", key}}) == "/etc/app/tls.pem is a private key" + shared);
  CHECK(problem({{"root/.ssh/id", "x\n" + key}}) == "/root/.ssh/id is a private key" + shared);
  CHECK(problem({{"etc/app/tls.pem", key}}, {}, true).empty());
  CHECK(problem({{"usr/share/doc/example.key", key}, {"etc/ssl/certs/x.pem", key}}).empty());
  CHECK(problem({{"etc/machine-id", "0123456789abcdef0123456789abcdef\n"}}) ==
        "/etc/machine-id is set, so every machine booted from this image would share it");
  CHECK(problem({{"etc/machine-id", "uninitialized\n"}}).empty());
  CHECK(problem({{"etc/machine-id", ""}}).empty());
  CHECK(problem({{"var/lib/systemd/random-seed", "r"}}) ==
        "/var/lib/systemd/random-seed is a random seed that every machine would share");
  CHECK(problem({}, {{.path = "srv/d", .type = EntryType::directory, .mode = 0777}}) ==
        "/srv/d is a world-writable folder without the sticky bit (0777)");
  CHECK(problem({}, {{.path = "srv/d", .type = EntryType::directory, .mode = 01777}}).empty());
  CHECK(problem({}, {{.path = "tmp", .type = EntryType::directory, .mode = 0777},
                     {.path = "dev/x", .type = EntryType::directory, .mode = 0777}})
            .empty());
  CHECK(problem({}, {{.path = "srv/d", .type = EntryType::directory, .mode = 0755, .mtime = kTime + 1}}) ==
        "/srv/d has a modification time after that of the steps");
}

TEST_CASE("the step that wrote a path last is the one that is named") {
  TestTree test(Texts{{"etc/a", "fine"}});
  test.run(files({{.target = "/etc/a", .kind = "content", .text = "x", .mode = 0666}}));
  test.run(files_step({"later", "later"}, {.files = {{.target = "/etc/b", .kind = "content"}}}));
  const std::string text = error_text([&] { check_final_tree(test.tree, test.origins, kTime); });
  CHECK(text.starts_with("/etc/a is world-writable (0666)\nwritten by step files\n"));
}

// ---- what one step does twice

TEST_CASE("a file of a folder of the same step keeps its text where more is appended, and gives way to a link") {
  TestTree test(Texts{{"etc/conf", "old"}});
  const Digest motd = test.contents.add("hello");
  test.run(files({{.target = "/etc", .kind = "source", .content = {{"conf", "file", motd}, {"motd", "file", motd}}},
                  {.target = "/etc/motd", .kind = "content", .text = "world\n", .append = true},
                  {.target = "/etc/conf", .kind = "link", .text = "motd"}}));
  CHECK(test.text("etc/motd") == "hello\nworld\n");
  CHECK(test.about("etc/conf") == "l 0777 0:0 → motd");
  CHECK(std::filesystem::is_symlink(test.temp.path() / "1/etc/conf"));
}

TEST_CASE("two accounts never have one number, nor one that a package's account has") {
  TestTree test(Texts{{"etc/passwd", "root:x:0:0::/:/bin/sh\n"}, {"etc/group", "root:x:0:\n"}});
  test.run(users({user("a"), user("b", 1000)}));
  CHECK(account_id(test.tree, "etc/passwd", "a") == 1001);
  CHECK(account_id(test.tree, "etc/passwd", "b") == 1000);
  TestTree taken(kAccounts);
  CHECK(taken.problem(users({user("app", 1000)})).starts_with("the uid 1000 of the user 'app' is taken"));
  CHECK(taken.problem(users({user("app", 1001)})).starts_with("the uid 1001 of the user 'app' is taken"));
  CHECK(taken.problem(users({user("audio")})).starts_with("the group 'audio' of the user is there already"));
  TestTree none(Texts{{"x", ""}});
  CHECK(none.problem(users({user("app")})).starts_with("the image has no /etc/passwd"));
}

TEST_CASE("a folder of time zones is none") {
  TestTree test(Texts{{"usr/share/zoneinfo/Europe/Rome", "TZif"}});
  CHECK(test.problem(system_step({"system", "system"}, {.timezone = "Europe"}))
            .starts_with("the image has no time zone 'Europe'\n"));
}

TEST_CASE("a script that env starts with options needs the program, not the options") {
  TestTree test(Texts{{"usr/bin/env", "\x7f"}});
  test.run(files({{.target = "/usr/bin/python3", .kind = "content", .text = "\x7f", .mode = 0755}}));
  const InitInput base = init_input(test);
  const auto plugin = [&](const std::string& line) {
    InitInput input = base;
    input.plugins = {{.name = {"p"}, .files = {{"p", "executable", test.contents.add(line + "\n")}}}};
    return init_problem(test, input);
  };
  CHECK(plugin("#!/usr/bin/env -S A=b perl -w") == "the plugin 'p' needs perl, which is not in the image\n");
  CHECK(plugin("#!/usr/bin/env -S python3 -u").empty());
}

// SPDX-License-Identifier: MIT
// dpkg's database: written as dpkg would, and read again to say what belongs to whom and why it is there.
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "distro/debian/database.hpp"
#include "distro/distro.hpp"
#include "distro/installed.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"
#include "tree/layer_writer.hpp"

using namespace alephc;
using namespace alephc::debian;

namespace {

namespace fs = std::filesystem;

using Texts = std::map<std::string, std::string>;

/// A tree of files, and a folder over it.
class Root {
 public:
  explicit Root(const Texts& texts = {}) {
    make_folders(upper);
    make_folders(work_.path() / "layer");
    LayerWriter writer(work_.path() / "layer", nullptr, 0);
    writer.put(own({.path = "", .type = EntryType::directory, .mode = 0755}));
    for (const auto& [path, text] : texts) {
      for (std::string at = parent_path(path); !at.empty() && !writer.has(at); at = parent_path(at))
        writer.put(own({.path = at, .type = EntryType::directory, .mode = 0755}));
      writer.put_file(own({.path = path, .mode = 0644}), text);
    }
    tree.add(test_.store.adopt_layer(work_.path() / "layer", writer.finish()));
  }

  [[nodiscard]] Database database() const { return {tree, upper, "amd64"}; }
  [[nodiscard]] std::string text(const std::string& path) const {
    return read_file_if_exists(upper / "var/lib/dpkg" / path).value_or("-");
  }

 private:
  static Entry own(Entry entry) {
    entry.uid = static_cast<std::uint32_t>(::geteuid());
    entry.gid = static_cast<std::uint32_t>(::getegid());
    return entry;
  }

  TestStore test_{};
  WorkFolder work_ = test_.store.make_work_folder();

 public:
  fs::path upper = work_.path() / "upper";
  Tree tree{};
};

UnpackedPackage package_of(const std::string& name, const std::string& fields = {}) {
  return {.name = name,
          .arch = "amd64",
          .version = "1",
          .control = "Package: " + name + "\nVersion: 1\nArchitecture: amd64\n" + fields,
          .paths = {"/.", "/usr", "/usr/" + name}};
}

UnpackedPackage with_triggers(const std::string& name, const std::string& text) {
  UnpackedPackage package = package_of(name);
  package.control_files["triggers"] = {.content = text};
  return package;
}

const std::string kStatus =
    "Package: app\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nDepends: lib (>= 1) | other, mta\n\n"
    "Package: lib\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\nPre-Depends: libc\n\n"
    "Package: libc\nStatus: install ok installed\nVersion: 3\nArchitecture: amd64\nMulti-Arch: same\n\n"
    "Package: exim\nStatus: install ok installed\nVersion: 4\nArchitecture: amd64\nProvides: mta\n\n"
    "Package: sh\nStatus: install ok installed\nVersion: 5\nArchitecture: amd64\nEssential: yes\nRecommends: more\n\n"
    "Package: more\nStatus: install ok installed\nVersion: 6\nArchitecture: amd64\n\n"
    "Package: init\nStatus: install ok installed\nVersion: 7\nArchitecture: amd64\nPriority: required\n\n"
    "Package: stray\nStatus: install ok installed\nVersion: 8\nArchitecture: amd64\n\n"
    "Package: gone\nStatus: deinstall ok not-installed\nVersion: 9\nArchitecture: amd64\n";

Texts installed_tree() {
  return {{"var/lib/dpkg/status", kStatus},
          {"var/lib/dpkg/info/app.list", "/.\n/usr\n/usr/bin/app\n/bin/moved\n"},
          {"var/lib/dpkg/info/libc:amd64.list", "/.\n/usr\n/usr/lib/libc.so\n"},
          {"var/lib/dpkg/info/unknown.list", "/nowhere\n"},
          {"var/lib/dpkg/info/exim.postinst", "touch /var/made; touch /etc/mailname\n"},
          {"var/lib/dpkg/info/lib.postinst", "ls /var/made/deep\n"},
          {"var/lib/dpkg/info/libc:amd64.postinst", "echo /etc/mailname\n"},
          {"usr/bin/app", "a"},
          {"usr/bin/moved", "m"},
          {"usr/lib/libc.so", "l"},
          {"var/made", "v"}};
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("the database of a new system is empty and knows its architectures") {
  const Root root;
  root.database().create({"amd64", "i386"});
  CHECK(root.text("status").empty());
  CHECK(root.text("diversions").empty());
  CHECK(root.text("triggers/Unincorp").empty());
  CHECK(root.text("info/format") == "1\n");
  CHECK(root.text("arch") == "amd64\ni386\n");
  for (const char* folder : {"alternatives", "parts", "updates"})
    CHECK(fs::is_directory(root.upper / "var/lib/dpkg" / folder));
}

TEST_CASE("the database is read from the upper folder first, then from the tree below, and through no symlink out") {
  const Root root(Texts{{"var/lib/dpkg/status", "below"}, {"etc/x", "x"}});
  CHECK(root.database().read("var/lib/dpkg/status") == "below");
  CHECK(root.database().read("var/lib/dpkg/missing").empty());
  root.database().write("var/lib/dpkg/status", "upper", 0600);
  CHECK(root.database().read("var/lib/dpkg/status") == "upper");
  CHECK(fs::status(root.upper / "var/lib/dpkg/status").permissions() == fs::perms(0600));
  fs::create_symlink("/etc/passwd", root.upper / "link");
  CHECK(root.database().read("link").empty());
}

TEST_CASE("an unpacked package is in the status with its own fields, and its files are in info") {
  const Root root(Texts{{"var/lib/dpkg/status", "Package: old\nStatus: install ok installed\n"}});
  UnpackedPackage package =
      package_of("a", "Status: forged\nConffiles:\n /forged x\nDescription: one\n two\n .\n three\n");
  package.conffiles = {"/etc/a", "/etc/b"};
  package.control_files["postinst"] = {.content = "#!/bin/sh\n", .mode = 0755};
  package.control_files["md5sums"] = {.content = "sums\n"};
  root.database().add_unpacked({package});
  CHECK(root.text("status") ==
        "Package: old\nStatus: install ok installed\n\n"
        "Package: a\nStatus: install ok unpacked\nVersion: 1\nArchitecture: amd64\nDescription: one\n two\n .\n three\n"
        "Conffiles:\n /etc/a newconffile\n /etc/b newconffile\n\n");
  CHECK(root.text("info/a.list") == "/.\n/usr\n/usr/a\n");
  CHECK(root.text("info/a.md5sums") == "sums\n");
  CHECK(fs::status(root.upper / "var/lib/dpkg/info/a.postinst").permissions() == fs::perms(0755));
  CHECK(root.text("info/a.control") == "-");
}

TEST_CASE("files of a package that may be there for several architectures have its architecture in their names") {
  const Root root;
  UnpackedPackage package = package_of("libc6", "Multi-Arch: same\n");
  package.control_files["triggers"] = {.content = "interest /etc/ld\ninterest-noawait ldconfig\n"};
  root.database().add_unpacked({package, package_of("tool", "Multi-Arch: foreign\n")});
  CHECK(root.text("info/libc6:amd64.list") != "-");
  CHECK(root.text("info/tool.list") != "-");
  CHECK(root.text("triggers/File") == "/etc/ld libc6:amd64\n");
  CHECK(root.text("triggers/ldconfig") == "libc6:amd64/noawait\n");
}

TEST_CASE("packages activate triggers of those that were interested before, but not of the same batch") {
  const Root root(Texts{{"var/lib/dpkg/triggers/File", "/usr/share/man man-db\n/usr/a exact\n/usr/b other/noawait\n"}});
  UnpackedPackage a =
      with_triggers("a", "# words\ninterest-await /usr/new\nactivate-noawait ldconfig # more\nnonsense\n");
  a.paths = {"/.", "/usr", "/usr/a", "/usr/share/man/x.1", "/usr/share/manual", "/usr/bb"};
  UnpackedPackage new_one = package_of("c");
  new_one.paths = {"/usr/new/x"};
  root.database().add_unpacked({a, new_one});
  CHECK(root.text("triggers/Unincorp") == "/usr/a -\n/usr/share/man -\nldconfig -\n");
  CHECK(root.text("triggers/File").ends_with("/usr/b other/noawait\n/usr/new a\n"));
  root.database().add_unpacked({new_one});
  CHECK(root.text("triggers/Unincorp").ends_with("ldconfig -\n/usr/new -\n"));
}

TEST_CASE("paths that a package lost are out of its list, and the others stay in order") {
  const Root root(Texts{{"var/lib/dpkg/info/old.list", "/.\n/usr\n/usr/a\n/usr/ab\n/usr/b\n"},
                        {"var/lib/dpkg/info/libc:amd64.list", "/.\n/x\n"}});
  root.database().drop_paths({{"old", {"/usr/a", "/usr/b"}}, {"libc:amd64", {"/x"}}}, {});
  CHECK(root.text("info/old.list") == "/.\n/usr\n/usr/ab\n");
  CHECK(root.text("info/libc:amd64.list") == "/.\n");
}

TEST_CASE("apt hears only of packages that are there for others, by name and the system's architecture") {
  const Root root(Texts{{"var/lib/apt/extended_states", "Package: x\nArchitecture: amd64\nAuto-Installed: 1\n\n"}});
  root.database().add_automatic({{.name = "wanted", .arch = "amd64"}});
  CHECK_FALSE(fs::exists(root.upper / "var/lib/apt"));
  root.database().add_automatic({{.name = "z", .arch = "all", .automatic = true},
                                 {.name = "a", .arch = "i386", .automatic = true},
                                 {.name = "wanted", .arch = "amd64"}});
  CHECK(read_file(root.upper / "var/lib/apt/extended_states") ==
        "Package: x\nArchitecture: amd64\nAuto-Installed: 1\n\n"
        "Package: a\nArchitecture: i386\nAuto-Installed: 1\n\n"
        "Package: z\nArchitecture: amd64\nAuto-Installed: 1\n\n");
}

TEST_CASE("an image's packages are read from the database of whichever package manager it has") {
  CHECK(is_package_database("var/lib/dpkg/status"));
  CHECK(is_package_database("var/lib/dpkg/info/a.list"));
  CHECK(is_package_database("lib/apk/db/installed"));
  CHECK_FALSE(is_package_database("var/lib/dpkg/info/a.postinst"));
  CHECK_FALSE(is_package_database("srv/var/lib/dpkg/status"));
  CHECK_FALSE(is_package_database("var/lib/dpkg/status-old"));
  CHECK(read_installed({}, {}).empty());
  CHECK(read_installed({}, {{"var/lib/dpkg/info/a.list", "/a\n"}}).empty());
  const Listing listing{{.path = "etc", .type = EntryType::directory}, {.path = "etc/motd"}};
  const auto apk = read_installed(
      listing,
      {{"lib/apk/db/installed", "P:base\nV:1\nA:x86_64\nF:etc\nR:gone\nR:motd\n\n"}, {"var/lib/dpkg/status", kStatus}});
  REQUIRE(apk.size() == 1);
  CHECK(apk[0].name == "base");
  CHECK(apk[0].version == "1");
  CHECK(apk[0].arch == "x86_64");
  CHECK(apk[0].paths == Lines{"etc/motd"});
}

TEST_CASE("dpkg's packages are sorted, with the paths that the image has, and without those that are not installed") {
  const Root root(installed_tree());
  Texts texts;
  for (const Entry& entry : root.tree.entries())
    if (is_package_database(entry.path)) texts[entry.path] = root.tree.read_content(entry);
  const auto packages = read_installed(root.tree.entries(), texts);
  std::string names;
  for (const InstalledPackage& package : packages) names += package.name + " " + package.version + ",";
  CHECK(names == "app 1,exim 4,init 7,lib 2,libc 3,more 6,sh 5,stray 8,");
  CHECK(packages[0].arch == "all");
  CHECK(packages[0].paths == Lines{"usr", "usr/bin/app", "usr/bin/moved"});  // named as before the merge of /usr
  CHECK(packages[4].paths == Lines{"usr", "usr/lib/libc.so"});
}

TEST_CASE("a path belongs to the package that ships it") {
  const Root root(installed_tree());
  const auto owners = read_owners(root.tree);
  CHECK(owners.at("usr/bin/app") == "app");
  CHECK(owners.at("usr/lib/libc.so") == "libc");
  CHECK_FALSE(owners.contains("var/made"));
  const Distro& distro = distro_of("debian");
  CHECK(distro.explain_path(root.tree, "usr/bin/moved") ==
        Lines{"/usr/bin/moved belongs to the package app"});
  CHECK(distro.explain_path(root.tree, "var/made").empty());
}

TEST_CASE("why a package is there: asked for, part of every system, or wanted by one that is") {
  const Root root(installed_tree());
  Manifest manifest;
  manifest.packages.install = {{"app:amd64=1", {}}};
  const Distro& distro = distro_of("debian");
  const auto why = [&](const char* name) { return distro.explain_package(manifest, {}, root.tree, name); };
  CHECK(why("app") == Lines{"app is asked for in packages.install (the manifest)"});
  CHECK(why("libc") == Lines{"app is asked for in packages.install (the manifest)", "lib is in Depends of app",
                             "libc is in Pre-Depends of lib"});
  CHECK(why("exim").back() == "exim is in Depends of app");  // which wants what it provides
  CHECK(why("sh") == Lines{"sh is part of every Debian system (Essential)"});
  CHECK(why("more").back() == "more is in Recommends of sh");
  CHECK(why("init") == Lines{"init is part of every Debian system (Priority: required)"});
  CHECK(why("stray") == Lines{"stray is installed, but nothing in the image requires it"});
  CHECK(error_text([&] { (void)why("sj"); }) == "the package 'sj' is not in the image\ndid you mean 'sh'?\n");
}

TEST_CASE("a path that differs is suspected of who ships it, else of the scripts that name it or what it is in") {
  const Root root(installed_tree());
  const Distro& distro = distro_of("debian");
  CHECK(distro.suspects(root.tree, {}).empty());
  const auto suspects = distro.suspects(
      root.tree, {"usr/lib/libc.so", "etc/mailname", "var/made/deep/er", "var/made/other", "srv/nobody"});
  REQUIRE(suspects.size() == 5);
  CHECK(suspects[0] == Lines{"libc"});
  CHECK(suspects[1] == Lines{"exim", "libc:amd64"});
  CHECK(suspects[2] == Lines{"lib"});
  CHECK(suspects[3] == Lines{"exim", "lib"});
  CHECK(suspects[4].empty());
}

TEST_CASE("what only left its configuration is not installed, and each architecture of a package has its own paths") {
  const auto stanza = [](const std::string& name, const std::string& arch, const std::string& status) {
    return "Package: " + name + "\nStatus: " + status + "\nVersion: 1\nArchitecture: " + arch + "\n\n";
  };
  const Listing listing{{.path = "etc/old"}, {.path = "lib/32"}, {.path = "lib/64"}, {.path = "usr/alone"}};
  const std::string status =
      stanza("old", "all", "deinstall ok config-files") + stanza("lib", "i386", "install ok installed") +
      stanza("lib", "amd64", "hold ok unpacked") + stanza("alone", "amd64", "install ok installed");
  const auto packages = read_installed(listing, {{"var/lib/dpkg/status", status},
                                                 {"var/lib/dpkg/info/old.list", "/etc/old\n"},
                                                 {"var/lib/dpkg/info/lib:i386.list", "/lib/32\n"},
                                                 {"var/lib/dpkg/info/lib:amd64.list", "/lib/64\n"},
                                                 {"var/lib/dpkg/info/alone.list", "/usr/alone\n"}});
  REQUIRE(packages.size() == 3);
  CHECK(packages[0].name == "alone");
  CHECK(packages[0].paths == Lines{"usr/alone"});
  CHECK(packages[1].arch == "amd64");
  CHECK(packages[1].paths == Lines{"lib/64"});
  CHECK(packages[2].arch == "i386");
  CHECK(packages[2].paths == Lines{"lib/32"});
}

TEST_CASE("Alpine's packages are sorted by name, whatever the order of the database") {
  const auto packages = read_installed({}, {{"lib/apk/db/installed", "P:b\nV:2\n\nP:a\nV:1\n\nP:c\nV:3\n\n"}});
  REQUIRE(packages.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(packages[i].name == std::string(1, static_cast<char>('a' + i)));
}

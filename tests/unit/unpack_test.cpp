// SPDX-License-Identifier: MIT
// Debian packages brought to their places as dpkg would, without dpkg and without a sandbox: packages are made here as
// they come out of the decoder, and whoever stands for dpkg says that everything is configured.
#include "distro/debian/unpack.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/identity.hpp"
#include "base/text.hpp"
#include "distro/distro.hpp"
#include "steps/workplace.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"
#include "support/trees.hpp"
#include "tree/layer_writer.hpp"

using namespace alephc;
using namespace alephc::debian;

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kTime = 1000;


/// A package as the decoder gives it.
class Deb {
 public:
  explicit Deb(std::string name, std::string version = "1", const std::string& fields = {})
      : name_(std::move(name)), version_(std::move(version)) {
    control("control", "Package: " + name_ + "\nVersion: " + version_ + "\nArchitecture: amd64\n" + fields);
  }
  /// The same package for two architectures can be there side by side.
  static Deb same(const std::string& name, const std::string& arch) {
    Deb deb(name);
    deb.arch_ = arch;
    deb.control_.clear();
    return deb.control("control",
                       "Package: " + name + "\nVersion: 1\nArchitecture: " + arch + "\nMulti-Arch: same\n");
  }
  /// The last file has an owner by name in the archive.
  Deb& owned_by(const std::string& user, const std::string& group) {
    files_.back().user = user;
    files_.back().group = group;
    return *this;
  }

  Deb& control(const std::string& file, const std::string& text, std::uint32_t mode = 0644) {
    control_.push_back({.member = "control", .entry = own_entry(EntryType::regular, file, mode), .text = text});
    return *this;
  }
  Deb& folder(const std::string& path, std::uint32_t mode = 0755) {
    files_.push_back({.member = "data", .entry = own_entry(EntryType::directory, path, mode)});
    return *this;
  }
  Deb& file(const std::string& path, const std::string& text = "x", std::uint32_t mode = 0644) {
    files_.push_back({.member = "data", .entry = own_entry(EntryType::regular, path, mode), .text = text});
    return *this;
  }
  Deb& link(const std::string& path, const std::string& target) {
    files_.push_back({.member = "data", .entry = own_entry(EntryType::symlink, path, 0777)});
    files_.back().entry.link_target = target;
    return *this;
  }
  Deb& hard_link(const std::string& path, const std::string& target) {
    files_.push_back({.member = "data", .entry = own_entry(EntryType::regular, path, 0644)});
    files_.back().entry.hard_link = target;
    return *this;
  }
  Deb& fifo(const std::string& path) {
    files_.push_back({.member = "data", .entry = own_entry(EntryType::fifo, path, 0640)});
    return *this;
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string label() const { return name_ + " " + version_; }
  [[nodiscard]] InstallPackage locked() const {
    return {.name = name_, .version = version_, .arch = arch_, .size = 1};
  }

  /// With its contents in files, as if it had just been decoded.
  [[nodiscard]] DecodedArchive decode(const fs::path& stem) const {
    DecodedArchive archive{.entries = control_};
    for (DecodedEntry decoded : files_) {
      if (decoded.entry.type == EntryType::regular && decoded.entry.hard_link.empty()) {
        decoded.content = stem.string() + std::to_string(archive.entries.size());
        atomic_write(decoded.content, decoded.text);
        decoded.entry.content = sha256(decoded.text);
        decoded.entry.size = decoded.text.size();
        set_content_attributes(open_file(decoded.content, O_RDONLY).get(), decoded.entry);
        decoded.text.clear();
      }
      archive.entries.push_back(std::move(decoded));
    }
    return archive;
  }

 private:
  std::string name_;
  std::string version_;
  std::string arch_ = "amd64";
  std::vector<DecodedEntry> control_;
  std::vector<DecodedEntry> files_;
};

/// A tree of one layer, if it has entries, and the folder over it that packages are unpacked into.
class Root {
 public:
  explicit Root(const std::vector<Entry>& below = {}, const std::map<std::string, std::string>& texts = {}) {
    make_folders(upper);
    make_folders(contents_);
    if (below.empty() && texts.empty()) return;
    make_folders(work_.path() / "layer");
    LayerWriter writer(work_.path() / "layer", nullptr, 0);
    writer.put(own_entry(EntryType::directory, "", 0755));
    for (const Entry& entry : below) writer.put(entry);
    std::set<std::string> folders;
    for (const auto& [path, text] : texts) {
      for (std::string at = parent_path(path); !at.empty(); at = parent_path(at))
        if (folders.insert(at).second && !writer.has(at)) writer.put(own_entry(EntryType::directory, at, 0755));
      writer.put_file(own_entry(EntryType::regular, path, 0644), text);
    }
    tree.add(test.store.adopt_layer(work_.path() / "layer", writer.finish()));
  }

  /// Unpacks one batch.
  std::vector<UnpackedPackage> unpack(const std::vector<Deb>& debs, unsigned jobs = 1, bool postpone = false) {
    DecodedPackages decoded(debs.size(), [&](std::size_t i) { return decode(debs[i]); });
    Unpacker unpacker(tree, upper, kTime, decoded, known, Unpacker::Order::any);
    std::vector<PackageToUnpack> packages;
    for (std::size_t i = 0; i < debs.size(); ++i) packages.push_back({i, debs[i].label()});
    std::vector<UnpackedPackage> unpacked = unpacker.unpack(
        packages, jobs, postpone ? Unpacker::Postpone::with_preinst : Unpacker::Postpone::none);
    lost = unpacker.lost_paths();
    return unpacked;
  }

  DecodedArchive decode(const Deb& deb) {
    return deb.decode(contents_ / (deb.name() + "." + std::to_string(++decoded_) + "."));
  }

  [[nodiscard]] std::string text(const std::string& path) const {
    return read_file_if_exists(upper / path).value_or("-");
  }
  [[nodiscard]] bool has(const std::string& path) const { return fs::exists(fs::symlink_status(upper / path)); }
  [[nodiscard]] struct stat look(const std::string& path) const {
    struct stat info{};
    INFO(path);
    REQUIRE(::lstat((upper / path).c_str(), &info) == 0);
    return info;
  }
  [[nodiscard]] unsigned decodings() const { return decoded_; }
  [[nodiscard]] const fs::path& folder() const { return work_.path(); }

 private:
  TestStore test_{};
  WorkFolder work_ = test_.store.make_work_folder();
  fs::path contents_ = work_.path() / "contents";
  std::atomic<unsigned> decoded_ = 0;

 public:
  TestStore& test = test_;
  fs::path upper = work_.path() / "upper";
  Tree tree{};
  KnownContents known{};
  std::map<std::string, std::vector<std::string>> lost{};
};

Entry folder_below(const std::string& path, std::uint32_t mode = 0755) {
  return own_entry(EntryType::directory, path, mode);
}
Entry link_below(const std::string& path, const std::string& target) {
  Entry entry = own_entry(EntryType::symlink, path, 0777);
  entry.link_target = target;
  return entry;
}

/// Kind and text of the Error of a body that may run only once.
std::pair<std::optional<ErrorKind>, std::string> refusal_of(const std::function<void()>& body) {
  std::optional<ErrorKind> kind;
  const std::string text = error_text([&] {
    try {
      body();
    } catch (const Error& error) {
      kind = error.kind();
      throw;
    }
  });
  return {kind, text};
}

std::string failure(Root& root, const std::vector<Deb>& debs, ErrorKind expected, unsigned jobs = 1) {
  const auto [kind, text] = refusal_of([&] { (void)root.unpack(debs, jobs); });
  CHECK(kind == expected);
  return text;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

using Paths = std::vector<std::string>;

}  // namespace

TEST_CASE("a package's files come to their places with owner, mode and time, and dpkg hears of their paths") {
  Root root;
  const auto unpacked = root.unpack({Deb("a", "1.2")
                                         .folder("")
                                         .folder("usr")
                                         .folder("usr/share", 0750)
                                         .file("usr/share/f", "text", 04755)
                                         .link("usr/share/l", "f")
                                         .fifo("usr/share/p")});
  REQUIRE(unpacked.size() == 1);
  CHECK(unpacked[0].name == "a");
  CHECK(unpacked[0].version == "1.2");
  CHECK(unpacked[0].arch == "amd64");
  CHECK(unpacked[0].paths ==
        Paths{"/.", "/usr", "/usr/share", "/usr/share/f", "/usr/share/p", "/usr/share/l"});
  CHECK(root.text("usr/share/f") == "text");
  CHECK(root.look("usr/share/f").st_mode == (S_IFREG | 04755U));
  CHECK(root.look("usr/share/f").st_mtime == 500);
  CHECK(root.look("usr/share").st_mode == (S_IFDIR | 0750U));
  CHECK(root.look("usr/share").st_mtime == 500);
  CHECK(fs::read_symlink(root.upper / "usr/share/l") == "f");
  CHECK(root.look("usr/share/l").st_mtime == 500);
  CHECK(root.look("usr/share/p").st_mode == (S_IFIFO | 0640U));
  CHECK(root.known.find(root.look("usr/share/f")) == sha256("text"));
}

TEST_CASE("folders that no package ships are made on the way, no younger than the room's time") {
  Root root;
  Deb deb("a");
  deb.file("opt/deep/f");
  const auto unpacked = root.unpack({deb});
  CHECK(unpacked[0].paths == Paths{"/opt/deep/f"});
  CHECK(root.look("opt/deep").st_mode == (S_IFDIR | 0755U));
  CHECK(root.look("opt/deep").st_mtime == kTime);
}

TEST_CASE("of several packages the first in order gives a shared folder its mode, however many threads unpack") {
  for (const unsigned jobs : {1U, 4U}) {
    Root root;
    (void)root.unpack({Deb("z").file("srv/on-the-way"), Deb("a").folder("srv", 0711).file("srv/a"),
                       Deb("b").folder("srv", 0700).file("srv/b")},
                      jobs);
    CHECK(root.look("srv").st_mode == (S_IFDIR | 0711U));
  }
}

TEST_CASE("a folder that the tree has already keeps its attributes") {
  Root root({folder_below("srv", 01777)}, {{"srv/old", "o"}});
  const auto unpacked = root.unpack({Deb("a").folder("srv", 0700).file("srv/new")});
  CHECK(unpacked[0].paths == Paths{"/srv", "/srv/new"});
  CHECK(root.look("srv").st_mode == (S_IFDIR | 01777U));
  CHECK_FALSE(root.has("srv/old"));
}

TEST_CASE("files go where symlinks of folders lead, in the tree below, in the package, and never out of the root") {
  Root root(
      {folder_below("usr"), folder_below("usr/lib"), link_below("lib", "usr/lib"), link_below("abs", "/usr/lib")});
  const auto unpacked = root.unpack({Deb("a").folder("lib").file("lib/one").file("abs/two")});
  CHECK(unpacked[0].paths == Paths{"/lib", "/lib/one", "/abs/two"});
  for (const char* path : {"usr/lib/one", "usr/lib/two"}) {
    CAPTURE(path);
    CHECK(root.text(path) == "x");
  }
  CHECK_FALSE(root.has("lib"));

  Root open({link_below("out", "../../etc"), link_below("loop", "loop")}, {{"plain", "p"}});
  CHECK(contains(failure(open, {Deb("a").file("out/f")}, ErrorKind::integrity),
                 "the symlink /out → ../../etc leaves the root"));
  CHECK(contains(failure(open, {Deb("a").file("loop/f")}, ErrorKind::integrity), "leads through a loop of symlinks"));
  CHECK(contains(failure(open, {Deb("a").file("plain/f")}, ErrorKind::integrity),
                 "/plain is not a folder, but packages have files in it"));
}

TEST_CASE("a symlink does not replace a folder, nor a folder a symlink, and a file replaces neither") {
  Root root({folder_below("dir"), folder_below("aim"), link_below("link", "aim")}, {{"file", "old"}});
  const auto unpacked = root.unpack({Deb("a").link("dir", "aim").folder("link").file("link/f")});
  CHECK(unpacked[0].paths == Paths{"/link", "/link/f", "/dir"});
  CHECK_FALSE(root.has("dir"));
  CHECK(root.has("aim/f"));
  CHECK(contains(failure(root, {Deb("a").file("dir")}, ErrorKind::failed),
                 "/dir is a file in a 1, but a folder is there"));
  CHECK(contains(failure(root, {Deb("b").folder("file")}, ErrorKind::failed),
                 "/file is a folder in b 1, but a file is there"));
}

TEST_CASE("conffiles lie beside their places until dpkg configures them") {
  Root root({folder_below("etc")}, {{"etc/conf", "the user's"}});
  const auto unpacked = root.unpack({Deb("a")
                                         .control("conffiles", "/etc/conf\n\nremove-on-upgrade /etc/gone\nno/slash\n")
                                         .folder("etc")
                                         .file("etc/conf", "new")
                                         .file("etc/other", "plain")
                                         .hard_link("etc/twin", "etc/conf")});
  CHECK(unpacked[0].conffiles == Paths{"/etc/conf"});
  CHECK(unpacked[0].paths == Paths{"/etc", "/etc/conf", "/etc/other", "/etc/twin"});
  CHECK(root.text("etc/conf.dpkg-new") == "new");
  CHECK_FALSE(root.has("etc/conf"));
  CHECK(root.text("etc/other") == "plain");
  CHECK(root.look("etc/twin").st_ino == root.look("etc/conf.dpkg-new").st_ino);
}

TEST_CASE("hard links are one file, also through a symlink of its folder") {
  Root root({folder_below("usr"), link_below("bin", "usr/bin")});
  (void)root.unpack(
      {Deb("a").file("bin/one", "text").hard_link("usr/bin/two", "bin/one").hard_link("bin/three", "bin/one")});
  CHECK(root.look("usr/bin/two").st_ino == root.look("usr/bin/one").st_ino);
  CHECK(root.look("usr/bin/three").st_nlink == 3);
}

TEST_CASE("a path of two packages is refused unless one of them replaces the other") {
  for (const unsigned jobs : {1U, 4U}) {
    Root root;
    const std::string text = failure(root, {Deb("a", "1").file("f"), Deb("b", "2").file("f")}, ErrorKind::failed, jobs);
    CHECK(contains(text, "/f is in b 2 and also in a 1"));
    CHECK(contains(text, "leave one of them out"));
  }
}

TEST_CASE("a package that replaces another has the file, whichever comes first") {
  const Deb old = Deb("old", "1").file("f", "old");
  const std::vector<std::pair<Deb, std::string>> rows{
      {Deb("new", "1", "Replaces: old\n").file("f", "new"), "new"},
      {Deb("new", "1", "Replaces: other | x, old (<< 2)\n").file("f", "new"), "new"},
      {Deb("new", "1", "Replaces: old (<< 1)\n").file("f", "new"), ""}};
  for (const unsigned jobs : {1U, 4U}) {
    for (const bool new_first : {false, true}) {
      for (const auto& [replacing, winner] : rows) {
        CAPTURE(jobs, new_first, winner);
        Root root;
        const std::vector<Deb> debs = new_first ? std::vector{replacing, old} : std::vector{old, replacing};
        if (winner.empty()) {
          CHECK(contains(failure(root, debs, ErrorKind::failed, jobs), "and also in"));
          continue;
        }
        const auto unpacked = root.unpack(debs, jobs);
        CHECK(root.text("f") == winner);
        CHECK(unpacked[new_first ? 0 : 1].paths == Paths{"/f"});
        CHECK(unpacked[new_first ? 1 : 0].paths.empty());
        CHECK(root.known.find(root.look("f")) == sha256(winner));
      }
    }
  }
}

TEST_CASE("the same package of two architectures shares its files") {
  for (const unsigned jobs : {1U, 4U}) {
    Root root;
    const auto unpacked =
        root.unpack({Deb("lib").file("usr/share/doc", "d"), Deb("lib").file("usr/share/doc", "d")}, jobs);
    CHECK(root.text("usr/share/doc") == "d");
    CHECK(unpacked[0].paths == Paths{"/usr/share/doc"});
  }
}

TEST_CASE("files of packages in the layers below are taken only by who replaces these, and those lose them") {
  const std::map<std::string, std::string> below{{"var/lib/dpkg/info/old.list", "/.\n/f\n/g\n"},
                                                 {"var/lib/dpkg/info/multi:amd64.list", "/m\n"},
                                                 {"f", "old"},
                                                 {"m", "old"},
                                                 {"nobody", "old"}};
  Root root({}, below);
  CHECK(contains(failure(root, {Deb("new").file("f")}, ErrorKind::failed), "/f is in new and also in old"));
  Root again({}, below);
  (void)again.unpack(
      {Deb("new", "1", "Replaces: old, multi\n").file("f", "new").file("m", "new").file("nobody", "new")});
  CHECK(again.text("f") == "new");
  CHECK(again.text("nobody") == "new");
  CHECK(again.lost == std::map<std::string, Paths>{{"old", {"/f"}}, {"multi:amd64", {"/m"}}});
  Root upgrade({}, below);
  (void)upgrade.unpack({Deb("old", "2").file("f", "newer")});
  CHECK(upgrade.text("f") == "newer");
  CHECK(upgrade.lost.empty());
}

TEST_CASE("diverted paths go where dpkg's diversions say, but not those of the package that diverts") {
  const std::string diversions = "/bin/sh\n/bin/sh.distrib\ndash\n/etc/a\n/opt/aside/a\n:\n";
  for (const bool in_upper : {false, true}) {
    CAPTURE(in_upper);
    Root root({}, in_upper ? std::map<std::string, std::string>{}
                           : std::map<std::string, std::string>{{"var/lib/dpkg/diversions", diversions}});
    if (in_upper) {
      make_folders(root.upper / "var/lib/dpkg");
      atomic_write(root.upper / "var/lib/dpkg/diversions", diversions);
    }
    const auto unpacked = root.unpack(
        {Deb("bash").file("bin/sh", "bash's").file("etc/a", "aside"), Deb("dash").file("bin/sh", "dash's")});
    CHECK(root.text("bin/sh") == "dash's");
    CHECK(root.text("bin/sh.distrib") == "bash's");
    CHECK(root.text("opt/aside/a") == "aside");
    CHECK_FALSE(root.has("etc/a"));
    CHECK(unpacked[0].paths == Paths{"/bin/sh", "/etc/a"});
  }
}

TEST_CASE("diversions that dpkg could not read are refused") {
  for (const char* text : {"bin/sh\n/bin/sh.distrib\ndash\n", "/bin/sh\nelsewhere\ndash\n", "/a\n/b\nc\n/d\n/e\n\n"}) {
    Root root({}, {{"var/lib/dpkg/diversions", text}});
    CHECK(contains(failure(root, {Deb("a").file("f")}, ErrorKind::failed),
                   "/var/lib/dpkg/diversions is damaged at line "));
  }
  Root root;
  make_folders(root.upper / "var/lib/dpkg");
  REQUIRE(::mkfifo((root.upper / "var/lib/dpkg/diversions").c_str(), 0600) == 0);
  CHECK(contains(failure(root, {Deb("a").file("f")}, ErrorKind::failed),
                 "/var/lib/dpkg/diversions is not a regular file"));
}

TEST_CASE("packages with a preinst wait when asked to, and are read but not placed") {
  Root root;
  const auto unpacked = root.unpack({Deb("a").control("preinst", "#!/bin/sh\n", 0755).file("a"),
                                     Deb("b").control("postinst", "#!/bin/sh\n", 0700).file("b")},
                                    4, true);
  CHECK(unpacked[0].postponed);
  CHECK(unpacked[0].has_script("preinst"));
  CHECK(unpacked[0].paths.empty());
  CHECK_FALSE(root.has("a"));
  CHECK_FALSE(unpacked[1].postponed);
  CHECK(unpacked[1].control_files.at("postinst").mode == 0755);
  CHECK(unpacked[1].control_files.at("postinst").content == "#!/bin/sh\n");
  CHECK_FALSE(unpacked[1].control_files.contains("control"));
  CHECK(root.text("b") == "x");
}

TEST_CASE("a batch whose order matters is undone and unpacked in order, with the result of one after the other") {
  const std::vector<Deb> debs{Deb("a").file("first/f", "a").link("srv", "data"),
                              Deb("b", "1", "Replaces: a\n").file("first/f", "b").folder("srv").file("srv/in", "b"),
                              Deb("c").folder("data").file("data/c", "c")};
  Root one;
  Root many;
  const auto expected = one.unpack(debs, 1);
  const auto got = many.unpack(debs, 4);
  for (std::size_t i = 0; i < debs.size(); ++i) CHECK(got[i].paths == expected[i].paths);
  for (const char* path : {"first/f", "data/in", "data/c"}) {
    CAPTURE(path);
    CHECK(one.text(path) != "-");
    CHECK(many.text(path) == one.text(path));
  }
  CHECK(fs::is_symlink(many.upper / "srv"));
  CHECK(one.decodings() == 3);
}

TEST_CASE("a package without usable control data is refused, with its name as the lock has it") {
  const auto broken = [](const std::string& text, const char* member = "control") {
    DecodedArchive archive;
    archive.entries.push_back({.member = member, .entry = own_entry(EntryType::regular, "control", 0644), .text = text});
    return archive;
  };
  DecodedArchive behind = broken("Package: a\nVersion: 1\nArchitecture: all\n");
  behind.entries.insert(behind.entries.begin(), {.member = "data", .entry = own_entry(EntryType::directory, "", 0755)});
  const std::vector<std::pair<DecodedArchive, std::string>> rows{
      {broken(""), "the package has no control file"},
      {{}, "the package has no control file"},
      {broken("Package: a\nVersion: 1\nArchitecture: all\n", "data"), "the package has no control file"},
      {broken("Package: a\nVersion: 1\n"), "the package's control file is damaged"},
      {broken("Package: a\nArchitecture: all\n"), "the package's control file is damaged"},
      {broken("Package: ../a\nVersion: 1\nArchitecture: all\n"), "the package's control file is damaged"},
      {broken("Package: a\nVersion: 1\nArchitecture: x/y\n"), "the package's control file is damaged"},
      {behind, "the package has its control data behind its files"}};
  for (const auto& [archive, message] : rows) {
    CAPTURE(message);
    Root root;
    DecodedPackages decoded(1, [&made = archive](std::size_t) { return made; });
    Unpacker unpacker(root.tree, root.upper, kTime, decoded, root.known, Unpacker::Order::any);
    const auto [kind, text] = refusal_of([&] {
      (void)unpacker.unpack({{0, "a 1"}}, 1, Unpacker::Postpone::none);
    });
    CHECK(kind == ErrorKind::integrity);
    CHECK(contains(text, message));
    CHECK(contains(text, "unpacking a 1"));
  }
}

namespace {

/// Stands for dpkg and the packages' scripts, and notes what is run.
class FakeDpkg {
 public:
  explicit FakeDpkg(fs::path upper) : upper_(std::move(upper)) {}

  /// Happens whenever packages are configured.
  std::function<void()> while_configuring{};
  /// What a preinst does, by its package; it may say something, which is noted.
  std::function<std::string(const SandboxCommand&)> while_running = [](const SandboxCommand&) {
    return std::string();
  };
  /// What a package is left as; "installed" if nothing is said.
  std::map<std::string, std::string> left_as{};

  [[nodiscard]] SandboxResult run(const std::vector<SandboxCommand>& commands) {
    for (const SandboxCommand& command : commands) note(command);
    return {.ok = true};
  }
  [[nodiscard]] const std::vector<std::string>& events() const { return events_; }

 private:
  void note(const SandboxCommand& command) {
    if (command.argv[0] == "dpkg")
      return configure(
          {std::find(command.argv.begin(), command.argv.end(), "--configure") + 1, command.argv.end()});
    const auto package = command.env.find("DPKG_MAINTSCRIPT_PACKAGE");
    if (package != command.env.end())
      events_.push_back("preinst " + package->second + while_running(command));
    else
      events_.push_back(command.argv[0]);
  }

  void configure(const std::vector<std::string>& names) {
    events_.push_back("configure " + join(names, " "));
    std::string status;
    for (std::string stanza : stanzas(read_file(upper_ / "var/lib/dpkg/status"))) {
      const std::string name = stanza.substr(9, stanza.find('\n') - 9);
      const auto names_it = [&](const std::string& each) { return each.substr(0, each.find(':')) == name; };
      const bool meant =
          names == std::vector<std::string>{"-a"} || std::any_of(names.begin(), names.end(), names_it);
      const std::string word = left_as.contains(name) ? left_as.at(name) : "installed";
      if (const auto at = stanza.find("unpacked"); meant && at != std::string::npos) stanza.replace(at, 8, word);
      status += stanza;
    }
    atomic_write(upper_ / "var/lib/dpkg/status", status);
    if (while_configuring) while_configuring();
  }

  static std::vector<std::string> stanzas(std::string_view text) {
    std::vector<std::string> out;
    for (std::size_t end = text.find("\n\n"); end != std::string_view::npos; end = text.find("\n\n")) {
      out.emplace_back(text.substr(0, end + 2));
      text.remove_prefix(end + 2);
    }
    return out;
  }

  fs::path upper_;
  std::vector<std::string> events_;
};

/// A layer of packages that is installed into a Root.
class Install {
 public:
  Install(Root& root, std::vector<Deb> debs, bool is_first = false)
      : dpkg(root.upper), root_(root), debs_(std::move(debs)) {
    input.distro = "debian";
    input.arch = "amd64";
    input.is_first = is_first;
    input.architectures = {"amd64"};
    for (const Deb& deb : debs_) input.packages.push_back(deb.locked());
    make_folders(root.folder() / "scratch");
  }

  void run() {
    const StepRoom room{.time = kTime, .environment = {{"PATH", "/usr/sbin:/usr/bin"}}};
    const InstallJob job{.input = input,
                         .below = root_.tree,
                         .upper = root_.upper,
                         .scratch = root_.folder() / "scratch",
                         .log = root_.folder() / "log",
                         .jobs = 2,
                         .known = root_.known,
                         .room = room,
                         .runner = runner,
                         .decode_package = [this](const InstallPackage& package) { return decode(package); },
                         .unpacked = [this](bool complete) { unpacked.push_back(complete); },
                         .empty_upper = [this] { empty_upper(root_.tree, root_.upper); }};
    distro_of("debian").install(job, root_.test.reporter);
  }

  InstallInput input{};
  FakeDpkg dpkg;
  FakeRunner runner{[this](const auto&, const auto& commands) { return dpkg.run(commands); }};
  std::vector<bool> unpacked{};

 private:
  [[nodiscard]] DecodedArchive decode(const InstallPackage& package) const {
    for (const Deb& deb : debs_)
      if (deb.name() == package.name && deb.locked().arch == package.arch) return root_.decode(deb);
    throw Error(ErrorKind::failed, "no such package");
  }

  Root& root_;
  std::vector<Deb> debs_;
};

std::map<std::string, std::string> dpkg_below() {
  return {{"var/lib/dpkg/status", "Package: base\nStatus: install ok installed\nVersion: 1\n\n"},
          {"var/lib/dpkg/info/base.list", "/.\n/base\n/taken\n"},
          {"taken", "base's"}};
}

constexpr const char* kScript = "#!/bin/sh\n";

}  // namespace

TEST_CASE("the first layer gets a merged /usr, device nodes and an empty database of dpkg") {
  for (const std::string arch : {"amd64", "arm64"}) {
    Root root;
    Install install(root, {Deb("a").folder("bin").file("bin/a")}, true);
    install.input.arch = arch;
    install.input.architectures = {arch, "i386"};
    install.run();
    CHECK(fs::read_symlink(root.upper / "bin") == "usr/bin");
    CHECK(fs::read_symlink(root.upper / "sbin") == "usr/sbin");
    CHECK(root.has("lib64") == (arch == "amd64"));
    CHECK(root.text("usr/bin/a") == "x");
    CHECK((root.look("tmp").st_mode & 07777U) == 01777U);
    CHECK(fs::read_symlink(root.upper / "dev/stdin") == "/proc/self/fd/0");
    const struct stat null = root.look("dev/null");
    CHECK((S_ISCHR(null.st_mode) || root.known.find_device(null) == std::pair(1U, 3U)));
    CHECK(root.text("var/lib/dpkg/arch") == arch + "\ni386\n");
    CHECK(root.text("var/lib/dpkg/info/format") == "1\n");
    CHECK(contains(root.text("var/lib/dpkg/status"), "Package: a\nStatus: install ok installed\n"));
    CHECK(root.text("var/lib/dpkg/info/a.list") == "/bin\n/bin/a\n");
  }
}

TEST_CASE("essential packages are configured before the others are unpacked") {
  Root root;
  Install install(
      root,
      {Deb("late").file("late"), Deb("libc").control("preinst", kScript, 0755).file("libc"), Deb("sh").file("sh")},
      true);
  install.input.packages[1].bootstrap = true;
  install.input.packages[2].bootstrap = true;
  bool late_was_there = true;
  install.dpkg.while_configuring = [&] {
    if (install.dpkg.events().size() == 2) late_was_there = root.has("late");
  };
  install.run();
  CHECK(install.dpkg.events() == Paths{"preinst libc", "configure -a", "configure -a"});
  CHECK_FALSE(late_was_there);
  CHECK(install.unpacked == std::vector<bool>{false, false, true});
}

TEST_CASE("a preinst runs with its control files at hand, before its package's files are there") {
  Root root({}, dpkg_below());
  Install install(root,
                  {Deb("a").control("preinst", kScript, 0755).control("templates", "T").file("a"), Deb("b").file("b")});
  bool a_was_there = true;
  FakeRunner runner([&](const auto& options, const auto& commands) {
    if (!commands[0].env.contains("DPKG_MAINTSCRIPT_PACKAGE")) return install.dpkg.run(commands);
    const fs::path staged = options.root.upper / "var/lib/dpkg/tmp.ci.0";
    CHECK(read_file(staged / "templates") == "T");
    CHECK(contains(read_file(staged / "control"), "Package: a\n"));
    CHECK((fs::status(staged / "preinst").permissions() & fs::perms::owner_exec) != fs::perms::none);
    CHECK(commands[0].env.at("DPKG_MAINTSCRIPT_NAME") == "preinst");
    a_was_there = root.has("a");
    CHECK(root.has("b"));
    fs::rename(staged, options.root.upper / "var/lib/dpkg/tmp.ci");
    return install.dpkg.run(commands);
  });
  install.runner = runner;
  install.run();
  CHECK_FALSE(a_was_there);
  CHECK(root.text("a") == "x");
  CHECK(install.dpkg.events() == Paths{"preinst a", "configure -a"});
  CHECK_FALSE(root.has("var/lib/dpkg/tmp.ci"));
}

TEST_CASE("what a package pre-depends on is configured, with all that it needs, before the package's preinst runs") {
  Root root({}, dpkg_below());
  Install install(root, {Deb("deep").file("deep"), Deb("needed", "1", "Depends: deep, base\n").file("needed"),
                         Deb("first").control("preinst", kScript, 0755),
                         Deb("second", "1", "Pre-Depends: needed | other, first\n").control("preinst", kScript, 0755),
                         Deb("third").control("preinst", kScript, 0755)});
  install.run();
  CHECK(install.dpkg.events() ==
        Paths{"preinst first", "configure deep first needed", "preinst second", "preinst third", "configure -a"});
}

TEST_CASE("a policy keeps services from starting while scripts run, unless the tree has one of its own") {
  for (const bool own : {false, true}) {
    CAPTURE(own);
    auto below = dpkg_below();
    if (own) below["usr/sbin/policy-rc.d"] = "own";
    Root root({}, below);
    Install install(root, {Deb("a").file("a")});
    std::string seen;
    install.dpkg.while_configuring = [&] { seen = root.text("usr/sbin/policy-rc.d"); };
    install.run();
    CHECK(seen == (own ? "-" : "#!/bin/sh\nexit 101\n"));
    CHECK_FALSE(root.has("usr/sbin/policy-rc.d"));
  }
}

TEST_CASE("logs and caches that dpkg leaves of its own run are removed") {
  Root root({}, dpkg_below());
  Install install(root, {Deb("a").file("a")});
  const Paths traces{"var/log/dpkg.log", "var/log/alternatives.log", "var/cache/ldconfig/aux-cache"};
  install.dpkg.while_configuring = [&] {
    for (const std::string& path : traces) {
      make_folders(root.upper / parent_path(path));
      atomic_write(root.upper / path, "now");
    }
  };
  install.run();
  for (const std::string& path : traces) CHECK_FALSE(root.has(path));
}

TEST_CASE("a package that dpkg did not configure fails the layer by name") {
  Root root({}, dpkg_below());
  Install install(root, {Deb("a").file("a"), Deb("b").file("b")});
  install.dpkg.left_as = {{"b", "half-configured"}};
  const std::string text = error_text([&] { install.run(); });
  CHECK(contains(text, "package b was left as 'install ok half-configured'"));
  CHECK(contains(text, (root.folder() / "log").string()));
}

TEST_CASE("a script that fails fails the layer with the end of its log") {
  Root root({}, dpkg_below());
  Install install(root, {Deb("a").file("a")});
  install.runner = FakeRunner([](const SandboxOptions& options, const auto&) {
    atomic_write(options.log, "first\nno such user\n");
    return SandboxResult{.ok = false, .exit_code = 1, .reason = "exit code 1"};
  });
  const std::string text = error_text([&] { install.run(); });
  CHECK(contains(text, "configuring packages failed: dpkg: exit code 1"));
  CHECK(contains(text, "log: no such user"));
}

TEST_CASE("a package that is not the one that the lock names is refused") {
  Root root({}, dpkg_below());
  Install install(root, {Deb("a", "2").file("a")});
  install.input.packages[0].version = "3";
  const auto [kind, text] = refusal_of([&] { install.run(); });
  CHECK(kind == ErrorKind::integrity);
  CHECK(contains(text, "the package a 3 is not the one that the lock names"));
}

TEST_CASE("answers to debconf's questions are set once debconf is unpacked and before anything is configured") {
  Root root({}, dpkg_below());
  Install install(root, {Deb("debconf").control("conffiles", "/etc/debconf.conf\n").file("etc/debconf.conf")});
  install.input.debconf = {"a a/b select c", "d d/e string f"};
  install.run();
  CHECK(install.dpkg.events() == Paths{"debconf-set-selections", "configure -a"});
  const SandboxCommand& command = install.runner.runs().at(0).commands.at(0);
  CHECK(command.input == "a a/b select c\nd d/e string f\n");
  CHECK(command.env.at("DEBCONF_SYSTEMRC") == "/etc/debconf.conf.dpkg-new");
}

TEST_CASE("apt hears of packages that only others need, and packages below of paths that they lost") {
  Root root({}, dpkg_below());
  Install install(root, {Deb("a", "1", "Replaces: base\n").file("taken", "a's"), Deb("b").file("b")});
  install.input.packages[1].automatic = true;
  install.run();
  CHECK(root.text("var/lib/apt/extended_states") == "Package: b\nArchitecture: amd64\nAuto-Installed: 1\n\n");
  CHECK(root.text("var/lib/dpkg/info/base.list") == "/.\n/base\n");
  CHECK(root.text("taken") == "a's");
  CHECK(root.text("var/lib/dpkg/status").starts_with("Package: base\nStatus: install ok installed\n"));
}

TEST_CASE("calls of py3compile wait until all is configured, and old Pythons compile again with a fixed seed") {
  Root root({}, dpkg_below());
  Install install(
      root,
      {Deb("python3").file("usr/bin/py3compile", "#!", 0755).file("usr/bin/python3.9").file("usr/bin/python3.11")});
  install.run();
  const auto& run = install.runner.runs().back();
  REQUIRE(run.commands.size() == 3);
  CHECK(run.commands[0].argv[0] == "dpkg");
  REQUIRE(run.options.read_only.size() == 1);
  CHECK(run.commands[0].env.at("PATH") == run.options.read_only[0].target + ":/usr/sbin:/usr/bin");
  CHECK_FALSE(run.commands[1].env.contains("PATH"));
  CHECK(run.commands[1].argv.back() == "2");  // side by side
  CHECK(run.commands[2].argv[0] == "/usr/bin/python3.9");
  CHECK_FALSE(fs::is_empty(run.options.read_only[0].host));

  Root plain({}, dpkg_below());
  Install without(plain, {Deb("a").file("usr/bin/python3.11")});
  without.run();
  CHECK(without.runner.runs().back().commands.size() == 1);
  CHECK(without.runner.runs().back().options.read_only.empty());
}

// ---- what belongs to packages that are there before

namespace {

const std::string kMerged = "/bin/sh\n/bin/sh.distrib\ndash\n/etc/a\n/etc/a.real\ndash\n";

/// A merged /usr with /usr/bin/f of the package old 2, which has it as /bin/f, and a conffile of it.
struct MergedRoot : Root {
  MergedRoot()
      : Root({folder_below("usr"), folder_below("usr/bin"), link_below("bin", "usr/bin")},
             {{"usr/bin/f", "old"},
              {"etc/conf", "old"},
              {"var/lib/dpkg/diversions", kMerged},
              {"var/lib/dpkg/info/old.list", "/.\n/bin/f\n/etc/conf\n"},
              {"var/lib/dpkg/status",
               "Package: old\nStatus: install ok installed\nVersion: 2\nArchitecture: all\n"}}) {}
};

}  // namespace

TEST_CASE("on a merged /usr a file belongs to who has it by the name that packages give it") {
  MergedRoot refusing;
  CHECK(contains(failure(refusing, {Deb("new").file("bin/f")}, ErrorKind::failed), "/bin/f is in new and also in old"));
  MergedRoot root;
  (void)root.unpack({Deb("new", "1", "Replaces: old\n").file("bin/f", "new")});
  CHECK(root.text("usr/bin/f") == "new");
  CHECK(root.lost == std::map<std::string, Paths>{{"old", {"/bin/f"}}});
  for (const unsigned jobs : {1U, 4U}) {
    MergedRoot batch;
    const auto unpacked = batch.unpack(
        {Deb("a").file("bin/g", "a"), Deb("b", "1", "Replaces: a\n").file("bin/g", "b")}, jobs);
    CHECK(batch.text("usr/bin/g") == "b");
    CHECK(unpacked[0].paths.empty());
    CHECK(unpacked[1].paths == Paths{"/bin/g"});
  }
}

TEST_CASE("what replaces versions of a package is held against the one that is installed") {
  for (const char* relation : {"<< 2", "= 1", ">> 2"}) {
    CAPTURE(relation);
    MergedRoot root;
    const Deb deb = Deb("new", "1", "Replaces: old (" + std::string(relation) + ")\n").file("bin/f");
    CHECK(contains(failure(root, {deb}, ErrorKind::failed), "/bin/f is in new and also in old"));
  }
  for (const char* relation : {"= 2", "<= 2", "<< 3", ">= 1"}) {
    CAPTURE(relation);
    MergedRoot root;
    (void)root.unpack({Deb("new", "1", "Replaces: old (" + std::string(relation) + ")\n").file("bin/f", "new")});
    CHECK(root.text("usr/bin/f") == "new");
  }
}

TEST_CASE("a conffile of another package is refused as its other files are") {
  const auto deb = [](const std::string& fields) {
    return Deb("new", "1", fields).control("conffiles", "/etc/conf\n").file("etc/conf", "new");
  };
  MergedRoot refusing;
  CHECK(contains(failure(refusing, {deb("")}, ErrorKind::failed), "/etc/conf is in new and also in old"));
  MergedRoot root;
  (void)root.unpack({deb("Replaces: old\n")});
  CHECK(root.text("etc/conf.dpkg-new") == "new");
  CHECK(root.lost == std::map<std::string, Paths>{{"old", {"/etc/conf"}}});
}

TEST_CASE("diversions hold for conffiles, for targets of hard links, and by the names that packages give") {
  MergedRoot root;
  (void)root.unpack({Deb("b").control("conffiles", "/etc/a\n").file("etc/a", "conf").hard_link("etc/twin", "etc/a"),
                     Deb("bash").file("bin/sh", "bash's").hard_link("bin/rbash", "bin/sh"),
                     Deb("dash").file("bin/sh", "dash's")});
  CHECK(root.text("etc/a.real.dpkg-new") == "conf");
  CHECK_FALSE(root.has("etc/a.dpkg-new"));
  CHECK(root.look("etc/twin").st_ino == root.look("etc/a.real.dpkg-new").st_ino);
  CHECK(root.text("usr/bin/sh.distrib") == "bash's");
  CHECK(root.text("usr/bin/rbash") == "bash's");
  CHECK(root.look("usr/bin/rbash").st_ino == root.look("usr/bin/sh.distrib").st_ino);
  CHECK(root.text("usr/bin/sh") == "dash's");
}

TEST_CASE("a batch that is undone loses no whiteout, and takes a path from another package once") {
  const char* mark = in_user_namespace() ? "user.overlay.opaque" : "trusted.overlay.opaque";
  for (const unsigned jobs : {1U, 4U}) {
    CAPTURE(jobs);
    Root root({folder_below("srv")},
              {{"srv/gone", "old"}, {"f", "old"}, {"var/lib/dpkg/info/old.list", "/.\n/f\n"}});
    REQUIRE(::mknod((root.upper / "srv").c_str(), S_IFCHR, 0) == 0);
    // Whoever comes to /shared second undoes the batch, and a has done the rest by then.
    (void)root.unpack({Deb("a", "1", "Replaces: old\n").folder("srv").file("f", "new").file("shared", "a"),
                       Deb("b", "1", "Replaces: a\n").file("shared", "b")},
                      jobs);
    CHECK(root.text("shared") == "b");
    CHECK(::lgetxattr((root.upper / "srv").c_str(), mark, nullptr, 0) == 1);
    CHECK(root.lost == std::map<std::string, Paths>{{"old", {"/f"}}});
  }
}

namespace {

/// Ids that a test may give to files: as another user only its own.
std::string own_accounts() {
  return "root:x:0:0::/:/bin/sh\nme:x:" + std::to_string(::geteuid()) + ":" + std::to_string(::getegid()) +
         "::/:/bin/sh\n";
}
std::string own_groups() {
  return "root:x:0:\nus:x:" + std::to_string(::getegid()) + ":\n";
}

}  // namespace

TEST_CASE("statoverrides give files their owners and modes, by the names that packages give") {
  Root root({}, {{"etc/passwd", own_accounts()},
                 {"etc/group", own_groups()},
                 {"var/lib/dpkg/statoverride", "me us 4750 /usr/bin/tool\nme us 0700 /srv/folder\n"}});
  (void)root.unpack(
      {Deb("a").folder("srv/folder").file("usr/bin/tool", "x", 0755).file("usr/bin/other", "x", 0755)});
  CHECK((root.look("usr/bin/tool").st_mode & 07777U) == 04750U);
  CHECK((root.look("usr/bin/other").st_mode & 07777U) == 0755U);
  CHECK((root.look("srv/folder").st_mode & 07777U) == 0700U);
}

TEST_CASE("statoverrides that dpkg could not read are refused, and accounts that do not exist are named") {
  const std::vector<std::pair<std::string, std::string>> rows{
      {"root root 0755\n", "/var/lib/dpkg/statoverride is damaged at line 1"},
      {"root root 0755 /a\nroot root 9 /b\n", "/var/lib/dpkg/statoverride is damaged at line 2"},
      {"nosuch root 0755 /a\n", "'nosuch', which is not an account of the system"},
      {"root nosuch 0755 /a\n", "'nosuch', which is not an account of the system"}};
  for (const auto& [text, message] : rows) {
    CAPTURE(text);
    Root root(
        {},
        {{"etc/passwd", own_accounts()}, {"etc/group", own_groups()}, {"var/lib/dpkg/statoverride", text}});
    CHECK(contains(failure(root, {Deb("a").file("a")}, ErrorKind::failed), message));
  }
}

TEST_CASE(
    "path filters of dpkg's configuration keep files out, the last that matches decides, and the list names "
    "all") {
  Root root({}, {{"etc/dpkg/dpkg.cfg", "# defaults\nno-debsig\n"},
                 {"etc/dpkg/dpkg.cfg.d/doc",
                  "path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n"},
                 {"etc/dpkg/dpkg.cfg.d/man", "path-exclude \"/usr/share/man/*\"\n"},
                 {"etc/dpkg/dpkg.cfg.d/old.dpkg-bak", "path-exclude=/usr/bin/*\n"}});
  const auto unpacked = root.unpack({Deb("a")
                                         .file("usr/bin/tool")
                                         .folder("usr/share/doc")
                                         .folder("usr/share/doc/a")
                                         .file("usr/share/doc/a/copyright")
                                         .file("usr/share/doc/a/README")
                                         .folder("usr/share/man/man1")
                                         .file("usr/share/man/man1/tool.1")});
  for (const char* path : {"usr/bin/tool", "usr/share/doc/a/copyright"}) {
    CAPTURE(path);
    CHECK(root.has(path));
  }
  for (const char* path : {"usr/share/doc/a/README", "usr/share/man/man1"}) {
    CAPTURE(path);
    CHECK_FALSE(root.has(path));
  }
  CHECK(std::find(unpacked[0].paths.begin(), unpacked[0].paths.end(), "/usr/share/doc/a/README") !=
        unpacked[0].paths.end());
}

TEST_CASE("who has a path that a filter keeps out is asked by name") {
  const std::map<std::string, std::string> filter{{"etc/dpkg/dpkg.cfg.d/x", "path-exclude=/doc/*\n"}};
  Root root({}, filter);
  CHECK(contains(failure(root, {Deb("a").file("doc/f"), Deb("b").file("doc/f")}, ErrorKind::failed, 2),
                 "/doc/f is in b 1 and also in a 1"));
  Root replaced({}, filter);
  const auto unpacked =
      replaced.unpack({Deb("a").file("doc/f"), Deb("b", "1", "Replaces: a\n").file("doc/f")}, 2);
  CHECK(unpacked[0].paths == Paths{"/doc/f"});  // nothing was taken from it
}

TEST_CASE("an owner that the archive names is the system's account of that name, else the archive's number") {
  Root root({}, {{"etc/passwd", own_accounts()}, {"etc/group", own_groups()}});
  Deb deb("a");
  deb.file("mine").owned_by("me", "us").file("stranger").owned_by("nosuch", "nosuch");
  (void)root.unpack({deb});
  CHECK(root.look("mine").st_uid == ::geteuid());
  CHECK(root.look("mine").st_gid == ::getegid());
  CHECK(root.look("stranger").st_uid == ::geteuid());
}

TEST_CASE("dpkg's sums of a package that brings none are made, with conffiles and hard links") {
  const std::string x = "9dd4e461268c8034f5c8564e155c67a6";  // of "x"
  Root root;
  const auto unpacked = root.unpack({Deb("a")
                                         .control("conffiles", "/etc/c\n")
                                         .file("etc/c")
                                         .file("usr/f")
                                         .hard_link("usr/h", "usr/f")
                                         .link("usr/l", "f"),
                                     Deb("b").control("md5sums", "its own\n").file("usr/b")});
  CHECK(unpacked[0].control_files.at("md5sums").content ==
        x + "  etc/c\n" + x + "  usr/f\n" + x + "  usr/h\n");
  CHECK(unpacked[1].control_files.at("md5sums").content == "its own\n");
}

TEST_CASE("two packages may have a path that a diversion keeps apart, renamed or not") {
  Root root({}, {{"var/lib/dpkg/diversions", "/usr/bin/t\n/usr/bin/t.real\nd\n"},
                 {"var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n\n"},
                 {"var/lib/dpkg/info/a.list", "/usr/bin/t\n"},
                 {"usr/bin/t", "a's"}});
  (void)root.unpack({Deb("d").file("usr/bin/t", "d's")});
  CHECK(root.text("usr/bin/t") == "d's");
}

TEST_CASE("a path of a former package stays with it where that one replaces the new one") {
  Root root({},
            {{"var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\nReplaces: b\n\n"},
             {"var/lib/dpkg/info/a.list", "/f\n"},
             {"f", "a's"}});
  const auto unpacked = root.unpack({Deb("b").file("f", "b's").file("g")});
  CHECK_FALSE(root.has("f"));
  CHECK(unpacked[0].paths == Paths{"/g"});
}

TEST_CASE("a path that is taken from a package is taken from it for each architecture") {
  Root root;
  const auto unpacked =
      root.unpack({Deb::same("a", "amd64").file("f").file("own"), Deb::same("a", "i386").file("f"),
                   Deb("b", "1", "Replaces: a\n").file("f")});
  CHECK(unpacked[0].paths == Paths{"/own"});
  CHECK(unpacked[1].paths == Paths{});
}

TEST_CASE("a conffile that another package takes over as one is obsolete where it was") {
  Root root;
  const auto unpacked =
      root.unpack({Deb("a").control("conffiles", "/etc/c\n/etc/d\n").file("etc/c").file("etc/d"),
                   Deb("b", "1", "Replaces: a\n").control("conffiles", "/etc/c\n").file("etc/c"),
                   Deb("c", "1", "Replaces: a\n").link("etc/d", "c")});
  CHECK(unpacked[0].obsolete == std::set<std::string>{"/etc/c"});
}

TEST_CASE("each architecture of a package has its own preinst, and is configured by its full name") {
  Root root({}, dpkg_below());
  Install install(root, {Deb::same("a", "amd64").control("preinst", kScript, 0755).file("lib/amd64"),
                         Deb::same("a", "i386").control("preinst", kScript, 0755).file("lib/i386"),
                         Deb("b", "1", "Pre-Depends: a\n").control("preinst", kScript, 0755)});
  install.dpkg.while_running = [](const SandboxCommand& command) {
    return ":" + command.env.at("DPKG_MAINTSCRIPT_ARCH");
  };
  install.run();
  CHECK(install.dpkg.events() ==
        Paths{"preinst a:amd64", "preinst a:i386", "configure a:amd64", "preinst b:amd64", "configure -a"});
}

TEST_CASE("a layer whose order shows is begun again, one package after the other") {
  // "late" has no preinst, so it is unpacked before "early", whose file it replaces.
  Root root({}, dpkg_below());
  Install install(root, {Deb("early").control("preinst", kScript, 0755).file("f", "early"),
                         Deb("late", "1", "Replaces: early\n").file("f", "late")});
  install.run();
  CHECK(root.text("f") == "late");
  CHECK(root.text("var/lib/dpkg/info/early.list").empty());
  CHECK(root.text("var/lib/dpkg/info/late.list") == "/f\n");
}

TEST_CASE("a diversion counts for packages behind the one that makes it") {
  Root root({}, dpkg_below());
  Install install(root, {Deb("diverter").control("preinst", kScript, 0755).file("f", "diverter's"),
                         Deb("other").file("f", "other's")});
  install.dpkg.while_running = [&](const SandboxCommand&) {
    atomic_write(root.upper / "var/lib/dpkg/diversions", "/f\n/f.real\ndiverter\n");
    return std::string();
  };
  install.run();
  CHECK(root.text("f") == "diverter's");
  CHECK(root.text("f.real") == "other's");
}

TEST_CASE("a hard link to a symlink gives nothing that the symlink leads to another mode") {
  Root root({link_below("out", "victim")});
  const fs::path victim = root.upper / "victim";
  atomic_write(victim, "v", 0600);
  fs::create_symlink("victim", root.upper / "link");
  (void)root.unpack({Deb("a").hard_link("name", "link")});
  CHECK((root.look("victim").st_mode & 07777U) == 0600U);
  CHECK(contains(failure(root, {Deb("b").hard_link("other", "nothing")}, ErrorKind::integrity),
                 "/other is a hard link to /nothing, which is not there"));
}

TEST_CASE("a path filter without a pattern matches nothing, and quotes of either kind are taken off") {
  Root root({}, {{"etc/dpkg/dpkg.cfg", "path-exclude=\npath-include =\npath-exclude='/a*'\n"}});
  (void)root.unpack({Deb("a").file("a1").file("b")});
  CHECK_FALSE(root.has("a1"));
  CHECK(root.has("b"));
}

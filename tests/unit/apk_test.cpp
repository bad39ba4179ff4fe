// SPDX-License-Identifier: MIT
// Alpine's packages: signed indexes, files brought to their places as apk would, scripts where apk runs them, and the
// database that is left. Packages are made here as they come out of the decoder; nothing of Alpine runs.
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "base/text.hpp"
#include "distro/alpine/database.hpp"
#include "distro/alpine/index.hpp"
#include "distro/alpine/signature.hpp"
#include "distro/alpine/sources.hpp"
#include "distro/distro.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"
#include "support/trees.hpp"
#include "tree/layer_writer.hpp"

using namespace alephc;
using namespace alephc::alpine;

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kTime = 1000;

/// A package as the decoder gives it.
class Apk {
 public:
  explicit Apk(std::string name, const std::string& info = {}, const std::string& size = "1") : name_(std::move(name)) {
    control(".PKGINFO", "pkgname = " + name_ + "\npkgver = 1-r0\narch = x86_64\nsize = " + size +
                            "\ndatahash = " + sha256(name_).hex() + "\n" + info);
  }

  Apk& control(const std::string& file, const std::string& text) {
    entries_.push_back({.member = "control", .entry = own_entry(EntryType::regular, file, 0644), .text = text});
    return *this;
  }
  Apk& folder(const std::string& path, std::uint32_t mode = 0755) {
    entries_.push_back({.member = "data", .entry = own_entry(EntryType::directory, path, mode)});
    return *this;
  }
  Apk& file(const std::string& path, const std::string& text = "x") {
    entries_.push_back({.member = "data", .entry = own_entry(EntryType::regular, path, 0644), .text = text});
    return *this;
  }
  /// A file of somebody who has a name, and a number where it was built.
  Apk& owned(const std::string& path, const std::string& user, std::uint32_t uid) {
    file(path).entries_.back().user = user;
    entries_.back().entry.uid = uid;
    return *this;
  }
  Apk& link(const std::string& path, const std::string& target) {
    entries_.push_back({.member = "data", .entry = own_entry(EntryType::symlink, path, 0777)});
    entries_.back().entry.link_target = target;
    return *this;
  }
  Apk& hard_link(const std::string& path, const std::string& target) {
    entries_.push_back({.member = "data", .entry = own_entry(EntryType::regular, path, 0644)});
    entries_.back().entry.hard_link = target;
    return *this;
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string identity() const { return identity_of(sha1_bytes(name_)); }
  [[nodiscard]] InstallPackage locked() const {
    return {.name = name_, .version = "1-r0", .arch = "x86_64", .size = 9, .identity = identity()};
  }

  [[nodiscard]] DecodedArchive decode(const fs::path& stem) const {
    DecodedArchive archive{.control_sha1 = sha1_bytes(name_), .data_sha256 = sha256(name_)};
    for (DecodedEntry decoded : entries_) {
      if (decoded.has_content()) {
        decoded.content = stem.string() + std::to_string(archive.entries.size());
        atomic_write(decoded.content, decoded.text);
        decoded.entry.content = sha256(decoded.text);
        decoded.sha1 = sha1_bytes(decoded.text);
        decoded.text.clear();
      }
      archive.entries.push_back(std::move(decoded));
    }
    return archive;
  }

 private:
  std::string name_;
  std::vector<DecodedEntry> entries_;
};

using Texts = std::map<std::string, std::string>;

/// A layer of packages over a tree of files.
class Install {
 public:
  explicit Install(std::vector<Apk> apks, const Texts& below = {}) : apks_(std::move(apks)) {
    make_folders(upper);
    make_folders(work_.path() / "scratch");
    make_folders(work_.path() / "layer");
    LayerWriter writer(work_.path() / "layer", nullptr, 0);
    writer.put(own_entry(EntryType::directory, "", 0755));
    for (const auto& [path, text] : below) {
      for (std::string at = parent_path(path); !at.empty() && !writer.has(at); at = parent_path(at))
        writer.put(own_entry(EntryType::directory, at, 0755));
      writer.put_file(own_entry(EntryType::regular, path, 0644), text);
    }
    tree_.add(test_.store.adopt_layer(work_.path() / "layer", writer.finish()));
    input.arch = "amd64";
    for (const Apk& apk : apks_) input.packages.push_back(apk.locked());
  }

  void run() {
    const InstallJob job{.input = input,
                         .below = tree_,
                         .upper = upper,
                         .scratch = work_.path() / "scratch",
                         .log = work_.path() / "log",
                         .jobs = 2,
                         .known = known,
                         .room = {.time = kTime},
                         .runner = runner,
                         .decode_package = [this](const InstallPackage& package) { return decode(package); }};
    distro_of("alpine").install(job, test_.reporter);
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
  /// "script arguments" of all that was run, in order.
  [[nodiscard]] std::vector<std::string> scripts() const {
    std::vector<std::string> out;
    for (const FakeRunner::Run& run : runner.runs())
      for (const SandboxCommand& command : run.commands) {
        out.push_back(base_name(command.argv[0]));
        for (std::size_t i = 1; i < command.argv.size(); ++i) out.back() += " " + command.argv[i];
      }
    return out;
  }
  /// The files that the database gives a package.
  [[nodiscard]] std::vector<std::string> files_of(const std::string& name) const {
    std::vector<std::string> out;
    for (const InstalledRecord& record : parse_installed(text(kInstalled)))
      if (record.get('P') == name)
        for (const InstalledFolder& folder : record.folders)
          for (const InstalledFile& file : folder.files) out.push_back(join_path(folder.path, file.name));
    return out;
  }

 private:
  [[nodiscard]] DecodedArchive decode(const InstallPackage& package) const {
    for (const Apk& apk : apks_)
      if (apk.name() == package.name) return apk.decode(work_.path() / (package.name + "."));
    throw Error(ErrorKind::failed, "no such package");
  }

  TestStore test_{};
  WorkFolder work_ = test_.store.make_work_folder();
  Tree tree_{};
  std::vector<Apk> apks_;

 public:
  fs::path upper = work_.path() / "upper";
  InstallInput input{};
  FakeRunner runner{};
  KnownContents known{};
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The text of the Error that an installation ends with, of a kind.
std::string failure(Install& install, ErrorKind expected) {
  std::optional<ErrorKind> kind;
  const std::string text = error_text([&] {
    try {
      install.run();
    } catch (const Error& error) {
      kind = error.kind();
      throw;
    }
  });
  CHECK(kind == expected);
  return text;
}

using Paths = std::vector<std::string>;

}  // namespace

TEST_CASE("a layer of Alpine's packages leaves their files and the database that apk would") {
  Install install({Apk("app", "depend = lib\norigin = src\nreplaces = old\nreplaces_priority = 3\nbuilddate = 17\n")
                       .folder("etc")
                       .file("etc/conf", "c")
                       .folder("srv", 0700)
                       .link("srv/l", "f")
                       .file("srv/.keep_x")});
  install.input.requests = {"app", "other"};
  install.input.packages[0].tag = "edge";
  install.run();
  CHECK(install.text("etc/conf") == "c");
  CHECK(fs::read_symlink(install.upper / "srv/l") == "f");
  CHECK_FALSE(install.has("srv/.keep_x"));
  CHECK_FALSE(install.has(".PKGINFO"));
  CHECK((install.look("srv").st_mode & 07777U) == 0700U);
  CHECK(install.known.find(install.look("etc/conf")) == sha256("c"));
  CHECK(install.text(kInstalled) ==
        "C:" + Apk("app").identity() +
            "\nP:app\nV:1-r0\nA:x86_64\nS:9\nI:1\nT:\nU:\nL:\no:src\nt:17\nD:lib\nr:old\nq:3\n"
            "s:edge\nF:etc\nR:conf\nZ:" +
            identity_of(sha1_bytes("c")) + "\nF:srv\nM:0:0:700\nR:l\na:0:0:777\nZ:" + identity_of(sha1_bytes("f")) +
            "\n\n");
  CHECK(install.text(kWorld) == "app\nother\n");
  CHECK(install.runner.runs().empty());
}

TEST_CASE("the first layer has what apk lays down in an empty root") {
  Install install({Apk("app").folder("usr").file("usr/f")});
  install.input.is_first = true;
  install.run();
  CHECK(install.text("etc/apk/arch") == "x86_64\n");
  CHECK((install.look("tmp").st_mode & 07777U) == 01777U);
  CHECK((install.look("proc").st_mode & 07777U) == 0555U);
  CHECK(install.has("var/cache/apk"));
  const struct stat null = install.look("dev/null");
  CHECK((S_ISCHR(null.st_mode) || install.known.find_device(null) == std::pair(1U, 3U)));
  CHECK((install.look("lib/apk/db/lock").st_mode & 07777U) == 0600U);
}

TEST_CASE("scripts run where apk runs them, with the version, and triggers with the folders that they watch") {
  Install install({Apk("a", "triggers = /usr/lib /srv/*\n")
                       .control(".trigger", "t")
                       .control(".post-install", "a")
                       .folder("usr")
                       .folder("usr/lib")
                       .file("usr/lib/a"),
                   Apk("b")
                       .control(".pre-install", "first")
                       .control(".pre-install", "b")
                       .folder("srv")
                       .folder("srv/b")
                       .file("srv/b/f")});
  std::vector<std::string> seen;
  install.runner = FakeRunner([&](const SandboxOptions& options, const std::vector<SandboxCommand>& commands) {
    for (const SandboxCommand& command : commands) seen.push_back(read_file(options.root.upper / command.argv[0]));
    seen.emplace_back(install.has("srv/b/f") ? "b is there" : "b is not there");
    return SandboxResult{.ok = true};
  });
  install.run();
  CHECK(install.scripts() ==
        Paths{"a-1-r0.post-install 1-r0", "b-1-r0.pre-install 1-r0", "a-1-r0.trigger /srv/b /usr/lib"});
  CHECK(seen == Paths{"a", "b", "b is not there", "t", "b is there"});  // of two scripts of a type the last counts
  CHECK_FALSE(install.has("lib/apk/exec/a-1-r0.trigger"));
  CHECK(install.text(kTriggers) == Apk("a").identity() + " /usr/lib /srv/*\n");
  std::string kept;
  for (const Script& script : parse_scripts_tar(install.text(kScripts)))
    kept += script.package + "." + script.type + " ";
  CHECK(kept == "a-1-r0.post-install a-1-r0.trigger b-1-r0.pre-install ");
}

TEST_CASE("triggers of packages in former layers hear of this layer's folders only") {
  const std::string identity = Apk("old").identity();
  Install install({Apk("new").folder("usr").folder("usr/new").file("usr/new/f")},
                  {{kInstalled, "C:" + identity + "\nP:old\nV:1-r0\nF:usr\nF:usr/old\n\n"},
                   {kTriggers, identity + " /usr/*\n"},
                   {kScripts, scripts_tar({{"old-1-r0", identity, "trigger", "t", 1}})}});
  install.run();
  CHECK(install.scripts() == Paths{"old-1-r0.trigger /usr/new"});
  CHECK(contains(install.text(kInstalled), "P:new\n"));
  CHECK(contains(install.text(kInstalled), "P:old\nV:1-r0\nF:usr\nF:usr/old\n"));
}

TEST_CASE("a package that installs nothing is in the database, and nothing of it is in the tree") {
  Install install({Apk("virtual", "depend = a\n", "0").control(".post-install", "x").folder("srv").file("srv/f")});
  install.run();
  CHECK_FALSE(install.has("srv"));
  CHECK(install.scripts().empty());
  CHECK(contains(install.text(kInstalled), "P:virtual\nV:1-r0\nA:x86_64\nS:9\nI:0\n"));
}

TEST_CASE("a package with another identity, name or data than was promised is refused") {
  Install identity({Apk("a")});
  identity.input.packages[0].identity = Apk("b").identity();
  CHECK(contains(failure(identity, ErrorKind::integrity), "another identity than the signed index gives it"));
  Install version({Apk("a")});
  version.input.packages[0].version = "2-r0";
  const std::string text = failure(version, ErrorKind::integrity);
  CHECK(contains(text, "the package is not the one that the lock names"));
  CHECK(contains(text, "installing a 2-r0"));
  Install data({Apk("a", "datahash = " + sha256("other data").hex() + "\n")});
  CHECK(contains(failure(data, ErrorKind::integrity), "its files have sha256 " + sha256("a").hex()));
  Install twice({Apk("a").control(".PKGINFO", "pkgname = a\n")});
  CHECK(contains(failure(twice, ErrorKind::integrity), "the package has two .PKGINFO"));
}

TEST_CASE("a script that fails is named") {
  Install install({Apk("a").control(".pre-install", "x").file("f")});
  install.runner =
      FakeRunner([](const auto&, const auto&) { return SandboxResult{.exit_code = 1, .reason = "exit code 1"}; });
  CHECK(contains(failure(install, ErrorKind::failed), "running a-1-r0.pre-install failed"));
}

TEST_CASE("of two packages with one file the one that replaces the other has it, by priority if both do") {
  struct Row {
    const char* first;
    const char* second;
    const char* owner;  ///< empty: refused
  };
  for (const Row& row :
       std::vector<Row>{{"", "", ""},
                        {"", "replaces = a\n", "b"},
                        {"replaces = b\n", "", "a"},
                        {"", "replaces = a>1-r0\n", ""},
                        {"replaces = b\n", "replaces = a\n", "b"},
                        {"replaces = b\nreplaces_priority = 2\n", "replaces = a\nreplaces_priority = 1\n", "a"},
                        {"origin = src\n", "origin = src\n", "b"}}) {
    CAPTURE(row.first, row.second);
    Install install(
        {Apk("a", row.first).folder("d").file("d/f", "a"), Apk("b", row.second).folder("d").file("d/f", "b")});
    const std::string owner = row.owner;
    if (owner.empty()) {
      CHECK(contains(failure(install, ErrorKind::failed), "/d/f is in b and also in a"));
      continue;
    }
    install.run();
    CHECK(install.text("d/f") == owner);
    CHECK(install.files_of("a") == (owner == "a" ? Paths{"d/f"} : Paths{}));
    CHECK(install.files_of("b") == (owner == "b" ? Paths{"d/f"} : Paths{}));
  }
}

TEST_CASE("what was changed below protected paths stays, and the new file lies beside it") {
  const std::string record = "C:Q1x\nP:old\nV:1\nF:etc\nR:mine\nZ:" + identity_of(sha1_bytes("shipped")) +
                             "\nR:plain\nZ:" + identity_of(sha1_bytes("plain")) + "\n\n";
  const Texts below{{kInstalled, record},   {"etc/mine", "changed"},
                    {"etc/plain", "plain"}, {"etc/same", "new"},
                    {"opt/kept/f", "old"},  {"etc/open/f", "old"},
                    {"usr/f", "old"},       {"etc/apk/protected_paths.d/x.list", "# words\n+opt/kept\n-etc/open\n"}};
  Install install({Apk("new", "replaces = old\n")
                       .file("etc/mine", "new")
                       .file("etc/plain", "new")
                       .file("etc/same", "new")
                       .file("opt/kept/f", "new")
                       .file("etc/open/f", "new")
                       .file("usr/f", "new")},
                  below);
  install.run();
  CHECK_FALSE(install.has("etc/mine"));
  CHECK(install.text("etc/mine.apk-new") == "new");
  CHECK(install.text("etc/plain") == "new");  // nobody had changed it
  CHECK_FALSE(install.has("etc/same"));       // it is the new one already
  CHECK_FALSE(install.has("etc/same.apk-new"));
  CHECK(install.text("opt/kept/f.apk-new") == "new");
  CHECK(install.text("etc/open/f") == "new");
  CHECK(install.text("usr/f") == "new");
}

TEST_CASE("owners are those that the image's accounts have by name, also when a script has just made them") {
  Install install({Apk("a").owned("root", "root", 12345).owned("unknown", "nobody-here", 0),
                   Apk("b").control(".pre-install", "adduser").owned("web", "web", 12345)},
                  {{"etc/passwd", "root:x:0:0::/:/bin/sh\n"}});
  install.runner = FakeRunner([&](const SandboxOptions& options, const auto&) {
    make_folders(options.root.upper / "etc");
    atomic_write(options.root.upper / "etc/passwd", "root:x:0:0::/:/bin/sh\nweb:x:0:0::/:/bin/sh\nbad:x\n");
    return SandboxResult{.ok = true};
  });
  install.run();
  CHECK(install.look("root").st_uid == 0);
  CHECK(install.look("unknown").st_uid == 0);  // nobody has that name: the number counts
  CHECK(install.look("web").st_uid == 0);
}

TEST_CASE("hard links are to files that the package itself has placed") {
  Install install({Apk("a").file("one", "1").hard_link("two", "one")});
  install.run();
  CHECK(install.look("one").st_ino == install.look("two").st_ino);
  CHECK(contains(install.text(kInstalled), "R:two\nZ:" + identity_of(sha1_bytes("1")) + "\n"));
  Install foreign({Apk("a").file("one", "1"), Apk("b").hard_link("two", "one")});
  CHECK(
      contains(failure(foreign, ErrorKind::integrity), "/two is a hard link to /one, which the package did not place"));
  Install missing({Apk("a").hard_link("two", "etc/passwd")}, {{"etc/passwd", "x"}});
  CHECK(contains(failure(missing, ErrorKind::integrity), "which the package did not place"));
}

TEST_CASE("a folder gets what all packages allow, and one that was there before the first stays") {
  Install install({Apk("a").folder("shared", 0775).folder("before", 0700), Apk("b").folder("shared", 0757)},
                  {{"before/f", "x"}});
  install.run();
  CHECK((install.look("shared").st_mode & 07777U) == 0755U);
  CHECK_FALSE(install.has("before"));
  Install file({Apk("a").file("before")}, {{"before/f", "x"}});
  CHECK(contains(failure(file, ErrorKind::failed), "/before is a file in a, but a folder is there"));
}

// ---- Indexes

namespace {

/// A tar with one file, of second 77.
std::string tar_of(const std::string& name, const std::string& data) {
  std::string head(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) { head.replace(at, text.size(), text); };
  const auto octal = [](std::size_t value) {
    std::string text(11, '0');
    for (std::size_t i = text.size(); value > 0; value >>= 3U) text[--i] = static_cast<char>('0' + (value & 7U));
    return text;
  };
  put(0, name);
  put(100, "0000644");
  put(124, octal(data.size()));
  put(136, octal(77));
  put(148, "        ");
  put(156, "0");
  put(257, "ustar");
  put(263, "00");
  std::size_t sum = 0;
  for (const char c : head) sum += static_cast<unsigned char>(c);
  put(148, octal(sum).substr(5) + std::string(1, '\0'));
  return head + data + std::string((512 - data.size() % 512) % 512 + 1024, '\0');
}

/// A signed index, made by openssl.
class SignedMaker {
 public:
  SignedMaker() {
    openssl({"genrsa", "-out", path("key"), "1024"});
    openssl({"rsa", "-in", path("key"), "-pubout", "-out", path("key.pub")});
  }

  [[nodiscard]] Key key(const std::string& name = "test.rsa.pub") const { return {name, read_file(path("key.pub"))}; }

  /// Signed with a hash ("sha1") under the name of a member (".SIGN.RSA.test.rsa.pub").
  [[nodiscard]] std::string sign(const std::string& hash, const std::string& member,
                                 const std::string& file = "APKINDEX") const {
    atomic_write(path("body"), pack(file, "P:a\n"));
    openssl({"dgst", "-" + hash, "-sign", path("key"), "-out", path("signature"), path("body")});
    return pack(member, read_file(path("signature"))) + read_file(path("body"));
  }
  [[nodiscard]] std::string pack(const std::string& name, const std::string& data) const {
    const CommandResult packed = run_command({.argv = {"gzip", "-nc"}, .input = tar_of(name, data)});
    REQUIRE(packed.exit_code == 0);
    return packed.output;
  }

 private:
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  void openssl(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "openssl");
    const CommandResult result = run_command({.argv = arguments});
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
  }

  TempDir folder_{fs::temp_directory_path(), "alephc-test"};
};

std::string refusal(const std::string& bytes, const std::vector<Key>& keys) {
  CHECK(error_kind([&] { (void)verify_index(bytes, keys, "alpine/v3/main"); }) == ErrorKind::integrity);
  return error_text([&] { (void)verify_index(bytes, keys, "alpine/v3/main"); });
}

std::string stanza(const std::string& fields) {
  return "C:" + identity_of(std::string(20, 'x')) + "\n" + fields + "\n";
}

}  // namespace

TEST_CASE("an index is good if the key that it names has signed all that follows") {
  if (!find_program("openssl")) {
    WARN("skipped: openssl is not installed");
    return;
  }
  const SignedMaker maker;
  const std::vector<Key> keys{maker.key()};
  for (const auto& [hash, prefix] :
       {std::pair("sha1", ".SIGN.RSA."), {"sha256", ".SIGN.RSA256."}, {"sha512", ".SIGN.RSA512."}}) {
    CAPTURE(hash);
    const SignedIndex index = verify_index(maker.sign(hash, std::string(prefix) + "test.rsa.pub"), keys, "x");
    CHECK(index.text == "P:a\n");
    CHECK(index.date == 77);
    CHECK(index.signer == fingerprint_of(keys[0]));
  }
  CHECK(fingerprint_of(keys[0]).find_first_not_of("0123456789ABCDEF") == std::string::npos);
  CHECK(fingerprint_of(keys[0]).size() == 40);
  const std::string good = maker.sign("sha1", ".SIGN.RSA.test.rsa.pub");
  CHECK(contains(refusal(maker.sign("sha256", ".SIGN.RSA.test.rsa.pub"), keys), "has a bad signature by test.rsa.pub"));
  CHECK(contains(refusal(good + "x", keys), "has a bad signature by test.rsa.pub"));
  const std::string other = refusal(good, {maker.key("other.rsa.pub")});
  CHECK(contains(other, "the index of alpine/v3/main is signed by a key that is not trusted"));
  CHECK(contains(other, "signed by test.rsa.pub"));
  CHECK(contains(other, "trusted:  other.rsa.pub"));
  CHECK(contains(refusal(maker.pack("APKINDEX", "P:a\n"), keys), "is not signed"));
  CHECK(contains(refusal(maker.sign("sha1", ".SIGN.RSA.test.rsa.pub", "DESCRIPTION"), keys), "holds no APKINDEX"));
  CHECK(contains(refusal("no gzip", keys), "damaged archive"));
  CHECK(error_kind([&] { (void)verify_index(good, {{"test.rsa.pub", "no PEM"}}, "x"); }) == ErrorKind::failed);
}

TEST_CASE("an index leaves out other architectures and packages that it cannot understand") {
  const std::string text = stanza("P:a\nV:1\nA:x86_64\nS:1\nD:b !c\np:so:x=1\ni:d\nk:5\n") +
                           stanza("P:b\nV:1\nA:noarch\nS:1\nx:unknown\n") + stanza("P:c\nV:1\nA:aarch64\nS:1\n") +
                           stanza("P:d\nV:1\nA:x86_64\nS:1\nX:must be understood\n");
  PackageIndex index("x86_64");
  index.add(text, 3);
  REQUIRE(index.packages().size() == 2);
  CHECK(index.packages()[0].depends.size() == 2);
  CHECK(index.packages()[0].depends[1].conflict);
  CHECK(index.packages()[0].priority == 5);
  CHECK(index.packages()[0].source == 3);
  CHECK(index.named("b").size() == 1);
  CHECK(index.named("c").empty());
  CHECK(index.named("d").empty());
}

TEST_CASE("an index with a stanza that names no package is damaged") {
  const std::vector<std::pair<std::string, std::string>> rows{
      {stanza("V:1\nA:x86_64\nS:1\n"), "a package has no usable name"},
      {stanza("P:../a\nV:1\nA:x86_64\nS:1\n"), "a package has no usable name"},
      {stanza("P:.a\nV:1\nA:x86_64\nS:1\n"), "a package has no usable name"},
      {stanza("P:a\nA:x86_64\nS:1\n"), "a has no usable version"},
      {stanza("P:a\nV:1/2\nA:x86_64\nS:1\n"), "a has no usable version"},
      {stanza("P:a\nV:1\nS:1\n"), "a has no usable architecture"},
      {stanza("P:a\nV:1\nA:x86_64\n"), "a has no size"},
      {stanza("P:a\nV:1\nA:x86_64\nS:many\n"), "'many' of a is not a number"},
      {"C:Q1short\nP:a\nV:1\nA:x86_64\nS:1\n", "a has no identity"},
      {"P:a\nV:1\nA:x86_64\nS:1\n", "a has no identity"},
      {"hello\n", "the line 'hello' is not a field"}};
  for (const auto& [text, message] : rows) {
    CAPTURE(text);
    const auto add = [&made = text] { PackageIndex("x86_64").add(made, 0); };
    CHECK(error_kind(add) == ErrorKind::integrity);
    CHECK(contains(error_text(add), "the package index is damaged: " + message));
  }
}

TEST_CASE("Alpine's repositories are one for each component, and a tagged one is only asked for by its tag") {
  const TestStore test;
  atomic_write(test.folder() / "pem", "PEM");
  Manifest manifest;
  manifest.base = {.distro = "alpine", .release = "3.20", .components = {"main", "community"}};
  manifest.packages.install = {{"bash", {}}, {"tool@edge", {}}};
  manifest.repositories = {
      {.name = "edge", .url = "https://e/alpine/", .suite = "edge", .components = {"testing"}, .key = "keys"},
      {.name = "own", .url = "https://o", .suite = "./", .key = "keys/b.pub"}};
  for (const char* name : {"keys/b.pub", "keys/a.pub", "keys/README", "keys/deep/c.pub"})
    manifest.contents[name] = test.folder() / "pem";
  const std::vector<Source> sources = sources_of(manifest, {.named = {"https://m/alpine"}});
  std::string text;
  for (const Source& source : sources) {
    text += source.id() + " '" + source.tag + "'";
    if (!source.distribution_keyring)
      for (const Key& key : source.keys) text += " " + key.name;
    text += "\n";
  }
  CHECK(text ==
        "alpine/v3.20/main ''\nalpine/v3.20/community ''\nedge/edge/testing 'edge' a.pub b.pub\nown/./ '' b.pub\n");
  CHECK(sources[0].bases.front() == "https://m/alpine");
  CHECK(sources[0].distribution_keyring);
  CHECK_FALSE(sources[0].keys.empty());
  CHECK(urls_of(sources[2], "x86_64/a.apk") == Paths{"https://e/alpine/edge/testing/x86_64/a.apk"});
  CHECK(urls_of(sources[3], "x86_64/a.apk") == Paths{"https://o/x86_64/a.apk"});
  manifest.base.release = "edge";
  CHECK(sources_of(manifest, {})[0].suite == "edge/main");
  manifest.base.suites = {"v3.19", "v3.20"};
  CHECK(sources_of(manifest, {})[2].suite == "v3.20/main");
  CHECK(apk_arch("amd64") == "x86_64");
  CHECK(apk_arch("arm64") == "aarch64");
  CHECK(apk_arch("riscv64") == "riscv64");
}

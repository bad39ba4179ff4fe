// SPDX-License-Identifier: MIT
// Every rule across keys of docs/manifest.md: what breaks it, what is said, and where the message points to.
#include <algorithm>
#include <filesystem>
#include <map>

#include "base/files.hpp"
#include "image/image_format.hpp"
#include "manifest/keys.hpp"
#include "manifest/load.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

using Lines = std::vector<std::string>;

constexpr const char* kFunction =
    "schema = 1\n[runtime]\nname = \"t\"\n[base]\ndistro = \"debian\"\nrelease = \"bookworm\"\n";
constexpr const char* kAlpine =
    "schema = 1\n[runtime]\nname = \"t\"\n[base]\ndistro = \"alpine\"\nrelease = \"3.22\"\n";
constexpr const char* kNone = "schema = 1\n[runtime]\nname = \"t\"\n[base]\ndistro = \"none\"\n\n";
constexpr const char* kInstance =
    "schema = 1\n[runtime]\nname = \"t\"\nkind = \"instance\"\n[base]\ndistro = \"debian\"\nrelease = \"bookworm\"\n";
constexpr const char* kVolume =
    "schema = 1\n[runtime]\nname = \"t\"\nkind = \"volume\"\n[base]\ndistro = \"debian\"\nrelease = \"bookworm\"\n";

Manifest load(const std::string& text) {
  const TempDir folder(std::filesystem::temp_directory_path(), "alephc-test");
  atomic_write(folder.path() / "runtime.toml", text);
  return load_manifest(folder.path());
}

std::string shown(const Diagnostic& problem) {
  const std::string place = problem.at && problem.at->source
                                ? std::to_string(problem.at->line) + ":" + std::to_string(problem.at->column)
                                : "nowhere";
  return place + " " + problem.message;
}

/// "LINE:COLUMN message" of each error, in the order they are shown.
Lines problems_of(const std::string& text) {
  Lines out;
  try {
    (void)load(text);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::failed);
    for (const Diagnostic& problem : error.diagnostics())
      if (problem.severity == Severity::error) out.push_back(shown(problem));
  }
  return out;
}

struct Broken {
  std::string tables;
  Lines problems;
};

void check_all(const char* head, const std::vector<Broken>& cases) {
  for (const Broken& each : cases) {
    INFO(each.tables);
    CHECK(problems_of(head + each.tables) == each.problems);
  }
}

}  // namespace

TEST_CASE("a file says where its content comes from, exactly once") {
  check_all(kFunction,
            {{"[[file]]\ntarget = \"/a\"\n", {"7:1 [[file]] needs one of: content, source, link, dir"}},
             {"[[file]]\ntarget = \"/a\"\ncontent = \"x\"\nlink = \"y\"\n",
              {"10:8 [[file]] has content and link: give one of them only"}},
             {"[[file]]\ntarget = \"/a\"\nlink = \"y\"\nmode = \"0644\"\n", {"10:8 a symlink has no mode"}},
             {"[[file]]\ntarget = \"/a\"\ndir = true\nappend = true\n", {"10:10 'append' needs 'content' or 'source'"}},
             {"[[file]]\ntarget = \"/a\"\ndir = false\n", {"9:7 'dir' can only be true"}},
             {"[[file]]\ntarget = \"/a\"\ncontent = \"\"\nappend = true\nmode = \"0600\"\n", {}},
             {"[[file]]\ntarget = \"/a\"\nlink = \"y\"\nappend = false\n", {}}});
}

TEST_CASE("runs and archives have one origin, and an archive one hash") {
  const std::string hash(64, 'a');
  check_all(kFunction,
            {{"[[run]]\nname = \"r\"\n", {"7:1 [[run]] needs one of: script, source"}},
             {"[[run]]\nname = \"r\"\nscript = \"x\"\nsource = \"y\"\n",
              {"10:10 [[run]] has script and source: give one of them only"}},
             {"[[archive]]\nname = \"a\"\ntarget = \"/\"\n", {"7:1 [[archive]] needs one of: url, source, npm"}},
             {"[[archive]]\nname = \"a\"\ntarget = \"/\"\nurl = \"https://h/x\"\nsource = \"s\"\nnpm = \"n@1\"\n",
              {"11:10 [[archive]] has url and source and npm: give one of them only"}},
             {"[[archive]]\nname = \"a\"\ntarget = \"/\"\nurl = \"https://h/x\"\nsha256 = \"" + hash +
                  "\"\nintegrity = \"sha256-" + std::string(43, 'A') + "=\"\n",
              {"12:13 'sha256' and 'integrity' say the same: give one of them only"}}});
}

TEST_CASE("a plugin has one program, and files only beside a source") {
  const std::string plugin = "[[init.plugin]]\nname = \"p\"\nstage = \"boot\"\n";
  check_all(kFunction, {{plugin, {"7:1 [[init.plugin]] needs one of: exec, source"}},
                        {plugin + "exec = [\"/bin/x\"]\nsource = \"s\"\n",
                         {"11:10 [[init.plugin]] has exec and source: give one of them only"}},
                        {plugin + "exec = []\n", {"10:8 'exec' names no program"}},
                        {plugin + "exec = [\"/bin/x\"]\nfiles = [\"f\"]\n", {"11:9 'files' go beside a 'source'"}},
                        {"[[init.service]]\nname = \"s\"\nexec = []\n", {"9:8 'exec' names no program"}}});
}

TEST_CASE("without an init there is nothing to say about it") {
  const std::string none = "[init]\nprogram = \"none\"\n";
  for (const char* key : {"sshd = true", "user = \"u\"", "workdir = \"/w\"", "env = { A = \"1\" }",
                          "sdk_plugins = \"f\"", "init0_plugin = \"f\""}) {
    INFO(key);
    const std::string name = std::string(key).substr(0, std::string(key).find(' '));
    const Lines found = problems_of(kFunction + none + key + "\n");
    REQUIRE(found.size() == 1);
    CHECK(found[0].starts_with("9:"));
    CHECK(found[0].ends_with(" '" + name + "' needs an init, but 'program' is \"none\""));
  }
  check_all(kFunction, {{none + "[[init.service]]\nname = \"s\"\nexec = [\"/x\"]\n",
                         {"9:1 'service' needs an init, but 'program' is \"none\""}}});
  // An instance has none unless it asks for one.
  CHECK(problems_of(kInstance + std::string("[image]\nformat = \"ext4\"\n[init]\nsshd = true\n")) ==
        Lines{"11:8 'sshd' needs an init, but 'program' is \"none\""});
  CHECK(load(kInstance + std::string("[image]\nformat = \"ext4\"\n[init]\nprogram = \"distro\"\nsshd = true\n"))
            .init.program == InitSpec::Program::distro);
  CHECK(load(kFunction).init.program == InitSpec::Program::aleph);
}

TEST_CASE("a distribution is named with its release, and only where there is one") {
  const std::string head = "schema = 1\n[runtime]\nname = \"t\"\n";
  CHECK(problems_of(head) == Lines{"1:1 'distro' is missing in [base]"});
  CHECK(problems_of(head + "[base]\nrelease = \"bookworm\"\n") == Lines{"4:1 'distro' is missing in [base]"});
  CHECK(problems_of(head + "[base]\ndistro = \"debian\"\n") == Lines{"4:1 'release' is missing in [base]"});
  CHECK(problems_of(head + "[base]\ndistro = \"none\"\n").empty());
  CHECK(problems_of("schema = 1\n[base]\ndistro = \"none\"\n") == Lines{"1:1 'name' is missing in [runtime]"});
  CHECK(problems_of("schema = 1\n[runtime]\nversion = \"1\"\n[base]\ndistro = \"none\"\n") ==
        Lines{"2:1 'name' is missing in [runtime]"});
  check_all(kNone,
            {{"[packages]\ninstall = [\"vim\"]\n", {"7:1 'packages' needs a distribution, but 'distro' is \"none\""}},
             {"[[repository]]\nname = \"r\"\nurl = \"https://h\"\nsuite = \"s\"\nkey = \"k\"\nfingerprint = \"" +
                  std::string(40, 'A') + "\"\n",
              {"7:1 'repository' needs a distribution, but 'distro' is \"none\""}},
             {"[python]\nrequirements = [\"x\"]\n",
              {"7:1 [python] needs a distribution with Python, but 'distro' is \"none\""}}});
}

TEST_CASE("words for all package sources stand alone") {
  for (const char* word : {"none", "snapshot"})
    CHECK(problems_of(kFunction + std::string("image_sources = [\"deb http://h s main\", \"") + word + "\"]\n") ==
          Lines{"7:17 '" + std::string(word) + "' stands alone in 'image_sources'"});
  CHECK(load(kFunction + std::string("image_sources = \"snapshot\"\n")).base.image_sources == Lines{"snapshot"});
  CHECK(load(kFunction).base.image_sources == Lines{"none"});
}

TEST_CASE("Python names something to install, and one lock file decides") {
  check_all(kFunction,
            {{"[python]\nsdist = [\"x\"]\n", {"7:1 [python] names nothing to install"}},
             {"[python]\nconstraints_files = [\"c\"]\n", {"7:1 [python] names nothing to install"}},
             {"[python]\nlock_files = [\"uv.lock\", \"pylock.toml\"]\n", {"8:14 only one lock file can decide"}},
             {"[python]\nlock_files = [\"Pipfile\"]\n", {"8:14 'Pipfile' is neither a pylock.toml nor a uv.lock"}},
             {"[node]\ntarget = \"/srv\"\n", {"7:1 'lockfile' is missing in [node]"}}});
}

TEST_CASE("two accounts have two user ids") {
  check_all(kFunction, {{"[[user]]\nname = \"a\"\nuid = 1001\n[[user]]\nname = \"b\"\nuid = 1001\n",
                         {"12:7 uid 1001 is given twice"}},
                        {"[[user]]\nname = \"a\"\nuid = 1001\n[[user]]\nname = \"b\"\nuid = 1002\n", {}},
                        {"[[user]]\nname = \"a\"\nuid = 0\n", {"9:7 'uid' must be between 1 and 65533"}},
                        {"[[user]]\nname = \"a\"\nuid = 65534\n", {"9:7 'uid' must be between 1 and 65533"}}});
}

TEST_CASE("a file names each identity of an array of tables once") {
  check_all(kFunction, {{"[[run]]\nname = \"r\"\nscript = \"\"\n[[run]]\nname = \"r\"\nscript = \"\"\n",
                         {"11:8 'r' is given twice in [[run]]"}},
                        {"[[file]]\ntarget = \"/a\"\ndir = true\n[[file]]\ntarget = \"/a\"\ndir = true\n",
                         {"11:10 '/a' is given twice in [[file]]"}},
                        {"[[init.service]]\nname = \"s\"\nexec = [\"/x\"]\n[[init.service]]\nname = \"s\"\nexec = "
                         "[\"/y\"]\n",
                         {"11:8 's' is given twice in [[init.service]]"}}});
}

TEST_CASE("blocks of squashfs are powers of two from 4K to 1M") {
  for (const char* bad : {"2K", "5000", "6K", "2M", "0", "99999999999999999999"})
    CHECK(problems_of(kFunction + std::string("[image]\nblock_size = \"") + bad + "\"\n") ==
          Lines{"8:14 'block_size' must be a power of two from 4K to 1M"});
  CHECK(load(kFunction + std::string("[image]\nblock_size = \"4K\"\n")).image.block_size == 4096);
  CHECK(load(kFunction + std::string("[image]\nblock_size = \"1MiB\"\n")).image.block_size == 1048576);
}

TEST_CASE("levels are those that the compressor has") {
  const auto image = [](const std::string& compression, int level) {
    return kFunction + std::string("[image]\ncompression = \"") + compression + "\"\nlevel = " + std::to_string(level) +
           "\n";
  };
  CHECK(problems_of(image("gzip", 10)) == Lines{"9:9 gzip has levels 1 to 9"});
  CHECK(problems_of(image("gzip", 9)).empty());
  CHECK(problems_of(image("zstd", 22)).empty());
  CHECK(problems_of(image("zstd", 23)) == Lines{"9:9 'level' must be between 1 and 22"});
  for (const char* compression : {"xz", "lz4", "none"})
    CHECK(problems_of(image(compression, 1)) == Lines{"9:9 '" + std::string(compression) + "' has no levels"});
}

TEST_CASE("a key of [image] is an error in a format that has no such thing") {
  const std::vector<std::pair<std::string, std::string>> keys{
      {"size", "\"1G\""}, {"label", "\"l\""}, {"filesystem", "\"btrfs\""}, {"subvolume", "\"s\""}, {"verity", "true"}};
  const std::map<std::string, std::vector<std::string>> allowed{{"squashfs", {"verity"}},
                                                                {"ext4", {"size", "label", "verity"}},
                                                                {"btrfs", {"size", "label", "subvolume", "verity"}},
                                                                {"disk", {"size", "label", "filesystem"}},
                                                                {"qcow2", {"size", "label", "filesystem"}},
                                                                {"tar", {}},
                                                                {"dir", {}}};
  for (const auto& [format, good] : allowed)
    for (const auto& [key, value] : keys) {
      INFO(format << " " << key);
      Lines wanted;
      const std::string line = key + " = " + value + "\n";
      const std::string column = std::to_string(key.size() + 4);
      if (std::find(good.begin(), good.end(), key) == good.end())
        wanted = {"10:" + column + " '" + key + "' means nothing for " + format};
      // A disk may have a subvolume, but not in ext4.
      if (key == "subvolume" && is_disk(format)) wanted = {"10:13 'subvolume' needs filesystem = \"btrfs\""};
      CHECK(problems_of(kInstance + std::string("[image]\nformat = \"") + format + "\"\n" + line) == wanted);
    }
  CHECK(problems_of(kInstance + std::string("[image]\nformat = \"disk\"\nfilesystem = \"btrfs\"\nsubvolume = "
                                            "\"s\"\n"))
            .empty());
}

TEST_CASE("each format has compressions of its own, and the first is taken where none is named") {
  const std::map<std::string, std::string> first{{"squashfs", "zstd"}, {"ext4", "none"},  {"btrfs", "none"},
                                                 {"disk", "none"},     {"qcow2", "zstd"}, {"tar", "none"},
                                                 {"dir", "none"}};
  for (const auto& [format, compression] : first) {
    INFO(format);
    const std::string head = kInstance + std::string("[image]\nformat = \"") + format + "\"\n";
    CHECK(load(head).image.compression == compression);
    const bool is_squashfs = format == "squashfs";
    CHECK(problems_of(head + "compression = \"lz4\"\n") ==
          (is_squashfs ? Lines{} : Lines{"10:15 'lz4' is not a compression of " + format}));
  }
  CHECK_THROWS_AS(compressions_of("cpio"), Error);
}

TEST_CASE("sizes of filesystems and disks are whole MiB") {
  const std::string head = kInstance + std::string("[image]\nformat = \"disk\"\n");
  for (const char* size : {"1048577", "0", "100K", "99999999999T"})
    CHECK(problems_of(head + "size = \"" + size + "\"\n") == Lines{"10:8 'size' must be in whole MiB"});
  CHECK(load(head + "size = \"3M\"\n").image.size == 3U << 20U);
  for (const char* size : {"32M", "33793K", "3G", "0"})
    CHECK(problems_of(head + "[boot]\nesp_size = \"" + size + "\"\n") ==
          Lines{"11:12 'esp_size' must be from 33M to 2G, in whole MiB"});
  CHECK(load(head + "[boot]\nesp_size = \"33M\"\n").boot.esp_size == 33ULL << 20U);
  CHECK(load(head + "[boot]\nesp_size = \"2G\"\n").boot.esp_size == 2ULL << 30U);
}

TEST_CASE("a disk starts from firmware that its architecture has") {
  const std::string disk = "arch = \"arm64\"\n[image]\nformat = \"disk\"\n";
  const BootSpec arm = load(kInstance + disk).boot;
  CHECK_FALSE(arm.bios);
  CHECK(arm.uefi);
  CHECK(problems_of(kInstance + disk + "[boot]\nfirmware = [\"bios\"]\n") == Lines{"12:12 there is no BIOS on arm64"});
  CHECK(problems_of(kInstance + disk + "[boot]\nfirmware = []\n") ==
        Lines{"12:12 'firmware' is empty: nothing could start the disk"});
  const BootSpec none = load(kInstance + disk + "[boot]\nkernel = \"none\"\nfirmware = [\"bios\"]\n").boot;
  CHECK_FALSE(none.bios);
  CHECK_FALSE(none.uefi);
  for (const char* bad : {"a\\\"b", "a;b", "$x", "a\\nb", "<x", "{x}", "ä"})
    CHECK(problems_of(kInstance + std::string("[boot]\ncmdline = \"") + bad + "\"\n") ==
          Lines{"9:11 'cmdline' may hold no quotes, '$', ';' and the like"});
}

TEST_CASE("the kernel that a disk names is a package to install") {
  const std::string kernel = "[boot]\nkernel = \"linux-image-amd64\"\n";
  const Manifest disk = load(kInstance + std::string("[image]\nformat = \"qcow2\"\n") + kernel);
  REQUIRE(disk.packages.install.size() == 1);
  CHECK(disk.packages.install[0].value == "linux-image-amd64");
  CHECK(disk.packages.install[0].at.line == 11);
  CHECK(load(kInstance + std::string("[image]\nformat = \"ext4\"\n") + kernel).packages.install.empty());
}

TEST_CASE("a volume is one folder: no init, no disk, no recipe") {
  check_all(kVolume, {{"[init]\nprogram = \"aleph\"\n", {"8:1 a volume boots nothing: it has no init"}},
                      {"[image]\nformat = \"disk\"\n", {"9:10 a volume cannot have a disk format"}},
                      {"[image]\nembed_recipe = true\n", {"9:16 a volume holds only its subtree, and no recipe"}}});
  check_all(kFunction, {{"[image]\nsubtree = \"/srv\"\n", {"8:11 'subtree' is of volumes"}}});
  const Manifest plain = load(kVolume);
  CHECK(plain.image.subtree == "/opt/code");
  CHECK_FALSE(plain.image.embed_recipe);
  CHECK(plain.init.program == InitSpec::Program::none);
  const std::string python = "[python]\nrequirements = [\"x\"]\ntarget = \"/opt/packages\"\n";
  CHECK(load(kVolume + python).image.subtree == "/opt/packages");
  CHECK(load(kVolume + python + "[image]\nsubtree = \"/data\"\n").image.subtree == "/data");
}

TEST_CASE("what nodes cannot boot is a warning, for functions and volumes only") {
  const auto warnings = [](const std::string& text) {
    Lines out;
    for (const Diagnostic& each : load(text).warnings) out.push_back(shown(each));
    return out;
  };
  CHECK(warnings(kFunction).empty());
  CHECK(warnings(kInstance + std::string("[image]\nformat = \"ext4\"\n")).empty());
  CHECK(warnings(kFunction + std::string("[image]\nformat = \"tar\"\n")) ==
        Lines{"8:10 nodes take functions and volumes from squashfs only, not from tar"});
  CHECK(warnings(kVolume + std::string("[image]\nformat = \"ext4\"\n")) ==
        Lines{"9:10 nodes take functions and volumes from squashfs only, not from ext4"});
}

TEST_CASE("Alpine is asked nothing that only Debian's packages know") {
  check_all(
      kAlpine,
      {{"snapshot = \"20260101T000000Z\"\n",
        {"7:12 'snapshot' applies only to Debian and Ubuntu, but 'distro' is \"alpine\""}},
       {"image_sources = \"snapshot\"\n",
        {"7:17 'image_sources' = \"snapshot\" applies only to Debian and Ubuntu, but 'distro' is "
         "\"alpine\""}},
       {"[packages]\ndebconf = [\"a a/b string c\"]\nrecommends = true\n",
        {"8:11 'debconf' applies only to Debian and Ubuntu, but 'distro' is \"alpine\"",
         "9:14 'recommends' applies only to Debian and Ubuntu, but 'distro' is \"alpine\""}},
       {"[system]\nlocales = [\"de_DE.UTF-8\"]\n",
        {"8:11 'locales' applies only to Debian and Ubuntu, but 'distro' is \"alpine\""}},
       {"[[repository]]\nname = \"r\"\nurl = \"https://h\"\nsuite = \"s\"\nkey = \"k\"\nfingerprint = \"" +
            std::string(40, 'a') + "\"\npriority = 5\n",
        {"13:12 'priority' applies only to Debian and Ubuntu, but 'distro' is \"alpine\""}}});
}

TEST_CASE("a manifest reads files of this machine below its project only") {
  const auto repository = [](const std::string& url) {
    return std::string("[[archive]]\nname = \"a\"\ntarget = \"/\"\nurl = \"") + url + "\"\n";
  };
  for (const char* url : {"file:///etc/passwd", "file:///", "file:///tmp/../etc/passwd", "file:///tmp/%2e%2e/etc/x"})
    CHECK(problems_of(kFunction + repository(url)) ==
          Lines{"10:7 '" + std::string(url) + "' is outside of the project"});
  const TempDir folder(std::filesystem::temp_directory_path(), "alephc-test");
  const std::string inside = "file://" + std::filesystem::canonical(folder.path()).string();
  atomic_write(folder.path() / "runtime.toml", kFunction + repository(inside + "/sub/a.tar"));
  CHECK(load_manifest(folder.path()).archives.at(0).urls == Lines{inside + "/sub/a.tar"});
  std::filesystem::create_directory_symlink("/etc", folder.path() / "sub");
  CHECK_THROWS_AS(load_manifest(folder.path()), Error);
}

TEST_CASE("a wrong type, an unknown key and an unknown word are named with what was meant") {
  check_all(kFunction,
            {{"[packages]\ninstall = \"vim\"\n", {"8:11 'install' must be an array of strings, not a string"}},
             {"[packages]\ninstall = [1]\n", {"8:12 'install' must be a string, not an integer"}},
             {"[packages]\nrecommends = \"no\"\n", {"8:14 'recommends' must be true or false, not a string"}},
             {"[packages]\nfiles = [{ url = \"https://h/x\" }]\n", {"8:10 'sha256' is missing in an entry of 'files'"}},
             {"[packages]\nfiles = [1]\n", {"8:10 'files' must be a path or {url, sha256}, not an integer"}},
             {"[image]\nlevel = 1.5\n", {"8:9 'level' must be an integer, not a date or a float"}},
             {"[init]\nenv = { \"A B\" = \"x\", C = 1 }\n",
              {"8:9 'A B' is not a variable name", "8:26 'env.C' must be a string, not an integer"}},
             {"[python]\noptimize = [0, 3]\n", {"8:16 entries of 'optimize' must be between 0 and 2"}},
             {"file = 1\n", {"7:1 unknown key 'file' in [base]"}},
             {"[file]\ntarget = \"/a\"\n", {"7:1 'file' must be an array of tables, not a table"}},
             {"[[system]]\nlocale = \"C\"\n", {"7:1 'system' must be a table, not an array"}},
             {"[packges]\n", {"7:2 unknown key 'packges' at the top"}},
             {"[[run]]\nscript = \"\"\n", {"7:1 'name' is missing in [[run]]"}},
             {"[image]\nformat = \"iso\"\n", {"8:10 unknown format 'iso'"}}});
  CHECK(problems_of("schema = 2\n[runtime]\nname = \"t\"\n[base]\ndistro = \"none\"\n") ==
        Lines{"1:10 'schema' must be 1"});
  CHECK(problems_of("[runtime]\nname = \"t\"\n[base]\ndistro = \"none\"\n") ==
        Lines{"1:1 'schema' is missing at the top"});
  const auto hint = [](const std::string& tables) { return error_text([&] { (void)load(kFunction + tables); }); };
  CHECK(hint("[packges]\n").find("did you mean 'packages'?") != std::string::npos);
  CHECK(hint("[image]\nformat = \"squashf\"\n").find("did you mean 'squashfs'?") != std::string::npos);
  CHECK(hint("[image]\nformat = \"iso\"\n").find("one of: squashfs, ext4, btrfs, disk, qcow2, tar, dir") !=
        std::string::npos);
}

TEST_CASE("all problems of a manifest are shown in one run, in the order of the text") {
  CHECK(problems_of("schema = 1\n[runtime]\nname = \"Upper\"\nkind = \"lambda\"\n[base]\ndistro = \"debian\"\n"
                    "release = 12\n[image]\nlevel = 0\n") ==
        Lines{"3:8 'Upper' may hold only a-z, 0-9, '.', '_' and '-'", "4:8 unknown kind 'lambda'",
              "7:11 'release' must be a string, not an integer", "9:9 'level' must be between 1 and 22"});
}

TEST_CASE("what is no TOML is shown where it ends to be TOML") {
  const auto place = [](const std::string& text) {
    const Lines found = problems_of(text);
    REQUIRE(found.size() == 1);
    CHECK(found[0].find("not valid TOML: ") != std::string::npos);
    return found[0].substr(0, found[0].find(' '));
  };
  CHECK(place("schema = 1\nname = \"open\n") == "2:13");
  CHECK(place("schema = 1\nschema = 1\n").starts_with("2:"));
  CHECK(place("schema == 1\n") == "1:9");
  CHECK(problems_of("schema = 1\n# \xff\n") == Lines{"0:0 the file is not UTF-8 text"});
  std::string deep = "a";
  for (int i = 0; i < 100; ++i) deep += ".a";
  CHECK(problems_of("schema = 1\n" + deep + " = 1\n") == Lines{"2:1 a key has more than 64 parts"});
}

TEST_CASE("formats of keys take what docs name and refuse what would be something else in a path or a shell") {
  struct Sample {
    Format format;
    std::vector<std::string> good;
    std::vector<std::string> bad;
  };
  const std::string hex40(40, 'A');
  const std::string hex64(64, 'a');
  const std::vector<Sample> samples{
      {Format::package_request,
       {"vim", "so:libz.so.1", "cmd:git", "vim@edge", "vim~1.2", "!vim", "a1/backports"},
       {"", "-vim", "vim=", "a b", "vim;x", "../a"}},
      {Format::package_name, {"g++", "libc6:i386", "!vim"}, {"vim=1", "vim/x", ""}},
      {Format::absolute_path, {"/a", "/a/.b", "/a..b"}, {"a", "/", "/a/", "/../a", "/a/..", "/a/./b", "/a\nb"}},
      {Format::folder, {"/", "/a/"}, {"", "a", "/a/../b"}},
      {Format::duration, {"5s", "500ms", "0s"}, {"5", "s", "5m", "-1s", "1234567s"}},
      {Format::mode, {"644", "0644", "04755"}, {"64", "0888", "rw", "000644"}},
      {Format::size, {"0", "4096", "128K", "1GiB", "2TB"}, {"", "K", "1.5M", "-1", "1 M", "1Mi2"}},
      {Format::sha256, {hex64}, {std::string(64, 'A'), hex64 + "a", hex64.substr(1), std::string(64, 'g')}},
      {Format::tree_digest, {hex64, "2:" + hex64}, {"3:" + hex64, "2:", "2:" + hex64 + "0"}},
      {Format::snapshot_date, {"20260131T000000Z"}, {"20260131", "20260131T000000", "2026-01-31T000000Z"}},
      {Format::owner, {"root:root", "0:0", "www-data:_x"}, {"root", ":", "root:", "a:b:c", "Root:root", "a b:c"}},
      {Format::url,
       {"https://h/x", "http://h", "file:///x", "https://[::1]/x", "!https://h/x"},
       {"ftp://h/x", "https://", "https://u:p@h/x", "https://u@h", "file://h/x", "https://h/a b", "//h/x"}},
      {Format::npm_package, {"left-pad@1.3.0", "@s/n@2.0.0-rc.1", "n@{version}"}, {"n", "n@latest", "@s@1", "a/b@1"}},
      {Format::python_name, {"Flask", "a_b.c-d", "x"}, {"-x", "x-", "a b", ""}},
      {Format::fingerprint,
       {hex40, "0123 4567 89ab CDEF 0123  4567 89AB CDEF 0123 4567"},
       {hex40 + "A", hex40.substr(1)}},
      {Format::version, {"1.2-3+b~rc", "2024"}, {"", "../x", "a/b", ".5", "1 2"}},
      {Format::suite, {"bookworm/updates", "./", "v3.22"}, {"../x", "a/../b", "a b", ""}},
      {Format::user_name, {"www-data", "_x", "!a"}, {"Root", "1a", "a b", std::string(33, 'a')}},
      {Format::host_name, {"a", "a-b.c1"}, {"-a", "a-", "a..b", "A", "a_b", std::string(64, 'a')}},
      {Format::variable_name, {"PATH", "_x1"}, {"1x", "a-b", "", "a=b"}},
      {Format::label, {"root", "~x!"}, {"a b", "", "\xc3\xa4"}},
      {Format::glob, {"/a/*", "!/a", "/?"}, {"a", "!a", "/", "*"}},
  };
  for (const Sample& sample : samples) {
    for (const std::string& text : sample.good) {
      INFO(format_pattern(sample.format) << " takes '" << text << "'");
      CHECK_FALSE(format_problem(sample.format, text));
    }
    for (const std::string& text : sample.bad) {
      INFO(format_pattern(sample.format) << " refuses '" << text << "'");
      CHECK(format_problem(sample.format, text));
    }
  }
  // The end of a line, NUL and endless texts are never part of one.
  CHECK(format_problem(Format::name, "a\n"));
  CHECK(format_problem(Format::absolute_path, std::string("/a\0b", 4)));
  CHECK(format_problem(Format::absolute_path, "/" + std::string(5000, 'a')));
  CHECK_FALSE(format_problem(Format::any, "\n"));
}

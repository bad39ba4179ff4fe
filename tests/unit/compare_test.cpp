// SPDX-License-Identifier: MIT
#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/text.hpp"
#include "compare/causes.hpp"
#include "compare/diff_report.hpp"
#include "compare/image_diff.hpp"
#include "compare/image_facts.hpp"
#include "image/derived_uuid.hpp"
#include "image/filesystem_image.hpp"
#include "image/image_format.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"
#include "tree/scan.hpp"
#include "tree/tree.hpp"

using namespace alephc;

namespace {

constexpr const char* kStatus = "var/lib/dpkg/status";

std::string stanza(const std::string& name, const std::string& version) {
  return "Package: " + name + "\nStatus: install ok installed\nArchitecture: amd64\nVersion: " + version + "\n\n";
}

using Files = std::map<std::string, std::string>;

/// A folder that images are made of.
struct Root {
  TempDir temp{std::filesystem::temp_directory_path(), "alephc-test"};
  std::filesystem::path root = temp.path() / "root";

  Root() { make_folders(root); }
  explicit Root(const Files& files) : Root() {
    for (const auto& [path, text] : files) put(path, text);
  }
  void put(const std::string& path, const std::string& text) const {
    make_folders((root / path).parent_path());
    atomic_write(root / path, text);
  }
  [[nodiscard]] std::filesystem::path image(WriteOptions options, const std::string& name) const {
    auto layer = std::make_shared<Layer>();
    layer->folder = root;
    layer->listing = scan_folder(root, {}).listing;
    Tree tree;
    tree.add(layer);
    image_format(options.image.format).write(tree, options, temp.path() / name);
    return temp.path() / name;
  }
};

WriteOptions options_for(const std::string& format, const std::string& compression = "zstd") {
  WriteOptions options{.time = 1700000000, .seed = sha256("seed")};
  options.image.format = format;
  options.image.compression = compression;
  return options;
}

using Fields = std::map<std::string, std::string>;

Fields fields_of(const std::filesystem::path& path) {
  const auto fields = image_fields(path);
  return {fields.begin(), fields.end()};
}

ImageDiff compare(const std::filesystem::path& a, const std::filesystem::path& b, const StepOfPath& steps = {}) {
  return compare_images(a, b, [&](const ImageFacts&) { return steps; }, 2);
}

const PathChange& change_of(const ImageDiff& diff, const std::string& path) {
  for (const PathChange& change : diff.paths)
    if (change.path == path) return change;
  FAIL("no change of " + path);
  throw std::logic_error("unreachable");
}

/// A difference of everything, with texts that a page or a terminal could take for its own.
ImageDiff hostile_diff() {
  ImageDiff diff;
  diff.a = {.path = "a.squashfs", .size = 4096, .sha256 = sha256("a"), .format = "squashfs"};
  diff.a.tree.v2 = sha256("1");
  diff.b = {.path = "folder", .format = "dir", .tree = {.v2 = sha256("2"), .outside = sha256("o")}};
  diff.filesystem = {{"format", "squashfs", "dir"}};
  diff.packages = {{"new", "", "1 amd64"}, {"gone", "2 amd64", ""}, {"other", "1 all", "2 all"}};
  diff.paths = {{.path = "x</script><script>alert(1)</script>",
                 .kind = PathChange::Kind::added,
                 .what = {"file"},
                 .step = "run:1",
                 .package = "<!--p"},
                {.path = "line\nfeed\x1b[2J", .kind = PathChange::Kind::removed, .what = {"file"}},
                {.path = "bad\xff", .what = {"content", "mode 0644 → 0755"}, .cause = "a date", .lines = "- 1\n+ 2\n"}};
  return diff;
}

}  // namespace

TEST_CASE("the fields of a squashfs are those of its superblock") {
  const Root root({{"a", "1"}, {"b", "2"}});
  WriteOptions options = options_for("squashfs", "xz");
  options.image.block_size = 65536;
  const Fields fields = fields_of(root.image(options, "image"));
  CHECK(fields.at("version") == "4.0");
  CHECK(fields.at("compressor") == "xz");
  CHECK(fields.at("block size") == "65536");
  CHECK(fields.at("made at") == "1700000000");
  CHECK(fields.at("inodes") == "3");
  CHECK(fields.at("fragments") == "1");
  CHECK(fields.at("ids") == "1");
}

TEST_CASE("the fields of ext4 and btrfs name label, UUIDs and sizes") {
  const Root root(Files{{"a", "1"}});
  const std::string uuid = uuid_text(filesystem_uuid(sha256("seed")));
  for (const char* format : {"ext4", "btrfs"}) {
    CAPTURE(format);
    WriteOptions options = options_for(format, "");
    options.image.label = "my root";
    const auto image = root.image(options, format);
    const Fields fields = fields_of(image);
    CHECK(fields.at("uuid") == uuid);
    CHECK(fields.at("label") == "my root");
    const std::uint64_t size = std::filesystem::file_size(image);
    if (format == std::string("btrfs")) {
      CHECK(fields.at("bytes") == std::to_string(size));
      CHECK(fields.at("sector size") == "4096");
      CHECK(fields.at("device uuid") != uuid);
    } else {
      CHECK(fields.at("blocks") == std::to_string(size / 4096));
      CHECK(fields.at("block size") == "4096");
      CHECK(fields.at("made at") == "1700000000");
      CHECK(fields.at("mounts") == "0");
    }
  }
}

TEST_CASE("other files have no fields, however short they are") {
  const TempDir temp(std::filesystem::temp_directory_path(), "alephc-test");
  for (const std::string& text : {std::string(), std::string("hsq"), std::string(70000, 'x')}) {
    atomic_write(temp.path() / "file", text);
    CHECK(image_fields(temp.path() / "file").empty());
  }
}

TEST_CASE("facts of an image name its hash, its packages and who owns a path") {
  const Root root({{kStatus, stanza("zsh", "5.9-4") + stanza("bash", "5.2-1")},
                   {"var/lib/dpkg/info/bash.list", "/.\n/bin\n/bin/bash\n"},
                   {"bin/bash", "shell"}});
  const auto image = root.image(options_for("squashfs"), "image");
  ImageFacts facts = read_outside(image);
  CHECK(facts.sha256 == sha256_file(image));
  CHECK(facts.size == std::filesystem::file_size(image));
  CHECK(facts.listing.empty());
  read_inside(facts, 2);
  CHECK(facts.format == "squashfs");
  REQUIRE(facts.packages.size() == 2);
  CHECK(facts.packages[0].name == "bash");
  CHECK(facts.packages[0].version == "5.2-1");
  CHECK(facts.packages[1].name == "zsh");
  CHECK(facts.owners.at("bin/bash") == "bash");
  CHECK(facts.tree == tree_digest(facts.listing));
  CHECK(read_outside(root.root).sha256.is_zero());
}

TEST_CASE("an image is the same as its copy, and nothing of it is compared further") {
  const Root root(Files{{"a", "1"}});
  const auto image = root.image(options_for("squashfs"), "image");
  std::filesystem::copy_file(image, root.temp.path() / "copy");
  const ImageDiff diff = compare(image, root.temp.path() / "copy");
  CHECK(diff.same_bytes);
  CHECK(diff.same_tree);
  CHECK(diff.b.path == root.temp.path() / "copy");
  CHECK(diff.conclusion() == "The two images are the same, byte for byte.");
  CHECK(diff_text(diff) == "The two images are the same, byte for byte.\n\nbytes       same\n  a         " +
                               sha256_file(image).hex() + "  " + image.string() + "\n  b         " +
                               sha256_file(image).hex() + "  " + (root.temp.path() / "copy").string() + "\n");
}

TEST_CASE("images of one tree differ by what is around it, and the fields say by what") {
  const Root root(Files{{"a", "1"}});
  const auto zstd = root.image(options_for("squashfs", "zstd"), "zstd");
  const auto xz = root.image(options_for("squashfs", "xz"), "xz");
  const ImageDiff diff = compare(zstd, xz);
  CHECK_FALSE(diff.same_bytes);
  CHECK(diff.same_tree);
  CHECK(diff.paths.empty());
  CHECK(diff.conclusion() == "The trees are the same; the images around them differ.");
  std::map<std::string, std::pair<std::string, std::string>> fields;
  for (const FieldChange& field : diff.filesystem) fields[field.name] = {field.before, field.after};
  CHECK(fields.at("compressor") == std::pair<std::string, std::string>("zstd", "xz"));
  CHECK_FALSE(fields.contains("version"));
  CHECK_FALSE(fields.contains("format"));
  const ImageDiff formats = compare(zstd, root.image(options_for("ext4", ""), "ext4"));
  REQUIRE(formats.filesystem.size() == 2);
  CHECK(formats.filesystem[0].name == "format");
  CHECK(formats.filesystem[0].after == "ext4");
  CHECK(formats.filesystem[1].name == "size");
  CHECK(compare(root.root, root.root).conclusion() == "The two trees are the same.");
}

TEST_CASE("a change is explained by the package's version, the content or the metadata") {
  const Root before({{kStatus, stanza("bash", "5.1")},
                     {"var/lib/dpkg/info/bash.list", "/bin/bash\n"},
                     {"bin/bash", "old"},
                     {"srv/built", "built at 10:00\nend\n"},
                     {"srv/mode", "same"},
                     {"srv/gone", "x"}});
  const Root after({{kStatus, stanza("bash", "5.2")},
                    {"var/lib/dpkg/info/bash.list", "/bin/bash\n"},
                    {"bin/bash", "new"},
                    {"srv/built", "built at 11:30\nend\n"},
                    {"srv/mode", "same"},
                    {"srv/more", "y"}});
  std::filesystem::permissions(after.root / "srv/mode", std::filesystem::perms::owner_all);
  const ImageDiff diff = compare(before.image(options_for("squashfs"), "a"), after.image(options_for("squashfs"), "b"),
                                 {{"srv/built", "run:build"}});
  CHECK_FALSE(diff.same_tree);
  CHECK(diff.conclusion() == "6 paths differ; 1 package differs.");
  REQUIRE(diff.packages.size() == 1);
  CHECK(diff.packages[0].before == "5.1 amd64");
  CHECK(diff.packages[0].after == "5.2 amd64");
  const PathChange& program = change_of(diff, "bin/bash");
  CHECK(program.package == "bash");
  CHECK(program.cause == "another version of the package bash");
  const PathChange& built = change_of(diff, "srv/built");
  CHECK(built.step == "run:build");
  CHECK(built.cause == "a date, a time or another number");
  CHECK(built.lines == "- built at 10:00\n+ built at 11:30\n");
  const PathChange& mode = change_of(diff, "srv/mode");
  CHECK(mode.what == std::vector<std::string>{"mode 0644 → 0700"});
  CHECK(mode.cause == "another umask, or modes taken from a working copy");
  CHECK(mode.lines.empty());
  CHECK(change_of(diff, "srv/gone").kind == PathChange::Kind::removed);
  CHECK(change_of(diff, "srv/more").kind == PathChange::Kind::added);
}

TEST_CASE("a package that only one image has is the cause of its paths") {
  const Root before;
  const Root after({{kStatus, stanza("nano", "7")}, {"var/lib/dpkg/info/nano.list", "/nano\n"}, {"nano", "editor"}});
  const ImageDiff there = compare(before.root, after.root);
  CHECK(change_of(there, "nano").cause == "the package nano is in the second image only");
  const ImageDiff back = compare(after.root, before.root);
  CHECK(change_of(back, "nano").cause == "the package nano is in the first image only");
  REQUIRE(back.packages.size() == 1);
  CHECK(back.packages[0].after.empty());
}

TEST_CASE("everything that two entries can differ in is named once") {
  const Entry a{.path = "x", .type = EntryType::char_device, .mode = 0600, .major = 1, .minor = 3};
  const Entry b{.path = "x",
                .type = EntryType::regular,
                .mode = 04755,
                .uid = 1,
                .gid = 2,
                .mtime = 9,
                .size = 5,
                .content = sha256("12345"),
                .hard_link = "first",
                .xattrs = {{"user.a", "1"}, {"user.b", ""}}};
  CHECK(entry_changes(a, b) ==
        std::vector<std::string>{"type character device → file", "content", "size 0 → 5", "mode 0600 → 4755",
                                 "owner 0:0 → 1:2", "device 1:3 → 0:0", "hard link none → first",
                                 "attributes none → user.a,user.b"});
  Entry later = a;
  later.mtime = 1000;
  CHECK(entry_changes(a, later).empty());
}

TEST_CASE("only the lines that differ are shown, as many as asked for and none of binary files") {
  CHECK(differing_lines("a\nb\nc\n", "a\nx\nc\n", 4) == "- b\n+ x\n");
  CHECK(differing_lines("a\nc\n", "a\nb\nc\n", 4) == "+ b\n");
  CHECK(differing_lines("1\n2\n3\n", "4\n5\n6\n", 2) == "- 1\n- 2\n+ 4\n+ 5\n");
  CHECK(differing_lines("same\n", "same\n", 4).empty());
  CHECK(differing_lines(std::string("a\0b", 3), "a", 4).empty());
  CHECK(differing_lines("\xff", "a", 4).empty());
  CHECK(differing_lines(std::string(500, 'l'), "s", 4) == "- " + std::string(160, 'l') + "\n+ s\n");
}

TEST_CASE("the report in text goes from bytes to paths, grouped by step and package") {
  const std::string text = diff_text(hostile_diff());
  CHECK(text ==
        "3 paths differ; 3 packages differ.\n\n"
        "bytes       differ\n"
        "  a         " + sha256("a").hex() + "  a.squashfs\n"
        "  b         a folder  folder\n"
        "filesystem  differs\n"
        "  format: squashfs → dir\n"
        "tree        differs\n"
        "  a         2:" + sha256("1").hex() + "\n"
        "  b         2:" + sha256("2").hex() + "\n"
        "packages\n"
        "  + new 1 amd64\n"
        "  - gone 2 amd64\n"
        "  ~ other 1 all → 2 all\n"
        "paths\n"
        "  no package\n"
        "    - /line?feed?[2J  (file)\n"
        "    ~ /bad?  (content, mode 0644 → 0755)\n"
        "        likely: a date\n"
        "        - 1\n"
        "        + 2\n"
        "  step run:1, package <!--p\n"
        "    + /x</script><script>alert(1)</script>  (file)\n");
}

TEST_CASE("the report in JSON has the documented fields, whatever bytes a path has") {
  const auto json = nlohmann::json::parse(diff_json(hostile_diff()));
  CHECK(json.at("same_bytes") == false);
  CHECK(json.at("same_tree") == false);
  CHECK(json.at("other_outside") == false);
  CHECK(json.at("conclusion") == "3 paths differ; 3 packages differ.");
  CHECK(json.at("a").at("sha256") == sha256("a").hex());
  CHECK(json.at("a").at("size") == 4096);
  CHECK(json.at("a").at("tree") == "2:" + sha256("1").hex());
  CHECK_FALSE(json.at("a").contains("outside"));
  CHECK(json.at("b").at("sha256").is_null());
  CHECK(json.at("b").at("outside") == sha256("o").hex());
  CHECK(json.at("filesystem") == nlohmann::json::parse(R"([{"field":"format","a":"squashfs","b":"dir"}])"));
  CHECK(json.at("packages").at(1) == nlohmann::json::parse(R"({"name":"gone","a":"2 amd64","b":""})"));
  const auto& paths = json.at("paths");
  REQUIRE(paths.size() == 3);
  CHECK(paths[0].at("path") == "/x</script><script>alert(1)</script>");
  CHECK(paths[0].at("kind") == "added");
  CHECK(paths[0].at("step") == "run:1");
  CHECK(paths[1].at("path") == "/line\nfeed\x1b[2J");
  CHECK(paths[1].at("kind") == "removed");
  CHECK(paths[2].at("path") == "/bad\xef\xbf\xbd");
  CHECK(paths[2].at("what") == nlohmann::json::parse(R"(["content", "mode 0644 → 0755"])"));
  CHECK(paths[2].at("cause") == "a date");
  CHECK(paths[2].at("lines") == "- 1\n+ 2\n");
}

TEST_CASE("the page holds the same data, and no name of a path ends its script") {
  const std::string page = diff_page(hostile_diff());
  // Not one "<" comes from the data.
  CHECK(split(page, '<').size() == split(diff_page({}), '<').size());
  const std::string open = "<script id=\"data\" type=\"application/json\">";
  const std::size_t begin = page.find(open);
  REQUIRE(begin != std::string::npos);
  const std::string data = page.substr(begin + open.size(), page.find("</script>", begin) - begin - open.size());
  CHECK(nlohmann::json::parse(data) == nlohmann::json::parse(diff_json(hostile_diff())));
  CHECK(page.find("/*DATA*/") == std::string::npos);
}

TEST_CASE("disks with one tree differ outside, where both say what is there") {
  ImageDiff diff;
  diff.same_tree = true;
  diff.other_outside = true;
  diff.a.sha256 = sha256("a");
  diff.b.sha256 = sha256("b");
  CHECK(diff.conclusion().starts_with("The trees are the same; what the disks have outside their filesystems differs"));
  CHECK(diff_text(diff).find("\noutside     differs: boot code, partition tables, gaps or other partitions\n") !=
        std::string::npos);
  diff.other_outside = false;
  CHECK(diff.conclusion() ==
        "The trees are the same; the images around them differ (order of blocks, or another version of a library).");
  diff.same_tree = false;
  diff.paths.push_back({.path = "x"});
  CHECK(diff.conclusion() == "1 path differs.");
}

// SPDX-License-Identifier: MIT
#include "tree/tree.hpp"

#include <filesystem>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "support/catch.hpp"
#include "tree/layer_writer.hpp"
#include "tree/listing_text.hpp"
#include "tree/tree_digest.hpp"
#include "tree/scan.hpp"

using namespace alephc;

namespace {

Entry folder(const std::string& path) {
  return {.path = path, .type = EntryType::directory, .mode = 0755};
}
Entry file(const std::string& path, const std::string& content = "x") {
  return {.path = path, .mode = 0644, .size = content.size(), .content = sha256(content)};
}
Entry link_to(const std::string& path, const std::string& target) {
  return {.path = path, .type = EntryType::symlink, .mode = 0777, .link_target = target};
}
Entry gone(const std::string& path) {
  return {.path = path, .type = EntryType::whiteout};
}

std::shared_ptr<const Layer> layer(Listing listing) {
  std::sort(listing.begin(), listing.end(), [](const Entry& a, const Entry& b) { return a.path < b.path; });
  auto made = std::make_shared<Layer>();
  made->listing = std::move(listing);
  return made;
}

std::vector<std::string> paths(const Tree& tree) {
  std::vector<std::string> out;
  for (const Entry& entry : tree.entries()) out.push_back(entry.path);
  return out;
}

}  // namespace

TEST_CASE("the tree text is what the contract says") {
  Entry device{.path = "dev/null", .type = EntryType::char_device, .mode = 0666, .major = 1, .minor = 3};
  Entry capable = file("bin/ping");
  capable.xattrs = {{"security.capability", std::string("\x01\x02", 2)}};
  Entry second = file("b c");
  second.hard_link = "a%";
  const Listing listing{folder(""), file("a%"),    second, folder("bin"),
                        capable,    folder("dev"), device, link_to("l", "/t x")};
  const std::string x = sha256("x").hex();
  CHECK(tree_text(listing) ==
        "alephc-tree 2\n"
        ". d 0755 0 0 - - -\n"
        "a%25 f 0644 0 0 1:" +
            x +
            " - -\n"
            "b%20c f 0644 0 0 1:" +
            x +
            " a%25 -\n"
            "bin d 0755 0 0 - - -\n"
            "bin/ping f 0644 0 0 1:" +
            x +
            " - security.capability=0102\n"
            "dev d 0755 0 0 - - -\n"
            "dev/null c 0666 0 0 1:3 - -\n"
            "l l 0777 0 0 /t%20x - -\n");
}

TEST_CASE("the tree digest ignores times, the layer text does not") {
  Entry early = file("f");
  Entry late = file("f");
  late.mtime = 99;
  CHECK(tree_digest({folder(""), early}) == tree_digest({folder(""), late}));
  CHECK(layer_text({early}) != layer_text({late}));
}

TEST_CASE("a layer text reads back as it was written") {
  Entry odd = file(std::string("d/\xff\n%"));
  odd.mtime = -5;
  odd.xattrs = {{"user.a,b", std::string("=\0,", 3)}};
  Entry linked = file("z");
  linked.hard_link = odd.path;
  const Listing listing{folder("d"), odd, link_to("l", "../x y"), gone("old"), linked};
  CHECK(parse_layer_text(layer_text(listing)) == listing);
}

TEST_CASE("a hard link to a file called '-' differs from a file without links") {
  const Listing linked{{.path = "", .type = EntryType::directory, .mode = 0755},
                       {.path = "-", .mode = 0644, .size = 1, .content = sha256("x")},
                       {.path = "b", .mode = 0644, .size = 1, .content = sha256("x"), .hard_link = "-"}};
  Listing copied = linked;
  copied[2].hard_link.clear();
  CHECK(tree_digest(linked).v2 != tree_digest(copied).v2);
  CHECK(tree_digest(linked).v1 == tree_digest(copied).v1);  // why there is a version 2
  CHECK(tree_text_v1(linked).starts_with("alephc-tree 1\n"));
  CHECK(parse_layer_text(layer_text(linked))[2].hard_link == "-");
}

TEST_CASE("a tree digest says its version, and only what both know is compared") {
  const TreeDigest both = tree_digest({folder(""), file("a")});
  const TreeDigest other = tree_digest({folder(""), file("b")});
  CHECK(both.text() == "2:" + both.v2.hex());
  const auto v2 = parse_tree_digest(both.text());
  const auto v1 = parse_tree_digest(both.v1.hex());
  REQUIRE(v1);
  REQUIRE(v2);
  CHECK(v1->text() == both.v1.hex());
  CHECK(v2->v1.is_zero());
  CHECK(compare_trees(*v2, both) == TreeMatch::same);
  CHECK(compare_trees(*v1, both) == TreeMatch::same);
  CHECK(compare_trees(*v1, *v2) == TreeMatch::undecided);
  CHECK(compare_trees(*v1, other) == TreeMatch::different);
  CHECK(compare_trees(*v2, other) == TreeMatch::different);
  for (const char* bad : {"", "2:", "3:aa", "zz"}) CHECK_FALSE(parse_tree_digest(bad));
  CHECK_FALSE(parse_tree_digest(both.text() + "0"));
  CHECK_FALSE(parse_tree_digest("1:" + both.v1.hex()));
  CHECK_FALSE(parse_tree_digest(both.text(), "no digest"));
  CHECK_FALSE(parse_tree_digest(std::string(64, '0')));
}

TEST_CASE("what a disk has outside its filesystems counts with the tree") {
  const Listing listing{folder(""), file("a")};
  const TreeDigest plain = tree_digest(listing);
  const TreeDigest disk = tree_digest(listing, sha256("boot code"));
  const TreeDigest evil = tree_digest(listing, sha256("other boot code"));
  CHECK(compare_trees(disk, disk) == TreeMatch::same);
  CHECK(compare_trees(disk, evil) == TreeMatch::different);
  CHECK(compare_trees(disk, plain) == TreeMatch::undecided);
  CHECK(parse_tree_digest(disk.text(), disk.outside.hex())->outside == disk.outside);
  const auto [a, b] = texts_to_compare(disk, evil);
  CHECK(a != b);
  CHECK(a.find(disk.outside.hex()) != std::string::npos);
}

TEST_CASE("damaged layer texts are refused") {
  const std::string good = layer_text({folder("a"), file("b")});
  for (const std::string& bad :
       {std::string("alephc-layer 2\n"), good + "x", std::string("alephc-layer 1\nb f 0644 0 0 0 1:ff - -\n"),
        std::string("alephc-layer 1\nb d 0755 0 0 0 - - -\na d 0755 0 0 0 - - -\n"),
        good.substr(0, good.size() - 1)})
    CHECK_THROWS_AS(parse_layer_text(bad), Error);
}

TEST_CASE("layers stack: replaced, whited out, and folders that become files") {
  Tree tree;
  tree.add(layer(
      {folder(""), folder("a"), file("a/one"), file("a/two"), file("a-b"), folder("c"), file("c/deep")}));
  tree.add(layer({file("a/one", "new"), gone("a/two"), file("c")}));
  CHECK(paths(tree) == std::vector<std::string>{"", "a", "a-b", "a/one", "c"});
  CHECK(tree.find("a/one")->content == sha256("new"));
  tree.add(layer({gone("a")}));
  CHECK(paths(tree) == std::vector<std::string>{"", "a-b", "c"});
}

TEST_CASE("a hard-link group that loses its first path gets another") {
  Entry second = file("m");
  Entry third = file("z");
  second.hard_link = third.hard_link = "a";
  Tree tree;
  tree.add(layer({folder(""), file("a"), second, third}));
  tree.add(layer({gone("a")}));
  CHECK(tree.find("m")->hard_link.empty());
  CHECK(tree.find("z")->hard_link == "m");
}

TEST_CASE("paths resolve inside the tree, whatever symlinks say") {
  Tree tree;
  tree.add(layer({folder(""), folder("usr"), folder("usr/lib"), link_to("lib", "usr/lib"),
                  link_to("abs", "/usr/lib"), link_to("out", "../../../etc"), link_to("loop", "loop"),
                  file("usr/lib/f"), link_to("usr/lib/s", "f")}));
  CHECK(tree.resolve("lib/f") == "usr/lib/f");
  CHECK(tree.resolve("abs/s") == "usr/lib/f");
  CHECK(tree.resolve("abs/s", false) == "usr/lib/s");
  CHECK(tree.resolve("out/passwd") == "etc/passwd");
  CHECK(tree.resolve("lib/../x") == "usr/x");
  CHECK_THROWS_AS(tree.resolve("loop/x"), Error);
}

TEST_CASE("an overlay upper becomes the difference only") {
  const Listing below{folder(""),     folder("d"), file("d/changed"), file("d/gone"),
                      file("d/kept"), folder("o"), file("o/x"),       file("o/y")};
  ScanResult upper;
  upper.listing = {folder(""),     folder("d"),    file("d/changed", "new"),
                   gone("d/gone"), file("d/kept"), gone("d/never"),
                   folder("o"),    file("o/x")};
  upper.opaque = {"o"};
  std::vector<std::string> redundant;
  const Listing out = upper_to_layer(below, upper, redundant);
  std::vector<std::string> names;
  for (const Entry& entry : out) names.push_back(std::string(1, static_cast<char>(entry.type)) + entry.path);
  CHECK(names == std::vector<std::string>{"fd/changed", "wd/gone", "do", "fo/x", "wo/y"});
  CHECK(redundant == std::vector<std::string>{"d/kept"});
}

TEST_CASE("what a layer writer makes is what a scan finds") {
  const TempDir work(std::filesystem::temp_directory_path());
  std::filesystem::create_directory(work.path() / "l");
  const Listing below{folder("")};
  LayerWriter writer(work.path() / "l", &below, 7);
  writer.put_file({.path = "a/b/file", .mode = 0600, .mtime = 5}, "data");
  writer.put(link_to("a/link", "b"));
  writer.put({.path = "a/pipe", .type = EntryType::fifo, .mode = 0640});
  Entry linked = file("a/same", "data");
  linked.mode = 0600;
  linked.mtime = 5;
  linked.hard_link = "a/b/file";
  writer.put(linked);
  const Listing made = writer.finish();
  Listing found = scan_folder(work.path() / "l", {.jobs = 2}).listing;
  REQUIRE(found.size() == made.size());
  for (std::size_t i = 0; i < made.size(); ++i) {
    CAPTURE(made[i].path);
    CHECK(made[i].path == found[i].path);
    CHECK(made[i].type == found[i].type);
    CHECK(made[i].hard_link == found[i].hard_link);
    CHECK(made[i].content == found[i].content);
    if (!made[i].path.empty()) CHECK(made[i].mode == found[i].mode);
  }
}

TEST_CASE("a scan clamps younger times in the folder as well") {
  const TempDir work(std::filesystem::temp_directory_path());
  atomic_write(work.path() / "f", "x");
  const ScanResult scanned = scan_folder(work.path(), {.clamp_mtime = 1000});
  CHECK(find_entry(scanned.listing, "f")->mtime == 1000);
  CHECK(find_entry(scan_folder(work.path(), {}).listing, "f")->mtime == 1000);
}

TEST_CASE("nothing is put behind a link of the same layer") {
  const TempDir folder(std::filesystem::temp_directory_path());
  const Listing below;
  const Entry link{.path = "x", .type = EntryType::symlink, .mode = 0777, .link_target = "/etc"};
  const Entry inside{.path = "x/y", .type = EntryType::directory, .mode = 0755};
  {
    LayerWriter writer(folder.path(), &below, 0);
    writer.put(link);
    CHECK_THROWS_AS(writer.put(inside), Error);
    CHECK_THROWS_AS(writer.put_file({.path = "x/file", .mode = 0644}, "text"), Error);
  }
  LayerWriter writer(folder.path(), &below, 0);
  writer.put(inside);
  CHECK_THROWS_AS(writer.put(link), Error);
}

// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/crc32c.hpp"
#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/limits.hpp"
#include "base/little_endian.hpp"
#include "base/output_epoch.hpp"
#include "image/byte_source.hpp"
#include "image/content_reader.hpp"
#include "image/data_runs.hpp"
#include "image/derived_uuid.hpp"
#include "image/filesystem_image.hpp"
#include "image/image_format.hpp"
#include "image/libraries.hpp"
#include "image/read_budget.hpp"
#include "image/verity.hpp"
#include "image/zstd_frame.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"
#include "tree/listing_text.hpp"
#include "tree/tree.hpp"

using namespace alephc;

namespace {

/// A tree of what a test puts into it, devices and foreign owners too: only contents are on disk.
class TestTree {
 public:
  TestTree() { add({.path = "", .type = EntryType::directory, .mode = 0755}); }

  void add(Entry entry) { listing_[entry.path] = std::move(entry); }
  void file(Entry entry, const std::string& content) {
    const std::filesystem::path path = temp_.path() / "layer" / entry.path;
    make_folders(path.parent_path());
    atomic_write(path, content);
    entry.size = content.size();
    entry.content = sha256(content);
    add(std::move(entry));
  }
  void link(const std::string& path, const std::string& first) {
    Entry entry = listing_.at(first);
    entry.path = path;
    entry.hard_link = first;
    add(std::move(entry));
  }
  [[nodiscard]] Tree tree() const {
    auto layer = std::make_shared<Layer>();
    layer->folder = temp_.path() / "layer";
    for (const auto& [path, entry] : listing_) layer->listing.push_back(entry);
    Tree tree;
    tree.add(layer);
    return tree;
  }
  [[nodiscard]] const std::filesystem::path& folder() const { return temp_.path(); }

  std::filesystem::path write(WriteOptions options, const std::string& name = "image") const {
    const std::filesystem::path path = folder() / name;
    std::filesystem::remove(path);
    image_format(options.image.format).write(tree(), options, path);
    return path;
  }

 private:
  TempDir temp_{std::filesystem::temp_directory_path(), "alephc-test"};
  std::map<std::string, Entry> listing_{};
};

WriteOptions options_for(const std::string& format, const std::string& compression = "") {
  WriteOptions options{.time = 1700000000, .seed = sha256("seed")};
  options.image.format = format;
  options.image.compression = compression;
  return options;
}

std::string noise(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = 88172645463325252ULL;
  for (char& byte : bytes) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    byte = static_cast<char>(state);
  }
  return bytes;
}

/// What is easily lost: devices, large ids, set bits, attributes, capabilities, links, holes, odd names.
void fill(TestTree& tree) {
  tree.add({.path = "dev", .type = EntryType::directory, .mode = 01777});
  tree.add({.path = "dev/null", .type = EntryType::char_device, .mode = 0666, .major = 1, .minor = 3});
  tree.add({.path = "dev/disk", .type = EntryType::block_device, .mode = 0660, .gid = 6, .major = 259, .minor = 70000});
  tree.add({.path = "dev/pipe", .type = EntryType::fifo, .mode = 0600});
  tree.file({.path = "dev/setuid", .mode = 06755, .uid = 70000, .gid = 3000000, .mtime = 5}, "#!/bin/sh\n");
  const std::string capability("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  tree.file({.path = "m", .mode = 0644, .xattrs = {{"security.capability", capability}, {"user.a", ""}}}, "first");
  tree.link("z", "m");
  tree.file({.path = "empty", .mode = 0}, "");
  tree.file({.path = "holes", .mode = 0644}, noise(5000) + std::string(300000, '\0') + noise(70000));
  tree.add({.path = "long", .type = EntryType::symlink, .mode = 0777, .link_target = std::string(900, 'l')});
  tree.add({.path = "short", .type = EntryType::symlink, .mode = 0777, .link_target = "m"});
  tree.add({.path = "many", .type = EntryType::directory, .mode = 02750, .uid = 1, .mtime = 77});
  for (int i = 0; i < 600; ++i)
    tree.file({.path = "many/\xc3\xa4 name of some length " + std::to_string(i), .mode = 0644}, std::to_string(i));
  tree.file({.path = std::string("many/\x01\xff\n") + std::string(200, 'x'), .mode = 0600}, "odd");
}

ErrorKind kind_of_reading(const std::string& image) {
  ReadBudget budget(image.size());
  return error_kind([&] { (void)read_source(MemorySource(image), {}, budget); }).value_or(ErrorKind::bug);
}

std::string text_of_reading(const std::string& image) {
  ReadBudget budget(image.size());
  return error_text([&] { (void)read_source(MemorySource(image), {}, budget); });
}

/// The root of a hash tree, from its definition: salted hashes of blocks, 128 a block, until one block is left.
Digest verity_root(const std::string& bytes, std::string_view salt) {
  std::string level;
  for (std::size_t at = 0; at < bytes.size(); at += 4096) {
    const Digest digest = sha256(std::string(salt) + bytes.substr(at, 4096));
    level.append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
  }
  level.resize((level.size() + 4095) / 4096 * 4096, '\0');
  return level.size() == 4096 ? sha256(std::string(salt) + level) : verity_root(level, salt);
}

}  // namespace

TEST_CASE("every format keeps devices, owners, attributes, links and holes of a tree") {
  TestTree tree;
  fill(tree);
  struct Kind {
    const char* format;
    const char* compression;
  };
  for (const Kind kind : {Kind{"squashfs", "zstd"}, Kind{"ext4", ""}, Kind{"btrfs", ""}, Kind{"btrfs", "zstd"},
                          Kind{"tar", ""}}) {
    CAPTURE(kind.format, kind.compression);
    WriteOptions options = options_for(kind.format, kind.compression);
    const auto one = tree.write(options, "one");
    options.jobs = 4;
    const auto four = tree.write(options, "four");
    CHECK(sha256_file(one) == sha256_file(four));
    const ImageContent content = read_image(one, {.jobs = 2});
    CHECK(content.format == kind.format);
    CHECK(tree_text(content.listing) == tree_text(tree.tree().entries()));
    CHECK(std::all_of(content.listing.begin(), content.listing.end(),
                      [](const Entry& entry) { return entry.mtime == 1700000000; }));
  }
}

TEST_CASE("an image keeps the times of its paths when it is asked to") {
  TestTree tree;
  fill(tree);
  for (const char* format : {"squashfs", "ext4", "btrfs", "tar"}) {
    CAPTURE(format);
    WriteOptions options = options_for(format);
    options.keep_times = true;
    const ImageContent content = read_image(tree.write(options), {});
    CHECK(find_entry(content.listing, "dev/setuid")->mtime == 5);
    CHECK(find_entry(content.listing, "many")->mtime == 77);
    CHECK(find_entry(content.listing, "empty")->mtime == 0);
  }
}

TEST_CASE("a reader gives the wanted contents, and hashes the others unless only the wanted are needed") {
  TestTree tree;
  fill(tree);
  const auto wanted = [](const std::string& path) { return path == "m" || path == "many/none" || path == "short"; };
  for (const char* format : {"squashfs", "ext4", "btrfs"}) {
    CAPTURE(format);
    const std::string image = read_file(tree.write(options_for(format)));
    for (const bool only_wanted : {false, true}) {
      ReadBudget budget(image.size());
      const ImageContent content =
          read_source(MemorySource(image), {.jobs = 2, .wanted = wanted, .only_wanted = only_wanted}, budget);
      CHECK(content.texts == std::map<std::string, std::string>{{"m", "first"}});
      CHECK(find_entry(content.listing, "dev/setuid")->content == (only_wanted ? Digest{} : sha256("#!/bin/sh\n")));
    }
  }
}

TEST_CASE("what a format cannot hold is refused with the path's name") {
  struct Case {
    const char* format;
    Entry entry;
    std::string message;
  };
  const Entry file{.path = "some/file", .mode = 0644};
  const auto with = [&](const std::string& name, std::size_t size) {
    Entry entry = file;
    entry.xattrs = {{name, std::string(size, 'v')}};
    return entry;
  };
  for (const Case& each :
       {Case{"squashfs", with("system.posix_acl_access", 28), "/some/file has an access list"},
        Case{"ext4", with("user.large", 5000), "the attributes of /some/file do not fit"},
        Case{"btrfs", with("user.large", 17000), "the attribute user.large of /some/file is larger"},
        Case{"ext4", {.path = "lost+found", .mode = 0644}, "/lost+found is not a folder"}}) {
    CAPTURE(each.format, each.message);
    TestTree tree;
    tree.add({.path = "some", .type = EntryType::directory, .mode = 0755});
    tree.file(each.entry, "x");
    const auto write = [&] { (void)tree.write(options_for(each.format)); };
    CHECK(error_kind(write) == ErrorKind::failed);
    CHECK(error_text(write).starts_with(each.message));
  }
}

TEST_CASE("a filesystem has the label and the UUID that it is given, and a longer label is refused") {
  const TestTree tree;
  for (const auto& [format, most, label_at, uuid_at] :
       {std::tuple{"ext4", std::size_t{16}, 1024UL + 0x78, 1024UL + 0x68},
        std::tuple{"btrfs", std::size_t{255}, 65536UL + 0x12b, 65536UL + 0x20}}) {
    CAPTURE(format);
    WriteOptions options = options_for(format);
    options.image.label = std::string(most, 'l');
    const std::string image = read_file(tree.write(options));
    CHECK(image.substr(label_at, most) == options.image.label);
    CHECK(image.substr(uuid_at, 16) == uuid_bytes(filesystem_uuid(sha256("seed"))));
    options.image.label += 'l';
    CHECK(error_text([&] { (void)tree.write(options); }).starts_with("image.label"));
  }
}

TEST_CASE("image.size is the size of a filesystem, and one too small says what is needed") {
  TestTree tree;
  tree.file({.path = "noise", .mode = 0644}, noise(3U << 20U));
  for (const auto& [format, size] : {std::pair{"ext4", 20U << 20U}, std::pair{"btrfs", 150U << 20U}}) {
    CAPTURE(format);
    WriteOptions options = options_for(format);
    options.image.size = size;
    const auto path = tree.write(options);
    CHECK(std::filesystem::file_size(path) == size);
    CHECK(tree_text(read_image(path, {}).listing) == tree_text(tree.tree().entries()));
    options.image.size = 2U << 20U;
    CHECK(error_text([&] { (void)tree.write(options); })
              .starts_with("image.size = \"2M\" is too small: the tree needs "));
  }
}

TEST_CASE("an image that is cut off is damaged, wherever it ends") {
  TestTree tree;
  fill(tree);
  const std::string squashfs = read_file(tree.write(options_for("squashfs")));
  for (std::size_t eighths = 1; eighths < 8; ++eighths) {
    CAPTURE(eighths);
    CHECK(kind_of_reading(squashfs.substr(0, squashfs.size() / 8 * eighths)) == ErrorKind::integrity);
  }
  const std::string btrfs = read_file(tree.write(options_for("btrfs")));
  CHECK(kind_of_reading(btrfs.substr(0, 66000)) == ErrorKind::integrity);
  CHECK(kind_of_reading(btrfs.substr(0, 2U << 20U)) == ErrorKind::integrity);
  const std::string ext4 = read_file(tree.write(options_for("ext4")));
  CHECK(kind_of_reading(ext4.substr(0, 1100)) == ErrorKind::integrity);
  CHECK(kind_of_reading(ext4.substr(0, 8192)) == ErrorKind::integrity);
}

TEST_CASE("a btrfs whose superblock is changed, or asks for what is not read, is refused") {
  const TestTree tree;
  const std::string good = read_file(tree.write(options_for("btrfs")));
  const auto changed = [&](std::size_t at, std::uint64_t value, std::size_t size, bool mended) {
    std::string image = good;
    set_little(image, 65536 + at, value, size);
    const std::string_view summed = std::string_view(image).substr(65536 + 32, 4096 - 32);
    if (mended) set_little(image, 65536, ~crc32c(~0U, summed), 4);
    return image;
  };
  CHECK(kind_of_reading(changed(72, 99, 8, false)) == ErrorKind::integrity);
  CHECK(text_of_reading(changed(196, 1, 2, true)).find("sums of another kind") != std::string::npos);
  CHECK(text_of_reading(changed(136, 2, 8, true)).starts_with("a btrfs filesystem of several devices"));
  CHECK(text_of_reading(changed(96, 65536, 8, true)).starts_with("its log holds changes"));
  CHECK(kind_of_reading(changed(148, 512, 4, true)) == ErrorKind::integrity);
  CHECK(kind_of_reading(changed(80, 1ULL << 50U, 8, true)) == ErrorKind::integrity);
  CHECK(kind_of_reading(changed(160, 5000, 4, true)) == ErrorKind::integrity);
}

TEST_CASE("squashfs has the blocks that it is asked for, and reads back with any") {
  TestTree tree;
  tree.file({.path = "noise", .mode = 0644}, noise(300000));
  for (const std::uint32_t block : {4096U, 131072U, 1048576U}) {
    CAPTURE(block);
    WriteOptions options = options_for("squashfs", "gzip");
    options.image.block_size = block;
    options.page = 65536;
    const auto path = tree.write(options);
    const std::string head = read_file(path).substr(0, 96);
    CHECK(read_little(std::string_view(head).substr(12, 4)) == block);
    CHECK(read_little(std::string_view(head).substr(20, 2)) == 1);  // gzip
    CHECK(read_little(std::string_view(head).substr(8, 4)) == 1700000000);
    CHECK(std::filesystem::file_size(path) % 65536 == 0);
    CHECK(tree_text(read_image(path, {.jobs = 2}).listing) == tree_text(tree.tree().entries()));
  }
}

TEST_CASE("a tar's headers are those of ustar, with pax records only where ustar has no room") {
  TestTree tree;
  tree.add({.path = "d", .type = EntryType::directory, .mode = 0700});
  tree.file({.path = "d/f", .mode = 04755, .uid = 07777777, .gid = 5}, "text");
  const std::string tar = read_file(tree.write(options_for("tar")));
  const std::string_view root = std::string_view(tar).substr(0, 512);
  const std::string_view folder = std::string_view(tar).substr(512, 512);
  const std::string_view file = std::string_view(tar).substr(1024, 512);
  CHECK(root.starts_with(std::string_view("./\0", 3)));
  CHECK(folder.starts_with(std::string_view("./d/\0", 5)));
  CHECK(folder[156] == '5');
  CHECK(file.starts_with(std::string_view("./d/f\0", 6)));
  CHECK(file.substr(100, 8) == std::string_view("0004755\0", 8));
  CHECK(file.substr(108, 8) == std::string_view("7777777\0", 8));
  CHECK(file.substr(116, 8) == std::string_view("0000005\0", 8));
  CHECK(file.substr(124, 12) == std::string_view("00000000004\0", 12));
  CHECK(file.substr(136, 12) == std::string_view("14524770400\0", 12));  // 1700000000
  CHECK(file.substr(257, 8) == std::string_view("ustar\00000", 8));
  CHECK(file.substr(265, 64) == std::string(64, '\0'));  // no names of owners
  unsigned sum = 8 * ' ';
  for (std::size_t i = 0; i < 512; ++i) sum += i < 148 || i >= 156 ? static_cast<std::uint8_t>(file[i]) : 0U;
  CHECK(std::stoul(std::string(file.substr(148, 6)), nullptr, 8) == sum);
  CHECK(tar.substr(1536, 5) == std::string("text\0", 5));
  CHECK(tar.substr(2048) == std::string(2048, '\0'));
}

TEST_CASE("names of any length go through a tar and back") {
  TestTree tree;
  for (std::size_t size = 88; size < 112; ++size) tree.file({.path = std::string(size, 'n'), .mode = 0644}, "x");
  std::string deep;
  for (int i = 0; i < 4; ++i) {
    deep += (i > 0 ? "/" : "") + std::string(240, 'd');
    tree.add({.path = deep, .type = EntryType::directory, .mode = 0755});
  }
  // The length of a pax record counts its own digits: 3 of them, then 4.
  for (std::size_t size = 18; size < 30; ++size)
    tree.file({.path = deep + "/" + std::string(size, 'n'), .mode = 0644}, "y");
  for (std::size_t size = 85; size < 105; ++size)
    tree.add({.path = "l" + std::to_string(size),
              .type = EntryType::symlink,
              .mode = 0777,
              .link_target = std::string(size, 't')});
  const auto path = tree.write(options_for("tar"));
  CHECK(tree_text(read_image(path, {}).listing) == tree_text(tree.tree().entries()));
}

TEST_CASE("a compressed tar is read as it is") {
  TestTree tree;
  fill(tree);
  const std::string tar = read_file(tree.write(options_for("tar")));
  atomic_write(tree.folder() / "tar.zst", zstd_frame(tar, 1));
  const ImageContent content = read_image(tree.folder() / "tar.zst", {});
  CHECK(content.format == "tar");
  CHECK(tree_text(content.listing) == tree_text(tree.tree().entries()));
}

TEST_CASE("hard links of a tar are named by their first path, whatever the archive's order was") {
  TestTree first;
  first.file({.path = "m", .mode = 0644, .xattrs = {{"user.a", "1"}}}, "shared");
  TestTree second;
  second.add({.path = "a", .mode = 0644, .hard_link = "m"});
  second.add({.path = "z", .mode = 0644, .hard_link = "m"});
  const std::string head = read_file(first.write(options_for("tar")));
  const std::string tail = read_file(second.write(options_for("tar")));
  // Root, pax header and its records, header and text of "m"; then the other without its root.
  const std::string joined = head.substr(0, 5 * 512UL) + tail.substr(512);
  atomic_write(first.folder() / "joined.tar", joined);
  const Listing listing = read_image(first.folder() / "joined.tar", {}).listing;
  REQUIRE(listing.size() == 4);
  CHECK(listing[1].path == "a");
  CHECK(listing[1].hard_link.empty());
  CHECK(listing[2].hard_link == "a");
  CHECK(listing[3].hard_link == "a");
  for (std::size_t i = 1; i < 4; ++i) {
    CHECK(listing[i].content == sha256("shared"));
    CHECK(listing[i].size == 6);
    CHECK(listing[i].xattrs == std::vector<Xattr>{{"user.a", "1"}});
  }
}

TEST_CASE("a hard link of a tar to nothing is damage") {
  TestTree tree;
  tree.add({.path = "a", .mode = 0644, .hard_link = "nothing"});
  const auto path = tree.write(options_for("tar"));
  CHECK(error_kind([&] { (void)read_image(path, {}); }) == ErrorKind::integrity);
  CHECK(error_text([&] { (void)read_image(path, {}); }).starts_with("a hard link to nothing: a\nreading "));
}

TEST_CASE("content that changed since it was listed stops every writer") {
  TestTree tree;
  tree.file({.path = "file", .mode = 0644}, noise(200000));
  atomic_write(tree.folder() / "layer/file", noise(200000).replace(100000, 1, "!"));
  for (const char* format : {"ext4", "btrfs", "dir"}) {
    CAPTURE(format);
    CHECK(error_kind([&] { (void)tree.write(options_for(format), format); }) == ErrorKind::integrity);
    CHECK(error_text([&] { (void)tree.write(options_for(format), format + std::string("2")); })
              .starts_with("/file in the store is damaged"));
  }
}

TEST_CASE("a format is known by its magic alone") {
  const auto format_of = [](std::size_t at, const std::string& magic) {
    std::string image(66000, '\0');
    image.replace(at, magic.size(), magic);
    return image_format_of(MemorySource(image)).value_or("none");
  };
  CHECK(format_of(0, "hsqs") == "squashfs");
  CHECK(format_of(512, "EFI PART") == "disk");
  CHECK(format_of(0, "QFI\xfb") == "qcow2");
  CHECK(format_of(1080, "\x53\xef") == "none");  // two bytes may be there by chance
  CHECK(format_of(65600, "_BHRfS_M") == "btrfs");
  CHECK(format_of(1, "hsqs") == "none");
  CHECK_FALSE(image_format_of(MemorySource("")));
  CHECK_FALSE(image_format_of(MemorySource("hsq")));
  CHECK(error_kind([] { (void)image_format("iso"); }) == ErrorKind::failed);
  CHECK(error_text([] { (void)image_format("xfs"); }) == "unknown image format 'xfs'\n");
  CHECK(is_partition_format("btrfs"));
  CHECK_FALSE(is_partition_format("squashfs"));
}

TEST_CASE("what is no regular file is no image") {
  const TempDir temp(std::filesystem::temp_directory_path(), "alephc-test");
  REQUIRE(::mkfifo((temp.path() / "fifo").c_str(), 0600) == 0);
  CHECK(error_kind([&] { (void)read_image(temp.path() / "fifo", {}); }) == ErrorKind::failed);
  CHECK(error_kind([&] { (void)image_format_of(temp.path() / "fifo"); }) == ErrorKind::failed);
  CHECK(error_text([&] { (void)read_image(temp.path() / "none", {}); }).find("none") != std::string::npos);
  CHECK(kind_of_reading("nothing that is known") == ErrorKind::integrity);
}

TEST_CASE("an epoch's writer settings give a level where the manifest names none") {
  const WriterSettings settings{
      .levels = {{"squashfs", "zstd", 9}, {"btrfs", "zstd", 3}, {"qcow2", "gzip", 6}, {"disk", "zstd", 1}}};
  const auto level = [&](const std::string& format, const std::string& compression, std::uint32_t given = 0) {
    const ImageSpec spec{.format = format, .compression = compression, .level = given, .filesystem = "btrfs"};
    return with_settings(spec, settings).level;
  };
  CHECK(level("squashfs", "zstd") == 9);
  CHECK(level("squashfs", "zstd", 19) == 19);
  CHECK(level("squashfs", "xz") == 0);
  CHECK(level("disk", "zstd") == 3);  // as the filesystem in it
  CHECK(level("qcow2", "gzip") == 6);
  CHECK(level("qcow2", "zstd") == 0);
  CHECK(level("tar", "") == 0);
}

TEST_CASE("libraries that shape images are named with their versions, each once") {
  std::vector<std::string> names;
  for (const std::string& tool : image_tools()) {
    CAPTURE(tool);
    const std::size_t space = tool.find(' ');
    REQUIRE(space != std::string::npos);
    CHECK(tool.find_first_of("0123456789", space) == space + 1);
    names.push_back(tool.substr(0, space));
  }
  for (const std::string& library : latest_epoch().writer.libraries) {
    CAPTURE(library);
    CHECK(std::count(names.begin(), names.end(), library.substr(0, library.find(' '))) == 1);
  }
  REQUIRE(image_tools({"libzstd 1.0"}).size() == 1);
  CHECK(image_tools({"libzstd 1.0"})[0].starts_with("libzstd "));
  CHECK(image_tools({"lib", "zstd"}).empty());
}

TEST_CASE("pinned libraries are the epoch's, and others say that they are this machine's") {
  std::vector<std::string> expected = latest_epoch().writer.libraries;
  std::vector<std::string> tools = image_tools();
  std::sort(expected.begin(), expected.end());
  std::sort(tools.begin(), tools.end());
  if (has_pinned_libraries())
    CHECK(tools == expected);
  else
    for (const std::string& tool : tools) CHECK(tool.ends_with(" of this machine"));
}

TEST_CASE("a budget refuses what an image of its size cannot honestly hold") {
  using namespace alephc::limits;
  ReadBudget entries(800);
  for (std::uint64_t i = 0; i < kImageEntriesFree + 100; ++i) entries.take_entry("a");
  CHECK(error_text([&] { entries.take_entry("a"); })
            .starts_with("the image is refused: it has more than 100100 paths"));
  ReadBudget budget(10);
  CHECK_NOTHROW(budget.take_entry(std::string(kPathBytes, 'p')));
  CHECK(error_kind([&] { budget.take_entry(std::string(kPathBytes + 1, 'p')); }) == ErrorKind::integrity);
  CHECK_NOTHROW(budget.take_content(kImageFree + 10 * kImageRatio));
  CHECK(error_kind([&] { budget.take_content(1); }) == ErrorKind::integrity);
  CHECK(error_kind([&] { budget.take_content(UINT64_MAX); }) == ErrorKind::integrity);
  CHECK_NOTHROW(budget.take_text(kImageText));
  CHECK(error_kind([&] { budget.take_text(1); }) == ErrorKind::integrity);
  CHECK(error_kind([&] { budget.take_text(UINT64_MAX); }) == ErrorKind::integrity);
}

TEST_CASE("a source gives all of the bytes that are asked for, or none") {
  const TempDir temp(std::filesystem::temp_directory_path(), "alephc-test");
  atomic_write(temp.path() / "file", "0123456789");
  const UniqueFd fd = open_file(temp.path() / "file", O_RDONLY);
  const FileSource file(fd.get());
  const MemorySource memory("0123456789");
  const MemorySource longer("abc0123456789def");
  const PartSource part(longer, 3, 10);
  for (const ByteSource* source : {static_cast<const ByteSource*>(&file), static_cast<const ByteSource*>(&memory),
                                   static_cast<const ByteSource*>(&part)}) {
    CHECK(source->size() == 10);
    CHECK(source->bytes(0, 10) == "0123456789");
    CHECK(source->bytes(7, 3) == "789");
    CHECK(source->bytes(7, 4).empty());
    CHECK(source->bytes(11, 0).empty());
    CHECK(source->bytes(UINT64_MAX, 2).empty());
    CHECK(source->bytes(2, UINT64_MAX).empty());
    std::string buffer(6, '?');
    CHECK(source->read(6, buffer) == 4);
    CHECK(buffer == "6789??");
    CHECK(source->read(10, buffer) == 0);
    CHECK(source->read(UINT64_MAX, buffer) == 0);
  }
}

TEST_CASE("a part of a source ends where the source does, and a part of nothing is empty") {
  const MemorySource whole("0123456789");
  CHECK(PartSource(whole, 8, 100).bytes(0, 2) == "89");
  CHECK(PartSource(whole, 8, UINT64_MAX).size() == 2);
  CHECK(PartSource(whole, 11, 1).size() == 0);
  CHECK(PartSource(whole, UINT64_MAX, UINT64_MAX).size() == 0);
  const PartSource outer(whole, 2, 6);
  CHECK(PartSource(outer, 1, 3).bytes(0, 3) == "345");
}

TEST_CASE("derived UUIDs have the documented bytes") {
  CHECK(uuid_text(derived_uuid(sha256("seed"), "filesystem")) == "a912610c-6920-857e-9c66-ec5c1b045ca1");
  CHECK(uuid_text(derived_uuid(sha256("seed"), "verity")) == "39cbfd42-f4ec-81ef-a85e-f9a7b5e01648");
  CHECK(uuid_bytes(derived_uuid(sha256("seed"), "filesystem")).substr(0, 4) == "\xa9\x12\x61\x0c");
}

TEST_CASE("a zstd frame gives its content back, as much of it as is wanted, whatever follows") {
  const std::string text = std::string(100000, 'z') + noise(1000);
  for (const int level : {1, 9, 19}) {
    const std::string frame = zstd_frame(text, level);
    CHECK(frame.starts_with("\x28\xb5\x2f\xfd"));
    CHECK((unpack_zstd_frame(frame, text.size()) == text));
    CHECK((unpack_zstd_frame(frame + "what follows", text.size() + 100) == text));
    CHECK((unpack_zstd_frame(frame, 1000) == text.substr(0, 1000)));
  }
  CHECK(unpack_zstd_frame(zstd_frame("", 3), 10).empty());
  CHECK(error_kind([] { (void)unpack_zstd_frame("no frame at all", 10); }) == ErrorKind::integrity);
  std::string damaged = zstd_frame(noise(1000), 3);
  damaged[4] = static_cast<char>(damaged[4] ^ 0x08);  // a bit that is reserved
  CHECK(error_kind([&] { (void)unpack_zstd_frame(damaged, 1000); }) == ErrorKind::integrity);
}

TEST_CASE("checked contents come in pieces of the size that is asked for") {
  TestTree tree;
  const std::string text = noise(2500);
  tree.file({.path = "file", .mode = 0644}, text);
  tree.file({.path = "empty", .mode = 0644}, "");
  const Tree built = tree.tree();
  const auto pieces_of = [&](const std::string& path, std::size_t size) {
    std::string all;
    std::vector<std::size_t> sizes;
    read_checked_pieces(built, *built.find(path), size, [&](const std::string& piece) {
      all += piece;
      sizes.push_back(piece.size());
    });
    CHECK(sha256(all) == built.find(path)->content);
    return sizes;
  };
  CHECK(pieces_of("file", 1000) == std::vector<std::size_t>{1000, 1000, 500});
  CHECK(pieces_of("file", 1250) == std::vector<std::size_t>{1250, 1250});
  CHECK(pieces_of("file", 2500) == std::vector<std::size_t>{2500});
  CHECK(pieces_of("empty", 10).empty());
  atomic_write(tree.folder() / "layer/file", text + "!");
  const auto read = [&] { read_checked(built, *built.find("file"), [](std::string_view) {}); };
  CHECK(error_kind(read) == ErrorKind::integrity);
  CHECK(error_kind([&] { (void)pieces_of("file", 1000); }) == ErrorKind::integrity);
}

TEST_CASE("zeros are told from other bytes at both ends") {
  CHECK(is_zeros(""));
  CHECK(is_zeros(std::string_view("\0\0\0\0\0", 5)));
  CHECK_FALSE(is_zeros(std::string_view("\1\0\0\0\0", 5)));
  CHECK_FALSE(is_zeros(std::string_view("\0\0\0\0\1", 5)));
}

TEST_CASE("contents are written to their places, and whoever listens is told of every byte") {
  TestTree tree;
  const std::string holes = noise(5000) + std::string(100000 - 808, '\0') + noise(4096);
  tree.file({.path = "a", .mode = 0644}, noise(5000));
  tree.file({.path = "b", .mode = 0644}, "small");
  tree.file({.path = "c", .mode = 0644}, holes);
  const Tree built = tree.tree();
  const std::uint64_t tail = holes.size() - 4096;
  const std::vector<PlacedFile> files{
      {.entry = 1, .runs = {{0, 5000, 0}}},
      {.entry = 2, .runs = {{0, 5, 8192}}},
      {.entry = 3, .runs = {{0, 8192, 12288}, {tail, 4096, 20480}}}};
  std::string expected = noise(5000);
  expected.resize(8192, '\0');
  expected += "small";
  expected.resize(12288, '\0');
  expected += holes.substr(0, 8192) + holes.substr(tail);
  for (const unsigned jobs : {1U, 3U}) {
    const UniqueFd image = open_file(tree.folder() / std::to_string(jobs), O_RDWR | O_CREAT);
    std::mutex mutex;
    std::string heard(expected.size(), '\0');
    write_contents(built, files, image.get(), jobs, [&](std::uint64_t at, std::string_view bytes) {
      const std::lock_guard guard(mutex);
      CHECK(at % kDataBlock == 0);
      heard.replace(at, bytes.size(), bytes);
    });
    CHECK((read_file(tree.folder() / std::to_string(jobs)) == expected));
    CHECK((heard == expected));
  }
  atomic_write(tree.folder() / "layer/b", "other");
  const UniqueFd image = open_file(tree.folder() / "damaged", O_RDWR | O_CREAT);
  CHECK(error_kind([&] { write_contents(built, files, image.get(), 2); }) == ErrorKind::integrity);
}

TEST_CASE("a verity tree has the root hash of its definition, over one level or several") {
  const TempDir temp(std::filesystem::temp_directory_path(), "alephc-test");
  const Digest salt = sha256("alephc-verity-salt 1\n" + sha256("seed").hex());
  const std::string_view salt_bytes(reinterpret_cast<const char*>(salt.bytes.data()), salt.bytes.size());
  for (const auto& [blocks, tree_blocks] :
       {std::pair{1U, 1U}, std::pair{128U, 1U}, std::pair{129U, 3U}, std::pair{600U, 6U}, std::pair{16385U, 132U}}) {
    CAPTURE(blocks);
    std::string bytes = noise(4096);
    bytes.resize(blocks * std::size_t{4096}, 'v');
    const std::filesystem::path image = temp.path() / std::to_string(blocks);
    const std::filesystem::path tree = temp.path() / (std::to_string(blocks) + ".verity");
    atomic_write(image, bytes);
    CHECK(write_verity(image, tree, sha256("seed"), 3) == verity_root(bytes, salt_bytes));
    const std::string written = read_file(tree);
    CHECK(written.size() == (1 + tree_blocks) * std::size_t{4096});
    CHECK(written.substr(0, 16) == std::string("verity\0\0\1\0\0\0\1\0\0\0", 16));
    CHECK(written.substr(16, 16) == uuid_bytes(derived_uuid(sha256("seed"), "verity")));
    CHECK(written.substr(32, 7) == std::string("sha256\0", 7));
    CHECK(read_little(std::string_view(written).substr(72, 8)) == blocks);
    CHECK(read_little(std::string_view(written).substr(80, 2)) == 32);
    CHECK(written.substr(88, 32) == salt_bytes);
    // The root's own block stands first.
    CHECK(sha256(std::string(salt_bytes) + written.substr(4096, 4096)) == verity_root(bytes, salt_bytes));
  }
}

TEST_CASE("folders in each other are read back as deep as paths go") {
  TestTree tree;
  std::string path;
  for (int depth = 0; depth < 300; ++depth) {
    path += path.empty() ? "d" : "/d";
    tree.add({.path = path, .type = EntryType::directory, .mode = 0755});
  }
  tree.file({.path = path + "/file", .mode = 0644}, "deep");
  for (const char* format : {"squashfs", "ext4", "btrfs"}) {
    CAPTURE(format);
    const ImageContent content = read_image(tree.write(options_for(format)), {});
    CHECK((tree_text(content.listing) == tree_text(tree.tree().entries())));
  }
}

TEST_CASE("a budget refuses more folders in each other than a path may have") {
  const auto path_of = [](std::size_t names) {
    std::string path = "d";
    for (std::size_t i = 1; i < names; ++i) path += "/d";
    return path;
  };
  ReadBudget budget(1U << 20U);
  CHECK_NOTHROW(budget.take_entry(path_of(limits::kPathDepth)));
  CHECK_NOTHROW(budget.take_entry(path_of(limits::kPathDepth + 1)));  // the last is no folder
  const auto deeper = [&] { budget.take_entry(path_of(limits::kPathDepth + 2)); };
  CHECK(error_kind(deeper) == ErrorKind::integrity);
  CHECK(error_text(deeper).starts_with("the image is refused: it has more than 1024 folders in each other\n"));
}

TEST_CASE("a zstd frame that is cut off is damaged, wherever it ends") {
  const std::string text = noise(1000);
  const std::string frame = zstd_frame(text, 3);
  REQUIRE((unpack_zstd_frame(frame, text.size() + 1) == text));
  for (const std::size_t size : {std::size_t{0}, std::size_t{3}, std::size_t{10}, frame.size() / 2, frame.size() - 1}) {
    CAPTURE(size);
    CHECK(error_kind([&] { (void)unpack_zstd_frame(frame.substr(0, size), text.size() + 1); }) == ErrorKind::integrity);
  }
}

namespace {

/// The error that reading an image with some bytes changed gives.
std::string problem_with(std::string image, const std::function<void(std::string&)>& change) {
  change(image);
  ReadBudget budget(image.size());
  return error_text([&] { (void)read_source(MemorySource(image), {}, budget); });
}

}  // namespace

TEST_CASE("names of a squashfs folder that are not in order hide from the kernel, and are refused") {
  TestTree tree;
  for (const char* name : {"entry-1", "entry-2"}) tree.file({.path = name, .mode = 0644}, "x");
  const std::string image = read_file(tree.write(options_for("squashfs", "none")));
  const std::size_t at = image.rfind("entry-2");
  CHECK(problem_with(image, [&](std::string& bytes) { bytes.replace(at, 7, "entry-0"); }).find("is not in order") !=
        std::string::npos);
}

TEST_CASE("a squashfs that denies the attributes that it has is refused") {
  TestTree tree;
  tree.file({.path = "a", .mode = 0755, .xattrs = {{"user.x", "y"}}}, "x");
  const std::string image = read_file(tree.write(options_for("squashfs", "none")));
  constexpr std::size_t kFlags = 24;  // two bytes; 0x200 says that there are none
  CHECK(problem_with(image, [](std::string&) {}).empty());
  CHECK(problem_with(image, [](std::string& bytes) { bytes[kFlags + 1] |= 2; })
            .find("says that it has no attributes, and has some") != std::string::npos);
}

TEST_CASE("an image that could be mounted as two formats is refused") {
  TestTree tree;
  tree.file({.path = "a", .mode = 0644}, noise(100000));
  const std::string squashfs = read_file(tree.write(options_for("squashfs", "none")));
  const std::string ext4 = read_file(tree.write(options_for("ext4")));
  CHECK(problem_with(squashfs, [&](std::string& bytes) { bytes.replace(1024, 1024, ext4, 1024, 1024); })
            .find("of two formats, squashfs and ext4") != std::string::npos);
  CHECK(problem_with(squashfs, [&](std::string& bytes) { bytes.replace(65600, 8, "_BHRfS_M"); })
            .find("of two formats, squashfs and btrfs") != std::string::npos);
}

TEST_CASE("a boot sector in front of a bare filesystem is outside, and zeros are not") {
  TestTree tree;
  tree.file({.path = "a", .mode = 0644}, "x");
  for (const char* format : {"ext4", "btrfs"}) {
    CAPTURE(format);
    std::string image = read_file(tree.write(options_for(format)));
    const auto outside_of = [&] {
      ReadBudget budget(image.size());
      return read_source(MemorySource(image), {}, budget).outside;
    };
    CHECK(outside_of().is_zero());
    image.replace(0, 4, "boot");
    CHECK_FALSE(outside_of().is_zero());
  }
}

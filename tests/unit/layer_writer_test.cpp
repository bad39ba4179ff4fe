// SPDX-License-Identifier: MIT
// Layers made from data, and listings made from folders.
#include "tree/layer_writer.hpp"

#include <filesystem>
#include <map>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/files.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"
#include "tree/known_contents.hpp"
#include "tree/scan.hpp"
#include "tree/tree.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

const Listing kNothing{{.path = "", .type = EntryType::directory, .mode = 0755}};

struct stat stat_of(const fs::path& path) {
  struct stat info{};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info;
}

std::string paths(const Listing& listing) {
  std::string out;
  for (const Entry& entry : listing) out += std::string(1, static_cast<char>(entry.type)) + "/" + entry.path + " ";
  return out;
}

/// A folder to write a layer to, or to scan.
struct TestFolder {
  TempDir temp{fs::temp_directory_path(), "alephc-test"};
  fs::path path = temp.path() / "l";
  TestFolder() { make_folders(path); }
  [[nodiscard]] Listing scan(ScanOptions options = {}) const { return scan_folder(path, options).listing; }
};

/// Attributes in "user." are not everywhere: nothing to test then.
bool set_xattr(const fs::path& path, const char* name, const std::string& value) {
  return ::lsetxattr(path.c_str(), name, value.data(), value.size(), 0) == 0;
}

}  // namespace

TEST_CASE("folders on the way are those of the listing below, or new ones of the layer's time") {
  const TestFolder test;
  const Listing below{{.path = "", .type = EntryType::directory, .mode = 0755},
                      {.path = "a", .type = EntryType::directory, .mode = 0710, .uid = 0, .gid = 0, .mtime = 3}};
  LayerWriter out(test.path, &below, 77);
  CHECK(out.time() == 77);
  out.put_file({.path = "a/b/file", .mode = 0644, .mtime = 5}, "x");
  const Listing listing = out.finish();
  CHECK(paths(listing) == "d/ d/a d/a/b f/a/b/file ");
  CHECK(find_entry(listing, "a")->mode == 0710);
  CHECK(find_entry(listing, "a")->mtime == 3);
  CHECK(find_entry(listing, "a/b")->mode == 0755);
  CHECK(find_entry(listing, "a/b")->mtime == 77);
  CHECK((stat_of(test.path / "a").st_mode & 07777U) == 0710);
  CHECK(stat_of(test.path / "a").st_mtim.tv_sec == 3);
  CHECK(stat_of(test.path / "a/b").st_mtim.tv_sec == 77);
  CHECK(stat_of(test.path / "a/b/file").st_mtim.tv_sec == 5);
}

TEST_CASE("a file's size and hash are those of its bytes, whichever way they come") {
  const TestFolder test;
  LayerWriter out(test.path, &kNothing, 0);
  out.put_file({.path = "text", .mode = 0644, .size = 99}, "four");
  const fs::path source = test.temp.path() / "source";
  atomic_write(source, "skipped-rest");
  const UniqueFd fd = open_file(source, O_RDONLY);
  ::lseek(fd.get(), 8, SEEK_SET);
  out.put_file({.path = "descriptor", .mode = 0644}, fd.get());
  out.begin_file({.path = "pieces", .mode = 0600});
  for (const char* piece : {"one ", "", "two"}) out.add(piece);
  out.end_file();
  out.put_copy({.path = "copy", .mode = 0640}, "pieces");
  const Listing listing = out.finish();
  const std::map<std::string, std::string> wanted{
      {"text", "four"}, {"descriptor", "rest"}, {"pieces", "one two"}, {"copy", "one two"}};
  for (const auto& [path, text] : wanted) {
    INFO(path);
    CHECK(find_entry(listing, path)->type == EntryType::regular);
    CHECK(find_entry(listing, path)->size == text.size());
    CHECK(find_entry(listing, path)->content == sha256(text));
    CHECK(read_file(test.path / path) == text);
  }
  CHECK(stat_of(test.path / "copy").st_ino != stat_of(test.path / "pieces").st_ino);
  CHECK((stat_of(test.path / "copy").st_mode & 07777U) == 0640);
}

TEST_CASE("a file that is put again is the later one") {
  const TestFolder test;
  LayerWriter out(test.path, &kNothing, 0);
  out.put_file({.path = "a", .mode = 0644}, "a long first text");
  out.put_file({.path = "a", .mode = 0600}, "short");
  CHECK(out.find("a")->mode == 0600);
  CHECK(out.has("a"));
  CHECK_FALSE(out.has("b"));
  const Listing listing = out.finish();
  CHECK(find_entry(listing, "a")->content == sha256("short"));
  CHECK(read_file(test.path / "a") == "short");
}

TEST_CASE("contents given whole are no files before the layer is finished") {
  const TestFolder test;
  LayerWriter out(test.path, &kNothing, 0);
  out.put_file({.path = "a", .mode = 0644}, "text");
  out.put_copy({.path = "b", .mode = 0644}, "a");
  out.put_file({.path = "gone", .mode = 0644}, "x");
  out.whiteout("gone");
  CHECK(out.read_content("a") == "text");
  CHECK(fs::is_empty(test.path));
  const Listing before = out.listing();
  CHECK(out.finish() == before);
  CHECK(read_file(test.path / "a") == "text");
  CHECK(read_file(test.path / "b") == "text");
  CHECK(S_ISCHR(stat_of(test.path / "gone").st_mode));
}

TEST_CASE("the last contents count, in memory or on file") {
  const TestFolder test;
  LayerWriter out(test.path, &kNothing, 0);
  const std::string large(48U << 20U, 'l');  // two are more than is kept in memory
  out.put_file({.path = "a", .mode = 0644}, large);
  out.put_file({.path = "b", .mode = 0644}, large);
  CHECK(fs::file_size(test.path / "b") == large.size());
  CHECK(out.read_content("b") == large);
  out.put_file({.path = "b", .mode = 0644}, "small");
  out.begin_file({.path = "c", .mode = 0644});
  out.add("written");
  out.end_file();
  out.put_file({.path = "c", .mode = 0644}, "kept");
  out.put_file({.path = "d", .mode = 0644}, "kept");
  out.begin_file({.path = "d", .mode = 0644});
  out.add("written");
  out.end_file();
  out.put_file({.path = "e", .mode = 0644}, "kept");
  out.put({.path = "e", .type = EntryType::symlink, .mode = 0777, .link_target = "a"});
  CHECK(out.read_content("c") == "kept");
  CHECK(out.read_content("d") == "written");
  const Listing listing = out.finish();
  for (const auto& [path, text] : std::map<std::string, std::string>{{"b", "small"}, {"c", "kept"}, {"d", "written"}}) {
    INFO(path);
    CHECK(read_file(test.path / path) == text);
    CHECK(find_entry(listing, path)->content == sha256(text));
  }
  CHECK(fs::is_symlink(test.path / "e"));
}

TEST_CASE("paths that are none inside of a tree are refused before anything is written") {
  const TestFolder test;
  LayerWriter out(test.path, &kNothing, 0);
  for (const char* path : {"/etc/x", "../x", "a/../../x", "a//b", "a/", "./a", "a/.", ".."}) {
    INFO(path);
    CHECK(error_kind([&] { out.put_file({.path = path, .mode = 0644}, "x"); }) == ErrorKind::integrity);
    CHECK(error_kind([&] { out.put({.path = path, .type = EntryType::fifo}); }) == ErrorKind::integrity);
    CHECK(error_kind([&] { out.begin_file({.path = path}); }) == ErrorKind::integrity);
  }
  CHECK(fs::is_empty(test.path));
  CHECK_FALSE(fs::exists(test.temp.path() / "x"));
}

TEST_CASE("nothing is put below what is no folder in the tree below") {
  const TestFolder test;
  const Listing below{{.path = "", .type = EntryType::directory, .mode = 0755},
                      {.path = "file", .mode = 0644},
                      {.path = "link", .type = EntryType::symlink, .mode = 0777, .link_target = "/etc"}};
  LayerWriter out(test.path, &below, 0);
  for (const char* path : {"file/x", "link/x", "link/x/y"})
    CHECK(error_kind([&] { out.put({.path = path, .type = EntryType::directory, .mode = 0755}); }) ==
          ErrorKind::failed);
}

TEST_CASE("a whiteout is what an overlay takes for one, and hides a path of the layers below") {
  const TestFolder test;
  LayerWriter out(test.path, &kNothing, 0);
  for (const char* path : {"gone", "d/gone", "d/too"}) out.whiteout(path);
  const Listing listing = out.finish();
  CHECK(paths(listing) == "d/ d/d w/d/gone w/d/too w/gone ");
  const ScanResult scanned = scan_folder(test.path, {.overlay = true});
  CHECK(paths(scanned.listing) == paths(listing));
  for (const Entry& entry : scanned.listing)
    if (entry.type == EntryType::whiteout) CHECK(entry == Entry{.path = entry.path, .type = EntryType::whiteout});
  // Anywhere else it is a device that nobody has.
  CHECK(paths(test.scan()) == "d/ d/d c/d/gone c/d/too c/gone ");
}

TEST_CASE("a layer without anything below has exactly what is put") {
  const TestFolder test;
  LayerWriter out(test.path, nullptr, 0);
  out.put({.path = "", .type = EntryType::directory, .mode = 0700, .mtime = 9});
  out.put_file({.path = "f", .mode = 0644}, "x");
  CHECK(paths(out.finish()) == "d/ f/f ");
  CHECK((stat_of(test.path).st_mode & 07777U) == 0700);
  CHECK(stat_of(test.path).st_mtim.tv_sec == 9);
}

TEST_CASE("attributes, setuid bits and owners of a layer are on disk as in its listing") {
  const TestFolder test;
  LayerWriter out(test.path, &kNothing, 0);
  out.put_file({.path = "su", .mode = 04755}, "x");
  out.put({.path = "sticky", .type = EntryType::directory, .mode = 01777});
  atomic_write(test.temp.path() / "probe", "");
  const bool has_xattrs = set_xattr(test.temp.path() / "probe", "user.x", "1");
  if (has_xattrs)
    out.put_file({.path = "x", .mode = 0644, .xattrs = {{"user.a", "1"}, {"user.b", std::string("\0=", 2)}}}, "");
  const Listing made = out.finish();
  const Listing found = test.scan();
  for (const char* path : {"su", "sticky", "x"}) {
    if (!has_xattrs && std::string(path) == "x") continue;
    INFO(path);
    Entry wanted = *find_entry(made, path);
    Entry entry = *find_entry(found, path);
    CHECK(entry == wanted);
  }
}

TEST_CASE("a scan names each group of hard links by its first path, links too") {
  const TestFolder test;
  atomic_write(test.path / "m", "x");
  make_folders(test.path / "b");
  fs::create_hard_link(test.path / "m", test.path / "z");
  fs::create_hard_link(test.path / "m", test.path / "b/first");
  fs::create_symlink("aim", test.path / "s1");
  REQUIRE(::link((test.path / "s1").c_str(), (test.path / "s2").c_str()) == 0);
  const Listing listing = test.scan({.jobs = 2});
  CHECK(find_entry(listing, "b/first")->hard_link.empty());
  CHECK(find_entry(listing, "m")->hard_link == "b/first");
  CHECK(find_entry(listing, "z")->hard_link == "b/first");
  CHECK(find_entry(listing, "z")->content == sha256("x"));
  CHECK(find_entry(listing, "s2")->hard_link == "s1");
  CHECK(find_entry(listing, "s2")->link_target == "aim");
}

TEST_CASE("a scan is in the order of bytes, not of folders") {
  const TestFolder test;
  for (const char* path : {"a", "a-b", "A", "\xc3\xa4"}) make_folders(test.path / path);
  atomic_write(test.path / "a/x", "");
  CHECK(paths(test.scan()) == "d/ d/A d/a d/a-b f/a/x d/\xc3\xa4 ");
}

TEST_CASE("holes count as the bytes that they read as") {
  const TestFolder test;
  const UniqueFd fd = open_file(test.path / "sparse", O_WRONLY | O_CREAT, 0644);
  REQUIRE(::ftruncate(fd.get(), 1 << 20) == 0);
  REQUIRE(::pwrite(fd.get(), "end", 3, (1 << 20) - 3) == 3);
  const Listing listing = test.scan();
  CHECK(find_entry(listing, "sparse")->size == 1U << 20U);
  CHECK(find_entry(listing, "sparse")->content == sha256(std::string((1U << 20U) - 3, '\0') + "end"));
}

TEST_CASE("an unhashed scan leaves contents open") {
  const TestFolder test;
  atomic_write(test.path / "f", "x");
  const Listing listing = test.scan({.hash = false});
  CHECK(find_entry(listing, "f")->content.is_zero());
  CHECK(find_entry(listing, "f")->size == 1);
}

TEST_CASE("a socket is a leftover of a step, and an error anywhere else") {
  const TestFolder test;
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (test.path / "socket").string();
  REQUIRE(path.size() < sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  CHECK(error_text([&] { (void)test.scan(); }) == "/socket is a socket, which no image can hold\n");
  CHECK(paths(test.scan({.clamp_mtime = 1})) == "d/ ");
  CHECK_FALSE(fs::exists(test.path / "socket"));
}

TEST_CASE("attributes that are part of a tree are kept, the machine's and an overlay's are not") {
  for (const char* name : {"security.capability", "user.mime", "system.posix_acl_access", "system.posix_acl_default"})
    CHECK(keeps_xattr(name));
  for (const char* name : {"security.selinux", "security.ima", "trusted.overlay.opaque", "user.overlay.opaque",
                           "user.overlay.origin", "system.nfs4_acl", "security.capabilities"})
    CHECK_FALSE(keeps_xattr(name));
}

TEST_CASE("a capability that was given in a user namespace loses the namespace's root") {
  const std::string version2("\x01\x00\x00\x02\x00\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  const std::string version3 =
      std::string("\x01\x00\x00\x03", 4) + version2.substr(4) + std::string("\x00\x00\x01\x70", 4);
  CHECK(portable_capability(version3) == version2);
  CHECK(portable_capability(version2) == version2);
  CHECK(portable_capability("short") == "short");
}

TEST_CASE("what was hashed while it was written is known until somebody touches it") {
  const TestFolder test;
  KnownContents known;
  atomic_write(test.path / "f", "text");
  known.add(stat_of(test.path / "f"), sha256("what is said of it"));
  CHECK(known.find(stat_of(test.path / "f")) == sha256("what is said of it"));
  CHECK(find_entry(test.scan({.known = &known}), "f")->content == sha256("what is said of it"));
  ::usleep(20'000);  // change times are as coarse as the kernel's clock
  fs::permissions(test.path / "f", fs::perms(0600));
  CHECK(known.find(stat_of(test.path / "f")).is_zero());
  CHECK(find_entry(test.scan({.known = &known}), "f")->content == sha256("text"));
  CHECK_FALSE(known.find_device(stat_of(test.path / "f")));
}

TEST_CASE("an empty file stands for a device until somebody touches it") {
  const TestFolder test;
  KnownContents known;
  atomic_write(test.path / "null", "");
  known.add_device(stat_of(test.path / "null"), 1, 3);
  const Listing listing = test.scan({.known = &known});
  CHECK(find_entry(listing, "null")->type == EntryType::char_device);
  CHECK(find_entry(listing, "null")->major == 1);
  CHECK(find_entry(listing, "null")->minor == 3);
  ::usleep(20'000);
  fs::permissions(test.path / "null", fs::perms(0600));
  CHECK(find_entry(test.scan({.known = &known}), "null")->type == EntryType::regular);
}

TEST_CASE("contents of a tree are read from the layer that has a path last") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  Tree tree;
  const auto add = [&](const std::string& name, const std::map<std::string, std::string>& files) {
    auto layer = std::make_shared<Layer>();
    layer->folder = temp.path() / name;
    make_folders(layer->folder);
    LayerWriter out(layer->folder, tree.layers().empty() ? &kNothing : &tree.entries(), 0);
    for (const auto& [path, text] : files) out.put_file({.path = path, .mode = 0644}, text);
    layer->listing = out.finish();
    tree.add(layer);
  };
  add("one", {{"a", "one"}, {"b", "one"}});
  add("two", {{"b", "two"}, {"c", "two"}});
  add("three", {{"a", "three"}});
  std::string found;
  for (const char* path : {"a", "b", "c"}) found += tree.read_content(*tree.find(path)) + " ";
  CHECK(found == "three two two ");
  CHECK(tree.find("d") == nullptr);
  const Entry foreign = *tree.find("a");
  CHECK(error_kind([&] { (void)tree.open_content(foreign); }) == ErrorKind::bug);
}

TEST_CASE("40 symlinks in a row are followed as the kernel does, one more is a loop") {
  Tree tree;
  auto layer = std::make_shared<Layer>();
  for (int i = 0; i < 45; ++i)
    layer->listing.push_back({.path = "l" + std::string(i < 10 ? "0" : "") + std::to_string(i),
                              .type = EntryType::symlink,
                              .mode = 0777,
                              .link_target = "l" + std::string(i < 9 ? "0" : "") + std::to_string(i + 1)});
  tree.add(layer);
  CHECK(tree.resolve("l05") == "l45");
  CHECK(error_text([&] { (void)tree.resolve("l04"); }) == "/l04 leads through a loop of symlinks\n");
  CHECK(tree.resolve("l04", false) == "l04");
  CHECK(tree.resolve("missing/../x/./y//z") == "x/y/z");
  CHECK(tree.resolve("") == "");
  CHECK(tree.resolve("../..") == "");
}

TEST_CASE("names of paths are taken apart and put together again") {
  CHECK(parent_path("a/b/c") == "a/b");
  CHECK(parent_path("a") == "");
  CHECK(base_name("a/b/c") == "c");
  CHECK(base_name("a") == "a");
  CHECK(join_path("", "a") == "a");
  CHECK(join_path("a/b", "c") == "a/b/c");
  CHECK(device_number({.major = 8, .minor = 1}) == 0x801);
  CHECK(device_number({.major = 259, .minor = 0x12345}) == 0x12310345);
}

TEST_CASE("what takes the place of a file is on disk what the listing says") {
  for (const EntryType type :
       {EntryType::directory, EntryType::symlink, EntryType::whiteout, EntryType::fifo, EntryType::regular}) {
    CAPTURE(static_cast<char>(type));
    const TestFolder test;
    LayerWriter out(test.path, &kNothing, 0);
    out.put_file({.path = "a", .mode = 0644}, "text");
    if (type == EntryType::directory)
      out.put({.path = "a", .type = type, .mode = 0755});
    else if (type == EntryType::symlink)
      out.put({.path = "a", .type = type, .mode = 0777, .link_target = "b"});
    else if (type == EntryType::whiteout)
      out.whiteout("a");
    else if (type == EntryType::fifo)
      out.put({.path = "a", .type = type, .mode = 0644});
    else
      out.put_file({.path = "a", .mode = 0644}, "other");
    const Listing listing = out.finish();
    CHECK(paths(scan_folder(test.path, {.overlay = true}).listing) == paths(listing));
    CHECK(find_entry(listing, "a")->type == type);
  }
}

TEST_CASE("nothing is put below what this layer has as a file") {
  const TestFolder test;
  LayerWriter out(test.path, &kNothing, 0);
  out.put_file({.path = "a", .mode = 0644}, "text");
  const std::string refused = "/a is not a folder, so /a/b cannot be in it\n";
  CHECK(error_text([&] { out.put_file({.path = "a/b", .mode = 0644}, "x"); }) == refused);
  CHECK(error_text([&] { out.put({.path = "a/b", .type = EntryType::fifo}); }) == refused);
  CHECK(error_kind([&] { out.begin_file({.path = "a/b/c"}); }) == ErrorKind::integrity);
  out.put_file({.path = "d/b", .mode = 0644}, "text");
  CHECK(error_kind([&] { out.whiteout("d"); }) == ErrorKind::integrity);
}

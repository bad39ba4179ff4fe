// SPDX-License-Identifier: MIT
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "decode/decoded_archive.hpp"
#include "sandbox/changes.hpp"
#include "support/catch.hpp"

using namespace alephc;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kNewest = 1'000'000;

/// A tar with a folder, two files (one young), a hard link and a symlink; owned by whoever runs the test.
fs::path make_tar(const fs::path& folder) {
  const std::string script = R"(
import io, os, sys, tarfile
tar = tarfile.open(sys.argv[1], "w")
def put(name, type=tarfile.REGTYPE, data=b"", mode=0o644, mtime=5, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode, info.mtime, info.linkname = type, len(data), mode, mtime, link
    info.uid, info.gid = os.geteuid(), os.getegid()
    tar.addfile(info, io.BytesIO(data))
put("d", tarfile.DIRTYPE, mode=0o755)
put("d/old", data=b"content" * 100000, mode=0o755)
put("d/young", data=b"young", mtime=2000000)
put("d/again", tarfile.LNKTYPE, link="d/old")
put("d/link", tarfile.SYMTYPE, link="old")
tar.close()
)";
  const fs::path tar = folder / "t.tar";
  REQUIRE(run_command({.argv = {"python3", "-c", script, tar.string()}}).exit_code == 0);
  return tar;
}

struct Decoded {
  TempDir temp{fs::temp_directory_path()};
  fs::path folder = temp.path() / "decoded";
  DecodedArchive archive{};

  Decoded() {
    fs::create_directory(folder);
    archive = decode_to_folder(open_file(make_tar(temp.path()), O_RDONLY).get(), ArchiveKind::archive, folder,
                               kNewest);
  }
};

void overwrite(const fs::path& file, std::streamoff offset, char byte) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(offset);
  stream.put(byte);
}

std::int64_t time_of(const fs::path& path) {
  struct stat info {};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info.st_mtim.tv_sec;
}

void set_time(const fs::path& path, std::int64_t time) {
  const std::array<timespec, 2> times{{{time, 0}, {time, 0}}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) == 0);
}

ino_t inode_of(const fs::path& path) {
  struct stat info {};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info.st_ino;
}

}  // namespace

TEST_CASE("a decoded archive is read back as it was taken apart") {
  const Decoded decoded;
  const auto again = read_decoded(decoded.folder, kNewest);
  REQUIRE(again);
  REQUIRE(again->entries.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(again->entries[i].entry == decoded.archive.entries[i].entry);
    CHECK(again->entries[i].file == decoded.archive.entries[i].file);
  }
  const DecodedEntry& young = again->entries[2];
  CHECK(young.entry.mtime == kNewest);
  CHECK(young.entry.content == sha256("young"));
  CHECK(read_file(decoded.folder / std::to_string(young.file)) == "young");
  CHECK(time_of(decoded.folder / std::to_string(young.file)) == kNewest);
  CHECK(again->entries[3].entry.hard_link == "d/old");
  CHECK(again->entries[4].entry.link_target == "old");
}

TEST_CASE("a decoded archive that anybody touched is not used") {
  const Decoded decoded;
  SECTION("another newest time") {
    CHECK_FALSE(read_decoded(decoded.folder, kNewest + 1));
  }
  SECTION("no index") {
    fs::remove(decoded.folder / "index");
    CHECK_FALSE(read_decoded(decoded.folder, kNewest));
  }
  SECTION("a byte of the index") {
    const auto size = static_cast<std::streamoff>(fs::file_size(decoded.folder / "index"));
    for (std::streamoff offset = 0; offset < size; offset += 7) {
      const std::string good = read_file(decoded.folder / "index");
      overwrite(decoded.folder / "index", offset,
                static_cast<char>(good[static_cast<std::size_t>(offset)] ^ 1));
      CHECK_FALSE(read_decoded(decoded.folder, kNewest));
      overwrite(decoded.folder / "index", offset, good[static_cast<std::size_t>(offset)]);
    }
    CHECK(read_decoded(decoded.folder, kNewest));
  }
  SECTION("a content of the same size and time") {
    const fs::path file = decoded.folder / "0";
    const std::int64_t time = time_of(file);
    overwrite(file, 50000, 'X');
    set_time(file, time);
    CHECK_FALSE(read_decoded(decoded.folder, kNewest));
  }
  SECTION("a mode") {
    fs::permissions(decoded.folder / "0", fs::perms(0700));
    CHECK_FALSE(read_decoded(decoded.folder, kNewest));
  }
  SECTION("a missing file") {
    fs::remove(decoded.folder / "1");
    CHECK_FALSE(read_decoded(decoded.folder, kNewest));
  }
}

TEST_CASE("changes move groups out of a folder and come back without a trace") {
  const TempDir temp(fs::temp_directory_path());
  const fs::path folder = temp.path() / "folder";
  const fs::path changes = temp.path() / "changes";
  make_folders(folder / "a/b");
  atomic_write(folder / "a/one", "x");
  fs::create_hard_link(folder / "a/one", folder / "a/b/two");
  atomic_write(folder / "a/other", "y");
  for (const char* name : {"a/b", "a", ""}) set_time(folder / name, 77);
  fs::permissions(folder / "a/b", fs::perms(0750));
  std::set<std::string> linked{"a/one", "a/b/two", "gone"};

  prepare_changes(changes, folder, linked);
  CHECK_FALSE(fs::exists(folder / "a/one"));
  CHECK(inode_of(changes / "a/one") == inode_of(changes / "a/b/two"));
  CHECK(fs::status(changes / "a/b").permissions() == fs::perms(0750));
  for (const char* name : {"a/b", "a", ""}) {
    CHECK(time_of(folder / name) == 77);
    CHECK(time_of(changes / name) == 77);
  }
  merge_changes(changes, folder, false, linked);
  CHECK_FALSE(fs::exists(changes));
  CHECK(inode_of(folder / "a/one") == inode_of(folder / "a/b/two"));
  CHECK(read_file(folder / "a/other") == "y");
  for (const char* name : {"a/b", "a", ""}) CHECK(time_of(folder / name) == 77);
  CHECK(linked == std::set<std::string>{"a/one", "a/b/two", "gone"});
}

TEST_CASE("changes replace, remove and hide as an overlay shows them") {
  if (::geteuid() != 0) return;  // only root makes whiteouts
  const TempDir temp(fs::temp_directory_path());
  const fs::path folder = temp.path() / "folder";
  const fs::path changes = temp.path() / "changes";
  for (const char* name : {"kept", "emptied", "was-folder", "removed/deep"}) make_folders(folder / name);
  for (const char* name : {"kept/file", "kept/old", "emptied/hidden", "was-folder/file", "was-file", "same"})
    atomic_write(folder / name, "old");
  for (const char* name : {"kept", "emptied", "was-file"}) make_folders(changes / name);
  for (const char* name : {"kept/file", "kept/new", "emptied/fresh", "was-folder", "was-file/in"})
    atomic_write(changes / name, "new");
  fs::create_hard_link(changes / "kept/new", changes / "kept/newer");
  REQUIRE(::mknod((changes / "kept/old").c_str(), S_IFCHR, 0) == 0);
  REQUIRE(::mknod((changes / "removed").c_str(), S_IFCHR, 0) == 0);
  const bool can_mark = ::setxattr((changes / "emptied").c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0;
  const bool has_attributes = ::setxattr((changes / "kept").c_str(), "user.mark", "v", 1, 0) == 0;
  const bool keep_whiteouts = GENERATE(false, true);
  std::set<std::string> linked{"kept/file"};
  merge_changes(changes, folder, keep_whiteouts, linked);

  CHECK(read_file(folder / "kept/file") == "new");
  CHECK(read_file(folder / "was-folder") == "new");
  CHECK(read_file(folder / "was-file/in") == "new");
  CHECK(read_file(folder / "same") == "old");
  CHECK(read_file(folder / "emptied/fresh") == "new");
  if (can_mark) CHECK_FALSE(fs::exists(folder / "emptied/hidden"));
  CHECK(fs::exists(folder / "kept/old") == keep_whiteouts);
  CHECK(fs::exists(folder / "removed") == keep_whiteouts);
  CHECK_FALSE(fs::is_directory(folder / "removed"));
  if (has_attributes) CHECK(::getxattr((folder / "kept").c_str(), "user.mark", nullptr, 0) == 1);
  CHECK(linked == std::set<std::string>{"kept/new", "kept/newer"});
}

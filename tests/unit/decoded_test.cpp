// SPDX-License-Identifier: MIT
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "decode/decoded_archive.hpp"
#include "store/layer_contents.hpp"
#include "support/catch.hpp"
#include "tree/layer_writer.hpp"

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
    archive = decode_to_files(open_file(make_tar(temp.path()), O_RDONLY).get(), ArchiveKind::archive,
                              folder / "x", kNewest);
  }
};

std::int64_t time_of(const fs::path& path) {
  struct stat info {};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info.st_mtim.tv_sec;
}

}  // namespace

TEST_CASE("an archive is taken apart into contents and a text that says the rest") {
  const Decoded decoded;
  REQUIRE(decoded.archive.entries.size() == 5);
  const DecodedEntry& young = decoded.archive.entries[2];
  CHECK(young.entry.mtime == kNewest);
  CHECK(young.entry.content == sha256("young"));
  CHECK(read_file(young.content) == "young");
  CHECK(time_of(young.content) == kNewest);
  CHECK(decoded.archive.entries[3].entry.hard_link == "d/old");
  CHECK(decoded.archive.entries[4].entry.link_target == "old");

  const auto again = parse_decoded_text(decoded_text(decoded.archive, kNewest), kNewest);
  REQUIRE(again);
  REQUIRE(again->entries.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) CHECK(again->entries[i].entry == decoded.archive.entries[i].entry);
}

TEST_CASE("control members keep their content in the text") {
  DecodedArchive archive;
  const std::string large(700'000, 'x');
  for (const std::string& text : {std::string(), std::string("Package: x\n"), large})
    archive.entries.push_back(
        {.member = "control", .entry = {.path = "f", .size = text.size()}, .text = text});
  const auto again = parse_decoded_text(decoded_text(archive, kNewest), kNewest);
  REQUIRE(again);
  for (std::size_t i = 0; i < 3; ++i) CHECK(again->entries[i].text == archive.entries[i].text);
}

TEST_CASE("a decoded text that was touched is not used") {
  const Decoded decoded;
  const std::string text = decoded_text(decoded.archive, kNewest);
  CHECK_FALSE(parse_decoded_text(text, kNewest + 1));
  CHECK_FALSE(parse_decoded_text("", kNewest));
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_FALSE(parse_decoded_text(changed, kNewest));
    CHECK_FALSE(parse_decoded_text(std::string_view(text).substr(0, i), kNewest));
  }
}

TEST_CASE("contents are found in layers by their hash, and checked") {
  const TempDir temp(fs::temp_directory_path());
  const Store store(temp.path() / "store");
  const fs::path folder = store.make_work_folder().path() / "upper";
  make_folders(folder);
  LayerWriter writer(folder, nullptr, 0);
  const auto uid = static_cast<std::uint32_t>(::geteuid());
  const auto gid = static_cast<std::uint32_t>(::getegid());
  writer.put({.path = "", .type = EntryType::directory, .mode = 0755, .uid = uid, .gid = gid});
  for (int i = 0; i < 600; ++i)
    writer.put_file({.path = "file" + std::to_string(i), .mode = 0644, .uid = uid, .gid = gid},
                    "content " + std::to_string(i));
  const auto layer = store.adopt_layer(folder, writer.finish());
  atomic_write(layer->folder / "file7", "forged");

  LayerContents contents(store);
  const auto file = contents.open(sha256("content 599"));
  REQUIRE(file);
  CHECK(read_all(file->get()) == "content 599");
  CHECK(contents.has(sha256("content 7")));
  CHECK_FALSE(contents.open(sha256("content 7")));
  CHECK_FALSE(contents.has(sha256("forged")));
  CHECK_FALSE(contents.has(sha256("content 600")));
}

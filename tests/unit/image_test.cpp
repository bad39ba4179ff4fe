// SPDX-License-Identifier: MIT
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "base/cid.hpp"
#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "decode/decode.hpp"
#include "image/image_format.hpp"
#include "support/catch.hpp"
#include "tree/layer_writer.hpp"
#include "tree/listing_text.hpp"
#include "tree/tree_digest.hpp"

using namespace alephc;

namespace {

/// Everything that a listing can hold but devices, which only root can make.
struct NastyTree {
  TempDir temp{std::filesystem::temp_directory_path()};
  Tree tree{};

  NastyTree() {
    auto layer = std::make_shared<Layer>();
    layer->folder = temp.path() / "l";
    make_folders(layer->folder);
    const Listing nothing{{.path = "", .type = EntryType::directory, .mode = 0755}};
    LayerWriter writer(layer->folder, &nothing, 0);
    const auto uid = static_cast<std::uint32_t>(::geteuid());
    const auto gid = static_cast<std::uint32_t>(::getegid());
    std::string large;
    for (int i = 0; i < 100000; ++i) large += std::to_string(i * 7919) + "\n";
    writer.put({.path = "", .type = EntryType::directory, .mode = 0755, .uid = uid, .gid = gid});
    writer.put({.path = "d", .type = EntryType::directory, .mode = 01777, .uid = uid, .gid = gid});
    writer.put({.path = "d/empty", .type = EntryType::directory, .mode = 0700, .uid = uid, .gid = gid});
    writer.put_file({.path = "d/large", .mode = 0644, .uid = uid, .gid = gid}, large);
    writer.put_file({.path = "d/zeros", .mode = 0600, .uid = uid, .gid = gid}, std::string(700000, '\0'));
    writer.put_file({.path = "d/empty-file", .mode = 0444, .uid = uid, .gid = gid}, "");
    writer.put_file({.path = "m-first", .mode = 0755, .uid = uid, .gid = gid}, "shared");
    Entry linked = *writer.find("m-first");
    linked.path = "z/linked";
    linked.hard_link = "m-first";
    writer.put({.path = "z", .type = EntryType::directory, .mode = 0755, .uid = uid, .gid = gid});
    writer.put(linked);
    writer.put({.path = "d/link",
                .type = EntryType::symlink,
                .mode = 0777,
                .uid = uid,
                .gid = gid,
                .link_target = "../m-first"});
    writer.put({.path = "d/pipe", .type = EntryType::fifo, .mode = 0640, .uid = uid, .gid = gid});
    writer.put_file({.path = std::string("d/\xff\x01 odd\n") + std::string(200, 'n'),
                     .mode = 0644,
                     .uid = uid,
                     .gid = gid},
                    "odd");
    for (int i = 0; i < 300; ++i)
      writer.put_file({.path = "many/" + std::to_string(i), .mode = 0644, .uid = uid, .gid = gid},
                      std::to_string(i));
    writer.put({.path = "many", .type = EntryType::directory, .mode = 0755, .uid = uid, .gid = gid});
    layer->listing = writer.finish();
    tree.add(layer);
  }

  [[nodiscard]] std::filesystem::path write(const std::string& format, const std::string& compression,
                                            unsigned jobs, const std::string& name) const {
    const std::filesystem::path path = temp.path() / name;
    ImageSpec image{.format = format, .compression = compression};
    image_format(format).write(tree, {.image = image, .time = 1700000000, .jobs = jobs}, path);
    return path;
  }
};

}  // namespace

TEST_CASE("every format and compressor keeps the tree, with the same bytes for any number of jobs") {
  const NastyTree nasty;
  const TreeDigest digest = tree_digest(nasty.tree.entries());
  struct Kind {
    const char* format;
    const char* compression;
  };
  for (const Kind kind : {Kind{"squashfs", "zstd"}, Kind{"squashfs", "xz"}, Kind{"squashfs", "gzip"},
                          Kind{"squashfs", "lz4"}, Kind{"squashfs", "none"}, Kind{"tar", "zstd"}}) {
    CAPTURE(kind.format, kind.compression);
    const auto one = nasty.write(kind.format, kind.compression, 1, "one");
    const auto eight = nasty.write(kind.format, kind.compression, 8, "eight");
    CHECK(sha256_file(one) == sha256_file(eight));
    CHECK(std::filesystem::file_size(one) % 4096 == 0);
    CHECK(tree_text(read_image(one, {.jobs = 2}).listing) == tree_text(nasty.tree.entries()));
    CHECK(tree_digest(read_image(one, {.jobs = 2}).listing) == digest);
    std::filesystem::remove(one);
    std::filesystem::remove(eight);
  }
  const auto folder = nasty.write("dir", "zstd", 1, "dir");
  CHECK(tree_digest(read_image(folder, {.jobs = 2}).listing) == digest);
}

TEST_CASE("unsquashfs and tar agree with what was written") {
  const NastyTree nasty;
  const auto squashfs = nasty.write("squashfs", "zstd", 2, "i.squashfs");
  const auto tar = nasty.write("tar", "zstd", 2, "i.tar");
  if (!find_program("unsquashfs")) {
    WARN("skipped: unsquashfs is not installed");
    return;
  }
  const CommandResult stat = run_command({.argv = {"unsquashfs", "-stat", squashfs.string()}});
  CHECK(stat.exit_code == 0);
  CHECK(stat.output.find("Compression zstd") != std::string::npos);
  const auto out = nasty.temp.path() / "out";
  CHECK(run_command({.argv = {"unsquashfs", "-d", out.string(), squashfs.string()}}).exit_code == 0);
  CHECK(tree_digest(read_image(out, {.jobs = 2}).listing) == tree_digest(nasty.tree.entries()));
  const auto untarred = nasty.temp.path() / "untarred";
  make_folders(untarred);
  CHECK(run_command({.argv = {"tar", "--same-permissions", "-C", untarred.string(), "-xf", tar.string()}})
            .exit_code == 0);
  CHECK(tree_digest(read_image(untarred, {.jobs = 2}).listing) == tree_digest(nasty.tree.entries()));
}

TEST_CASE("content that is not what the listing says stops the writer") {
  const NastyTree nasty;
  atomic_write(nasty.temp.path() / "l/d/large", "something else");
  CHECK_THROWS_AS(nasty.write("squashfs", "zstd", 2, "x"), Error);
  CHECK_THROWS_AS(nasty.write("tar", "zstd", 2, "y"), Error);
}

TEST_CASE("what is no image is refused with a reason") {
  const TempDir temp(std::filesystem::temp_directory_path());
  atomic_write(temp.path() / "x", "hsqs but nothing more");
  CHECK_THROWS_AS(read_image(temp.path() / "x", {}), Error);
  atomic_write(temp.path() / "y", "neither");
  CHECK_THROWS_AS(read_image(temp.path() / "y", {}), Error);
}

TEST_CASE("archives whose paths leave the root are refused") {
  const TempDir temp(std::filesystem::temp_directory_path());
  class Sink : public ArchiveSink {
   public:
    void begin_entry(const std::string& /*member*/, Entry entry) override { paths.push_back(entry.path); }
    void data(std::string_view /*bytes*/) override {}
    void end_entry() override {}
    std::vector<std::string> paths;
  };
  const auto decode_tar = [&](const std::string& name) {
    const std::string script =
        "import "
        "tarfile,io,sys\nt=tarfile.open(sys.argv[1],'w')\ni=tarfile.TarInfo(sys.argv[2])\nt.addfile(i,io."
        "BytesIO())\nt.close()\n";
    REQUIRE(
        run_command({.argv = {"python3", "-c", script, (temp.path() / "t.tar").string(), name}}).exit_code ==
        0);
    const UniqueFd fd = open_file(temp.path() / "t.tar", O_RDONLY);
    Sink sink;
    decode_archive(fd.get(), ArchiveKind::archive, sink);
    return sink.paths;
  };
  CHECK(decode_tar("./a//b/./c") == std::vector<std::string>{"a/b/c"});
  CHECK_THROWS_AS(decode_tar("../x"), Error);
  CHECK_THROWS_AS(decode_tar("a/../../x"), Error);
  CHECK_THROWS_AS(decode_tar("/etc/passwd"), Error);
}

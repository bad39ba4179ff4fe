// SPDX-License-Identifier: MIT
#include "image/squashfs/block_cache.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include <fcntl.h>
#include <sqfs/block_processor.h>
#include <sqfs/block_writer.h>
#include <sqfs/frag_table.h>
#include <unistd.h>

#include "base/cid.hpp"
#include "base/files.hpp"
#include "base/trace.hpp"
#include "image/image_format.hpp"
#include "image/squashfs/compressed_blocks.hpp"
#include "image/squashfs/compressor.hpp"
#include "image/squashfs/data.hpp"
#include "image/squashfs/fragments.hpp"
#include "support/catch.hpp"
#include "tree/layer_writer.hpp"
#include "tree/listing_text.hpp"

using namespace alephc;
namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t kBlock = 8192;  // more than the beginning that a block is found by
const ImageSpec kImage{.format = "squashfs", .compression = "zstd", .block_size = kBlock};

std::string noise(std::uint32_t seed, std::size_t size) {
  std::mt19937 random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>('a' + random() % 20);
  return out;
}

using Files = std::vector<std::pair<std::string, std::string>>;

/// Files that repeat each other, or are zeros, in every way that matters to the layout of data.
Files repeating_files() {
  const std::string large = noise(1, (10 * kBlock) + 100);
  const std::string zeros(3 * kBlock, '\0');
  return {{"a-large", large},
          {"b-same", large},
          {"c-other-tail", large.substr(0, 10 * kBlock) + "other"},
          {"d-starts-later", large.substr(2 * kBlock, 5 * kBlock)},
          {"e-only-tail", large.substr(10 * kBlock)},
          {"f-zeros", zeros},
          {"g-zeros-inside", noise(2, kBlock) + zeros + noise(3, kBlock) + "end"},
          {"h-zero-tail", noise(4, 2 * kBlock) + std::string(77, '\0')},
          {"i-small-zeros", std::string(50, '\0')},
          {"j-repeats-itself", noise(5, kBlock) + noise(5, kBlock) + noise(5, kBlock)},
          {"k-again-and-more", noise(5, kBlock) + noise(5, kBlock) + noise(5, kBlock) + noise(5, kBlock)},
          {"l-not-smaller",
           [] {
             std::mt19937 random(6);
             std::string out(2 * kBlock, '\0');
             for (char& c : out) c = static_cast<char>(random());
             return out;
           }()},
          {"m-one-byte", "x"},
          {"n-one-block", noise(7, kBlock)},
          {"o-empty", ""}};
}

struct Images {
  TempDir temp{fs::temp_directory_path()};
  int count = 0;

  Tree tree_of(const Files& files) {
    auto layer = std::make_shared<Layer>();
    layer->folder = temp.path() / ("layer" + std::to_string(++count));
    make_folders(layer->folder);
    const Listing nothing{{.path = "", .type = EntryType::directory, .mode = 0755}};
    LayerWriter writer(layer->folder, &nothing, 0);
    const auto uid = static_cast<std::uint32_t>(::geteuid());
    const auto gid = static_cast<std::uint32_t>(::getegid());
    writer.put({.path = "", .type = EntryType::directory, .mode = 0755, .uid = uid, .gid = gid});
    for (const auto& [name, content] : files)
      writer.put_file({.path = name, .mode = 0644, .uid = uid, .gid = gid}, content);
    for (int i = 0; i < 40; ++i)
      writer.put_file({.path = "z" + std::to_string(i), .mode = 0644, .uid = uid, .gid = gid},
                      noise(100U + static_cast<std::uint32_t>(i % 30), 700));
    layer->listing = writer.finish();
    Tree tree;
    tree.add(layer);
    return tree;
  }

  fs::path write(const Tree& tree, BlockCache* cache, unsigned jobs = 2,
                 const CompressedBlocks* blocks = nullptr) {
    const fs::path path = temp.path() / ("image" + std::to_string(++count));
    image_format("squashfs")
        .write(tree, {.image = kImage, .time = 1700000000, .jobs = jobs, .blocks = blocks, .cache = cache},
               path);
    return path;
  }

  static BlockCache empty_cache() {
    return {block_settings(kImage), [](const std::string&) { return std::vector<BlockCache::Source>{}; }};
  }

  /// A cache that knows one former image.
  static BlockCache cache_of(const std::string& bytes, const fs::path& image) {
    return {block_settings(kImage), [bytes, image](const std::string& settings) {
              std::vector<BlockCache::Source> sources;
              if (auto packed = parse_packed_image(settings, bytes))
                sources.push_back({std::move(*packed), open_file(image, O_RDONLY)});
              return sources;
            }};
  }
};

}  // namespace

TEST_CASE("the digest of zeros is known for any size") {
  ZeroDigests zeros;
  for (const std::uint32_t size : {1U, 131071U, 1024U, 0U, 1023U, 4096U, 5000U})
    CHECK(zeros.of(size) == sha256(std::string(size, '\0')));
}

TEST_CASE("what was compressed ahead is used, and the image is the same") {
  Images images;
  const Tree tree = images.tree_of(repeating_files());
  BlockCache cache = Images::empty_cache();
  const Digest plain = sha256_file(images.write(tree, &cache));
  const auto packed = parse_packed_image(block_settings(kImage), cache.kept_bytes());
  REQUIRE(packed);
  const BlockCache nothing = Images::empty_cache();
  CompressedBlocks blocks(kImage, 2, nothing);
  const auto all_found = [&] {
    for (const PackedRun& run : packed->runs)
      if (blocks.find_run(run.content) == nullptr) return false;
    for (const PackedFragment& fragment : packed->fragments)
      if (blocks.find_fragment(fragment.block.name) == nullptr) return false;
    return true;
  };
  // Stopped again and again, as when more packages are unpacked: it goes on where it was.
  for (int i = 0; i < 200 && !all_found(); ++i) {
    blocks.start(tree.layers().front()->folder, true);
    std::this_thread::sleep_for(std::chrono::milliseconds(10 + i));
    blocks.stop();
  }
  REQUIRE(all_found());
  BlockCache same = Images::empty_cache();
  CHECK(sha256_file(images.write(tree, &same, 1, &blocks)) == plain);
  CHECK(same.kept_bytes() == cache.kept_bytes());
  CHECK(sha256_file(images.write(tree, nullptr, 5, &blocks)) == plain);

  // Files that have come, gone and changed since move the others.
  Files files = repeating_files();
  files[3].second += "changed";
  files.erase(files.begin() + 4);
  files.emplace_back("c-more", noise(60, 3000));
  std::sort(files.begin(), files.end());
  const Tree other = images.tree_of(files);
  CHECK(sha256_file(images.write(other, nullptr, 2, &blocks)) == sha256_file(images.write(other, nullptr)));
}

TEST_CASE("repeated and empty contents are stored once and read back as they were") {
  Images images;
  const Tree tree = images.tree_of(repeating_files());
  const fs::path image = images.write(tree, nullptr);
  CHECK(tree_text(read_image(image, {.jobs = 2}).listing) == tree_text(tree.entries()));
  CHECK(sha256_file(image) == sha256_file(images.write(tree, nullptr, 7)));
  // 12 blocks of the first three files, 3 + 1 + 4 + 3 + 2 others, and fragments: far below the sum of all.
  CHECK(fs::file_size(image) < 30UL * kBlock);
}

namespace {

/// A file's data as libsquashfs's own block processor lays it out.
std::vector<FileData> lay_out_by_libsquashfs(const Tree& tree, const ImageSpec& image, ImageFile& file) {
  const Sqfs<sqfs_block_writer_t> writer(sqfs_block_writer_create(file.handle(), 4096, 0));
  const Sqfs<sqfs_frag_table_t> fragments(sqfs_frag_table_create(0));
  const Sqfs<sqfs_compressor_t> compressor = make_compressor(image);
  const Sqfs<sqfs_block_processor_t> processor(sqfs_block_processor_create(
      image.block_size, compressor.get(), 2, 4096, writer.get(), fragments.get()));
  const Listing& entries = tree.entries();
  std::vector<sqfs_inode_generic_t*> inodes(entries.size(), nullptr);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].type != EntryType::regular) continue;
    const std::string content = tree.read_content(entries[i]);
    REQUIRE(sqfs_block_processor_begin_file(processor.get(), &inodes[i], nullptr, 0) == 0);
    if (!content.empty())
      REQUIRE(sqfs_block_processor_append(processor.get(), content.data(), content.size()) == 0);
    REQUIRE(sqfs_block_processor_end_file(processor.get()) == 0);
  }
  REQUIRE(sqfs_block_processor_finish(processor.get()) == 0);
  file.flush();
  std::vector<FileData> files(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (inodes[i] == nullptr) continue;
    const SqfsInode inode(inodes[i]);
    sqfs_u64 start = 0;
    REQUIRE(sqfs_inode_get_file_block_start(inode.get(), &start) == 0);
    REQUIRE(sqfs_inode_get_frag_location(inode.get(), &files[i].fragment, &files[i].fragment_offset) == 0);
    files[i].start = start;
    files[i].words.assign(inode->extra, inode->extra + sqfs_inode_get_file_block_count(inode.get()));
    if (inode->base.type == SQFS_INODE_EXT_FILE) files[i].zeros = inode->data.file_ext.sparse;
  }
  return files;
}

Files random_files(std::mt19937& random) {
  std::vector<std::string> blocks{std::string(kBlock, '\0')};
  for (std::uint32_t i = 0; i < 4; ++i) blocks.push_back(noise(1000 + i, kBlock));
  const std::vector<std::string> tails{"",  std::string(77, '\0'), noise(1, 900),
                                       "q", noise(2, 3000),        noise(3, 1500)};
  Files files;
  for (std::uint32_t i = 0, count = 1 + random() % 30; i < count; ++i) {
    std::string content;
    for (std::uint32_t k = 0, length = random() % 9; k < length; ++k)
      content += blocks[random() % blocks.size()];
    files.emplace_back("f" + std::to_string(i), content + tails[random() % tails.size()]);
  }
  return files;
}

}  // namespace

TEST_CASE("data is laid out as libsquashfs's block processor would") {
  std::mt19937 random(1);
  for (int round = 0; round < 60; ++round) {
    Images images;
    ImageSpec image = kImage;
    image.compression = std::vector{"zstd", "gzip", "lz4", "xz", "none"}[random() % 5];
    CAPTURE(round, image.compression);
    const Tree tree = images.tree_of(random_files(random));
    ImageFile ours(images.temp.path() / "ours");
    ImageFile theirs(images.temp.path() / "theirs");
    const WriteOptions options{.image = image, .jobs = 2};
    const auto writing = squashfs_data(tree, options, ours);
    const ImageData data = writing->lay_out();
    writing->finish();
    const std::vector<FileData> files = lay_out_by_libsquashfs(tree, image, theirs);
    CHECK(sha256_file(images.temp.path() / "ours") == sha256_file(images.temp.path() / "theirs"));
    REQUIRE(files.size() == data.files.size());
    for (std::size_t i = 0; i < files.size(); ++i) {
      CAPTURE(tree.entries()[i].path);
      CHECK(data.files[i].start == files[i].start);
      CHECK(data.files[i].words == files[i].words);
      CHECK(data.files[i].fragment == files[i].fragment);
      CHECK(data.files[i].fragment_offset == files[i].fragment_offset);
      CHECK(data.files[i].zeros == files[i].zeros);
    }
  }
}

TEST_CASE("an image made of a former image's blocks has the bytes of one made from nothing") {
  Images images;
  Files files = repeating_files();
  BlockCache first = Images::empty_cache();
  const fs::path former = images.write(images.tree_of(files), &first);
  first.keep_chunks(hash_file(former, 1).chunks);
  const std::string index = first.kept_bytes();
  files[4].second += "changed";
  files[10].second = noise(5, kBlock) + noise(9, 3 * kBlock) + "changed";
  files.insert(files.begin(), {"1-new", noise(8, (3 * kBlock) + 9)});
  std::string begins_alike = repeating_files().front().second;
  begins_alike[kBlock - 1] ^= 1;
  files.insert(files.begin(), {"0-begins-alike", begins_alike});
  const Tree changed = images.tree_of(files);
  const Digest expected = sha256_file(images.write(changed, nullptr));

  SECTION("as it was") {
    BlockCache cache = Images::cache_of(index, former);
    CHECK(sha256_file(images.write(changed, &cache)) == expected);
    // What it kept serves the next one.
    BlockCache next = Images::cache_of(cache.kept_bytes(), former);
    CHECK(sha256_file(images.write(changed, &next)) == expected);
  }
  SECTION("contents are not read where their blocks are known") {
    const Tree same = images.tree_of(repeating_files());
    for (const char* name : {"a-large", "n-one-block"}) fs::remove(same.layers().front()->folder / name);
    BlockCache cache = Images::cache_of(index, former);
    CHECK(sha256_file(images.write(same, &cache)) == sha256_file(former));
  }
  const auto write_damaged = [&](unsigned seed, const auto& prepare) {
    const std::string bytes = read_file(former);
    std::mt19937 random(seed);
    for (int i = 0; i < 40; ++i) {
      std::string damaged = bytes;
      damaged[random() % damaged.size()] ^= static_cast<char>(1U << (random() % 8));
      const fs::path place = images.temp.path() / "damaged";
      atomic_write(place, damaged);
      BlockCache cache = Images::cache_of(index, place);
      prepare(cache, i);
      CHECK(sha256_file(images.write(changed, &cache)) == expected);
    }
  };
  SECTION("damaged anywhere") {
    write_damaged(1, [](BlockCache&, int) {});
  }
  SECTION("damaged, and checked ahead for a while") {
    write_damaged(2, [](BlockCache& cache, int i) {
      cache.check_ahead();
      std::this_thread::sleep_for(std::chrono::microseconds(200 * (i % 10)));
      cache.stop_checking();
    });
  }
  SECTION("cut short") {
    const fs::path place = images.temp.path() / "short";
    atomic_write(place, read_file(former).substr(0, 5000));
    BlockCache cache = Images::cache_of(index, place);
    CHECK(sha256_file(images.write(changed, &cache)) == expected);
  }
}

TEST_CASE("a long run of known blocks that is damaged further on is made again as a whole") {
  Images images;
  constexpr std::size_t kLong = 5U << 20U;  // more than is read at once
  const Files files{{"a-before", noise(1, 3 * kBlock)}, {"b-long", noise(2, kLong)}, {"c-after", noise(3, 3 * kBlock)}};
  BlockCache first = Images::empty_cache();
  const Tree tree = images.tree_of(files);
  const fs::path former = images.write(tree, &first);
  const Digest expected = sha256_file(former);
  const std::string bytes = read_file(former);
  REQUIRE(bytes.size() > (2U << 20U));
  for (const std::size_t eighth : {1U, 4U, 7U}) {
    std::string damaged = bytes;
    damaged[bytes.size() / 8 * eighth] ^= 1;
    const fs::path place = images.temp.path() / "damaged";
    atomic_write(place, damaged);
    BlockCache cache = Images::cache_of(first.kept_bytes(), place);
    CHECK(sha256_file(images.write(tree, &cache)) == expected);
    // What the new index says is true of the new image.
    const fs::path again = images.write(tree, &cache);
    BlockCache next = Images::cache_of(cache.kept_bytes(), again);
    fs::remove(tree.layers().front()->folder / "b-long");
    CHECK(sha256_file(images.write(tree, &next)) == expected);
    atomic_write(tree.layers().front()->folder / "b-long", files[1].second);
  }
}

TEST_CASE("the index of an image's blocks is refused when a bit of it changed or the settings are others") {
  Images images;
  BlockCache cache = Images::empty_cache();
  (void)images.write(images.tree_of(repeating_files()), &cache);
  const std::string bytes = cache.kept_bytes();
  const std::string settings = block_settings(kImage);
  REQUIRE(parse_packed_image(settings, bytes));
  CHECK_FALSE(parse_packed_image(settings + "x", bytes));
  CHECK_FALSE(parse_packed_image(settings, ""));
  for (std::size_t i = 0; i < bytes.size(); i += 97) {
    std::string damaged = bytes;
    damaged[i] ^= 4;
    CHECK_FALSE(parse_packed_image(settings, damaged));
    CHECK_FALSE(parse_packed_image(settings, bytes.substr(0, i)));
  }
}

TEST_CASE("a trace holds what was done while it recorded") {
  { const TraceSpan before("test", "before"); }
  start_trace();
  { const TraceSpan span("test", "with \"quotes\""); }
  const std::string json = trace_json();
  CHECK(json.find("before") == std::string::npos);
  CHECK(json.find(R"("name":"with \"quotes\"","cat":"test","ph":"X")") != std::string::npos);
}

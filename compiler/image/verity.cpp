// SPDX-License-Identifier: MIT
#include "image/verity.hpp"

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include <fcntl.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/little_endian.hpp"
#include "base/parallel.hpp"
#include "image/derived_uuid.hpp"

namespace alephc {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::size_t kHash = 32;
constexpr std::size_t kAtOnce = 256;  ///< blocks that one thread reads and hashes

std::string_view text_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
}

class VerityTree {
 public:
  explicit VerityTree(const Digest& seed, unsigned jobs)
      : salt_(sha256("alephc-verity-salt 1\n" + seed.hex())), jobs_(jobs) {
    salted_.update(text_of(salt_));
  }

  /// The hashes of a file's blocks, padded to whole blocks.
  std::string hash_file(int fd, std::uint64_t blocks) const {
    std::string level = empty_level(blocks);
    parallel_for((blocks + kAtOnce - 1) / kAtOnce, jobs_, [&](std::size_t part) {
      const std::uint64_t first = part * kAtOnce;
      std::vector<char> bytes(std::min<std::uint64_t>(kAtOnce, blocks - first) * kBlock);
      if (read_at(fd, first * kBlock, bytes) != static_cast<ssize_t>(bytes.size()))
        throw system_error("read the image", errno);
      hash_blocks({bytes.data(), bytes.size()}, level.data() + first * kHash);
    });
    return level;
  }
  std::string hash_level(const std::string& below) const {
    std::string level = empty_level(below.size() / kBlock);
    hash_blocks(below, level.data());
    return level;
  }
  [[nodiscard]] Digest hash(std::string_view block) const {
    Sha256 hash = salted_.copy();
    hash.update(block);
    return hash.finish();
  }

  [[nodiscard]] std::string superblock(const Uuid& uuid, std::uint64_t blocks) const {
    std::string block("verity\0\0", 8);
    put_little(block, 1, 4);  // version
    put_little(block, 1, 4);  // kind of hash: the salt goes first
    block += uuid_bytes(uuid);
    constexpr std::size_t kAlgorithm = 32;
    std::string algorithm = "sha256";
    algorithm.resize(kAlgorithm, '\0');
    block += algorithm;
    put_little(block, kBlock, 4);  // of the data
    put_little(block, kBlock, 4);  // of the tree
    put_little(block, blocks);
    put_little(block, salt_.bytes.size(), 2);
    block.append(6, '\0');
    block += text_of(salt_);
    block.resize(kBlock, '\0');
    return block;
  }

 private:
  static std::string empty_level(std::uint64_t blocks) {
    return std::string((blocks * kHash + kBlock - 1) / kBlock * kBlock, '\0');
  }
  void hash_blocks(std::string_view bytes, char* out) const {
    for (std::size_t at = 0; at < bytes.size(); at += kBlock, out += kHash) {
      const Digest digest = hash(bytes.substr(at, kBlock));
      std::copy(digest.bytes.begin(), digest.bytes.end(), out);
    }
  }

  Digest salt_;
  unsigned jobs_;
  Sha256 salted_;
};

}  // namespace

Digest write_verity(const std::filesystem::path& image, const std::filesystem::path& tree, const Digest& seed,
                    unsigned jobs) {
  const std::uint64_t blocks = std::filesystem::file_size(image) / kBlock;
  const VerityTree verity(seed, jobs);
  std::vector<std::string> levels{verity.hash_file(open_file(image, O_RDONLY).get(), blocks)};
  while (levels.back().size() > kBlock) levels.push_back(verity.hash_level(levels.back()));
  const UniqueFd file = open_file(tree, O_WRONLY | O_CREAT | O_EXCL, 0644);
  write_all(file.get(), verity.superblock(derived_uuid(seed, "verity"), blocks));
  for (auto level = levels.rbegin(); level != levels.rend(); ++level) write_all(file.get(), *level);
  return verity.hash(levels.back());
}

}  // namespace alephc

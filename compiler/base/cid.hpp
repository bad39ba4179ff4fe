// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"

namespace alephc {

/// What leaves of a file's tree hold, in bytes.
inline constexpr std::size_t kHashedChunk = 256 * 1024;

/// The names a file has on the network.
struct FileHashes {
  std::uint64_t size = 0;
  Digest sha256{};
  std::string cid_v0{};  ///< UnixFS, 256 KiB chunks, balanced, 174 links: what "ipfs add" prints
  std::string cid_v1{};  ///< the same with raw leaves: what "ipfs add --cid-version=1" prints
  std::vector<Digest>
      chunks{};  ///< the raw leaves: sha256 of every kHashedChunk bytes, the last one of what is left
};

/// Whether these are the digests of a file's chunks from a first one on; room is used again from call to call.
[[nodiscard]] bool has_chunks(int fd, std::size_t first, std::span<const Digest> digests,
                              std::vector<char>& room);

/// Hashes a file while it is being written. Its first chunk is only read at the end, because images have a
/// head that is written last; so what follows can be hashed early, but for the sha256 of it all.
class FileHasher {
 public:
  /// The file is opened when something is settled.
  FileHasher(std::filesystem::path path, unsigned jobs);
  ~FileHasher();
  FileHasher(const FileHasher&) = delete;
  FileHasher& operator=(const FileHasher&) = delete;

  /// The bytes below size, but those of the first chunk, are on file and do not change any more.
  void settle(std::uint64_t size);
  /// Nor does the first chunk: the whole is hashed along with what is settled from now on.
  void settle_start();
  /// The file is complete. Throws what hashing threw.
  [[nodiscard]] FileHashes finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The hashes of a complete file; chunks are hashed on up to jobs threads.
[[nodiscard]] FileHashes hash_file(const std::filesystem::path& path, unsigned jobs);

/// The multihash digest inside a CIDv0 or a dag-pb CIDv1, in hex; empty if the text is neither.
[[nodiscard]] std::string cid_digest_hex(const std::string& cid);

[[nodiscard]] std::string encode_base58(std::string_view bytes);
/// Bitcoin's base 58 without checksum; empty when a character is none of it.
[[nodiscard]] std::string decode_base58(std::string_view text);

}  // namespace alephc

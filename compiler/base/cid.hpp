// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/digest.hpp"

namespace alephc {

/// The names a file has on the network.
struct FileHashes {
  std::uint64_t size = 0;
  Digest sha256{};
  std::string cid_v0{};  ///< UnixFS, 256 KiB chunks, balanced, 174 links: what "ipfs add" prints
  std::string cid_v1{};  ///< the same with raw leaves: what "ipfs add --cid-version=1" prints
};

/// Reads the file once; chunks are hashed on up to jobs threads.
[[nodiscard]] FileHashes hash_file(const std::filesystem::path& path, unsigned jobs);

/// The multihash digest inside a CIDv0 or a dag-pb CIDv1, in hex; empty if the text is neither.
[[nodiscard]] std::string cid_digest_hex(const std::string& cid);

/// Bitcoin's base 58 without checksum; empty when a character is none of it.
[[nodiscard]] std::string decode_base58(std::string_view text);

}  // namespace alephc

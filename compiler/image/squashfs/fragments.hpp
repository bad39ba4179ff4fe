// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/digest.hpp"

namespace alephc {

/// The end of a file, or a small file, as a member of a fragment block.
struct Member {
  std::size_t file = 0;  ///< the caller's number
  std::uint32_t size = 0;
  Digest content{};
  std::string bytes{};  ///< where they were read already
};

struct MemberPlace {
  std::uint32_t fragment = 0;
  std::uint32_t offset = 0;
};

/// sha256 of zeros.
class ZeroDigests {
 public:
  const Digest& of(std::uint32_t size);

 private:
  std::vector<Sha256> steps_ = std::vector<Sha256>(1);
  std::unordered_map<std::uint32_t, Digest> digests_;
};

/// Decides which members share a block: in order, a new one is begun when the next does not fit. Zeros and
/// what was there before take no room.
class FragmentPacking {
 public:
  /// A full block: its members, and a digest that names their contents in this order.
  using Close = std::function<void(std::vector<Member> members, const Digest& name)>;

  FragmentPacking(std::uint32_t block_size, Close close)
      : block_size_(block_size), close_(std::move(close)) {}

  /// Nothing for zeros.
  std::optional<MemberPlace> add(Member member);
  /// Closes the block that is being filled.
  void close();

 private:
  std::uint32_t block_size_;
  Close close_;
  std::vector<Member> members_;
  std::uint32_t filled_ = 0;
  std::uint32_t count_ = 0;
  std::unordered_map<Digest, MemberPlace, DigestHash> places_;
  ZeroDigests zeros_;
};

}  // namespace alephc

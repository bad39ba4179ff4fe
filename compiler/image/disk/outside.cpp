// SPDX-License-Identifier: MIT
#include "image/disk/outside.hpp"

#include <algorithm>
#include <string>

#include "base/diagnostic.hpp"
#include "image/read_budget.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kPiece = 1U << 20U;

Digest digest_of(const ByteSource& disk, std::uint64_t start, std::uint64_t end, ReadBudget& budget) {
  Sha256 hash;
  for (std::uint64_t at = start; at < end; at += kPiece) {
    const std::uint64_t length = std::min(kPiece, end - at);
    budget.take_content(length);
    const std::string bytes = disk.bytes(at, length);
    if (bytes.size() != length) throw Error(ErrorKind::integrity, "the disk ends before its size says");
    hash.update(bytes);
  }
  return hash.finish();
}

}  // namespace

Digest outside_digest(const ByteSource& disk, std::vector<gpt::Partition> listed, ReadBudget& budget) {
  std::sort(listed.begin(), listed.end(),
            [](const gpt::Partition& a, const gpt::Partition& b) { return a.start < b.start; });
  std::string text = "alephc-outside 1\n" + std::to_string(disk.size()) + "\n";
  const auto add = [&](std::uint64_t start, std::uint64_t end) {
    if (start < end)
      text += std::to_string(start) + " " + std::to_string(end - start) + " " +
              digest_of(disk, start, end, budget).hex() + "\n";
  };
  std::uint64_t at = 0;
  for (const gpt::Partition& partition : listed) {
    if (partition.start < at) throw Error(ErrorKind::integrity, "two partitions of the disk overlap");
    add(at, partition.start);
    at = partition.start + partition.length;
  }
  add(at, disk.size());
  return sha256(text);
}

}  // namespace alephc

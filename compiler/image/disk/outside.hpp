// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "base/digest.hpp"
#include "image/byte_source.hpp"
#include "image/disk/gpt.hpp"

namespace alephc {

class ReadBudget;

/// The digest of what a disk has outside of some partitions: boot code, partition tables, gaps, other partitions. It is the sha256 of a text: "alephc-outside 1", the disk's size, then in the order of the disk
/// "START LENGTH SHA256" for each stretch, all in bytes. `listed` are those partitions.
[[nodiscard]] Digest outside_digest(const ByteSource& disk, std::vector<gpt::Partition> listed, ReadBudget& budget);

}  // namespace alephc

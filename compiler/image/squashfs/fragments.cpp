// SPDX-License-Identifier: MIT
#include "image/squashfs/fragments.hpp"

#include <string_view>
#include <utility>

namespace alephc {

std::optional<MemberPlace> FragmentPacking::add(Member member) {
  if (member.content == zeros_.of(member.size)) return std::nullopt;
  const auto [it, fresh] = places_.try_emplace(member.content, MemberPlace{});
  if (!fresh) return it->second;
  if (filled_ + member.size > block_size_) close();
  it->second = {count_, filled_};
  filled_ += member.size;
  members_.push_back(std::move(member));
  return it->second;
}

void FragmentPacking::close() {
  if (members_.empty()) return;
  Sha256 name;
  for (const Member& member : members_) name.update(member.content.hex());
  ++count_;
  filled_ = 0;
  close_(std::exchange(members_, {}), name.finish());
}

/// Hashing zeros from the start for every size would take as long as hashing all small files.
const Digest& ZeroDigests::of(std::uint32_t size) {
  constexpr std::uint32_t kStep = 1024;
  static const std::string kZeros(kStep, '\0');
  const auto [it, fresh] = digests_.try_emplace(size);
  if (!fresh) return it->second;
  while (steps_.size() <= size / kStep) {
    steps_.push_back(steps_.back().copy());
    steps_.back().update(kZeros);
  }
  Sha256 hash = steps_[size / kStep].copy();
  hash.update(std::string_view(kZeros).substr(0, size % kStep));
  it->second = hash.finish();
  return it->second;
}

}  // namespace alephc

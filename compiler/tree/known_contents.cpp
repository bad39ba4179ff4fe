// SPDX-License-Identifier: MIT
#include "tree/known_contents.hpp"

namespace alephc {

void KnownContents::put(const struct stat& info, Known known) {
  known.size = info.st_size;
  known.seconds = info.st_ctim.tv_sec;
  known.nanoseconds = info.st_ctim.tv_nsec;
  const std::lock_guard guard(mutex_);
  files_[info.st_ino] = known;
}

KnownContents::Known KnownContents::untouched(const struct stat& info) const {
  const std::lock_guard guard(mutex_);
  const auto it = files_.find(info.st_ino);
  if (it == files_.end()) return {};
  const Known& known = it->second;
  const bool same = known.size == info.st_size && known.seconds == info.st_ctim.tv_sec &&
                    known.nanoseconds == info.st_ctim.tv_nsec;
  return same ? known : Known{};
}

void KnownContents::add(const struct stat& info, const Digest& content) {
  put(info, {.content = content});
}

Digest KnownContents::find(const struct stat& info) const {
  return untouched(info).content;
}

void KnownContents::add_device(const struct stat& info, std::uint32_t major, std::uint32_t minor) {
  put(info, {.device = std::pair{major, minor}});
}

std::optional<std::pair<std::uint32_t, std::uint32_t>> KnownContents::find_device(
    const struct stat& info) const {
  return untouched(info).device;
}

}  // namespace alephc

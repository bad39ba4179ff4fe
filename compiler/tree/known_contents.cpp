// SPDX-License-Identifier: MIT
#include "tree/known_contents.hpp"

namespace alephc {

void KnownContents::add(const struct stat& info, const Digest& content) {
  const std::lock_guard guard(mutex_);
  files_[info.st_ino] = {info.st_size, info.st_ctim.tv_sec, info.st_ctim.tv_nsec, content};
}

Digest KnownContents::find(const struct stat& info) const {
  const std::lock_guard guard(mutex_);
  const auto it = files_.find(info.st_ino);
  if (it == files_.end()) return {};
  const Known& known = it->second;
  const bool untouched = known.size == info.st_size && known.seconds == info.st_ctim.tv_sec &&
                         known.nanoseconds == info.st_ctim.tv_nsec;
  return untouched ? known.content : Digest{};
}

}  // namespace alephc

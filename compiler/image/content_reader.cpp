// SPDX-License-Identifier: MIT
#include "image/content_reader.hpp"

#include <vector>

#include "base/diagnostic.hpp"

namespace alephc {

void read_checked(const Tree& tree, const Entry& entry, const std::function<void(std::string_view)>& take) {
  thread_local std::vector<char> buffer(512 * 1024);
  const UniqueFd fd = tree.open_content(entry);
  Sha256 hash;
  while (const std::size_t got = read_some(fd.get(), buffer)) {
    const std::string_view bytes(buffer.data(), got);
    hash.update(bytes);
    take(bytes);
  }
  if (hash.finish() != entry.content) throw damaged_content(entry);
}

Error damaged_content(const Entry& entry) {
  return {ErrorKind::integrity, "/" + entry.path + " in the store is damaged",
          "remove the store entry with 'alephc gc', then build again"};
}

}  // namespace alephc

// SPDX-License-Identifier: MIT
#include "image/content_reader.hpp"

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/diagnostic.hpp"

namespace alephc {

void read_checked(const Tree& tree, const Entry& entry, const std::function<void(std::string_view)>& take) {
  thread_local std::vector<char> buffer(kReadPiece);
  const UniqueFd fd = tree.open_content(entry);
  Sha256 hash;
  for (std::uint64_t offset = 0;; offset += buffer.size()) {
    const ssize_t got = read_at(fd.get(), offset, buffer);
    if (got < 0) throw system_error("read /" + entry.path, errno);
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
    hash.update(bytes);
    if (!bytes.empty()) take(bytes);
    if (bytes.size() < buffer.size()) break;
  }
  if (hash.finish() != entry.content) throw damaged_content(entry);
}

void read_checked_pieces(const Tree& tree, const Entry& entry, std::size_t piece,
                         const std::function<void(std::string)>& take) {
  const UniqueFd fd = tree.open_content(entry);
  Sha256 hash;
  for (std::uint64_t offset = 0;; offset += piece) {
    std::string bytes(piece, '\0');
    const ssize_t got = read_at(fd.get(), offset, bytes);
    if (got < 0) throw system_error("read /" + entry.path, errno);
    bytes.resize(static_cast<std::size_t>(got));
    hash.update(bytes);
    if (!bytes.empty()) take(std::move(bytes));
    if (static_cast<std::size_t>(got) < piece) break;
  }
  if (hash.finish() != entry.content) throw damaged_content(entry);
}

bool is_zeros(std::string_view bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

Error damaged_content(const Entry& entry) {
  return {ErrorKind::integrity, "/" + entry.path + " in the store is damaged",
          "remove the store entry with 'alephc gc', then build again"};
}

}  // namespace alephc

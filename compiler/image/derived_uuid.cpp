// SPDX-License-Identifier: MIT
#include "image/derived_uuid.hpp"

#include <algorithm>

namespace alephc {

Uuid derived_uuid(const Digest& seed, std::string_view role) {
  const Digest hash = sha256("alephc-uuid 1\n" + std::string(role) + "\n" + seed.hex());
  Uuid uuid{};
  std::copy_n(hash.bytes.begin(), uuid.size(), uuid.begin());
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0fU) | 0x80U);  // version 8: of the maker's own
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3fU) | 0x80U);  // variant of the RFC
  return uuid;
}

std::string uuid_text(const Uuid& uuid) {
  std::string text = to_hex(uuid);
  for (const std::size_t at : {20U, 16U, 12U, 8U}) text.insert(at, "-");
  return text;
}

}  // namespace alephc

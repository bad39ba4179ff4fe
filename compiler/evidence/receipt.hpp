// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "lock/lock.hpp"
#include "steps/write.hpp"

namespace alephc {

/// What a build says about itself, for others to compare with: IMAGE.receipt.json.
struct Receipt {
  std::string name{};
  std::string version{};
  Digest lock{};  ///< sha256 of the lock's text
  std::int64_t epoch = 0;
  std::int64_t source_date_epoch = 0;
  std::string format{};
  ImageResult image{};
  std::vector<std::pair<std::string, std::string>> layers{};  ///< step id → layer digest
  std::vector<std::string> tools{};                           ///< libraries that shape bytes, "libzstd 1.5.4"
};

[[nodiscard]] std::string receipt_text(const Receipt& receipt);

/// Throws an Error that names the file when the text is not a receipt.
[[nodiscard]] Receipt parse_receipt(const std::string& file, const std::string& text);

}  // namespace alephc

// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "evidence/receipt.hpp"
#include "pipeline/locking.hpp"
#include "store/store.hpp"

namespace alephc {

/// Where `build --record` leaves its receipt: beside the lock.
[[nodiscard]] std::filesystem::path receipt_path_of(const std::filesystem::path& manifest_file);

/// The receipt that `build --record` left, if it is of this lock.
[[nodiscard]] std::optional<Receipt> recorded_receipt(const LockedRuntime& runtime);

/// Path → the step that wrote it last, as far as the store still has the receipt's layers.
[[nodiscard]] std::map<std::string, std::string> steps_of_paths(const Receipt& receipt, const Store& store);

/// The same of an image, from the receipt beside it. Empty if that is of another image than sha256.
[[nodiscard]] std::map<std::string, std::string> steps_of_image(const std::filesystem::path& image,
                                                                const Digest& sha256, const Store& store);

}  // namespace alephc

// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/diagnostic.hpp"
#include "tree/tree.hpp"

namespace alephc {

inline constexpr std::size_t kReadPiece = 512U * 1024U;

/// Streams a file's content in order, in pieces of kReadPiece but for the last, and compares size and hash
/// with the listing; throws an integrity Error on a difference.
void read_checked(const Tree& tree, const Entry& entry, const std::function<void(std::string_view)>& take);

/// The same in pieces of a size, of which the last may be shorter; each is the taker's to keep.
void read_checked_pieces(const Tree& tree, const Entry& entry, std::size_t piece,
                         const std::function<void(std::string)>& take);

/// True for nothing, too.
[[nodiscard]] bool is_zeros(std::string_view bytes);

/// The error of a content that is not what the listing says.
[[nodiscard]] Error damaged_content(const Entry& entry);

}  // namespace alephc

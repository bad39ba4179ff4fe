// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <string_view>

namespace alephc::alpine {

/// True for N(.N)*[a-z](_SUFFIX[N])*(-rN): what apk takes for a version.
[[nodiscard]] bool is_version(std::string_view text);

/// apk's order of versions. What is not a version is compared up to where it stops being one.
[[nodiscard]] std::strong_ordering compare_versions(std::string_view a, std::string_view b);

/// The relation that "~" asks for: 1.2.3-r1 begins with 1.2.
[[nodiscard]] bool begins_with_version(std::string_view version, std::string_view beginning);

}  // namespace alephc::alpine

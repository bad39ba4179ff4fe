// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace alephc {

/// "a/__pycache__/m.cpython-311.opt-2.pyc" → "a/m.py"; legacy "a/m.pyc" → "a/m.py".
[[nodiscard]] std::string python_source_of(const std::string& cache_path);

/// The same compiled code with an unchecked-hash header (PEP 552): the interpreter loads it whatever the
/// source's time is. nullopt when it has one already or is no .pyc of Python 3.7 or later.
[[nodiscard]] std::optional<std::string> unchecked_python_cache(std::string_view cache,
                                                                std::string_view source);

/// The hash that PEP 552 headers hold: SipHash-1-3 (Python 3.11 and later) or 2-4 of the source, keyed with
/// the magic number.
[[nodiscard]] std::uint64_t python_source_hash(std::string_view source, std::uint32_t magic);

}  // namespace alephc

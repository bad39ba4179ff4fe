// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "guest/guest_files.hpp"

namespace alephc {

/// An init for x86-64 that was released, and what it was made of.
struct InitRelease {
  Digest source{};   ///< source_digest() of its project
  Digest program{};  ///< sha256 of aleph-init
};

/// Lines of "SOURCE PROGRAM" in hex; # begins a comment. Throws an Error for anything else.
[[nodiscard]] std::vector<InitRelease> parse_init_releases(std::string_view text);
/// Those that this alephc knows: compiler/guest/released.txt.
[[nodiscard]] const std::vector<InitRelease>& init_releases();

/// The project in compiler/init: runtime.toml, runtime.lock and all that they name. Built, it is aleph-init.
[[nodiscard]] std::span<const GuestFile> init_project();
/// Over names, sizes and bytes, in the order of the names.
[[nodiscard]] Digest source_digest(std::span<const GuestFile> project);

/// The program that was released of a source; nothing where the source has changed since.
[[nodiscard]] std::optional<Digest> released_of(const Digest& source, std::span<const InitRelease> releases);
/// That of init_project(). Where the compiler of this alephc makes another, it is built when a step needs it.
[[nodiscard]] const std::optional<Digest>& released_init();

/// The init that new locks name: what was released of this source, else what was compiled along with this alephc.
[[nodiscard]] GuestFile init_to_lock(const GuestFile& compiled, const std::optional<Digest>& released);

/// Whether an init is one of the releases, or the one that was compiled along with this alephc.
[[nodiscard]] bool is_known_init(const Digest& program);

}  // namespace alephc

// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "distro/alpine/solver.hpp"
#include "distro/alpine/universe.hpp"

namespace alephc::alpine {

/// A chosen package, or the world (kNone), needs what is decided otherwise.
[[nodiscard]] Obstacle unmet_need(const Universe& all, std::uint32_t by, const Need& need);
/// A name is needed, and none of its providers can be taken. best: the one that comes closest; package kNone: none does.
[[nodiscard]] Obstacle no_choice(const Universe& all, std::uint32_t id, const Provider& best);

}  // namespace alephc::alpine

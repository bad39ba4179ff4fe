// SPDX-License-Identifier: MIT
#include "distro/alpine/install_order.hpp"

#include <algorithm>

namespace alephc::alpine {
namespace {

class Order {
 public:
  explicit Order(const Universe& all)
      : all_(all), names_done_(all.names.size()), placed_(all.packages.size()) {}

  std::vector<std::uint32_t> of(const std::vector<Need>& world) {
    for (const Need& need : world) place(need);
    return std::move(order_);
  }

 private:
  void place(const Need& need) {
    if (!need.dependency.conflict) place_name(need.name);
  }

  void place_name(std::uint32_t id) {
    if (names_done_[id]) return;
    names_done_[id] = true;
    const std::uint32_t chosen = all_.names[id].chosen.package;
    if (chosen == kNone || placed_[chosen]) return;
    placed_[chosen] = true;
    const Package& package = all_.packages[chosen];
    for (const Need& need : package.depends) place(need);
    order_.push_back(chosen);
    place_triggered(package.name);
    for (const std::uint32_t name : package.provides) place_triggered(name);
  }

  void place_triggered(std::uint32_t name) {
    for (const std::uint32_t id : all_.names[name].triggers) {
      const std::uint32_t own = all_.packages[id].name;
      if (all_.names[own].chosen.package != id) continue;
      const auto is_placed = [&](const Need& need) {
        const std::uint32_t chosen = all_.names[need.name].chosen.package;
        return chosen == kNone ? need.dependency.conflict : placed_[chosen] && all_.is_satisfied(need);
      };
      const auto& needs = all_.packages[id].install_if;
      if (std::all_of(needs.begin(), needs.end(), is_placed)) place_name(own);
    }
  }

  const Universe& all_;
  std::vector<bool> names_done_;
  std::vector<bool> placed_;
  std::vector<std::uint32_t> order_;
};

}  // namespace

std::vector<std::uint32_t> install_order(const Universe& all, const std::vector<Need>& world) {
  return Order(all).of(world);
}

}  // namespace alephc::alpine

// SPDX-License-Identifier: MIT
#include "distro/layers.hpp"

#include "base/diagnostic.hpp"
#include "support/catch.hpp"

using namespace alephc;

namespace {

using Numbers = std::set<std::size_t>;

/// 0 libc, 1 shell (needs libc), 2 editor (needs a shell, provides "text"), 3 hint (recommended by nobody's needs)
ChosenPackages four() {
  ChosenPackages all;
  all.provide("libc", 0);
  all.provide("shell", 1);
  all.need(1, "libc");
  all.provide("editor", 2);
  all.provide("text", 2);
  all.need(2, "shell");
  all.need(2, "not chosen");
  all.provide("hint", 3);
  return all;
}

std::vector<LayerSeed> seeds_of(const std::vector<std::string>& parts,
                                const std::map<std::string, std::set<std::string>>& wanted) {
  return layer_seeds(parts, [&](const std::string& part, bool) {
    const auto found = wanted.find(part);
    return found == wanted.end() ? std::set<std::string>{} : found->second;
  });
}

}  // namespace

TEST_CASE("a layer is called as its part, and the manifest's own is called so") {
  const auto seeds = seeds_of({"base", "empty", "runtime.toml"}, {{"base", {"a"}}, {"runtime.toml", {"b"}}});
  REQUIRE(seeds.size() == 2);
  CHECK(seeds[0].layer == "base");
  CHECK(seeds[0].wanted == std::set<std::string>{"a"});
  CHECK(seeds[1].layer == "own");
}

TEST_CASE("a layer that is the only one is called packages") {
  CHECK(seeds_of({"base", "runtime.toml"}, {{"base", {"a"}}}).at(0).layer == "packages");
  CHECK(seeds_of({"runtime.toml"}, {{"runtime.toml", {"a"}}}).at(0).layer == "packages");
  CHECK(seeds_of({"runtime.toml"}, {}).empty());
}

TEST_CASE("a closure holds what names need, by whatever name it is provided") {
  CHECK(four().closure({"text"}) == Numbers{0, 1, 2});
  CHECK(four().closure({"libc"}) == Numbers{0});
  CHECK(four().closure({"unknown"}).empty());
}

TEST_CASE("each layer has what it needs and no earlier one has, and the last has the rest") {
  const std::vector<LayerSeed> seeds{{"base", {"shell"}}, {"own", {"editor"}}};
  const auto dealt = four().deal(seeds, 4);
  REQUIRE(dealt.size() == 2);
  CHECK(dealt[0] == std::vector<std::size_t>{0, 1});
  CHECK(dealt[1] == std::vector<std::size_t>{2, 3});
}

// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "compare/image_facts.hpp"

namespace alephc {

/// Which step of a build wrote a path last: path → step id. Empty where it is not known.
using StepOfPath = std::map<std::string, std::string>;

struct FieldChange {
  std::string name{};
  std::string before{};
  std::string after{};
};

struct PackageChange {
  std::string name{};
  std::string before{};  ///< version and architecture; empty: not there
  std::string after{};
};

struct PathChange {
  enum class Kind { added, removed, changed };
  std::string path{};
  Kind kind = Kind::changed;
  std::vector<std::string> what{};  ///< "mode 0644 → 0600", "content"
  std::string step{};
  std::string package{};
  std::string cause{};  ///< likely cause, or empty
  std::string lines{};  ///< first differing lines of texts
};

/// Two images, explained from the outside in.
struct ImageDiff {
  ImageFacts a{};
  ImageFacts b{};
  bool same_bytes = false;
  bool same_tree = false;
  bool other_outside = false;  ///< both are disks, and boot code, tables, gaps or other partitions differ
  std::vector<FieldChange> filesystem{};
  std::vector<PackageChange> packages{};
  std::vector<PathChange> paths{};
  [[nodiscard]] std::string conclusion() const;  ///< one sentence
};

/// Says which step wrote each path of an image, as far as that is known.
using StepsOfImage = std::function<StepOfPath(const ImageFacts&)>;

[[nodiscard]] ImageDiff compare_images(const std::filesystem::path& a, const std::filesystem::path& b,
                                       const StepsOfImage& steps, unsigned jobs);

/// What differs between two entries of the same path, as text; empty if nothing.
[[nodiscard]] std::vector<std::string> entry_changes(const Entry& before, const Entry& after);

/// The differences of two listings, in path order, without causes.
[[nodiscard]] std::vector<PathChange> compare_listings(const Listing& before, const Listing& after);

}  // namespace alephc

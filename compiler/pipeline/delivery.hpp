// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <filesystem>
#include <string>
#include <thread>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "store/store.hpp"

namespace alephc {

/// Hands a file out: a copy that appears at its place whole, or not at all. It can be begun before the file's hash is
/// known, since hashing an image takes about as long as copying it.
class Delivery {
 public:
  /// Nothing is done before begin() or finish().
  explicit Delivery(std::filesystem::path output) : output_(std::move(output)) {}
  ~Delivery();  ///< removes what finish() did not put into its place
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  /// Copies a complete file beside the place, on a thread of its own. The file may be moved meanwhile, not changed.
  void begin(const std::filesystem::path& file);
  /// Puts the copy of the blob into its place; what was begun must have that digest. Throws what copying threw.
  void finish(const Store& store, const Digest& digest);

 private:
  void copy(const UniqueFd& from);
  void discard();

  std::filesystem::path output_;
  std::string temp_{};
  std::exception_ptr failure_{};
  std::jthread copying_{};
};

}  // namespace alephc

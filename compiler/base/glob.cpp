// SPDX-License-Identifier: MIT
#include "base/glob.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fnmatch.h>

namespace alephc {
namespace {

constexpr std::string_view kSpecial = "*?[]\\";

}  // namespace

Glob::Glob(std::string pattern) : pattern_(std::move(pattern)) {
  prefix_ = std::min(pattern_.find_first_of(kSpecial), pattern_.size());
  if (prefix_ < pattern_.size()) suffix_ = pattern_.size() - pattern_.find_last_of(kSpecial) - 1;
}

bool Glob::matches(const std::string& text) const {
  if (prefix_ == pattern_.size()) return text == pattern_;
  if (text.size() < prefix_ + suffix_) return false;
  if (text.compare(0, prefix_, pattern_, 0, prefix_) != 0) return false;
  if (text.compare(text.size() - suffix_, suffix_, pattern_, pattern_.size() - suffix_, suffix_) != 0) return false;
  return ::fnmatch(pattern_.c_str() + prefix_, text.c_str() + prefix_, 0) == 0;
}

}  // namespace alephc

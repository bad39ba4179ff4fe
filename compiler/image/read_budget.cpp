// SPDX-License-Identifier: MIT
#include "image/read_budget.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/interrupt.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::integrity, "the image is refused: " + what,
              "docs/limits.md lists what alephc takes from an image at most");
}

}  // namespace

ReadBudget::ReadBudget(std::uint64_t image_size)
    : most_entries_(std::min(limits::kImageEntries, limits::kImageEntriesFree + image_size / 8)),
      most_content_(limits::kImageFree + limits::kImageRatio * image_size) {}

void ReadBudget::take_entry(const std::string& path) {
  throw_if_interrupted();
  if (++entries_ > most_entries_) refuse("it has more than " + std::to_string(most_entries_) + " paths");
  if (path.size() > limits::kPathBytes) refuse("it has a path of more than 4096 bytes");
  if (static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')) > limits::kPathDepth)
    refuse("it has more than " + std::to_string(limits::kPathDepth) + " folders in each other");
}

void ReadBudget::take_content(std::uint64_t bytes) {
  throw_if_interrupted();
  // Not added beyond the limit, so that the sum cannot wrap around.
  if (bytes > most_content_ || (content_ += bytes) > most_content_)
    refuse("its files have more than " + human_size(most_content_) + " bytes");
}

void ReadBudget::take_text(std::uint64_t bytes) {
  if (bytes > limits::kImageText || (text_ += bytes) > limits::kImageText)
    refuse("a file of it that has to be read has more than " + human_size(limits::kImageText));
}

}  // namespace alephc

// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "image/byte_source.hpp"
#include "image/ext4/ext2fs.hpp"

namespace alephc {

/// libext2fs opens by name. This one stands for a source, which outlives the filesystem that is opened by it.
class SourceName {
 public:
  explicit SourceName(const ByteSource& source);
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Reads sources and writes nothing.
[[nodiscard]] io_manager source_io_manager();

}  // namespace alephc

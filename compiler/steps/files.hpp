// SPDX-License-Identifier: MIT
#pragma once

#include "steps/step.hpp"

namespace alephc {

/// An entry of [[file]].
struct FileInput {
  static constexpr std::string_view kMembers = "target kind text append mode owner content at";
  std::string target{};  ///< absolute
  std::string kind{};    ///< "content", "source", "link", "folder"
  std::string text{};    ///< the content, or the link's target
  bool append = false;
  std::optional<std::uint32_t> mode{};
  std::string owner = "root:root";
  std::vector<InputFile> content{};  ///< of a source
  SourceSpan at{};
};

struct FilesInput {
  static constexpr std::string_view kMembers = "file";
  std::vector<FileInput> files{};
};

[[nodiscard]] Step files_step(StepName name, FilesInput input);

}  // namespace alephc

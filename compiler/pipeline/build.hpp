// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "graph/run.hpp"
#include "pipeline/session.hpp"

namespace alephc {

struct BuildRequest {
  std::filesystem::path path{};
  std::filesystem::path output{};  ///< empty: NAME-VERSION.EXT in the current folder
  bool locked = false;
  std::string expect{};  ///< sha256, CIDv0 or CIDv1, on top of [expect]
  /// The file that a message publishes, by its hash; empty: there
  /// is none. Asked when expect is not the sha256 of the image.
  std::function<std::string(const std::string&)> published_file{};
  bool record = false;  ///< write runtime.receipt.json beside the lock
  bool normalize = true;
  std::vector<std::string> overrides{};  ///< "image.format=tar"
  bool compare = true;                   ///< with [expect] and the recorded receipt
  bool audit = false;                    ///< run every step twice
  Variation vary{};
  std::filesystem::path bundle{};     ///< what the lock names may come from here
  std::filesystem::path init_file{};  ///< an aleph-init or another guest file that the lock names
};
struct BuildOutcome {
  std::filesystem::path image{};
  std::string format{};
  ImageResult result{};
  Digest lock{};
  std::int64_t epoch = 0;
  double seconds = 0;
  std::vector<StepReport> steps{};
  bool output_was_there = false;
  std::vector<AuditFinding> audit{};
};
/// Manifest → Lock → BuildGraph → Tree → Image → Receipt, and the image at its place.
BuildOutcome build_runtime(const BuildRequest& request, const Session& session);

}  // namespace alephc

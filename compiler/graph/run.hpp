// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/reporter.hpp"
#include "distro/distro.hpp"
#include "fetch/fetcher.hpp"
#include "graph/audit.hpp"
#include "graph/drawing.hpp"
#include "graph/package_supply.hpp"
#include "graph/plan.hpp"
#include "steps/write.hpp"
#include "store/store.hpp"
#include "tree/tree.hpp"

namespace alephc {

/// What a run works with. None of it decides a result; all of it outlives the run.
struct RunTools {
  const Store& store;
  Reporter& reporter;
  PackageSupply& supply;
  const CommandRunner& runner;
  const Distro& distro;                         ///< says whose files differ in an audit
  const std::vector<RemoteFile>& remote_files;  ///< addresses of everything that steps fetch
  unsigned jobs = 1;
  std::filesystem::path output{};      ///< of formats that are folders
  ImageWritten written{};
  BlockCache* cache = nullptr;         ///< compressed blocks of former images
  CompressedBlocks* blocks = nullptr;  ///< filled from when packages are unpacked on, used by the write step
  Variation vary{};                    ///< for every step that runs something
  std::vector<AuditFinding>* audit = nullptr;  ///< if set, such steps run twice, and what differs is added
};

/// What a step made: a layer, by its digest, or the image.
using StepResult = std::variant<Digest, ImageResult>;
/// As an action record keeps it: hex digits, or steps/write.hpp's text.
[[nodiscard]] std::string step_result_text(const StepResult& result);
/// Nothing for a text that is neither.
[[nodiscard]] std::optional<StepResult> parse_step_result(const std::string& text);

struct StepReport {
  std::string id{};
  std::string name{};
  Digest key{};
  bool cached = false;
  double seconds = 0;
  StepResult result{};

  [[nodiscard]] const Digest* layer() const { return std::get_if<Digest>(&result); }
  [[nodiscard]] const ImageResult* image() const { return std::get_if<ImageResult>(&result); }
};

/// Runs what is not in the store, up to but not including the step with id stop_before (empty: all). From here
/// on only the supply uses the network, and it fetches by hash. A damaged layer is made again.
[[nodiscard]] std::vector<StepReport> run_steps(const BuildGraph& graph, const RunTools& tools,
                                                const std::string& stop_before);

/// The tree as the reported steps left it. A layer that turns out damaged is removed from the store and
/// thrown as DamagedLayer.
[[nodiscard]] Tree open_tree(const std::vector<StepReport>& reports, const Store& store, Reporter& reporter);

class DamagedLayer : public Error {
 public:
  DamagedLayer()
      : Error(ErrorKind::failed, "a layer of the store was damaged and has been removed",
              "run 'alephc build', which makes it again") {}
};

/// What a build would do, without doing it.
[[nodiscard]] std::vector<StepState> inspect_steps(const BuildGraph& graph, const Store& store,
                                                   const std::filesystem::path& manifest_file);

}  // namespace alephc

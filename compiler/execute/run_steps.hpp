// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/reporter.hpp"
#include "distro/distro.hpp"
#include "execute/audit.hpp"
#include "execute/package_supply.hpp"
#include "graph/build_graph.hpp"
#include "graph/drawing.hpp"
#include "image/squashfs/compressed_blocks.hpp"
#include "lock/lock.hpp"
#include "manifest/manifest.hpp"
#include "store/store.hpp"
#include "tree/tree.hpp"

namespace alephc {

/// What steps work with; all of it outlives the run.
struct StepEnvironment {
  const Manifest& manifest;
  const Lock& lock;
  const std::string& lock_text;
  const Distro& distro;
  const Store& store;
  Reporter& reporter;
  PackageSupply& supply;
  const std::vector<RemoteFile>& remote_files;  ///< addresses of everything the lock names
  unsigned jobs = 1;
  std::filesystem::path output{};      ///< of formats that are folders
  BlockCache* cache = nullptr;         ///< compressed blocks of former images
  CompressedBlocks* blocks = nullptr;  ///< filled from when packages are unpacked on, used by the write step
  Variation vary{};                    ///< for every step that runs something
  std::vector<AuditFinding>* audit = nullptr;  ///< if set, such steps run twice, and what differs is added
};

struct StepReport {
  std::string id{};
  std::string name{};
  Digest key{};
  bool cached = false;
  double seconds = 0;
  std::string result{};  ///< layer digest, or the image as JSON text for the step "write"
};

/// Result of the write step, as its action record keeps it.
struct ImageResult {
  Digest sha256{};  ///< zero for folders
  std::uint64_t size = 0;
  std::string cid_v0{};
  std::string cid_v1{};
  Digest tree{};
  Digest verity_tree{};  ///< sha256 of the dm-verity hash tree's file; zero: none was asked for
  Digest verity_root{};
  std::vector<std::string> accounts{};  ///< "name:uid:gid" of /etc/passwd
  std::vector<std::string> groups{};    ///< "name:gid" of /etc/group
};
[[nodiscard]] std::string image_result_text(const ImageResult& result);
[[nodiscard]] std::optional<ImageResult> parse_image_result(const std::string& text);

/// Runs what is not in the store, up to but not including the step with id stop_before (empty: all). From
/// here on there is no network but what the supply fetches by hash.
[[nodiscard]] std::vector<StepReport> run_steps(const BuildGraph& graph, const StepEnvironment& env,
                                                const std::string& stop_before);

/// The tree as the reported steps left it. A layer that turns out damaged is removed from the store and
/// thrown as DamagedLayer: run_steps() makes it anew.
[[nodiscard]] Tree open_tree(const std::vector<StepReport>& reports, const Store& store, Reporter& reporter);

class DamagedLayer : public Error {
 public:
  DamagedLayer()
      : Error(ErrorKind::failed, "a layer of the store was damaged and is removed",
              "run 'alephc build', which makes it anew") {}
};

/// What a build would do, without doing it.
[[nodiscard]] std::vector<StepState> inspect_steps(const BuildGraph& graph, const Store& store,
                                                   const std::filesystem::path& manifest_file);

/// An upper folder with the attributes of the tree's root and, as real groups, every hard-link group below:
/// the kernel would split a group when one of its paths is changed.
void prepare_upper(const Tree& tree, const std::filesystem::path& upper);

}  // namespace alephc

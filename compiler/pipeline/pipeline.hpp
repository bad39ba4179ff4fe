// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/reporter.hpp"
#include "distro/distro.hpp"
#include "fetch/fetcher.hpp"
#include "graph/run.hpp"
#include "receipt/receipt.hpp"
#include "resolve/resolve.hpp"
#include "sandbox/sandbox.hpp"
#include "store/store.hpp"

namespace alephc {

/// What reaches out of this process: the network, and programs of an image. Tests put something else here.
struct Outside {
  std::function<std::unique_ptr<Fetcher>(const Store&, Reporter&, const FetchOptions&)> fetcher =
      [](const Store& store, Reporter& reporter, const FetchOptions& options) -> std::unique_ptr<Fetcher> {
    return std::make_unique<HttpFetcher>(store, reporter, options);
  };
  std::shared_ptr<const CommandRunner> runner = std::make_shared<const Sandbox>();
};

/// What the command line, the environment and the user's configuration say for every command.
struct Settings {
  std::filesystem::path store{};
  Mirrors mirrors{};
  bool offline = false;
  unsigned jobs = 1;
  std::vector<std::string> apis{};  ///< nodes of the network; empty: the public ones
  std::string key{};                ///< the user's own, to publish with
  Outside outside{};
  std::string why_not_root{};  ///< for a user without rights: why he is not root of a namespace of his own
};

/// Puts the init and its helpers into the store, where the lock names this alephc's; before steps run. Those of another
/// alephc are where its build or --init left them.
void provide_guest_files(const Lock& lock, const Store& store);

/// Steps run as root, be it of a user namespace. Throws an Error of kind host when that cannot be.
void require_root(const Settings& settings);

struct LockRequest {
  std::filesystem::path path{};
  bool update_all = false;
  std::set<std::string> update_packages{};
  std::string date{};
  bool check = false;     ///< write nothing; stale is an Error
  bool outdated = false;  ///< write nothing; say what an update would change
};
struct LockOutcome {
  std::filesystem::path file{};
  bool written = false;
  LockChange change{};
};
LockOutcome lock_runtime(const LockRequest& request, const Settings& settings, Reporter& reporter);

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
BuildOutcome build_runtime(const BuildRequest& request, const Settings& settings, Reporter& reporter);

/// Manifest and lock as they are committed. Nothing is
/// resolved and nothing written; a stale lock is an Error.
struct CommittedRuntime {
  Manifest manifest{};
  Lock lock{};
  std::string lock_text{};
};
CommittedRuntime open_committed(const std::filesystem::path& path, const Settings& settings,
                                Reporter& reporter);

/// The receipt that `build --record` left beside the lock, if it is of this lock.
[[nodiscard]] std::optional<Receipt> recorded_receipt(const CommittedRuntime& runtime);

/// Brings everything that the lock names into the store.
void fetch_locked(const CommittedRuntime& runtime, const Settings& settings, Reporter& reporter);

/// A build from nothing but what the lock names: no result of an earlier build is used, and nothing is
/// fetched once it began. The image is put into folder; its blob stays in the store.
struct Rebuilt {
  BuildOutcome outcome{};
  Receipt receipt{};
  std::map<std::string, std::string> steps{};  ///< path → the step that wrote it
};
Rebuilt rebuild_runtime(const CommittedRuntime& runtime, const std::filesystem::path& folder,
                        const Settings& settings, Reporter& reporter);

/// Which step of its build wrote each path of an image, from its receipt and what the store still has of its
/// layers. Empty if the receipt beside it is of another image than sha256.
[[nodiscard]] std::map<std::string, std::string> steps_of_image(const std::filesystem::path& image,
                                                                const Digest& sha256,
                                                                const Settings& settings);

/// Writes everything that the committed lock names to one file; see bundle/bundle.hpp.
void vendor_runtime(const std::filesystem::path& path, const std::filesystem::path& output,
                    const Settings& settings, Reporter& reporter);

/// Everything that `plan`, `graph`, `why` and `shell` start from: the lock as it stands (made in memory if
/// there is none) and the graph of it.
struct PlannedRuntime {
  Manifest manifest{};
  Lock lock{};
  std::string lock_text{};
  BuildGraph graph{};
  std::vector<StepState> states{};
};
PlannedRuntime plan_runtime(const std::filesystem::path& path, const Settings& settings, Reporter& reporter);

/// A package ("nginx") or a path ("/etc/nginx/nginx.conf") of the last build, explained line by line.
std::vector<std::string> explain(const std::filesystem::path& path, const std::string& subject,
                                 const Settings& settings, Reporter& reporter);

/// A shell, or a command, in the tree as it was before a step
/// (empty: at the end of the build). Returns its exit code.
int open_shell(const std::filesystem::path& path, const std::string& step,
               const std::vector<std::string>& command, const Settings& settings, Reporter& reporter);

}  // namespace alephc

// SPDX-License-Identifier: MIT
//
// A build as a table of contents: build_runtime() calls the stages one after the other, and says between them what can
// no longer change. Each stage is a function above it, or a folder of its own.
#include "pipeline/build.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include <fcntl.h>

#include "base/cid.hpp"
#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "evidence/bundle.hpp"
#include "image/image_format.hpp"
#include "image/squashfs/compressed_blocks.hpp"
#include "lock/lock_file.hpp"
#include "pipeline/delivery.hpp"
#include "pipeline/expectation.hpp"
#include "pipeline/locking.hpp"
#include "pipeline/overrides.hpp"
#include "pipeline/receipts.hpp"
#include "pipeline/step_tools.hpp"
#include "store/collect.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// What the user has at hand of what the lock names.
void take_in(const BuildRequest& request, const Store& store) {
  if (!request.bundle.empty()) (void)import_bundle(request.bundle, store);
  if (!request.init_file.empty()) store.put_blob(read_named_file(request.init_file));
}

BuildGraph graph_of(const LockedRuntime& runtime, const BuildRequest& request) {
  return plan({runtime.manifest, runtime.lock, runtime.lock_text, epoch_of(runtime.lock), request.normalize});
}

fs::path output_path(const BuildRequest& request, const Manifest& manifest) {
  if (!request.output.empty()) return request.output;
  return manifest.name + "-" + manifest.version + std::string(image_format(manifest.image.format).extension);
}

std::vector<BlockCache::Source> former_images(const Store& store, const std::string& block_settings) {
  constexpr std::size_t kMost = 16;
  std::vector<BlockCache::Source> sources;
  for (const Store::BlockIndex& index : store.block_indexes(kMost))
    if (auto packed = parse_packed_image(block_settings, index.bytes))
      sources.push_back({std::move(*packed), open_file(store.blob_path(index.image), O_RDONLY)});
  return sources;
}

/// What goes beside the image.
void deliver_verity(const Store& store, const ImageResult& result, const fs::path& output) {
  if (result.verity_tree.is_zero()) return;
  Delivery(output.string() + ".verity").finish(store, result.verity_tree);
  atomic_write(output.string() + ".roothash", result.verity_root.hex() + "\n");
}

Receipt make_receipt(const LockedRuntime& runtime, const BuildOutcome& outcome) {
  Receipt receipt{.name = runtime.manifest.name,
                  .version = runtime.manifest.version,
                  .lock = outcome.lock,
                  .epoch = runtime.lock.epoch.number,
                  .source_date_epoch = runtime.lock.source_date_epoch,
                  .format = outcome.format,
                  .image = outcome.result,
                  .tools = image_tools()};
  for (const StepReport& step : outcome.steps)
    if (const Digest* layer = step.layer()) receipt.layers.emplace_back(step.id, layer->hex());
  return receipt;
}

void remember_build(const LockedRuntime& runtime, const BuildOutcome& outcome, const Store& store) {
  BuildRecord record{.manifest = fs::canonical(runtime.manifest.file)};
  for (const StepReport& step : outcome.steps) {
    record.step_keys[step.id] = step.key;
    if (const Digest* layer = step.layer()) record.layers.insert(*layer);
  }
  if (!outcome.result.sha256.is_zero()) record.blobs.insert(outcome.result.sha256);
  if (!outcome.result.verity_tree.is_zero()) record.blobs.insert(outcome.result.verity_tree);
  for (const Digest& digest : fetched_blobs(runtime.lock)) record.blobs.insert(digest);
  for (const LockedRepository& repository : runtime.lock.repositories) record.blobs.insert(repository.index);
  for (const LockedInput& input : runtime.lock.inputs) record.blobs.insert(input.sha256);
  put_build_record(store, record);
}

/// Runs the steps, with what makes writing the image quick: blocks of former images, and those that are compressed while
/// scripts run.
std::vector<StepReport> run(const BuildGraph& graph, const LockedRuntime& runtime,
                            const BuildRequest& request, const Session& session, Delivery& delivery,
                            BuildOutcome& outcome) {
  const ImageSpec image = with_settings(runtime.manifest.image, graph.epoch.writer);
  const bool ahead = image_format(image.format).keeps_blocks && session.settings().jobs > 1 &&
                     !request.audit && image.subtree.empty();
  BlockCache cache(block_settings(image),
                   [&](const std::string& known) { return former_images(session.store(), known); });
  CompressedBlocks blocks(image, session.settings().jobs - (ahead ? 1 : 0), cache);
  StepTools tools(runtime.manifest, runtime.lock, session);
  tools.run.output = outcome.image;
  tools.run.written = [&](const fs::path& file) { delivery.begin(file); };
  tools.run.cache = &cache;
  tools.run.blocks = ahead ? &blocks : nullptr;
  tools.run.vary = request.vary;
  tools.run.audit = request.audit ? &outcome.audit : nullptr;
  return run_steps(graph, tools.run, "");
}

bool is_pinned(const Lock& lock, const std::string& name) {
  return std::any_of(lock.runs.begin(), lock.runs.end(),
                     [&](const LockedRun& pin) { return pin.name == name; });
}

/// Runs what comes before the image for the results of scripts with network that the lock does not hold yet, and writes
/// them into it. True if there were any: the lock is another one then.
bool pin_runs(LockedRuntime& runtime, const BuildGraph& graph, const BuildRequest& request,
              const Session& session) {
  std::vector<std::string> names;
  for (const RunSpec& run : runtime.manifest.runs)
    if (run.network && !is_pinned(runtime.lock, run.name)) names.push_back(run.name);
  if (names.empty()) return false;
  if (request.locked)
    throw Error(ErrorKind::failed, "the lock lacks the result of a script with network",
                "build once without --locked, and commit the lock");
  StepTools tools(runtime.manifest, runtime.lock, session);
  tools.run.vary = request.vary;
  const std::vector<StepReport> steps = run_steps(graph, tools.run, graph.steps.back().id);
  for (const std::string& name : names)
    for (const StepReport& step : steps)
      if (step.id == "run:" + name) runtime.lock.runs.push_back({name, *step.layer()});
  runtime.lock_text = lock_text(runtime.lock);
  atomic_write(lock_path_of(runtime.manifest.file), runtime.lock_text);
  session.reporter().note("locked the results of scripts with network");
  return true;
}

/// 64 hex digits may name a message: then what counts is the file that it publishes.
std::string expected_file(const BuildRequest& request, const ImageResult& result) {
  const std::string& expect = request.expect;
  if (!request.published_file || !Digest::from_hex(expect) || expect == result.sha256.hex()) return expect;
  const std::string file = request.published_file(expect);
  return file.empty() ? expect : file;
}

/// With what the user, the manifest and the recorded receipt say that the image must be.
void compare(const LockedRuntime& runtime, const BuildOutcome& outcome, const BuildRequest& request,
             const Session& session) {
  if (!request.compare) return;
  check_expectations(expected_file(request, outcome.result), runtime.manifest.expect, outcome.result,
                     session.store());
  if (!request.overrides.empty() || !request.normalize || request.record) return;
  if (const auto recorded = recorded_receipt(runtime))
    check_recorded(*recorded, make_receipt(runtime, outcome), session.store(), session.reporter());
}

void deliver(BuildOutcome& outcome, Delivery& delivery, const Store& store) {
  if (image_format(outcome.format).is_folder) return;
  outcome.output_was_there = store.is_known_output(outcome.image, outcome.result.sha256);
  delivery.finish(store, outcome.result.sha256);
  deliver_verity(store, outcome.result, outcome.image);
}

void write_receipts(const LockedRuntime& runtime, const BuildOutcome& outcome, bool record) {
  const fs::path file = outcome.image.string() + ".receipt.json";
  if (outcome.output_was_there && fs::exists(file) && !record) return;
  const std::string receipt = receipt_text(make_receipt(runtime, outcome));
  atomic_write(file, receipt);
  if (record) atomic_write(receipt_path_of(runtime.manifest.file), receipt);
}

}  // namespace

BuildOutcome build_runtime(const BuildRequest& request, const Session& session) {
  const auto start = Clock::now();
  require_root(session.settings());
  take_in(request, session.store());
  LockedRuntime runtime =
      load_locked(request.path, request.locked ? StaleLock::refuse : StaleLock::resolve_and_write, session);
  apply_overrides(runtime.manifest, request.overrides);
  check_expectation_forms(request.expect, runtime.manifest.expect);
  // From here on nothing is chosen any more: names, versions and digests are those of the lock.

  BuildGraph graph = graph_of(runtime, request);
  if (pin_runs(runtime, graph, request, session)) graph = graph_of(runtime, request);
  // From here on no step is added or changed.

  BuildOutcome outcome{.image = output_path(request, runtime.manifest),
                       .format = runtime.manifest.image.format,
                       .lock = sha256(runtime.lock_text),
                       .epoch = runtime.lock.epoch.number};
  Delivery delivery(outcome.image);
  outcome.steps = run(graph, runtime, request, session, delivery, outcome);
  // From here on the tree and the image are what they are; it remains to compare and to hand out.

  outcome.result = *outcome.steps.back().image();
  remember_build(runtime, outcome, session.store());
  compare(runtime, outcome, request, session);
  deliver(outcome, delivery, session.store());
  write_receipts(runtime, outcome, request.record);
  outcome.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return outcome;
}

}  // namespace alephc

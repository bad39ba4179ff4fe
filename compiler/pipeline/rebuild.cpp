// SPDX-License-Identifier: MIT
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "bundle/bundle.hpp"
#include "pipeline/pipeline.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

/// A second name for a blob in another store on the same
/// filesystem; its hash is checked when it is opened there.
void share_blob(const Store& from, const Digest& digest, const Store& to) {
  if (!from.has_blob(digest)) return;  // an archive of the project, or a guest file of this alephc
  const fs::path place = to.blob_path(digest);
  make_folders(place.parent_path(), 0700);
  if (::link(from.blob_path(digest).c_str(), place.c_str()) != 0 && errno != EEXIST)
    throw system_error("share " + digest.hex() + " with the rebuild", errno);
}

/// Path → the step that wrote it last, as far as the store still has the receipt's layers.
std::map<std::string, std::string> steps_of_paths(const Receipt& receipt, const Store& store) {
  std::map<std::string, std::string> steps;
  for (const auto& [step, hex] : receipt.layers) {
    const auto digest = Digest::from_hex(hex);
    const auto layer = digest ? store.open_layer(*digest, [](const std::string&) {}) : nullptr;
    if (layer == nullptr) continue;
    for (const Entry& entry : layer->listing) steps[entry.path] = step;
  }
  return steps;
}

}  // namespace

Rebuilt rebuild_runtime(const CommittedRuntime& runtime, const fs::path& folder, const Settings& settings,
                        Reporter& reporter) {
  fetch_locked(runtime, settings, reporter);
  const Store store(settings.store);
  const WorkFolder work = store.make_work_folder();
  Settings own = settings;
  own.store = work.path() / "store";
  own.offline = true;
  {
    const Store fresh(own.store);
    for (const Digest& digest : fetched_blobs(runtime.lock)) share_blob(store, digest, fresh);
  }
  Rebuilt rebuilt;
  const BuildRequest request{
      .path = runtime.manifest.file, .output = folder / "rebuilt", .locked = true, .compare = false};
  rebuilt.outcome = build_runtime(request, own, reporter);
  const std::string receipt_file = rebuilt.outcome.image.string() + ".receipt.json";
  rebuilt.receipt = parse_receipt(receipt_file, read_file(receipt_file));
  const Store fresh(own.store);
  rebuilt.steps = steps_of_paths(rebuilt.receipt, fresh);
  share_blob(fresh, rebuilt.outcome.result.sha256, store);
  return rebuilt;
}

std::map<std::string, std::string> steps_of_image(const fs::path& image, const Digest& sha256,
                                                  const Settings& settings) {
  const std::string file = image.string() + ".receipt.json";
  const auto text = read_file_if_exists(file);
  if (!text) return {};
  const Receipt receipt = parse_receipt(file, *text);
  if (receipt.image.sha256 != sha256) return {};  // of another image
  return steps_of_paths(receipt, Store(settings.store));
}

void vendor_runtime(const fs::path& path, const fs::path& output, const Settings& settings,
                    Reporter& reporter) {
  const CommittedRuntime runtime = open_committed(path, settings, reporter);
  fetch_locked(runtime, settings, reporter);
  const Store store(settings.store);
  const std::unique_ptr<Fetcher> fetcher = settings.outside.fetcher(store, reporter, {.offline = settings.offline});
  Bundle bundle{.lock_text = runtime.lock_text};
  provide_guest_files(runtime.lock, store);
  for (const Digest& digest : fetched_blobs(runtime.lock))
    if (store.has_blob(digest)) bundle.blobs.push_back(digest);
  const auto proofs =
      make_distro(runtime.manifest.base.distro)
          ->prove_packages(runtime.manifest, runtime.lock, settings.mirrors, {}, {store, *fetcher, reporter});
  for (const IndexProof& proof : proofs) {
    bundle.blobs.insert(bundle.blobs.end(), proof.blobs.begin(), proof.blobs.end());
    if (!proof.keyring.empty()) bundle.keyrings[proof.repository] = store.put_blob(read_file(proof.keyring));
    if (!proof.unknown.empty())
      reporter.diagnostic(
          {.severity = Severity::warning,
           .message = "the bundle lacks the signed index of " + proof.repository + ": " + proof.unknown,
           .hint = "run 'alephc lock --update' and vendor at once"});
  }
  write_bundle(std::move(bundle), store, output);
}

}  // namespace alephc

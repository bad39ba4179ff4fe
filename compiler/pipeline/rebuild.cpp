// SPDX-License-Identifier: MIT
#include "pipeline/rebuild.hpp"

#include <cerrno>

#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "pipeline/init_from_source.hpp"
#include "pipeline/receipts.hpp"
#include "pipeline/step_tools.hpp"

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

}  // namespace

void fetch_locked(const LockedRuntime& runtime, const Session& session) {
  session.fetcher().fetch(remote_files(runtime.manifest, runtime.lock, session), [](std::size_t) {});
}

Rebuilt rebuild_runtime(const LockedRuntime& runtime, const fs::path& folder, const Session& session) {
  fetch_locked(runtime, session);
  if (needs_init_from_source(runtime.lock, session.store())) build_init_from_source(session);
  const WorkFolder work = session.store().make_work_folder();
  Settings settings = session.settings();
  settings.store = work.path() / "store";
  settings.offline = true;
  const Session own(settings, session.reporter());
  for (const Digest& digest : fetched_blobs(runtime.lock)) share_blob(session.store(), digest, own.store());
  Rebuilt rebuilt;
  const BuildRequest request{
      .path = runtime.manifest.file, .output = folder / "rebuilt", .locked = true, .compare = false};
  rebuilt.outcome = build_runtime(request, own);
  const std::string receipt_file = rebuilt.outcome.image.string() + ".receipt.json";
  rebuilt.receipt = parse_receipt(receipt_file, read_file(receipt_file));
  rebuilt.steps = steps_of_paths(rebuilt.receipt, own.store());
  share_blob(own.store(), rebuilt.outcome.result.sha256, session.store());
  return rebuilt;
}

}  // namespace alephc

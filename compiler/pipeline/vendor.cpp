// SPDX-License-Identifier: MIT
#include "pipeline/vendor.hpp"

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "evidence/bundle.hpp"
#include "pipeline/init_from_source.hpp"
#include "pipeline/locking.hpp"
#include "pipeline/rebuild.hpp"
#include "pipeline/step_tools.hpp"

namespace alephc {

void vendor_runtime(const std::filesystem::path& path, const std::filesystem::path& output,
                    const Session& session) {
  const LockedRuntime runtime = open_committed(path, session);
  const Store& store = session.store();
  fetch_locked(runtime, session);
  provide_guest_files(runtime.lock, store);
  if (needs_init_from_source(runtime.lock, store)) build_init_from_source(session);
  Bundle bundle{.lock_text = runtime.lock_text};
  for (const Digest& digest : fetched_blobs(runtime.lock))
    if (store.has_blob(digest)) bundle.blobs.push_back(digest);
  const auto proofs =
      distro_of(runtime.manifest.base.distro)
          .prove_packages(runtime.manifest, runtime.lock, session.settings().mirrors, {}, session.tools());
  for (const IndexProof& proof : proofs) {
    bundle.blobs.insert(bundle.blobs.end(), proof.blobs.begin(), proof.blobs.end());
    if (!proof.keyring.empty()) bundle.keyrings[proof.repository] = store.put_blob(read_file(proof.keyring));
    if (!proof.unknown.empty())
      session.reporter().diagnostic(
          {.severity = Severity::warning,
           .message = "the bundle lacks the signed index of " + proof.repository + ": " + proof.unknown,
           .hint = "run 'alephc lock --update' and vendor at once"});
  }
  write_bundle(std::move(bundle), store, output);
}

}  // namespace alephc

// SPDX-License-Identifier: MIT
#include "pipeline/step_tools.hpp"

#include "guest/init_source.hpp"
#include "pipeline/init_from_source.hpp"
#include "pipeline/language_packages.hpp"
#include "resolve/resolve.hpp"

namespace alephc {

std::vector<RemoteFile> remote_files(const Manifest& manifest, const Lock& lock, const Session& session) {
  std::vector<RemoteFile> files =
      distro_of(manifest.base.distro).package_files(manifest, lock, session.settings().mirrors);
  for (const ArchiveSpec& archive : manifest.archives)
    for (const LockedArchive& locked : lock.archives)
      if (locked.name == archive.name && archive.source.empty()) {
        files.push_back(archive_file(archive));
        files.back().digest = locked.sha256;
        files.back().size = locked.size;
      }
  for (RemoteFile& file : language_files(manifest, lock, session)) files.push_back(std::move(file));
  return files;
}

void provide_guest_files(const Lock& lock, const Store& store) {
  const auto provide = [&](const GuestFile& file) {
    for (const LockedGuestFile& locked : lock.guest_files)
      if (!file.bytes.empty() && locked.sha256 == file.sha256 && !store.has_blob(file.sha256))
        (void)store.put_blob(file.bytes);
  };
  for (const GuestFile& file : guest_files()) provide(file);
  provide(compiled_init());
}

StepTools::StepTools(const Manifest& manifest, const Lock& lock, const Session& session)
    : files_(remote_files(manifest, lock, session)),
      supply_(session.store(), session.fetcher()),
      run{.store = session.store(),
          .reporter = session.reporter(),
          .supply = supply_,
          .runner = session.runner(),
          .distro = distro_of(manifest.base.distro),
          .remote_files = files_,
          .jobs = session.settings().jobs} {
  provide_guest_files(lock, session.store());
  if (needs_init_from_source(lock, session.store()))
    supply_.add_made(*released_init(), [&session] { build_init_from_source(session); });
}

}  // namespace alephc

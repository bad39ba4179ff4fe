// SPDX-License-Identifier: MIT
#include "lock/lock.hpp"

#include "base/diagnostic.hpp"

namespace alephc {

std::vector<Digest> fetched_blobs(const Lock& lock) {
  std::vector<Digest> digests;
  for (const LockedPackage& package : lock.packages())
    if (package.repository != "file") digests.push_back(package.sha256);
  for (const LockedArchive& archive : lock.archives) digests.push_back(archive.sha256);
  for (const LockedWheel& wheel : lock.wheels) digests.push_back(wheel.sha256);
  for (const LockedModule& module : lock.modules) digests.push_back(module.sha256);
  for (const LockedGuestFile& file : lock.guest_files) digests.push_back(file.sha256);
  return digests;
}

OutputEpoch epoch_of(const Lock& lock) {
  if (auto epoch = find_epoch(known_epochs(), lock.epoch, lock.corrections)) return std::move(*epoch);
  throw Error(ErrorKind::failed,
              "the lock is for " + lock.epoch.text() + ", and this alephc builds " + latest_epoch().id.text(),
              "run 'alephc lock', or build with the alephc that made the lock");
}

}  // namespace alephc

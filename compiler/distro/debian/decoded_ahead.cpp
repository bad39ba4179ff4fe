// SPDX-License-Identifier: MIT
#include "distro/debian/decoded_ahead.hpp"

#include <fcntl.h>

#include "base/diagnostic.hpp"
#include "base/parallel.hpp"
#include "base/trace.hpp"

namespace alephc::debian {

void DecodedAhead::start(std::vector<PackageToUnpack> packages, unsigned jobs) {
  stop();
  stopping_ = false;
  thread_ = std::thread([this, jobs, packages = std::move(packages)] {
    try {
      parallel_for(packages.size(), jobs, [&](std::size_t i) {
        if (!stopping_) keep(packages[i]);
      });
    } catch (const Error&) {
      // Said when the package's turn comes.
    }
  });
}

void DecodedAhead::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void DecodedAhead::keep(const PackageToUnpack& package) {
  {
    const std::lock_guard guard(mutex_);
    if (kept_.contains(package.id)) return;
  }
  const TraceSpan span("decode", package.label);
  UniqueFd record = open_file(folder_, O_RDWR | O_TMPFILE);
  record_archive(package.open().get(), ArchiveKind::deb, record.get());
  const std::lock_guard guard(mutex_);
  kept_[package.id] = std::move(record);
}

void DecodedAhead::forget(std::size_t id) {
  const std::lock_guard guard(mutex_);
  kept_.erase(id);
}

void DecodedAhead::read(const PackageToUnpack& package, ArchiveSink& sink) {
  int record = -1;
  {
    const std::lock_guard guard(mutex_);
    if (const auto it = kept_.find(package.id); it != kept_.end()) record = it->second.get();
  }
  if (record >= 0) return replay_archive(record, ArchiveKind::deb, sink);
  decode_archive(package.open().get(), ArchiveKind::deb, sink);
}

}  // namespace alephc::debian

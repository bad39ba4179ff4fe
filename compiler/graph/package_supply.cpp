// SPDX-License-Identifier: MIT
#include "graph/package_supply.hpp"

#include "base/diagnostic.hpp"
#include "base/trace.hpp"

namespace alephc {

PackageSupply::~PackageSupply() {
  if (thread_.joinable()) thread_.join();
}

void PackageSupply::start(std::vector<RemoteFile> files) {
  files_ = std::move(files);
  for (const RemoteFile& file : files_) pending_.insert(file.digest);
  thread_ = std::thread([this] {
    const TraceSpan span("fetch", std::to_string(files_.size()) + " files");
    try {
      fetcher_.fetch(files_, [this](std::size_t i) {
        const std::lock_guard guard(mutex_);
        pending_.erase(files_[i].digest);
        changed_.notify_all();
      });
    } catch (...) {
      const std::lock_guard guard(mutex_);
      failure_ = std::current_exception();
      changed_.notify_all();
    }
  });
}

void PackageSupply::add_made(const Digest& digest, std::function<void()> make) {
  made_.emplace(digest, std::move(make));
}

UniqueFd PackageSupply::open(const Digest& digest, const std::string& label) const {
  {
    std::unique_lock lock(mutex_);
    const TraceSpan span("wait", "download of " + label);
    changed_.wait(lock, [&] { return failure_ != nullptr || !pending_.contains(digest); });
    if (pending_.contains(digest)) std::rethrow_exception(failure_);
  }
  auto fd = store_.open_blob(digest);
  if (fd) return std::move(*fd);
  // Not there yet, or damaged since it was fetched: once more.
  if (const auto made = made_.find(digest); made != made_.end()) made->second();
  for (const RemoteFile& file : files_)
    if (file.digest == digest) fetcher_.fetch({file}, [](std::size_t) {});
  fd = store_.open_blob(digest);
  if (!fd) throw Error(ErrorKind::failed, label + " is not in the store", "run the command again");
  return std::move(*fd);
}

bool PackageSupply::has(const Digest& digest) const {
  {
    const std::lock_guard lock(mutex_);
    if (pending_.contains(digest)) return true;
  }
  return made_.contains(digest) || store_.has_blob(digest);
}

}  // namespace alephc
